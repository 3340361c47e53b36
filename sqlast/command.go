package sqlast

import "strings"

// Writes names what the statement does, as PostgreSQL's errors speak of it, if a
// READ ONLY transaction must not do it; else it is "". A SELECT whose WITH
// changes rows, or which draws from a sequence, is not recognised.
func (s *Statement) Writes() string {
	switch s.Kind {
	case Insert:
		return "INSERT"
	case Update:
		return "UPDATE"
	case Delete:
		return "DELETE"
	case Merge:
		return "MERGE"
	case DDL:
		return s.Form().Tag
	case Truncate:
		return "TRUNCATE TABLE"
	case Copy:
		if s.tree().GetCopyStmt().IsFrom {
			return "COPY FROM"
		}
	case Query:
		if clause, _, _ := s.RowLock(); clause != "" {
			clause = strings.TrimSuffix(strings.TrimSuffix(clause, " SKIP LOCKED"), " NOWAIT")
			return "SELECT " + clause
		}
	}
	return ""
}

// A ConstraintForm is a SET CONSTRAINTS taken apart.
type ConstraintForm struct {
	All      bool
	Names    []Name // of constraints
	Deferred bool
}

// ConstraintForm takes a Constraints statement apart.
func (s *Statement) ConstraintForm() ConstraintForm {
	n := s.tree().GetConstraintsSetStmt()
	f := ConstraintForm{All: len(n.Constraints) == 0, Deferred: n.Deferred}
	for _, c := range n.Constraints {
		v := c.GetRangeVar()
		f.Names = append(f.Names, Name{v.Schemaname, v.Relname})
	}
	return f
}
