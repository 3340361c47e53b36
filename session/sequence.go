package session

import (
	"context"
	"slices"
	"strconv"

	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
)

// An altered sequence, and where it stood before.
type altered struct {
	seq    *catalog.Sequence
	before [][]string // last_value, is_called
}

// sequenceToAlter locks the sequence of an ALTER SEQUENCE at the provider and
// has the twin's stand where that one does; nil for another statement.
func (s *Session) sequenceToAlter(ctx context.Context, st *sqlast.Statement) (*altered, error) {
	name := st.AlteredSequence()
	if name == "" {
		return nil, nil
	}
	c := s.ddl
	rows, err := c.scratch.User.Rows("SELECT coalesce(pg_catalog.to_regclass($1)::pg_catalog.oid::bigint, 0)", name)
	if err != nil {
		return nil, err
	}
	oid, err := strconv.ParseUint(rows[0][0], 10, 32)
	if err != nil {
		return nil, err
	}
	q := c.catalog.Logical.Sequence(uint32(oid))
	if q == nil {
		return nil, nil // the twin will say that there is none
	}
	remote := sqlast.Qualify(q.Schema, q.Name)
	if _, err := s.home().Run(ctx, sql("ALTER SEQUENCE "+remote+" OWNED BY NONE"), nil, nil); err != nil {
		return nil, run.Explain(c.catalog, err, nil, run.Row{})
	}
	a := &altered{seq: q}
	if a.before, err = provider.Ask(ctx, s.home(), "SELECT last_value, is_called FROM "+remote); err != nil {
		return nil, run.Explain(c.catalog, err, nil, run.Row{})
	}
	if len(a.before) != 1 || len(a.before[0]) != 2 {
		return nil, malformedSetting("of sequence " + q.Name)
	}
	_, err = c.scratch.Root().Rows("SELECT setval($1::oid::regclass, $2::bigint, $3::bool)", itoa(int(q.OID)), a.before[0][0], a.before[0][1])
	return a, err
}

// restart has the provider's sequence follow a RESTART that the twin did.
func (s *Session) restart(ctx context.Context, a *altered) error {
	if a == nil {
		return nil
	}
	q := s.ddl.catalog.Logical.Sequence(a.seq.OID)
	rows, err := s.ddl.scratch.Root().Rows("SELECT last_value, is_called FROM " + sqlast.Qualify(q.Schema, q.Name))
	if err != nil {
		return err
	}
	if slices.Equal(rows[0], a.before[0]) {
		return nil
	}
	if _, err = s.home().Run(ctx, sql("ALTER SEQUENCE "+sqlast.Qualify(q.Schema, q.Name)+" RESTART WITH "+rows[0][0]), nil, nil); err != nil {
		return run.Explain(s.ddl.catalog, err, nil, run.Row{})
	}
	return nil
}
