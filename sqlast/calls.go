package sqlast

import (
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A ConfigCall is a set_config(name, value, local) in a SELECT list.
type ConfigCall struct {
	Column      int // where it stands in the list, from 0
	Name, Local Argument
}

// An Argument is a constant in text form, or a parameter.
type Argument struct {
	Text  string
	Param int // from 1; 0: Text
}

// SetConfigs returns the calls of set_config if there are any, and each is an
// entry of the list of a SELECT that makes one row, so that it happens once, or
// the one of a setting that is looked for by its name.
func (s *Statement) SetConfigs() []ConfigCall {
	if s.callsOf("set_config") == 0 {
		return nil
	}
	if call, ok := s.configIfKnown(); ok {
		return []ConfigCall{call}
	}
	list, ok := s.oneRow()
	if !ok {
		return nil
	}
	var calls []ConfigCall
	for i, t := range list {
		call := t.GetResTarget().GetVal().GetFuncCall()
		if functionName(call) != "set_config" || len(call.Args) != 3 {
			continue
		}
		name, named := argument(call.Args[0])
		local, known := argument(call.Args[2])
		if !named || !known {
			return nil
		}
		calls = append(calls, ConfigCall{i, name, local})
	}
	if len(calls) != s.callsOf("set_config") {
		return nil
	}
	return calls
}

// configIfKnown reads SELECT set_config(name, value, local) FROM pg_settings WHERE
// name = 'constant', by which pg_dump makes a setting that older servers lack.
func (s *Statement) configIfKnown() (ConfigCall, bool) {
	q := s.tree().GetSelectStmt()
	if !plainSelect(q) || q.WithClause != nil || len(q.FromClause) != 1 || len(q.TargetList) != 1 || s.callsOf("set_config") != 1 {
		return ConfigCall{}, false
	}
	from, call, where := q.FromClause[0].GetRangeVar(), q.TargetList[0].GetResTarget().GetVal().GetFuncCall(), q.WhereClause.GetAExpr()
	if from.GetRelname() != "pg_settings" || from.Alias != nil || from.Schemaname != "" && from.Schemaname != "pg_catalog" ||
		functionName(call) != "set_config" || len(call.Args) != 3 || !isName(call.Args[0]) ||
		where.GetKind() != pg.A_Expr_Kind_AEXPR_OP || len(where.Name) != 1 || where.Name[0].GetString_().GetSval() != "=" || !isName(where.Lexpr) {
		return ConfigCall{}, false
	}
	name, ok := argument(where.Rexpr)
	local, okLocal := argument(call.Args[2])
	_, okValue := argument(call.Args[1])
	return ConfigCall{0, name, local}, ok && okLocal && okValue
}

// isName reports whether an expression is the column name.
func isName(n *pg.Node) bool {
	fields := n.GetColumnRef().GetFields()
	return len(fields) == 1 && fields[0].GetString_().GetSval() == "name"
}

// oneRow returns the list of a SELECT that makes exactly one row, unless the
// list itself returns sets.
func (s *Statement) oneRow() ([]*pg.Node, bool) {
	q := s.tree().GetSelectStmt()
	return q.GetTargetList(), plainSelect(q) && len(q.FromClause) == 0 && q.WhereClause == nil
}

// plainSelect reports whether a SELECT has nothing but a list, FROM and WHERE.
func plainSelect(q *pg.SelectStmt) bool {
	return q != nil && q.Op == pg.SetOperation_SETOP_NONE && len(q.GroupClause) == 0 && q.HavingClause == nil && q.LimitCount == nil && q.LimitOffset == nil &&
		len(q.ValuesLists) == 0 && len(q.DistinctClause) == 0 && q.IntoClause == nil
}

func (s *Statement) callsOf(name string) (n int) {
	walk(s.tree().ProtoReflect(), func(m protoreflect.Message) {
		if c, ok := m.Interface().(*pg.FuncCall); ok && functionName(c) == name {
			n++
		}
	})
	return n
}

// functionName is the last part of a called function's name.
func functionName(c *pg.FuncCall) string {
	if c == nil || len(c.Funcname) == 0 {
		return ""
	}
	return c.Funcname[len(c.Funcname)-1].GetString_().GetSval()
}

func argument(n *pg.Node) (Argument, bool) {
	if p := n.GetParamRef(); p != nil {
		return Argument{Param: int(p.Number)}, true
	}
	c := n.GetAConst()
	switch {
	case c == nil || c.Isnull:
		return Argument{}, false
	case c.GetSval() != nil:
		return Argument{Text: c.GetSval().Sval}, true
	case c.GetBoolval() != nil && c.GetBoolval().Boolval:
		return Argument{Text: "t"}, true
	case c.GetBoolval() != nil:
		return Argument{Text: "f"}, true
	}
	return Argument{}, false
}

var advisory = regexp.MustCompile(`^pg_(try_advisory_(xact_)?lock(_shared)?|advisory_(xact_)?lock(_shared)?|advisory_unlock(_shared)?|advisory_unlock_all)$`)

// An AdvisoryCall is a function for advisory locks.
type AdvisoryCall struct {
	Function string
	Number   int    // of arguments
	Args     string // a query that returns them as bigint; "" without
}

// Advisory recognises a SELECT of one call of a function for advisory locks,
// and nothing else.
func (s *Statement) Advisory() (AdvisoryCall, bool) {
	list, ok := s.oneRow()
	if !ok || len(list) != 1 || s.tree().GetSelectStmt().WithClause != nil {
		return AdvisoryCall{}, false
	}
	call := list[0].GetResTarget().GetVal().GetFuncCall()
	a := AdvisoryCall{Function: functionName(call)}
	if !advisory.MatchString(a.Function) || call.AggDistinct || call.AggStar || call.AggFilter != nil || call.Over != nil || call.FuncVariadic {
		return AdvisoryCall{}, false
	}
	a.Number = len(call.Args)
	if a.Number == 0 {
		return a, true
	}
	inner := &pg.SelectStmt{LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}
	for _, arg := range call.Args {
		inner.TargetList = append(inner.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: arg}}})
	}
	text, err := print(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: inner}})
	columns, casts := []string{"a", "b"}, []string{"a::bigint", "b::bigint"}
	if err != nil || a.Number > len(columns) {
		return AdvisoryCall{}, false
	}
	a.Args = "SELECT " + strings.Join(casts[:a.Number], ", ") + " FROM (" + text + ") x (" + strings.Join(columns[:a.Number], ", ") + ")"
	return a, true
}

// WithoutCatalog returns the statement with current_database() in place of
// CURRENT_CATALOG, which is the same; ok is false if nothing was replaced.
func (s *Statement) WithoutCatalog() (t *Statement, ok bool) {
	const word = "current_catalog"
	c, err := s.Clone()
	if err != nil {
		return s, false
	}
	var at []int
	walk(c.tree().ProtoReflect(), func(m protoreflect.Message) {
		if v, is := m.Interface().(*pg.SQLValueFunction); is && v.Op == pg.SQLValueFunctionOp_SVFOP_CURRENT_CATALOG {
			at = append(at, int(v.Location))
		}
	})
	slices.Sort(at)
	text := s.Text
	for _, i := range slices.Backward(at) {
		if i < 0 || i+len(word) > len(text) || !strings.EqualFold(text[i:i+len(word)], word) {
			return s, false
		}
		text = text[:i] + "pg_catalog.current_database()" + text[i+len(word):]
	}
	list, err := Parse(text)
	if len(at) == 0 || err != nil || len(list) != 1 {
		return s, false
	}
	list[0].Offset = s.Offset
	return list[0], true
}
