package store

import (
	"context"
	"sync"
)

// Commits lets a reader of several providers see one state of the database.
// Every transaction that wrote holds it shared while its commit is under way;
// who reads at several providers holds it alone until each has taken its
// snapshot. So a commit is seen everywhere or nowhere, and so is all that was
// done in the knowledge of it. Who waits longest comes next. The zero value is
// ready.
type Commits struct {
	mu     sync.Mutex
	shared int
	alone  bool
	queue  []*turn
}

type turn struct {
	alone bool
	come  chan struct{}
}

// Share waits until a commit may begin. done ends it.
func (c *Commits) Share(ctx context.Context) (done func(), err error) { return c.wait(ctx, false) }

// Hold waits until no commit is under way and lets none begin until done is called.
func (c *Commits) Hold(ctx context.Context) (done func(), err error) { return c.wait(ctx, true) }

func (c *Commits) wait(ctx context.Context, alone bool) (func(), error) {
	c.mu.Lock()
	t := &turn{alone: alone, come: make(chan struct{})}
	c.queue = append(c.queue, t)
	c.admit()
	c.mu.Unlock()
	done := sync.OnceFunc(func() { c.leave(alone) })
	select {
	case <-t.come:
		return done, nil
	default:
	}
	select {
	case <-t.come:
		return done, nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	for i, q := range c.queue {
		if q == t {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			c.admit()
			c.mu.Unlock()
			return nil, ctx.Err()
		}
	}
	c.mu.Unlock()
	done() // its turn came in between
	return nil, ctx.Err()
}

// admit lets in who may come in, in the order of the queue. c.mu is held.
func (c *Commits) admit() {
	for len(c.queue) > 0 {
		t := c.queue[0]
		if c.alone || t.alone && c.shared > 0 {
			return
		}
		if c.alone = t.alone; !t.alone {
			c.shared++
		}
		c.queue = c.queue[1:]
		close(t.come)
	}
}

func (c *Commits) leave(alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if alone {
		c.alone = false
	} else {
		c.shared--
	}
	c.admit()
}
