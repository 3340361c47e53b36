// Package postgres speaks to a provider that is an unmodified PostgreSQL
// server, as a plain role.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
)

// MinVersion is the lowest server version that is accepted.
const MinVersion = 15

// A Server is a provider at one address.
type Server struct {
	name   string
	target pgwire.Target
	grace  time.Duration
}

// New returns the provider of the given name. target's database and settings
// are set for each session.
func New(name string, target pgwire.Target) *Server { return &Server{name, target, grace} }

// Name is the provider's name in the configuration.
func (s *Server) Name() string { return s.name }

// settings pin what the meaning of Clarus's own statements depends on.
func settings() map[string]string {
	return map[string]string{"search_path": "pg_catalog", "client_encoding": "UTF8", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres",
		"TimeZone": "Etc/UTC", "extra_float_digits": "1", "standard_conforming_strings": "on", "bytea_output": "hex",
		"application_name": "", "client_min_messages": "warning"}
}

// Open connects to a database of the provider.
func (s *Server) Open(ctx context.Context, database string) (provider.Session, error) {
	t := s.target
	t.Database, t.Settings = database, settings()
	c, err := pgwire.Dial(ctx, t)
	if err != nil {
		return nil, s.refused(err)
	}
	var major int
	if _, err := fmt.Sscanf(c.Parameter("server_version"), "%d", &major); err != nil || major < MinVersion {
		_ = c.Close()
		return nil, &clarus.Error{Op: "connect", Attr: s.name, Kind: clarus.Misconfigured,
			Msg: fmt.Sprintf("the provider runs PostgreSQL %s; version %d or later is needed", c.Parameter("server_version"), MinVersion)}
	}
	p := &session{c: c, name: s.name, patience: s.grace}
	for name := range pinned {
		if err := p.mayReport(name, c.Parameter(name)); err != nil {
			c.Abort()
			return nil, &clarus.Error{Op: "connect", Attr: s.name, Kind: clarus.Misconfigured,
				Msg: fmt.Sprintf("the provider reports %s = %q; %q was asked for", name, c.Parameter(name), pinned[name]), Hint: "Connect to PostgreSQL itself, not to a pooler that changes settings."}
		}
	}
	c.MayReport = p.mayReport
	return p, nil
}

// session is one connection.
type session struct {
	c        *pgwire.Client
	name     string
	dirty    bool // messages were sent since the last Sync
	failed   bool // the transaction failed; the server skips until Sync
	broken   error
	patience time.Duration // with a provider that was asked to cancel
	status   byte
	parsed   string // SQL of the unnamed statement
	types    []uint32
	kept     kept
	syncing  bool // Sync was sent along with the last statement; its answer is still to come
}

// pinned are the settings that a provider may not change by itself.
var pinned = map[string]string{"client_encoding": "UTF8", "standard_conforming_strings": "on", "integer_datetimes": "on"}

func (p *session) mayReport(name, value string) error {
	if want, ok := pinned[name]; ok && value != want {
		return &pgwire.ProtocolError{Msg: "the provider changed " + name}
	}
	return nil
}

func (p *session) Parameter(name string) string { return p.c.Parameter(name) }

func (p *session) Cancel(ctx context.Context) error { return p.c.Cancel(ctx) }

func (p *session) Close() error { return p.c.Close() }

// lost ends the connection after an error that is not the server's answer.
func (p *session) lost(err error) error {
	p.c.Abort()
	kind, msg := clarus.Integrity, "the provider broke the protocol: "+err.Error()
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		kind, msg = clarus.Unavailable, "the connection to the provider broke"
	}
	p.broken = &clarus.Error{Op: "provider", Attr: p.name, Kind: kind, Msg: msg, Hint: "Connect again."}
	return p.broken
}

func (p *session) ready() error {
	if p.syncing && !p.failed {
		if _, err := p.synced(); err != nil {
			return err
		}
	}
	switch {
	case p.broken != nil:
		return p.broken
	case p.failed:
		return &clarus.Error{Op: "provider", Kind: clarus.Aborted, Msg: "current transaction is aborted, commands ignored until end of transaction block"}
	}
	p.dirty = true
	return nil
}

