package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
)

// A fake is a session whose statements say what it does: "rows 3", "error
// 42601 text", "copyin". It notes which of its methods are called.
type fake struct {
	c         *Client
	principal Principal
	canceled  chan struct{}
	started   chan struct{} // gets a value when "sleep" begins
	status    byte
	stmts     map[string]string
	portals   map[string]string

	mu    sync.Mutex
	calls []string
}

func openFake(_ context.Context, p Principal, c *Client) (Session, error) { return newFake(p, c), nil }

func newFake(p Principal, c *Client) *fake {
	return &fake{c: c, principal: p, status: 'I', canceled: make(chan struct{}, 1), started: make(chan struct{}, 1),
		stmts: map[string]string{}, portals: map[string]string{}}
}

func (f *fake) note(call string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.TrimSpace(call+" "+strings.Trim(fmt.Sprintf("%q", args), "[]")))
}

func (f *fake) noted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func (f *fake) Query(ctx context.Context, sql string) error {
	f.note("Query", sql)
	for part := range strings.SplitSeq(sql, ";") {
		part = strings.TrimSpace(part)
		if verb, _, _ := strings.Cut(part, " "); verb == "rows" || verb == "who" {
			f.describe(verb)
		}
		if err := f.run(ctx, part, 0); err != nil {
			return err
		}
	}
	return nil
}

// run carries out one statement.
func (f *fake) run(ctx context.Context, sql string, limit int) error {
	verb, rest, _ := strings.Cut(sql, " ")
	w := f.c.W()
	switch verb {
	case "":
		w.Empty('I')
	case "rows":
		n, _ := strconv.Atoi(rest)
		if limit > 0 && limit < n {
			f.rows(limit)
			w.Empty('s')
			return nil
		}
		f.rows(n)
		w.CommandComplete("SELECT " + strconv.Itoa(n))
	case "who":
		p := f.principal
		w.DataRow([][]byte{fmt.Appendf(nil, "%s %s %s tls=%t %v", p.User, p.Database, p.Application, p.TLS, p.Params)})
		w.CommandComplete("SELECT 1")
	case "begin":
		f.status = 'T'
		w.CommandComplete("BEGIN")
	case "commit":
		f.status = 'I'
		w.CommandComplete("COMMIT")
	case "notice":
		f.c.Notice(&pgwire.ServerError{Severity: "NOTICE", Code: "00000", Message: rest})
		w.CommandComplete("DO")
	case "copyin":
		return f.copyIn()
	case "copyout":
		w.CopyResponse('H', 0, []int16{0})
		w.Begin('d').Bytes([]byte("one\n")).End()
		w.Empty('c')
		w.CommandComplete("COPY 1")
	case "sleep":
		return f.sleep(ctx)
	default:
		return f.misbehave(verb, rest)
	}
	return nil
}

// misbehave carries out the statements that fail.
func (f *fake) misbehave(verb, rest string) error {
	switch verb {
	case "error":
		code, text, _ := strings.Cut(rest, " ")
		return &pgwire.ServerError{Severity: "ERROR", Code: code, Message: text}
	case "refuse":
		return fmt.Errorf("planning: %w", &clarus.Error{Attr: "patient.name", Kind: clarus.Unsupported, Msg: "no order here",
			Hint: "declare order", Pos: 8, Err: errors.New("provider 10.1.2.3:5432 said so")})
	case "leak":
		return errors.New("dial tcp 10.1.2.3:5432: connection refused")
	case "fatal":
		return &Fatal{Err: &pgwire.ServerError{Code: "57P01", Message: rest}}
	case "panic":
		panic("patient Smith")
	case "panicframe":
		f.c.W().Begin('D').Int16(1)
		panic("patient Smith")
	case "failframe":
		f.c.W().Begin('D').Int16(1)
		return &pgwire.ServerError{Severity: "ERROR", Code: "XX001", Message: "does not open"}
	case "badstatus":
		f.status = 0
		return nil
	}
	return &pgwire.ServerError{Severity: "ERROR", Code: "42601", Message: "unknown verb " + verb, Position: 1}
}

