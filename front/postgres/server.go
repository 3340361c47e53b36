package postgres

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"
)

// ErrStopped is returned by Serve after Shutdown.
var ErrStopped = errors.New("the server was stopped")

// grace is how long a connection may take to say goodbye after it was told to end.
const grace = time.Second

// A Server accepts clients and drives a Session for each.
type Server struct {
	o Options

	mu        sync.Mutex
	conns     map[uint32]*conn // accepted and not yet ended, by process id
	listeners []net.Listener
	sessions  int // authenticated connections
	stopped   bool
	running   sync.WaitGroup // counts conns
}

// Serve accepts clients from ln until Shutdown is called or ctx ends, and then
// returns nil. The end of ctx stops the whole server without patience:
// statements are cancelled, and Serve returns when the clients are gone, within
// about two seconds. Serve closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		_ = ln.Close()
		return ErrStopped
	}
	s.listeners = append(s.listeners, ln)
	s.mu.Unlock()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()

	for pause := time.Millisecond; ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = time.Millisecond
			s.accept(ctx, nc)
		case ctx.Err() != nil:
			_ = s.Shutdown(ctx)
			return nil
		case s.isStopped():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of file descriptors, say: it may pass
			s.o.Log.Error("cannot accept a client", "error", err)
			time.Sleep(pause)
			pause = min(2*pause, time.Second)
		}
	}
}

func (s *Server) isStopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// accept starts to serve nc. Strangers and cancel requests may take as many
// connections again as users may; beyond that nc is closed without a word.
func (s *Server) accept(ctx context.Context, nc net.Conn) {
	if tc, ok := nc.(*net.TCPConn); ok {
		_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6})
	}
	c := newConn(ctx, s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(s.conns) >= 2*s.o.MaxConnections+16 {
		s.o.Log.Warn("client turned away", "remote", nc.RemoteAddr().String(), "connections", len(s.conns))
		_ = nc.Close()
		return
	}
	for c.pid == 0 || s.conns[c.pid] != nil {
		c.pid = random32() >> 1
	}
	c.log = s.o.Log.With("conn", c.pid, "remote", nc.RemoteAddr().String())
	s.conns[c.pid] = c
	s.running.Go(func() {
		defer s.forget(c)
		c.serve()
	})
}

func random32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.pid)
	if c.counted {
		s.sessions--
	}
}

// count takes one of the places for authenticated connections.
func (s *Server) count(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errShutdown
	}
	if s.sessions >= s.o.MaxConnections {
		return fatalf("53300", "sorry, too many clients already")
	}
	s.sessions++
	c.counted = true
	return nil
}

// cancel carries out a cancel request. Like PostgreSQL it answers nothing, so
// that nothing can be learnt from it.
func (s *Server) cancel(pid uint32, key []byte) {
	s.mu.Lock()
	c := s.conns[pid]
	s.mu.Unlock()
	var want [4]byte
	if c != nil {
		binary.BigEndian.PutUint32(want[:], c.key)
	}
	if subtle.ConstantTimeCompare(want[:], key) == 1 && c != nil {
		c.cancelSession()
		return
	}
	s.o.Log.Warn("cancel request with a wrong key", "conn", pid)
}

// Shutdown accepts no more clients and ends those that are idle outside a
// transaction. It waits for the others until ctx ends; then it cancels what
// they do and ends them too, within about two seconds. It returns nil if all
// clients ended by themselves, else the cause of ctx's end.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	for _, ln := range s.listeners {
		_ = ln.Close()
	}
	s.listeners = nil
	s.mu.Unlock()

	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	s.each(func(c *conn) { c.stop(nil) })
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	s.each(func(c *conn) { c.stop(errShutdown) })
	select {
	case <-ended:
	case <-time.After(grace):
		s.each(func(c *conn) { _ = c.raw.Close() })
		select {
		case <-ended:
		case <-time.After(grace):
		}
	}
	return context.Cause(ctx)
}

// each calls f for every connection, not waiting for any.
func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		go f(c)
	}
}
