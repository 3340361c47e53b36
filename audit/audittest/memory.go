package audittest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

// A Memory is a sink for tests. It keeps events as long as it lives, which is
// all the durability it has, and can be told to fail or to hold back. The zero
// value is ready.
type Memory struct {
	mu     sync.Mutex
	events []audit.Event
	fail   error
	held   chan struct{} // not nil: futures wait until it is closed
	closed bool
}

var _ audit.Sink = (*Memory)(nil)

// Events returns what was appended.
func (m *Memory) Events() []audit.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Fail makes every later Append fail with err, until Fail(nil).
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Hold keeps the futures of later events from resolving until release is called.
func (m *Memory) Hold() (release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := make(chan struct{})
	m.held = held
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.held == held {
			m.held = nil
			close(held)
		}
	}
}

// Append implements audit.Sink.
func (m *Memory) Append(ctx context.Context, e audit.Event) audit.Future {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := ctx.Err()
	switch {
	case err != nil:
	case m.closed:
		err = &clarus.Error{Op: "audit", Kind: clarus.Shutdown, Msg: "the audit log is closed"}
	case m.fail != nil:
		err = m.fail
	default:
		err = e.Check()
	}
	if err != nil {
		return fate{err: err}
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Seq = uint64(len(m.events)) + 1
	e.Datasets, e.Attributes, e.Providers = slices.Clone(e.Datasets), slices.Clone(e.Attributes), slices.Clone(e.Providers)
	m.events = append(m.events, e)
	return fate{held: m.held}
}

// Close implements audit.Sink.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

type fate struct {
	err  error
	held chan struct{}
}

func (f fate) Wait(ctx context.Context) error {
	if f.held == nil {
		return f.err
	}
	select {
	case <-f.held:
		return f.err
	default:
	}
	select {
	case <-f.held:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}
