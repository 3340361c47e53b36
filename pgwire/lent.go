package pgwire

import (
	"net"
	"sync"
	"time"
)

// A lent is a connection while pgconn has it. Where a write took long, pgconn
// reads in the background, and may go on when it has connected: it would
// swallow the answer to the first statement.
type lent struct {
	net.Conn
	mu    sync.Mutex
	idle  sync.Cond // no read is under way
	reads int
	over  bool
}

func lend(c net.Conn) *lent {
	l := &lent{Conn: c}
	l.idle.L = &l.mu
	return l
}

func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return 0, net.ErrClosed
	}
	l.reads++
	l.mu.Unlock()
	n, err := l.Conn.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reads--; l.reads == 0 {
		l.idle.Broadcast()
	}
	return n, err
}

// takeBack ends the loan: no read is under way when it returns, and no other begins.
func (l *lent) takeBack() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.reads == 0 {
		return l.Conn, nil
	}
	if err := l.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	for l.reads > 0 {
		l.idle.Wait()
	}
	return l.Conn, l.SetReadDeadline(time.Time{})
}
