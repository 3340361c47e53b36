package postgres

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/clarus-project/clarus/pgwire"
)

// patience is how long a session works before it is watched whether its
// client is still there. Most calls end sooner and never pay for it.
const patience = 100 * time.Millisecond

// A watch notices that the client went away while the session works: it waits
// for a byte beside the session, and is interrupted by a deadline before
// anyone else reads. A client that has sent more already is not watched: what
// it sent is carried out first, as PostgreSQL does.
type watch struct {
	r    *pgwire.Reader
	nc   net.Conn
	gone func() // called at most once for each arm; does not block

	mu    sync.Mutex
	armed bool
	timer *time.Timer
	done  chan struct{} // closed when the waiting ended; nil if it did not begin
}

func (w *watch) arm() {
	if w.r.Buffered() > 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = true
	if w.timer == nil {
		w.timer = time.AfterFunc(patience, w.wait)
		return
	}
	w.timer.Reset(patience)
}

func (w *watch) wait() {
	w.mu.Lock()
	if !w.armed || w.done != nil {
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	w.done = done
	w.mu.Unlock()
	defer close(done)
	err := w.r.Wait()
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	w.mu.Lock()
	armed := w.armed
	w.mu.Unlock()
	if armed {
		w.gone()
	}
}

// disarm returns when nobody reads any more.
func (w *watch) disarm() {
	w.mu.Lock()
	if !w.armed {
		w.mu.Unlock()
		return
	}
	w.armed = false
	w.timer.Stop()
	done := w.done
	w.mu.Unlock()
	if done == nil {
		return
	}
	_ = w.nc.SetReadDeadline(time.Unix(1, 0))
	<-done
	_ = w.nc.SetReadDeadline(time.Time{})
	w.mu.Lock()
	w.done = nil
	w.mu.Unlock()
}
