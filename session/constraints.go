package session

import (
	"context"

	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
)

// setConstraints carries out SET CONSTRAINTS. The twin checks the names; the
// provider, which has the constraints under their logical names, is told to
// check now or later, and so is the twin before each later statement of the
// transaction.
func (s *Session) setConstraints(ctx context.Context, st *sqlast.Statement) (string, error) {
	const tag = "SET CONSTRAINTS"
	if !s.block {
		s.client.Notice(&pgwire.ServerError{Severity: "WARNING", Code: "25P01", Message: tag + " can only be used in transaction blocks"})
		return tag, nil
	}
	form := st.ConstraintForm()
	mode := "IMMEDIATE"
	if form.Deferred {
		mode = "DEFERRED"
	}
	c, err := s.twin(ctx)
	if err != nil {
		return "", err
	}
	if err := c.Do("BEGIN; " + st.Text + "; ROLLBACK"); err != nil {
		_ = c.Do("ROLLBACK")
		return "", withoutPosition(err)
	}
	what := map[string]string{"": "ALL"} // by provider
	if !form.All {
		path, err := c.Rows("SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))")
		if err != nil {
			return "", err
		}
		schemas := make([]string, len(path))
		for i, row := range path {
			schemas[i] = row[0]
		}
		clear(what)
		for _, n := range form.Names {
			name, at := s.constraintName(n, schemas)
			if what[at] != "" {
				name = what[at] + ", " + name
			}
			what[at] = name
		}
	}
	for at, names := range what {
		if _, err := s.at(ctx, at); err != nil {
			return "", err
		}
		t := told{sql: tag + " " + names + " " + mode, only: at}
		if _, err := s.tell(ctx, t); err != nil {
			return "", run.Explain(s.catalog(), err, nil, run.Row{})
		}
		s.note(t)
		s.settings.constraints = append(s.settings.constraints, t.sql)
	}
	return tag, nil
}

// constraintName qualifies a constraint's name by the first schema of the
// search path that has one of that name, and says at which provider it is.
func (s *Session) constraintName(n sqlast.Name, path []string) (name, provider string) {
	if n.Schema != "" {
		path = []string{n.Schema}
	}
	for _, schema := range path {
		for _, t := range s.catalog().Tables {
			if t.Schema != schema {
				continue
			}
			for _, k := range t.Relation.Constraints {
				if k.Name == n.Relation {
					return sqlast.Qualify(schema, n.Relation), t.Provider
				}
			}
		}
	}
	return n.String(), s.db.Provider.Name()
}
