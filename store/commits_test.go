package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// TestCommits has holders find no sharer, and sharers no holder.
func TestCommits(t *testing.T) {
	var c Commits
	var shared, alone atomic.Int32
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for range 200 {
				if n%4 == 0 {
					done, err := c.Hold(t.Context())
					if err != nil || alone.Add(1) != 1 || shared.Load() != 0 {
						t.Errorf("held with %d sharers: %v", shared.Load(), err)
						return
					}
					alone.Add(-1)
					done()
					continue
				}
				done, err := c.Share(t.Context())
				if shared.Add(1); err != nil || alone.Load() != 0 {
					t.Errorf("shared while it was held: %v", err)
					return
				}
				shared.Add(-1)
				done()
			}
		})
	}
	wg.Wait()
	if c.shared != 0 || c.alone || len(c.queue) != 0 {
		t.Errorf("left %d, %v, %d", c.shared, c.alone, len(c.queue))
	}
}

// TestCommitsCanceled has who gives up waiting keep nobody else out.
func TestCommitsCanceled(t *testing.T) {
	var c Commits
	share, err := c.Share(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() {
		_, err := c.Hold(ctx)
		gaveUp <- err
	}()
	for waits := false; !waits; {
		c.mu.Lock()
		waits = len(c.queue) == 1
		c.mu.Unlock()
	}
	behind := make(chan func())
	go func() {
		done, err := c.Share(t.Context())
		if err != nil {
			t.Error(err)
		}
		behind <- done
	}()
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("it gave up with %v", err)
	}
	done := <-behind // not kept out by who is gone
	done()
	share()
	if c.shared != 0 || c.alone || len(c.queue) != 0 {
		t.Errorf("left %d, %v, %d", c.shared, c.alone, len(c.queue))
	}
}
