package jsonl

import (
	"errors"
	"os"
	"time"

	"github.com/clarus-project/clarus"
)

// A file is what a log needs of *os.File; tests put failures in.
type file interface {
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
	Datasync() error
	Close() error
}

// osFile is a file of the operating system.
type osFile struct{ *os.File }

// A log is the file being written, at the end of its chain. Not for concurrent use.
type log struct {
	path     string
	lock     *os.File
	f        file
	size     int64  // durable bytes
	head     Head   // last durable line
	first    uint64 // number of the file's first line
	id       string // the log's name, in every first line
	maxBytes int64
	broken   error // after this nothing is written until the log is opened anew
}

// append writes entries until maxBatch bytes and makes them durable, all or
// none. It returns how many it took, and what they share: nil or their error.
//
// A failed write is taken back, so that the log goes on when there is room
// again. A failed fdatasync is final: the kernel may have dropped the pages, so
// a second one that succeeds proves nothing.
func (l *log) append(batch []*entry) (int, error) {
	if l.broken != nil {
		return len(batch), l.broken
	}
	if err := l.unmoved(); err != nil {
		return len(batch), l.fail(err)
	}
	if l.maxBytes > 0 && l.size >= l.maxBytes {
		if err := l.rotate(); err != nil {
			return len(batch), unavailable(err)
		}
	}
	var buf []byte
	head, n := l.head, 0
	for n < len(batch) && len(buf) < maxBatch {
		buf, head = appendLine(buf, head, batch[n].time, "event", batch[n].body)
		n++
	}
	if _, err := l.f.WriteAt(buf, l.size); err != nil {
		if terr := l.f.Truncate(l.size); terr != nil {
			return n, l.fail(errors.Join(err, terr))
		}
		return n, unavailable(err)
	}
	if err := l.f.Datasync(); err != nil {
		return n, l.fail(err)
	}
	l.size += int64(len(buf))
	l.head = head
	return n, nil
}

// unmoved reports when the file at path is no longer the one being written
// (then lines would vanish with it), or somebody else wrote to it.
func (l *log) unmoved() error {
	have, err := l.f.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(l.path)
	if err != nil {
		return err
	}
	if !os.SameFile(have, named) {
		return errors.New("the audit file was replaced while it was open")
	}
	if have.Size() != l.size {
		return errors.New("somebody else changed the audit file while it was open")
	}
	return nil
}

func (l *log) fail(err error) error {
	l.broken = unavailable(err)
	return l.broken
}

func (l *log) close() error {
	err := l.broken
	if cerr := l.f.Close(); err == nil && cerr != nil {
		err = unavailable(cerr)
	}
	l.lock.Close() // gives the lock back
	return err
}

// writeLine makes one line of Clarus's own durable.
func (l *log) writeLine(name string, body []byte) error {
	buf, head := appendLine(nil, l.head, time.Now(), name, body)
	if _, err := l.f.WriteAt(buf, l.size); err != nil {
		return err
	}
	if err := l.f.Datasync(); err != nil {
		return err
	}
	l.size, l.head = l.size+int64(len(buf)), head
	return nil
}

func unavailable(err error) error {
	return &clarus.Error{
		Op: "audit", Kind: clarus.Unavailable, Msg: "the audit log cannot be written",
		Hint: "make room on its disk; if it says so after that, look at the file and start Clarus again", Err: err,
	}
}
