// Package jsonl is the audit sink that writes JSON lines to a file, chained by
// SHA-256, one write and one fdatasync for all events that wait together.
//
// The format is docs/spec/audit.md. One process writes a log at a time; a file
// path+".lock" says which. Time to open and to verify is linear in the size of
// the newest file; Options.MaxBytes bounds that.
//
// What the chain shows: whoever altered, removed or inserted a line, unless he
// also rewrote every line after it. Against him, keep a Head elsewhere (it is
// one number and one hash) and compare. Lines cut from the end show only so.
package jsonl

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

const (
	maxDelay = 5 * time.Millisecond // an event that nobody waits for is written after this
	maxBatch = 1 << 20              // bytes in one write, exceeded by at most one line
	maxLine  = 1 << 20              // bytes in one line
	maxQueue = 64 << 20             // bytes that wait in memory
)

// Options of a log. The zero value never rotates.
type Options struct {
	// MaxBytes is the size from which a file is put away as PATH.N, N being the
	// number of its first line, and a new one goes on with the chain. 0: never.
	MaxBytes int64
}

// A Sink is an open log. It implements audit.Sink.
type Sink struct {
	mu     sync.Mutex
	queue  []*entry
	queued int // bytes in queue
	closed bool
	timer  *time.Timer // wakes the writer for what nobody waits for

	wake chan struct{} // capacity 1
	done chan struct{} // closed when the writer has ended
	log  *log          // the writer's own

	headMu sync.Mutex
	head   Head
	err    error // the first failure, for Close; the writer's own until done is closed
}

var _ audit.Sink = (*Sink)(nil)

// Open opens or creates the log at path and repairs what a crash left: a torn
// tail goes to a file of its own and is recorded in the log. The directory must
// exist. Errors: kind Misconfigured (path), Unavailable (disk, or another
// process has it open), Integrity (the file is no log or was altered; it is
// left as it is).
func Open(path string, o Options) (*Sink, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	l, err := openLog(path, o.MaxBytes)
	if err != nil {
		return nil, err
	}
	return newSink(l), nil
}

// newSink starts the writer of an open log.
func newSink(l *log) *Sink {
	s := &Sink{wake: make(chan struct{}, 1), done: make(chan struct{}), log: l, head: l.head}
	s.timer = time.AfterFunc(time.Hour, s.hurry)
	s.timer.Stop()
	go s.write()
	return s
}

// Head returns the number and hash of the last durable line.
func (s *Sink) Head() Head {
	s.headMu.Lock()
	defer s.headMu.Unlock()
	return s.head
}

// An entry is one event on its way to the disk, and its Future.
type entry struct {
	sink *Sink
	time time.Time
	body []byte // the event's JSON
	done chan struct{}
	err  error // valid once done is closed
}

// Append implements audit.Sink.
func (s *Sink) Append(ctx context.Context, e audit.Event) audit.Future {
	if err := ctx.Err(); err != nil {
		return failed{err}
	}
	if err := e.Check(); err != nil {
		return failed{err}
	}
	body, err := encode(&e)
	if err != nil {
		return failed{err}
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	en := &entry{sink: s, time: e.Time, body: body, done: make(chan struct{})}

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return failed{&clarus.Error{Op: "audit", Kind: clarus.Shutdown, Msg: "the audit log is closed"}}
	case s.queued > maxQueue:
		return failed{&clarus.Error{Op: "audit", Kind: clarus.Limit, Msg: "too many audit events are waiting for the disk"}}
	}
	if len(s.queue) == 0 {
		s.timer.Reset(maxDelay)
	}
	s.queue = append(s.queue, en)
	s.queued += len(body)
	return en
}

// Wait implements audit.Future.
func (en *entry) Wait(ctx context.Context) error {
	select {
	case <-en.done:
		return en.err
	default:
	}
	en.sink.hurry()
	select {
	case <-en.done:
		return en.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed is the Future of what was never taken.
type failed struct{ err error }

func (f failed) Wait(context.Context) error { return f.err }

// hurry wakes the writer, or leaves the wake-up for when it has finished.
func (s *Sink) hurry() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Close implements audit.Sink.
func (s *Sink) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.hurry()
	<-s.done
	return s.err
}

// write is the one goroutine that touches the file.
func (s *Sink) write() {
	defer close(s.done)
	for range s.wake {
		s.mu.Lock()
		batch, closed := s.queue, s.closed
		s.queue, s.queued = nil, 0
		s.timer.Stop()
		s.mu.Unlock()
		for len(batch) > 0 {
			batch = batch[s.commit(batch):]
		}
		if closed {
			if err := s.log.close(); s.err == nil {
				s.err = err
			}
			return
		}
	}
}

// commit makes the first entries of batch durable, at most about maxBatch
// bytes, tells those who wait, and returns how many entries that were.
func (s *Sink) commit(batch []*entry) int {
	n, err := s.log.append(batch)
	s.headMu.Lock()
	s.head = s.log.head
	s.headMu.Unlock()
	if s.err == nil {
		s.err = err
	}
	for _, en := range batch[:n] {
		en.err = err
		close(en.done)
	}
	return n
}

// pathError names the file: it goes to the owner at start, not to clients.
func pathError(path string, err error) error {
	kind, hint := clarus.Unavailable, ""
	if os.IsNotExist(err) || os.IsPermission(err) {
		kind, hint = clarus.Misconfigured, "the directory of the audit log must exist and be writable by Clarus"
	}
	return &clarus.Error{Op: "audit", Attr: path, Kind: kind, Msg: "audit log cannot be opened", Hint: hint, Err: err}
}