// expect reads the next frame; an ErrorResponse fails the transaction.
func (p *session) expect(types string) (pgwire.Frame, error) {
	f, err := p.c.Receive()
	if err != nil {
		return f, p.lost(err)
	}
	if f.Type == 'E' {
		p.failed = true
		err := pgwire.AsError(f)
		se, ok := errors.AsType[*pgwire.ServerError](err)
		if !ok {
			return f, p.lost(err)
		}
		if strings.HasPrefix(se.Code, "57P") { // it shuts down, or was told to end this connection
			return f, p.lost(io.EOF)
		}
		return f, err
	}
	for i := range len(types) {
		if f.Type == types[i] {
			return f, nil
		}
	}
	return f, p.lost(pgwire.Unexpected(f, types[0]))
}

// send has the server answer what was queued, within the transaction.
func (p *session) send(ctx context.Context) (stop func(), err error) {
	p.c.Flush()
	return p.transmit(ctx)
}

func (p *session) transmit(ctx context.Context) (stop func(), err error) {
	stop = p.watch(ctx)
	if err := p.c.Send(); err != nil {
		stop()
		return nil, p.lost(err)
	}
	return stop, nil
}

// grace is how long a provider may take to answer once it was asked to cancel.
const grace = 10 * time.Second

// watch asks the provider to cancel when ctx ends, and ends the connection if
// that does not help, until stop is called, once.
func (p *session) watch(ctx context.Context) (stop func()) {
	answered := make(chan struct{})
	undo := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(p.patience, p.c.Abort)
		defer late.Stop()
		quick, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.patience)
		defer cancel()
		_ = p.c.Cancel(quick)
		select {
		case <-answered:
		case <-quick.Done():
			p.c.Abort()
		}
	})
	return func() { undo(); close(answered) }
}

// parse queues a Parse of the unnamed statement, unless it is still there.
func (p *session) parse(s provider.Statement) (queued bool) {
	if p.parsed == s.SQL && sameTypes(p.types, s.Types) {
		return false
	}
	p.parsed, p.types = "", nil
	p.c.Parse("", s.SQL, s.Types)
	return true
}

