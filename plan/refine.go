package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/pgvalue"
)

// A Check is a condition that this side evaluates over opened rows, in
// PostgreSQL's three-valued logic. None raises an error for any value.
type Check struct {
	Op    CheckOp
	Parts []Check // And, Or, Not
	Left  Term    // of all others
	Right Term    // of comparisons
}

// A CheckOp is what a Check computes: the name of a comparison operator of
// PostgreSQL's, or one of these.
type CheckOp string

// What a Check computes beside comparisons.
const (
	And    CheckOp = "and"
	Or     CheckOp = "or"
	Not    CheckOp = "not"
	IsNull CheckOp = "is null"
	IsTrue CheckOp = "is true"
	Like   CheckOp = "~~"
	Unlike CheckOp = "!~~"
)

// A Term is one side of a comparison, of this type: a column that comes with
// the row, or a constant or parameter.
type Term struct {
	At    int // index in Outputs and, after them, Proofs; -1: Probe
	Type  uint32
	Probe Probe
}

// An Ordered is a key by which this side sorts.
type Ordered struct {
	Term
	Descending, NullsFirst bool
}

// condition writes a condition of the WHERE clause's. Conjuncts that the provider
// cannot evaluate are kept for this side.
func (w *pushWriter) condition(e *analyze.Expr) string {
	if !w.refines {
		return w.expr(e)
	}
	list := conjuncts(e)
	for _, part := range list {
		if why := w.attempt(part); why != "" {
			w.kept = append(w.kept, kept{part, why})
		}
	}
	// What the provider computes is computed for rows too that do not meet what is kept: it must raise no error.
	var written []string
	for _, part := range list {
		switch {
		case w.keeps(part):
		case len(w.kept) > 0 && !w.total(part):
			w.kept = append(w.kept, kept{part, "a condition that may fail stands beside one that is evaluated on this side"})
		default:
			written = append(written, w.expr(part))
		}
	}
	if len(written) > 1 {
		return "(" + strings.Join(written, " AND ") + ")"
	}
	return strings.Join(written, "")
}

// attempt returns why the provider cannot evaluate a condition, or "".
func (w *pushWriter) attempt(e *analyze.Expr) string {
	sub := *w
	sub.compared, sub.out.Params = slices.Clone(w.compared), slices.Clone(w.out.Params)
	sub.expr(e)
	return sub.why
}

// A kept condition is evaluated on this side, because of why.
type kept struct {
	*analyze.Expr
	why string
}

func (w *pushWriter) keeps(e *analyze.Expr) bool {
	return slices.ContainsFunc(w.kept, func(k kept) bool { return k.Expr == e })
}

// conjuncts are the parts of a condition; nil has none.
func conjuncts(e *analyze.Expr) []*analyze.Expr {
	switch {
	case e == nil:
		return nil
	case e.Kind == analyze.Conjunction:
		return e.Args
	}
	return []*analyze.Expr{e}
}

// alone reports whether the rows are those of one table.
func (w *pushWriter) alone() bool { return len(w.q.From) == 1 && w.q.From[0].Table != 0 }

// refine adds what the kept conditions and the order need of each row. The columns
// of the result are computed for more rows than are returned: none may raise an error.
func (w *pushWriter) refine() {
	why := cmp.Or(w.folds, w.sorts)
	if len(w.kept) > 0 {
		why = w.kept[0].why
	}
	if why == "" || w.why != "" {
		return
	}
	fails := func(o analyze.Output) bool { return w.folds == "" && !w.total(o.Expr) }
	if w.grouped || slices.ContainsFunc(w.q.Outputs, fails) || slices.ContainsFunc(w.q.From, w.failsJoin) {
		w.fail("%s", why)
		return
	}
	for _, e := range w.kept {
		c, ok := w.check(e.Expr)
		if !ok {
			w.fail("%s", e.why)
			return
		}
		w.out.Checks = append(w.out.Checks, c)
	}
	if w.sorts != "" {
		w.order()
	}
	if w.folds != "" {
		w.fold()
	}
	w.out.Because = why
}

// order has the columns come along by which this side sorts.
func (w *pushWriter) order() {
	for _, k := range w.q.Sort {
		t, ok := w.term(w.q.Outputs[k.Output].Expr)
		less := w.env.Builtins.Operators[k.Less]
		_, ordered, known := pgvalue.Compare(t.Type, t.Type)
		if !ok || t.At < 0 || !known || !ordered || !comparisons.MatchString(w.env.Builtins.Functions[less.Func].Name) {
			w.fail("%s", w.sorts)
			return
		}
		w.out.Order = append(w.out.Order, Ordered{Term: t, Descending: less.Name == ">", NullsFirst: k.NullsFirst})
	}
}

// failsJoin reports whether a join that the provider computes may raise an error.
func (w *pushWriter) failsJoin(j *analyze.Join) bool {
	if j.Table != 0 {
		return false
	}
	return w.failsJoin(j.Left) || w.failsJoin(j.Right) || slices.ContainsFunc(conjuncts(j.On), func(e *analyze.Expr) bool { return !w.keeps(e) && !w.total(e) })
}

