package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/xdg-go/scram"

	"github.com/clarus-project/clarus/pgwire"
)

// A conn is one client's connection.
type conn struct {
	srv     *Server
	log     *slog.Logger
	raw     net.Conn // as accepted
	nc      net.Conn // raw, or TLS over it
	tls     bool
	binding scram.ChannelBinding
	r       *pgwire.Reader
	w       *pgwire.Writer
	watch   watch
	pid     uint32
	key     uint32
	counted bool // holds a place; the server's lock guards it

	ctx       context.Context
	end       context.CancelCauseFunc
	session   Session
	skip      bool  // an error was reported: skip to Sync
	pipelined bool  // the client had sent more when the call began
	broken    error // after this the stream of messages cannot be followed

	mu       sync.Mutex
	waiting  bool // blocked in a read, or about to be
	settled  bool // ReadyForQuery was the last word
	opened   bool // ... and not the start-up
	status   byte // that of the last ReadyForQuery
	stopping bool
	queue    []notification

	sessionMu sync.Mutex // held while Cancel runs; live is false after Close
	live      bool
}

func newConn(ctx context.Context, s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, raw: nc, nc: nc, key: random32(), waiting: true, settled: true, status: 'I'}
	c.ctx, c.end = context.WithCancelCause(ctx)
	return c
}

// serve lives as long as the connection.
func (c *conn) serve() {
	defer c.end(errGone)
	defer c.raw.Close()
	err := c.guard(c.converse)
	if err == nil {
		return
	}
	if errors.Is(err, errGone) {
		c.log.Debug("client left", "reason", err)
		return
	}
	c.refuse(err)
}

// converse runs start-up, authentication and the messages. nil means that the
// client ended the connection or asked for no answer.
func (c *conn) converse() error {
	_ = c.nc.SetDeadline(time.Now().Add(c.srv.o.AuthTimeout))
	if c.halted() {
		return errShutdown
	}
	hello, err := c.greet()
	if err != nil {
		return err
	}
	if hello.Code == pgwire.CancelCode {
		c.srv.cancel(hello.PID, hello.Key)
		return nil
	}
	c.begin()
	p, err := c.admit(hello)
	if err != nil {
		return err
	}
	if err := c.authenticate(p.User); err != nil {
		return err
	}
	if err := c.srv.count(c); err != nil {
		return err
	}
	c.settle(false)
	_ = c.nc.SetDeadline(time.Time{})
	c.r.SetLimit(c.srv.o.MaxMessage)
	return c.runSession(p)
}

// begin sets up the frames, once it is settled what they travel in.
func (c *conn) begin() {
	c.r = pgwire.NewReader(c.nc, maxAuthMessage)
	c.w = pgwire.NewWriter(&output{c})
	c.watch = watch{r: c.r, nc: c.nc, gone: c.lost}
}

// output writes to the client. A session that works for a client who is gone
// is cancelled.
type output struct{ c *conn }

func (o *output) Write(b []byte) (int, error) {
	n, err := o.c.nc.Write(b)
	if err != nil {
		go o.c.cancelSession()
	}
	return n, err
}

func (c *conn) flush() error {
	if err := c.w.Flush(); err != nil {
		return errors.Join(errGone, err)
	}
	return nil
}

// runSession opens the session, serves it and closes it.
func (c *conn) runSession(p Principal) error {
	c.watch.arm()
	session, err := c.srv.o.Open(c.ctx, p, &Client{c})
	c.watch.disarm()
	if err != nil {
		return c.cause(err)
	}
	c.sessionMu.Lock()
	c.session, c.live = session, true
	c.sessionMu.Unlock()
	defer c.closeSession()
	params := session.Parameters()
	for _, name := range slices.Sorted(maps.Keys(params)) {
		c.w.ParameterStatus(name, params[name])
	}
	c.w.Begin('K').Int32(int(c.pid)).Int32(int(c.key)).End()
	c.log.Info("session opened", "user", p.User, "database", p.Database, "tls", p.TLS)
	c.answer('I')
	return c.loop()
}

func (c *conn) closeSession() {
	c.sessionMu.Lock()
	c.live = false
	c.sessionMu.Unlock()
	c.end(errGone)
	_ = c.guard(func() error { c.session.Close(); return nil })
	c.log.Info("session closed")
}

// cancelSession asks the session to stop what it does.
func (c *conn) cancelSession() {
	_ = c.guard(func() error {
		c.sessionMu.Lock()
		defer c.sessionMu.Unlock()
		if c.live {
			c.session.Cancel()
		}
		return nil
	})
}

// lost is called when the client went away while the session works or is opened.
func (c *conn) lost() {
	c.sessionMu.Lock()
	opening := c.session == nil
	c.sessionMu.Unlock()
	if opening {
		c.end(errGone)
	}
	go c.cancelSession()
}

// guard calls f and turns a panic into a panicError. The log gets the stack;
// of the panic's value only its type, unless the runtime made it: it may hold data.
func (c *conn) guard(f func() error) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		what := fmt.Sprintf("%T", p)
		if re, ok := p.(runtime.Error); ok {
			what = re.Error()
		}
		c.log.Error("panic", "value", what, "stack", string(debug.Stack()))
		err = panicError{}
	}()
	return f()
}

// refuse reports err as the last word and closes the connection so that the
// client can read it.
func (c *conn) refuse(err error) {
	e, _, known := present(&Fatal{Err: err})
	if !known {
		c.log.Error("connection ended by an internal error", "error", err)
	} else {
		c.log.Info("connection ended", "code", e.Code, "reason", e.Message)
	}
	if c.w == nil {
		c.begin()
	}
	_ = c.nc.SetDeadline(time.Now().Add(grace))
	c.w.Abandon()
	c.w.ErrorResponse('E', e)
	if c.w.Flush() != nil {
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, c.raw) // else what is unread would reset the connection, and the error with it
}

// readError says what an error of reading means to the client.
func (c *conn) readError(err error) error {
	if pe, ok := errors.AsType[*pgwire.ProtocolError](err); ok {
		return fatalf("08P01", "%s", pe.Msg)
	}
	_, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.halted() {
			return c.ending()
		}
		return fatalf("57014", "canceling authentication due to timeout")
	case errors.Is(err, pgwire.ErrTooLarge):
		e := fatalf("54000", "%v", err)
		e.Hint = "Send less at once, or raise Clarus's limit for the size of a message."
		return e
	case isNet || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed):
		return errors.Join(errGone, err)
	}
	return fatalf("08P01", "%v", err)
}