func sameTypes(a, b []uint32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (p *session) Batch(ctx context.Context, s provider.Statement, params [][][]byte, row func(int, []byte) error) ([]string, int, error) {
	const window = 256 // executions in flight, so that neither side's buffers fill up
	tags := make([]string, 0, len(params))
	for from := 0; from < len(params); from += window {
		part := params[from:min(from+window, len(params))]
		got, failed, err := p.batch(ctx, s, part, func(i int) func([]byte) error {
			if row == nil {
				return nil
			}
			return func(body []byte) error { return row(from+i, body) }
		})
		tags = append(tags, got...)
		if err != nil {
			return tags, from + failed, err
		}
	}
	return tags, 0, nil
}

func (p *session) batch(ctx context.Context, s provider.Statement, params [][][]byte, row func(int) func([]byte) error) ([]string, int, error) {
	if err := p.ready(); err != nil {
		return nil, 0, err
	}
	parse := p.parse(s)
	for _, list := range params {
		p.c.Bind("", "", s.Formats, list, s.Results)
		p.c.Execute("", 0)
	}
	stop, err := p.send(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer stop()
	if parse {
		if err := p.parseComplete(s); err != nil {
			return nil, 0, err
		}
	}
	tags := make([]string, 0, len(params))
	var cause error // of a row that was not wanted: what is under way is read to its end
	failed := 0
	for i := range params {
		if _, err := p.expect("2"); err != nil {
			return tags, i, err
		}
		take := row(i)
		if wanted := take; wanted != nil {
			take = func(body []byte) error {
				if cause == nil {
					cause, failed = wanted(body), i
				}
				return nil
			}
		}
		tag, err := p.rows(take)
		if err != nil {
			return tags, i, err
		}
		tags = append(tags, tag)
	}
	if cause == nil {
		return tags, 0, nil
	}
	if err := p.Fail(ctx); err != nil {
		return nil, failed, err
	}
	return tags[:failed], failed, cause
}

func (p *session) CopyIn(ctx context.Context, sql string, data func() ([]byte, error)) (string, error) {
	stop, _, err := p.startCopy(ctx, sql, "G")
	if err != nil {
		return "", err
	}
	defer stop()
	var cause error
	for cause == nil {
		var b []byte
		if b, cause = data(); cause == nil {
			p.c.CopyData(b)
		}
	}
	if cause == io.EOF {
		p.c.CopyDone()
	} else {
		p.c.CopyFail("abandoned")
	}
	p.c.Flush()
	if err := p.c.Send(); err != nil {
		return "", p.lost(err)
	}
	tag, err := p.rows(nil)
	if cause != io.EOF && p.broken == nil {
		return "", cause
	}
	return tag, err
}

func (p *session) startCopy(ctx context.Context, sql, expected string) (func(), pgwire.Frame, error) {
	if err := p.ready(); err != nil {
		return nil, pgwire.Frame{}, err
	}
	p.parsed = ""
	p.c.Parse("", sql, nil)
	p.c.Bind("", "", nil, nil, nil)
	p.c.Execute("", 0)
	stop, err := p.send(ctx)
	if err != nil {
		return nil, pgwire.Frame{}, err
	}
	var f pgwire.Frame
	for _, t := range []string{"1", "2", expected} {
		if f, err = p.expect(t); err != nil {
			stop()
			return nil, f, err
		}
	}
	return stop, f, nil
}

func (p *session) CopyOut(ctx context.Context, sql string, frame func(pgwire.Frame) error) (string, error) {
	stop, response, err := p.startCopy(ctx, sql, "H")
	if err != nil {
		return "", err
	}
	defer stop()
	cause, types := frame(response), "dc"
	for {
		f, err := p.expect(types)
		switch {
		case err != nil:
			return "", err
		case f.Type == 'd' && cause == nil:
			cause = frame(f)
		case f.Type == 'c':
			types = "C"
		case f.Type == 'C':
			tag, err := pgwire.Tag(f.Body)
			if err != nil {
				return "", p.lost(&pgwire.ProtocolError{Msg: err.Error()})
			}
			if cause != nil {
				if err := p.Fail(ctx); err != nil {
					return "", err
				}
			}
			return tag, cause
		}
	}
}

// Fail sends what cannot be parsed: the only way for a client to make an open
// transaction fail at once, as PostgreSQL would after an error. It comes after
// errors, that ctx has ended among them, so it has a time of its own.
func (p *session) Fail(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.patience)
	defer cancel()
	if p.broken != nil {
		return p.broken
	}
	if p.failed {
		return nil
	}
	if p.syncing {
		if status, err := p.synced(); err != nil || status == 'I' {
			p.failed = err == nil // what was to fail has ended; until Sync nothing more is done
			return err
		}
	}
	p.dirty, p.parsed = true, ""
	p.c.Parse("", "clarus: the transaction failed on this side", nil)
	stop, err := p.send(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := p.expect("1"); p.broken != nil {
		return err
	} else if err == nil {
		return p.lost(&pgwire.ProtocolError{Msg: "the provider accepted what is no SQL"})
	}
	return nil
}

func (p *session) Sync(ctx context.Context) (byte, error) {
	if p.broken != nil {
		return 0, p.broken
	}
	if !p.dirty {
		if p.status == 0 {
			p.status = 'I'
		}
		p.failed = false
		return p.status, nil
	}
	if p.syncing && p.c.Follows('Z', 1) {
		return p.synced() // there is nothing to wait for
	}
	defer p.watch(ctx)()
	if !p.syncing {
		p.c.Sync()
		if err := p.c.Send(); err != nil {
			return 0, p.lost(err)
		}
	}
	return p.synced()
}

// synced reads the answer to a Sync.
func (p *session) synced() (byte, error) {
	p.syncing = false
	var cause error
	for {
		f, err := p.c.Receive()
		if err != nil {
			return 0, p.lost(err)
		}
		switch f.Type {
		case 'E': // a deferred constraint may fail at the end of the implicit transaction
			cause = pgwire.AsError(f)
			if _, ok := errors.AsType[*pgwire.ServerError](cause); !ok {
				return 0, p.lost(cause)
			}
		case 'Z':
			if err := p.idle(f); err != nil {
				return 0, err
			}
			return p.status, cause
		default:
			return 0, p.lost(pgwire.Unexpected(f, 'Z'))
		}
	}
}

func (p *session) idle(f pgwire.Frame) error {
	d := pgwire.NewBody(f.Body)
	status := d.Byte()
	if d.Done() != nil || (status != 'I' && status != 'T' && status != 'E') {
		return p.lost(&pgwire.ProtocolError{Msg: "the provider reported an unknown transaction state"})
	}
	if p.failed {
		p.parsed = ""
	}
	p.status, p.dirty, p.failed = status, false, false
	if status == 'I' && p.kept.unsettled {
		p.forgetAll()
	}
	return nil
}
