package session

import (
	"context"
	"fmt"
	"strconv"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/sqlast"
)

func itoa(n int) string { return strconv.Itoa(n) }

// Query carries out a simple query string, which may hold several statements.
func (s *Session) Query(ctx context.Context, sql string) error {
	ctx, done := s.run(ctx)
	defer done()
	err := s.query(ctx, sql)
	if err != nil {
		s.fail(ctx)
		return canceled(ctx, err)
	}
	return s.endImplicit(ctx)
}

func (s *Session) query(ctx context.Context, sql string) error {
	if p := s.recall(ctx, sql, nil); p != nil && len(p.params) == 0 {
		s.last = true
		defer func() { s.last = false }()
		return s.runSimple(ctx, &portal{st: p})
	}
	list, err := s.parse(ctx, sql)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		s.client.W().Empty('I')
		return nil
	}
	s.several = len(list) > 1
	defer func() { s.several, s.last = false, false }()
	for i, st := range list {
		s.last = i == len(list)-1
		if err := s.allowed(st); err != nil {
			return err
		}
		p, err := s.prepare(ctx, st, nil)
		if err == nil && len(p.params) > 0 || state(err) == "42P18" { // the twin looks for the types of parameters
			if name, at := st.FirstParameter(); name != "" {
				return &pgwire.ServerError{Severity: "ERROR", Code: "42P02", Message: "there is no parameter " + name, Position: at}
			}
		}
		if err != nil {
			return s.refused(ctx, st, err)
		}
		if len(list) == 1 {
			s.remember(ctx, p, nil)
		}
		if err := s.runSimple(ctx, &portal{st: p, bind: s.simple(st)}); err != nil {
			return err
		}
	}
	return nil
}

// runSimple runs one statement of the simple protocol.
func (s *Session) runSimple(ctx context.Context, p *portal) error {
	if p.st.fields != nil {
		s.client.W().RowDescription(p.described())
	}
	if err := s.execute(ctx, p, 0); err != nil {
		return err
	}
	s.report()
	return nil
}

// simple is how the simple protocol binds a statement: as text, but for what
// comes from a BINARY cursor.
func (s *Session) simple(st *sqlast.Statement) pgwire.Bind {
	if st.Kind == sqlast.Fetch {
		if po := s.portals[st.Movement().Cursor]; po != nil && po.cursor != nil && po.cursor.binary {
			return pgwire.Bind{Results: []int16{1}}
		}
	}
	return pgwire.Bind{}
}

// parse cuts a query string into statements. Where Clarus's grammar and the
// twin's differ, the twin's error counts.
func (s *Session) parse(ctx context.Context, sql string) ([]*sqlast.Statement, error) {
	list, err := sqlast.Parse(sql)
	if err == nil {
		return list, nil
	}
	c, e := s.twin(ctx)
	if e != nil {
		return nil, e
	}
	if _, e := c.Analyze(sql, nil); isSyntax(e) {
		return nil, e
	}
	return nil, clarus.Refuse("the statement cannot be parsed: "+err.Error(), "Send several statements one by one.")
}

func isSyntax(err error) bool {
	code := state(err)
	return len(code) == 5 && code[:2] == "42" || len(code) == 5 && code[:2] == "22"
}

// allowed refuses statements in a failed transaction.
func (s *Session) allowed(st *sqlast.Statement) error {
	if !s.failed {
		return nil
	}
	if st != nil && st.Kind == sqlast.Transaction {
		switch st.Tx().Kind {
		case sqlast.TxCommit, sqlast.TxRollback, sqlast.TxRollbackTo:
			return nil
		}
	}
	return &clarus.Error{Op: "execute", Kind: clarus.Aborted, Msg: "current transaction is aborted, commands ignored until end of transaction block"}
}

// canceled replaces the error of a call that the client canceled, or that took
// longer than the client wanted.
func canceled(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if context.Cause(ctx) == errTimeout {
		return &clarus.Error{Op: "execute", Kind: clarus.Canceled, Msg: "canceling statement due to statement timeout"}
	}
	return &clarus.Error{Op: "execute", Kind: clarus.Canceled, Msg: "canceling statement due to user request"}
}

