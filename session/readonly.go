package session

import (
	"context"

	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/run"
)

// writable fails if the transaction is READ ONLY and the statement is not. The
// provider would say so only of rows that are to change, and know no statement.
// It is asked only in sessions where a transaction can be READ ONLY. What functions
// do the twin finds out: the portal is to be run so.
func (s *Session) writable(ctx context.Context, p *portal) (*portal, error) {
	if !s.readOnly {
		return p, nil
	}
	command, calls := p.st.st.Writes(), false
	if pl := p.st.plan; command == "" && pl != nil {
		switch {
		case pl.Calls:
			calls = true
		case len(pl.Targets) > 0:
			command = "SELECT"
		case pl.SetsSequence:
			command = "setval()"
		case len(pl.Sequences) > 0:
			command = "nextval()"
		}
	}
	if command == "" && !calls {
		return p, nil
	}
	var is string
	_, err := s.home().Run(ctx, sql("SHOW transaction_read_only"), nil, func(body []byte) error {
		row, err := pgwire.Row(body, nil)
		if err == nil && len(row) == 1 {
			is = string(row[0])
		}
		return err
	})
	switch {
	case err != nil:
		return nil, run.Explain(s.catalog(), err, nil, run.Row{})
	case is == "off":
		return p, nil
	case calls:
		pl, st, q := *p.st.plan, *p.st, *p
		pl.ReadOnly = true
		st.plan, q.st = &pl, &st
		return &q, nil
	}
	return nil, run.ReadOnly(command)
}
