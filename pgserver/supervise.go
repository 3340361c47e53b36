package pgserver

import (
	"context"
	"time"

	"github.com/clarus-project/clarus"
)

const (
	firstPause   = 100 * time.Millisecond // before the first restart; each next pause is twice as long
	longestPause = 10 * time.Second
	restartLimit = 5 * time.Minute // for one restart: recovery may have much to replay
	calm         = time.Minute     // a server that ran so long starts the pauses anew
	maxFailures  = 10              // restarts in a row after which the supervisor gives up
)

// supervise waits for Stop or a crash, and starts the server again if it should.
func (s *Server) supervise() {
	defer close(s.ended)
	pause, failures := s.cluster.cfg.pause, 0
	started := time.Now()
	for {
		select {
		case <-s.stopping:
			s.proc.end(s.polite)
			return
		case <-s.proc.exited:
		}
		if time.Since(started) > calm {
			pause, failures = s.cluster.cfg.pause, 0
		}
		cause := s.cluster.failed(clarus.Unavailable, "the PostgreSQL server ended unexpectedly", s.proc.err)
		if !s.cluster.cfg.Restart || failures == maxFailures {
			s.err = cause
			return
		}
		if !s.sleep(pause) {
			return
		}
		// A failed restart leaves a postmaster that has exited: the loop sees it.
		s.restart()
		started = time.Now()
		pause, failures = min(2*pause, longestPause), failures+1
	}
}

// restart launches a postmaster once more; Stop makes it give up.
func (s *Server) restart() {
	ctx, cancel := context.WithTimeout(context.Background(), restartLimit)
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	if s.launch(ctx) == nil {
		s.mu.Lock()
		s.restarts++
		s.mu.Unlock()
	}
}

// sleep waits, and reports false if Stop was called meanwhile.
func (s *Server) sleep(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.stopping:
		return false
	}
}