func (f *fake) rows(n int) {
	for i := range n {
		f.c.W().DataRow([][]byte{[]byte(strconv.Itoa(i + 1)), nil})
	}
}

func (f *fake) describe(sql string) {
	switch {
	case strings.HasPrefix(sql, "rows"):
		f.c.W().RowDescription([]pgwire.Field{{Name: "n", Type: 23, Size: 4, Typmod: -1}, {Name: "x", Type: 25, Size: -1, Typmod: -1}})
	case strings.HasPrefix(sql, "who"):
		f.c.W().RowDescription([]pgwire.Field{{Name: "who", Type: 25, Size: -1, Typmod: -1}})
	default:
		f.c.W().Empty('n')
	}
}

func (f *fake) copyIn() error {
	next, err := f.c.CopyIn(0, []int16{0})
	if err != nil {
		return err
	}
	n := 0
	for {
		data, err := next()
		if err == io.EOF {
			f.c.W().CommandComplete("COPY " + strconv.Itoa(n))
			return nil
		}
		if err != nil {
			return err
		}
		n += len(data)
	}
}

func (f *fake) sleep(ctx context.Context) error {
	f.started <- struct{}{}
	select {
	case <-f.canceled:
		return &clarus.Error{Kind: clarus.Canceled, Msg: "canceling statement due to user request"}
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fake) Parse(_ context.Context, name, sql string, oids []uint32) error {
	f.note("Parse", name, sql)
	if strings.HasPrefix(sql, "!") {
		return f.misbehave("error", "42601 "+sql)
	}
	f.stmts[name] = sql
	return nil
}

func (f *fake) Bind(_ context.Context, b Bind) error {
	f.note("Bind", b.Portal, b.Statement)
	sql, ok := f.stmts[b.Statement]
	if !ok {
		return &clarus.Error{Kind: clarus.Missing, Msg: fmt.Sprintf("prepared statement %q does not exist", b.Statement)}
	}
	for i, v := range slices.Backward(b.Params) {
		sql = strings.ReplaceAll(sql, "$"+strconv.Itoa(i+1), string(v))
	}
	f.portals[b.Portal] = sql
	return nil
}

func (f *fake) DescribeStatement(_ context.Context, name string) error {
	f.note("DescribeStatement", name)
	oids := make([]uint32, strings.Count(f.stmts[name], "$"))
	for i := range oids {
		oids[i] = 25
	}
	f.c.W().ParameterDescription(oids)
	f.describe(f.stmts[name])
	return nil
}

func (f *fake) DescribePortal(_ context.Context, name string) error {
	f.note("DescribePortal", name)
	f.describe(f.portals[name])
	return nil
}

func (f *fake) Execute(ctx context.Context, portal string, limit int) error {
	f.note("Execute", portal)
	return f.run(ctx, f.portals[portal], limit)
}

func (f *fake) CloseStatement(_ context.Context, name string) error {
	f.note("CloseStatement", name)
	delete(f.stmts, name)
	return nil
}

func (f *fake) ClosePortal(_ context.Context, name string) error {
	f.note("ClosePortal", name)
	delete(f.portals, name)
	return nil
}

func (f *fake) Flush(context.Context) error { f.note("Flush"); return nil }

func (f *fake) Sync(context.Context) (byte, error) { f.note("Sync"); return f.status, nil }

func (f *fake) Fail(context.Context) {
	f.note("Fail")
	if f.status == 'T' {
		f.status = 'E'
	}
}

func (f *fake) Cancel() {
	f.note("Cancel")
	select {
	case f.canceled <- struct{}{}:
	default:
	}
}

func (f *fake) Close() { f.note("Close") }

func (f *fake) Parameters() map[string]string {
	return map[string]string{"server_version": "15.0 (Clarus)", "client_encoding": "UTF8", "server_encoding": "UTF8",
		"standard_conforming_strings": "on", "integer_datetimes": "on", "DateStyle": "ISO, MDY"}
}