// Parse prepares a statement.
func (s *Session) Parse(ctx context.Context, name, sql string, oids []uint32) error {
	ctx, done := s.run(ctx)
	defer done()
	if name != "" && s.statements[name] != nil {
		return &clarus.Error{Op: "parse", Kind: clarus.Duplicate, Msg: fmt.Sprintf("prepared statement %q already exists", name)}
	}
	if p := s.recall(ctx, sql, oids); p != nil {
		s.statements[name] = p
		return nil
	}
	list, err := s.parse(ctx, sql)
	if err != nil {
		return canceled(ctx, err)
	}
	switch len(list) {
	case 0:
		s.statements[name] = &statement{}
		return nil
	case 1:
	default:
		return &pgwire.ServerError{Severity: "ERROR", Code: "42601", Message: "cannot insert multiple commands into a prepared statement"}
	}
	if err := s.allowed(list[0]); err != nil {
		return err
	}
	p, err := s.prepare(ctx, list[0], oids)
	if err != nil {
		return canceled(ctx, s.refused(ctx, list[0], err))
	}
	s.remember(ctx, p, oids)
	s.statements[name] = p
	return nil
}

func (s *Session) statement(name string) (*statement, error) {
	if p := s.statements[name]; p != nil {
		return p, nil
	}
	msg := fmt.Sprintf("prepared statement %q does not exist", name)
	if name == "" {
		msg = "unnamed prepared statement does not exist"
	}
	return nil, &clarus.Error{Op: "bind", Kind: clarus.Missing, Msg: msg}
}

// Bind makes a portal.
func (s *Session) Bind(ctx context.Context, b pgwire.Bind) error {
	ctx, done := s.run(ctx)
	defer done()
	p, err := s.statement(b.Statement)
	if err != nil {
		return err
	}
	if err := s.allowed(p.st); err != nil {
		return err
	}
	if b.Portal != "" && s.portals[b.Portal] != nil {
		return cursorExists(b.Portal)
	}
	if p.st != nil {
		if p, err = s.current(ctx, p); err != nil {
			return canceled(ctx, err)
		}
		s.statements[b.Statement] = p
	}
	if len(b.Params) != len(p.params) {
		return &clarus.Error{Op: "bind", Kind: clarus.Protocol,
			Msg: fmt.Sprintf("bind message supplies %d parameters, but prepared statement %q requires %d", len(b.Params), b.Statement, len(p.params))}
	}
	if n := len(b.Results); n > 1 && n != len(p.fields) {
		return &clarus.Error{Op: "bind", Kind: clarus.Protocol, Msg: fmt.Sprintf("bind message has %d result formats but query has %d columns", n, len(p.fields))}
	}
	s.addPortal(b.Portal, &portal{st: p, bind: b})
	return nil
}

// DescribeStatement writes the types of parameters and columns.
func (s *Session) DescribeStatement(_ context.Context, name string) error {
	p, err := s.statement(name)
	if err != nil {
		return err
	}
	w := s.client.W()
	w.Begin('t').Int16(len(p.params))
	for _, oid := range p.params {
		w.Int32(int(oid))
	}
	w.End()
	s.describe(p.fields)
	return nil
}

func (s *Session) describe(fields []pgwire.Field) {
	if fields == nil {
		s.client.W().Empty('n')
		return
	}
	s.client.W().RowDescription(fields)
}

// DescribePortal writes the columns of a portal.
func (s *Session) DescribePortal(_ context.Context, name string) error {
	p, err := s.portal(name)
	if err != nil {
		return err
	}
	if p.st.fields == nil {
		s.describe(nil)
	} else {
		s.describe(p.described())
	}
	return nil
}

func (s *Session) portal(name string) (*portal, error) {
	if p := s.portals[name]; p != nil {
		return p, nil
	}
	return nil, &pgwire.ServerError{Severity: "ERROR", Code: "34000", Message: fmt.Sprintf("portal %q does not exist", name)}
}

// Execute runs a portal, or goes on with one that was suspended.
func (s *Session) Execute(ctx context.Context, name string, limit int) error {
	ctx, done := s.run(ctx)
	defer done()
	p, err := s.portal(name)
	if err != nil {
		return err
	}
	if p.st.st == nil {
		s.client.W().Empty('I')
		return nil
	}
	if err := s.allowed(p.st.st); err != nil {
		return err
	}
	if p.cursor != nil {
		if err := s.fetchPortal(ctx, name, p, limit); err != nil {
			return canceled(ctx, err)
		}
		return nil
	}
	s.last = limit == 0 && s.client.SyncNext()
	err = s.execute(ctx, p, limit)
	s.last = false
	if err != nil {
		return canceled(ctx, err)
	}
	s.report()
	return nil
}

// CloseStatement forgets a prepared statement.
func (s *Session) CloseStatement(_ context.Context, name string) error {
	delete(s.statements, name)
	return nil
}

// ClosePortal forgets a portal.
func (s *Session) ClosePortal(_ context.Context, name string) error {
	delete(s.portals, name)
	return nil
}