// total reports whether an expression has a value for any values of its columns.
func (w *pushWriter) total(e *analyze.Expr) bool {
	switch e.Kind {
	case analyze.Column, analyze.Literal:
		return true
	case analyze.Operation, analyze.AnyOf, analyze.AllOf:
		if op := w.env.Builtins.Operators[e.Op]; !comparisons.MatchString(w.env.Builtins.Functions[op.Func].Name) {
			return false
		}
	case analyze.Conjunction, analyze.Disjunction, analyze.Negation, analyze.IsNull, analyze.IsNotNull, analyze.Relabel:
	default:
		return false
	}
	return !slices.ContainsFunc(e.Args, func(a *analyze.Expr) bool { return !w.total(a) })
}

// check makes a Check of a condition, if this side evaluates it as PostgreSQL does.
func (w *pushWriter) check(e *analyze.Expr) (Check, bool) {
	switch e.Kind {
	case analyze.Conjunction, analyze.Disjunction, analyze.Negation:
		c := Check{Op: map[analyze.ExprKind]CheckOp{analyze.Conjunction: And, analyze.Disjunction: Or, analyze.Negation: Not}[e.Kind]}
		for _, a := range e.Args {
			part, ok := w.check(a)
			if !ok {
				return Check{}, false
			}
			c.Parts = append(c.Parts, part)
		}
		return c, true
	case analyze.IsNull, analyze.IsNotNull:
		t, ok := w.term(e.Args[0])
		c := Check{Op: IsNull, Left: t}
		if e.Kind == analyze.IsNotNull {
			c = Check{Op: Not, Parts: []Check{c}}
		}
		return c, ok
	case analyze.Column:
		t, ok := w.term(e)
		return Check{Op: IsTrue, Left: t}, ok && t.Type == pgvalue.BoolOID
	case analyze.Operation:
		if len(e.Args) != 2 {
			return Check{}, false
		}
		left, ok := w.term(e.Args[0])
		right, okRight := w.term(e.Args[1])
		if !ok || !okRight {
			return Check{}, false
		}
		return w.compare(e.Op, left, right)
	case analyze.AnyOf, analyze.AllOf:
		return w.members(e)
	}
	return Check{}, false
}

// members makes a Check of column op ANY or ALL (list).
func (w *pushWriter) members(e *analyze.Expr) (Check, bool) {
	all := Check{Op: Or}
	if e.Kind == analyze.AllOf {
		all.Op = And
	}
	left, ok := w.term(e.Args[0])
	for _, o := range e.List {
		part, comparable := w.compare(e.Op, left, Term{At: -1, Type: o.Type, Probe: probeOf(o)})
		ok = ok && comparable
		all.Parts = append(all.Parts, part)
	}
	return all, ok
}

// compare makes a Check of a comparison whose meaning depends on the values only.
func (w *pushWriter) compare(oid uint32, left, right Term) (Check, bool) {
	op, ok := w.env.Builtins.Operators[oid]
	c := Check{Op: CheckOp(op.Name), Left: left, Right: right}
	if c.Op == Like || c.Op == Unlike {
		return c, ok && left.Type == pgvalue.TextOID && (right.Type == pgvalue.TextOID || right.Type == pgvalue.VarcharOID) && right.At < 0
	}
	_, ordered, known := pgvalue.Compare(left.Type, right.Type)
	return c, ok && known && comparisons.MatchString(w.env.Builtins.Functions[op.Func].Name) && (ordered || op.Name == "=" || op.Name == "<>")
}

// term has a column come along with the row.
func (w *pushWriter) term(e *analyze.Expr) (Term, bool) {
	as := e.Type
	for e.Kind == analyze.Relabel {
		if _, ok := relabels[e.Type]; !ok {
			return Term{}, false
		}
		e = e.Args[0]
	}
	switch e.Kind {
	case analyze.Literal:
		return Term{At: -1, Type: as, Probe: probeOf(e.Operand)}, e.Type == as
	case analyze.Column:
		t := w.tables[e.Table]
		c := t.Column(e.Attr)
		if c == nil || c.Enum != nil || t.Relation.Column(e.Attr).Declared != "" {
			return Term{}, false
		}
		o := PushedOutput{Tag: -1, table: e.Table}
		if _, ok := pgvalue.Family(c.Type); c.Clear && !ok {
			return Term{}, false
		}
		if c.Clear {
			o.At = w.field(w.column(e), PushedColumn{Type: c.StoredType(), Client: -1})
		} else {
			o = w.located(&carried{at: e.Table, table: t, col: c, as: as})
			o.Tag = -1
		}
		return Term{At: w.along(o), Type: as}, true
	}
	return Term{}, false
}

// along returns the index of an output or proof that has the same column come in
// binary format, added if there is none.
func (w *pushWriter) along(o PushedOutput) int {
	same := func(p PushedOutput) bool { return o.Attr != nil && p.Attr == o.Attr && p.table == o.table }
	if i := slices.IndexFunc(w.out.Outputs, same); i >= 0 {
		return i
	}
	i := slices.IndexFunc(w.out.Proofs, func(p PushedOutput) bool { return same(p) || o.Attr == nil && p.Attr == nil && p.At == o.At })
	if i < 0 {
		i = len(w.out.Proofs)
		w.out.Proofs = append(w.out.Proofs, o)
	}
	return len(w.out.Outputs) + i
}
