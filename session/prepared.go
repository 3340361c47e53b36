package session

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// prepareNamed carries out PREPARE. The twin prepares it for a moment: it says
// what is wrong with it, and of which types its parameters are.
func (s *Session) prepareNamed(ctx context.Context, st *sqlast.Statement) (string, error) {
	name := st.PreparedName()
	c, err := s.twin(ctx)
	if err != nil {
		return "", err
	}
	stop := c.Watch(ctx)
	defer stop()
	if err := c.Do(st.Text); err != nil {
		return "", shifted(err, st.Offset)
	}
	rows, err := c.Rows("SELECT t::pg_catalog.oid FROM pg_catalog.pg_prepared_statements, pg_catalog.unnest(parameter_types) WITH ORDINALITY u (t, i) WHERE name = $1 ORDER BY i", name)
	if e := c.Do("DEALLOCATE " + sqlast.Quote(name)); err == nil {
		err = e
	}
	if err != nil {
		return "", err
	}
	oids := make([]uint32, len(rows))
	for i, r := range rows {
		oid, err := strconv.ParseUint(r[0], 10, 32)
		if err != nil {
			return "", err
		}
		oids[i] = uint32(oid)
	}
	inner, err := st.Prepared()
	if err != nil {
		return "", err
	}
	p, err := s.prepare(ctx, inner, oids)
	if err != nil {
		return "", s.refused(ctx, inner, err)
	}
	if p.plan == nil {
		return "", clarus.Refuse("this kind of statement cannot be prepared", "Run it as it is.")
	}
	if s.statements[name] != nil {
		return "", &clarus.Error{Op: "prepare", Kind: clarus.Duplicate, Msg: fmt.Sprintf("prepared statement %q already exists", name)}
	}
	s.statements[name] = p
	return "PREPARE", nil
}

// executeNamed carries out EXECUTE. The twin makes the arguments into values of
// the parameters' types; they are constants, so it needs nobody's rows.
func (s *Session) executeNamed(ctx context.Context, p *portal, row func([]byte) error) (string, error) {
	st := p.st.st
	name := st.PreparedName()
	prepared, err := s.statement(name)
	if err != nil {
		return "", err
	}
	if prepared.plan == nil {
		return "", clarus.Refuse("EXECUTE of a utility statement is not supported", "Run it as it is.")
	}
	if prepared, err = s.current(ctx, prepared); err != nil {
		return "", err
	}
	s.statements[name] = prepared
	if !st.ConstantArguments() {
		return "", clarus.Refuse("arguments of EXECUTE that are not constants are not supported", "Write the values, or bind them by the protocol.")
	}
	formats, values, err := s.arguments(ctx, st, prepared.params)
	if err != nil {
		return "", err
	}
	if !sameFields(p.st.fields, prepared.fields) {
		return "", changedResult()
	}
	return s.perform(ctx, &portal{st: prepared, bind: pgwire.Bind{Formats: formats, Params: values, Results: p.bind.Results}}, row)
}

// arguments has the twin carry out the EXECUTE on a statement of the same
// parameters that only returns them.
func (s *Session) arguments(ctx context.Context, st *sqlast.Statement, types []uint32) ([]int16, [][]byte, error) {
	formats, err := s.binaryForms(ctx, types)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.twin(ctx)
	if err != nil {
		return nil, nil, err
	}
	stop := c.Watch(ctx)
	defer stop()
	name := sqlast.Quote(st.PreparedName())
	list, names := make([]string, len(types)), ""
	for i, oid := range types {
		list[i] = "$" + strconv.Itoa(i+1)
		rows, err := c.Rows("SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = $1::pg_catalog.oid", strconv.FormatUint(uint64(oid), 10))
		if err != nil || len(rows) != 1 {
			return nil, nil, err
		}
		names += ", " + rows[0][0]
	}
	if names != "" {
		names = " (" + names[2:] + ")"
	}
	if err := c.Do("PREPARE " + name + names + " AS SELECT " + strings.Join(list, ", ")); err != nil {
		return nil, nil, err
	}
	var values [][]byte
	err = c.Run(twin.Statement{SQL: st.Text, Results: formats}, func(body []byte) (err error) {
		values, err = pgwire.Row(append([]byte{}, body...), nil)
		return err
	}, nil)
	if e := c.Do("DEALLOCATE " + name); err == nil {
		err = e
	}
	return formats, values, shifted(err, st.Offset)
}
