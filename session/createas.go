package session

import (
	"context"
	"strings"

	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/sqlast"
)

// createAs carries out CREATE TABLE AS and SELECT INTO: the table is made
// without rows, so that the policy decides about its columns, and then filled
// by an INSERT of the same query.
func (s *Session) createAs(ctx context.Context, permit gate.Permit, st *sqlast.Statement, as *sqlast.CreateAs) (string, error) {
	if err := s.startDDL(ctx); err != nil {
		return "", err
	}
	if _, err := s.ddl.scratch.User.Analyze(st.Text, nil); err != nil { // for the errors, and where they are
		return "", shifted(err, st.Offset)
	}
	tables := len(s.ddl.catalog.Tables)
	tag, err := s.change(ctx, permit, as.Create)
	if err != nil {
		return "", withoutPosition(err)
	}
	if as.Insert == nil || len(s.ddl.catalog.Tables) == tables {
		return tag, nil // WITH NO DATA, or IF NOT EXISTS of one that does
	}
	p, err := s.prepare(ctx, as.Insert, nil)
	if err != nil {
		return "", withoutPosition(err)
	}
	if tag, err = s.planned(ctx, permit, &portal{st: p}, nil); err != nil {
		return "", withoutPosition(err)
	}
	return "SELECT" + strings.TrimPrefix(tag, "INSERT 0"), nil
}
