package sqlast

import (
	"strconv"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A Look is a plain look at one table: SELECT of all or some of its columns, or
// of count(*), with at most LIMIT and OFFSET.
type Look struct {
	Table         Name
	Columns       []string // nil: all
	Count         bool
	Limit, Offset string // decimal digits, or ""
}

// Look returns what a SELECT looks at; ok is false if it is more than a look.
func (s *Statement) Look() (l Look, ok bool) {
	q := s.tree().GetSelectStmt()
	if q == nil || len(q.FromClause) != 1 || len(q.TargetList) == 0 {
		return l, false
	}
	t := q.FromClause[0].GetRangeVar()
	if t == nil || t.Catalogname != "" || t.Alias != nil || !t.Inh {
		return l, false
	}
	l.Table = Name{t.Schemaname, t.Relname}
	var limited, shifted bool
	l.Limit, limited = digits(q.LimitCount)
	l.Offset, shifted = digits(q.LimitOffset)
	if !limited || !shifted || !l.lists(q.TargetList) {
		return l, false
	}
	// Whatever else a SELECT can have must be absent.
	return l, len(q.DistinctClause) == 0 && q.IntoClause == nil && q.WhereClause == nil && len(q.GroupClause) == 0 && !q.GroupDistinct &&
		q.HavingClause == nil && len(q.WindowClause) == 0 && len(q.ValuesLists) == 0 && len(q.SortClause) == 0 && len(q.LockingClause) == 0 &&
		q.WithClause == nil && q.Op == pg.SetOperation_SETOP_NONE && q.LimitOption != pg.LimitOption_LIMIT_OPTION_WITH_TIES
}

// lists reads the list of a SELECT.
func (l *Look) lists(list []*pg.Node) bool {
	for _, n := range list {
		target := n.GetResTarget()
		if target == nil || target.Name != "" || len(target.Indirection) > 0 {
			return false
		}
		if call := target.Val.GetFuncCall(); len(list) == 1 && call != nil {
			l.Count = functionName(call) == "count" && call.AggStar && call.AggFilter == nil && call.Over == nil && len(call.Args) == 0
			return l.Count
		}
		fields := target.Val.GetColumnRef().GetFields()
		if len(fields) != 1 {
			return false
		}
		if fields[0].GetAStar() != nil {
			return len(list) == 1
		}
		l.Columns = append(l.Columns, fields[0].GetString_().GetSval())
	}
	return true
}

// digits is a constant number of rows, "" if there is none.
func digits(n *pg.Node) (string, bool) {
	if n == nil {
		return "", true
	}
	c := n.GetAConst()
	if c == nil || c.GetIval() == nil || c.GetIval().Ival < 0 {
		return "", false
	}
	return strconv.Itoa(int(c.GetIval().Ival)), true
}

// SettingValue is the value of a Set statement that gives one word.
func (s *Statement) SettingValue() (string, bool) {
	args := s.node.GetVariableSetStmt().GetArgs()
	if len(args) != 1 || args[0].GetAConst().GetSval() == nil {
		return "", false
	}
	return args[0].GetAConst().GetSval().Sval, true
}
