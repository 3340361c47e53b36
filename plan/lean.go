package plan

import (
	"slices"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
)

// lean reports whether joining gives no more rows than one of the tables has: to
// each row of it, every other table adds one at most, found by a unique key. Else
// it costs less to fetch the tables one by one.
func (w *pushWriter) lean() bool {
	where := conjuncts(w.q.Where)
	for first := range w.q.From {
		rest := slices.Delete(slices.Clone(w.q.From), first, first+1)
		present, ok := w.leanJoin(w.q.From[first])
		for ok && len(rest) > 0 {
			next := slices.IndexFunc(rest, func(j *analyze.Join) bool { return w.keyed(j, where, present) })
			if ok = next >= 0; ok {
				present = append(present, rest[next].Table)
				rest = slices.Delete(rest, next, next+1)
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// leanJoin is lean for a join, and lists its tables.
func (w *pushWriter) leanJoin(j *analyze.Join) (tables []int, ok bool) {
	if j.Table != 0 {
		return []int{j.Table}, true
	}
	left, leftOK := w.leanJoin(j.Left)
	right, rightOK := w.leanJoin(j.Right)
	on := conjuncts(j.On)
	switch {
	case leftOK && (j.Kind == analyze.Inner || j.Kind == analyze.Left) && w.keyed(j.Right, on, left):
	case rightOK && (j.Kind == analyze.Inner || j.Kind == analyze.Right) && w.keyed(j.Left, on, right):
	default:
		return nil, false
	}
	return append(left, right...), true
}

// keyed reports whether conditions give all columns of a unique key of a table,
// by values of other tables or constants.
func (w *pushWriter) keyed(j *analyze.Join, conditions []*analyze.Expr, others []int) bool {
	if j.Table == 0 {
		return false
	}
	given := func(num int16) bool {
		return slices.ContainsFunc(conditions, func(e *analyze.Expr) bool {
			return e.Kind == analyze.Operation && len(e.Args) == 2 && w.env.Builtins.Operators[e.Op].Name == "=" &&
				(isColumn(e.Args[0], j.Table, num) && of(e.Args[1], others) || isColumn(e.Args[1], j.Table, num) && of(e.Args[0], others))
		})
	}
	unique := func(columns []int16) bool {
		return len(columns) > 0 && !slices.ContainsFunc(columns, func(num int16) bool { return !given(num) })
	}
	r := w.tables[j.Table].Relation
	for _, k := range r.Constraints {
		if (k.Kind == 'p' || k.Kind == 'u') && unique(k.Columns) {
			return true
		}
	}
	return slices.ContainsFunc(r.Indexes, func(x *catalog.Index) bool { return x.Unique && !x.Partial && unique(x.Columns) })
}

func isColumn(e *analyze.Expr, table int, num int16) bool {
	for e.Kind == analyze.Relabel {
		e = e.Args[0]
	}
	return e.Kind == analyze.Column && e.Table == table && e.Attr == num
}

// of reports whether an expression reads only these tables.
func of(e *analyze.Expr, tables []int) bool {
	if e.Kind == analyze.Column {
		return slices.Contains(tables, e.Table)
	}
	return !slices.ContainsFunc(e.Args, func(a *analyze.Expr) bool { return !of(a, tables) })
}
