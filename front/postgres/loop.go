package postgres

import (
	"context"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"github.com/clarus-project/clarus/pgwire"
)

// loop serves messages until the client ends the connection (nil) or an error
// does, which is then not yet reported.
func (c *conn) loop() error {
	for {
		f, err := c.next()
		if err == nil {
			err = c.handle(f)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// next reads a message. Before it waits it sends what was written.
func (c *conn) next() (pgwire.Frame, error) {
	if c.r.Buffered() == 0 {
		if err := c.flush(); err != nil {
			return pgwire.Frame{}, err
		}
	}
	return c.read()
}

// read reads a message; a read that waits can be ended by stop.
func (c *conn) read() (pgwire.Frame, error) {
	waits := c.r.Buffered() == 0
	if waits {
		if err := c.wait(); err != nil {
			return pgwire.Frame{}, err
		}
	}
	f, err := c.r.Next()
	if waits {
		c.mu.Lock()
		c.waiting = false
		c.mu.Unlock()
		if c.halted() {
			return f, c.ending()
		}
	}
	if err != nil {
		return f, c.readError(err)
	}
	return f, nil
}

// wait declares that a read may block from now on.
func (c *conn) wait() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil || c.stopping && c.settled && c.status == 'I' {
		return c.ending()
	}
	if c.settled && len(c.queue) > 0 {
		c.sendQueue()
		if err := c.flush(); err != nil {
			return err
		}
	}
	c.waiting = true
	return nil
}

// halted reports whether the connection was told to end and may do so now.
func (c *conn) halted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ctx.Err() != nil || c.stopping && c.settled && c.status == 'I'
}

// stop asks the connection to end as soon as it is idle outside a transaction
// or, with a reason, at once.
func (c *conn) stop(reason error) {
	force := reason != nil
	if force {
		c.end(reason)
		go c.cancelSession()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	if c.waiting && (force || c.settled && c.status == 'I') {
		_ = c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// settle records whether ReadyForQuery was the last word.
func (c *conn) settle(settled bool) {
	c.mu.Lock()
	c.settled, c.waiting = settled, false
	c.mu.Unlock()
}

// handle carries out one message. io.EOF means that the client said goodbye.
func (c *conn) handle(f pgwire.Frame) error {
	switch f.Type {
	case 'X':
		return io.EOF
	case 'd', 'c', 'f': // the rest of a COPY that failed
		return nil
	case 'Q', 'F', 'P', 'B', 'D', 'E', 'C', 'H', 'S':
	default:
		return fatalf("08P01", "invalid frontend message type %d", f.Type)
	}
	if c.settled {
		c.settle(false)
	}
	if f.Type != 'S' && c.skip {
		return nil
	}
	switch f.Type {
	case 'S':
		if err := pgwire.NewBody(f.Body).Done(); err != nil {
			return malformed('S', err)
		}
		c.skip = false
		return c.ready()
	case 'Q':
		return c.query(f.Body)
	case 'F':
		err := errorf("0A000", "function calls by the protocol's fast path are not supported")
		err.Hint = "Call the function with SELECT."
		if err := c.report(err, true); err != nil {
			return err
		}
		return c.ready()
	}
	if err := c.extended(f); err != nil {
		c.skip = true
		return c.report(err, true)
	}
	return nil
}

// query carries out a simple query.
func (c *conn) query(body []byte) error {
	sql, err := pgwire.DecodeQuery(body)
	if err != nil {
		return malformed('Q', err)
	}
	if err := validText(sql); err != nil {
		if err := c.report(err, true); err != nil {
			return err
		}
		return c.ready()
	}
	if err := c.call(func(ctx context.Context) error { return c.session.Query(ctx, sql) }); err != nil {
		if err := c.report(err, false); err != nil {
			return err
		}
	}
	return c.ready()
}

// call runs a method of the session: the client is watched, a panic is caught.
func (c *conn) call(f func(context.Context) error) error {
	c.pipelined = c.r.Buffered() > 0
	c.watch.arm()
	err := c.guard(func() error { return f(c.ctx) })
	c.watch.disarm()
	if c.broken != nil {
		return c.broken
	}
	return err
}

// cause is err, or the end of the connection's context, which explains it.
func (c *conn) cause(err error) error {
	switch {
	case c.ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(c.ctx), errGone):
		return errGone
	}
	return c.ending()
}

// ending is why a connection that was told to end does so.
func (c *conn) ending() error {
	if errors.Is(context.Cause(c.ctx), errTerminated) {
		return errTerminated
	}
	return errShutdown
}

// report sends an error that the connection survives; else it returns it. With
// tell the session hears of it.
func (c *conn) report(err error, tell bool) error {
	if errors.Is(err, errGone) {
		return err
	}
	err = c.cause(err)
	e, fatal, known := present(err)
	if fatal {
		return err
	}
	if !known {
		c.log.Error("internal error", "error", err)
	}
	c.w.Abandon()
	c.w.ErrorResponse('E', e)
	if !tell {
		return nil
	}
	return c.call(func(ctx context.Context) error { c.session.Fail(ctx); return nil })
}

// ready ends the implicit transaction and says what the transaction's state is.
func (c *conn) ready() error {
	var status byte
	err := c.call(func(ctx context.Context) (err error) { status, err = c.session.Sync(ctx); return err })
	if err != nil {
		return c.cause(err)
	}
	if status != 'I' && status != 'T' && status != 'E' {
		c.log.Error("session has no transaction status", "status", status)
		return panicError{}
	}
	c.answer(status)
	return c.flush()
}

// answer writes ReadyForQuery, and before it the notifications that wait.
func (c *conn) answer(status byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sendQueue()
	c.w.ReadyForQuery(status)
	c.status, c.settled, c.opened = status, true, true
}

func validText(texts ...string) error {
	for _, s := range texts {
		if !utf8.ValidString(s) {
			return errorf("22021", "invalid byte sequence for encoding \"UTF8\"")
		}
	}
	return nil
}
