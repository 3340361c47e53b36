package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/sqlast"
)

// A Pushed is a SELECT written anew for what the provider holds: equality on
// tags, everything else on clear columns. Its rows are opened as they come.
type Pushed struct {
	SQL     string // without any value
	Params  []Slot // what $1, $2, ... are
	Columns []PushedColumn
	Outputs []PushedOutput
	Proofs  []PushedOutput // come along only for their tags to be compared, and for Checks
	Once    bool           // rows are rows of one table: none may come twice

	Checks        []Check   // what rows must meet beside, on this side
	Order         []Ordered // how this side sorts the rows
	Folds         []Fold    // what this side computes of the rows, in place of Outputs
	Because       string    // why this side does
	Limit, Offset *Probe    // bigints, of the rows that meet Checks, in order; nil: none
}

// A Slot is a parameter of the pushed statement. With Column it is the tag
// that the column would have for the probe's value.
type Slot struct {
	Probe
	Table  *catalog.Table
	Column *catalog.Column
}

// A PushedColumn is a column that the provider returns: of this type, in
// binary format, or in the one that the client asked for output Client in.
type PushedColumn struct {
	Type   uint32
	Client int // -1: binary
}

// A PushedOutput is a column that the client gets: a clear one as it comes, or
// with Attr a cell to open.
type PushedOutput struct {
	At       int // index in Columns
	Table    *catalog.Table
	Attr     *catalog.Column
	Identity []int // in Columns: the row identity or the key it derives from
	Packed   bool  // identity and cell are packed into one text (pack)
	Nullable bool  // the table may be extended by NULLs
	Tag      int   // in Columns: the tag that the opened value must have; -1: none

	table int // range table index
}

// TryPush makes p a push plan if every operation on a protected attribute is
// preserved by its tag. The residual plan stays beside it, for results that
// this side cannot write in text format.
func (p *Plan) TryPush(env Env, list []*analyze.Statement, results []uint32) {
	if p.Class != Residual || p.Opaque || p.Locks || len(p.Targets) > 0 || len(p.Providers) != 1 {
		return
	}
	pushed, why := env.push(list[0], results, true)
	if pushed != nil && pushed.Because != "" && slices.ContainsFunc(p.Fetches, narrowed) {
		pushed, why = nil, pushed.Because // fetching by the carrier brings less
	}
	if pushed == nil {
		p.Why += "; not pushed because " + why
		return
	}
	if p.Class, p.Pushed = Push, pushed; pushed.Because != "" {
		p.Class = Refine
	}
}

// narrowed reports whether a fetch compares a carrier that a pushed statement does
// not: one of another technique than the equality tag.
func narrowed(f Fetch) bool {
	return slices.ContainsFunc(Proofs(f.Where), func(p Proof) bool { return !p.Carrier.Is(clarus.Equality) })
}

// push writes a statement for carriers, with refines leaving conditions to this side.
func (env Env) push(st *analyze.Statement, results []uint32, refines bool) (*Pushed, string) {
	if st.Query == nil {
		return nil, "it is more than one plain block"
	}
	if why, ok := env.movable(st, results); !ok {
		return nil, why
	}
	w := pushWriter{env: env, q: st.Query, tables: map[int]*catalog.Table{}, nullable: map[int]bool{}}
	for i, oid := range st.Query.Tables {
		t := env.Catalog.Table(oid)
		if t == nil || t.Relation.RowSecurity {
			return nil, "it reads a view, a system relation or one with row security"
		}
		w.tables[i] = t
	}
	w.refines = refines && w.lean()
	folded := w
	if w.write(); w.why == "" {
		return &w.out, ""
	}
	if folded.refines && folded.foldable() {
		folded.folds = w.why
		if folded.write(); folded.why == "" {
			return &folded.out, ""
		}
	}
	return nil, w.why
}

// A pushWriter writes the provider's statement; why is set by what has to be
// done on this side.
type pushWriter struct {
	env      Env
	q        *analyze.Query
	tables   map[int]*catalog.Table
	nullable map[int]bool
	refines  bool       // this side may evaluate conditions
	kept     []kept     // those that it does
	sorts    string     // why this side sorts; "": it does not
	folds    string     // why this side computes aggregates; "": it does not
	compared []*carried // columns whose tags are compared
	grouped  bool
	keys     map[string]bool // SQL of the grouping keys
	fields   []string
	out      Pushed
	why      string
}

func (w *pushWriter) fail(format string, args ...any) string {
	if w.why == "" {
		w.why = fmt.Sprintf(format, args...)
	}
	return "NULL"
}

func (w *pushWriter) write() {
	from := w.from()
	where := ""
	if w.q.Where != nil {
		if where = w.condition(w.q.Where); where != "" {
			where = " WHERE " + where
		}
	}
	group := w.group()
	for i := range w.q.Outputs {
		if !w.q.Outputs[i].Junk && w.folds == "" {
			w.output(i)
		}
	}
	w.out.Once = !w.grouped && w.alone()
	having := ""
	if w.q.Having != nil {
		having = " HAVING " + w.expr(w.q.Having)
	}
	sort := w.sort()
	limit := w.bound(" LIMIT ", w.q.Limit) + w.bound(" OFFSET ", w.q.Offset)
	w.prove()
	w.refine()
	if len(w.fields) == 0 {
		w.fail("it returns no columns")
	}
	w.out.SQL = "SELECT " + strings.Join(w.fields, ", ") + from + where + group + having + sort + limit
}

// from writes the FROM clause and learns which tables NULLs may extend.
func (w *pushWriter) from() string {
	if len(w.q.From) == 0 {
		w.fail("it reads no table")
	}
	parts := make([]string, len(w.q.From))
	for i, j := range w.q.From {
		parts[i] = w.join(j, false, true)
	}
	return " FROM " + strings.Join(parts, " CROSS JOIN ")
}

// join writes a join; free says that what its rows must meet could as well stand
// in the WHERE clause.
func (w *pushWriter) join(j *analyze.Join, nullable, free bool) string {
	if j.Table != 0 {
		t := w.tables[j.Table]
		w.nullable[j.Table] = nullable
		return sqlast.Qualify(t.Schema, t.Physical()) + " AS " + alias(j.Table)
	}
	words := map[analyze.JoinKind]string{analyze.Inner: " JOIN ", analyze.Left: " LEFT JOIN ", analyze.Right: " RIGHT JOIN ", analyze.Full: " FULL JOIN "}
	rightOuter, leftOuter := j.Kind == analyze.Right || j.Kind == analyze.Full, j.Kind == analyze.Left || j.Kind == analyze.Full
	left := w.join(j.Left, nullable || rightOuter, free && !rightOuter)
	right := w.join(j.Right, nullable || leftOuter, free && !leftOuter)
	on := ""
	switch {
	case j.On != nil && free && j.Kind == analyze.Inner:
		on = w.condition(j.On)
	case j.On != nil:
		on = w.expr(j.On)
	}
	on = cmp.Or(on, "true")
	return "(" + left + words[j.Kind] + right + " ON " + on + ")"
}

func alias(table int) string { return fmt.Sprintf("t%d", table) }

// group writes GROUP BY, from the statement's own or from DISTINCT.
func (w *pushWriter) group() string {
	if w.folds != "" {
		return ""
	}
	keys := w.q.Group
	w.grouped = len(keys) > 0 || w.q.Having != nil || slices.ContainsFunc(w.q.Outputs, func(o analyze.Output) bool { return aggregates(o.Expr) })
	if len(w.q.Distinct) > 0 {
		if w.grouped {
			return w.fail("DISTINCT stands over groups")
		}
		keys, w.grouped = w.q.Distinct, true
	}
	if len(keys) == 0 {
		return ""
	}
	list := make([]string, len(keys))
	for i, k := range keys {
		e := w.q.Outputs[k.Output].Expr
		if c := w.protected(e); c == nil {
			list[i] = w.clear(e)
		} else if w.carries(c) {
			if !identical(c.col.Type) {
				return w.fail("equal values of %s may look different", c.name())
			}
			w.compared = append(w.compared, c)
			list[i] = c.tag()
		}
	}
	w.keys = map[string]bool{}
	for _, k := range list {
		w.keys[k] = true
	}
	return " GROUP BY " + strings.Join(list, ", ")
}

// clear writes an expression that is no protected column; outside of groups.
func (w *pushWriter) clear(e *analyze.Expr) string {
	grouped := w.grouped
	w.grouped = false
	defer func() { w.grouped = grouped }()
	return w.expr(e)
}

func aggregates(e *analyze.Expr) bool {
	return e.Kind == analyze.Aggregate || slices.ContainsFunc(e.Args, aggregates)
}

// output writes one column of the result.
func (w *pushWriter) output(i int) {
	e := w.q.Outputs[i].Expr
	c := w.protected(e)
	if c == nil {
		w.out.Outputs = append(w.out.Outputs, PushedOutput{At: w.field(w.expr(e), PushedColumn{Type: e.Type, Client: len(w.out.Outputs)})})
		return
	}
	if !w.grouped {
		w.out.Outputs = append(w.out.Outputs, w.located(c))
		return
	}
	if !w.carries(c) || !w.keys[c.tag()] {
		w.fail("%s is neither grouped nor computed on", c.name())
		return
	}
	w.out.Outputs = append(w.out.Outputs, PushedOutput{Table: c.table, Attr: c.col, Nullable: w.nullable[c.at], Packed: true, table: c.at,
		At: w.field(w.pack(c), PushedColumn{Type: typeText, Client: -1})})
}

// field adds a column to the provider's select list, or finds it there.
func (w *pushWriter) field(sql string, c PushedColumn) int {
	for i, f := range w.fields {
		if f == sql && w.out.Columns[i] == c {
			return i
		}
	}
	w.fields, w.out.Columns = append(w.fields, sql), append(w.out.Columns, c)
	return len(w.fields) - 1
}

func (w *pushWriter) sort() string {
	if len(w.q.Sort) == 0 {
		return ""
	}
	list := make([]string, len(w.q.Sort))
	for i, k := range w.q.Sort {
		e := w.q.Outputs[k.Output].Expr
		if c := w.protected(e); c != nil {
			if w.sorts = "it orders by " + c.name(); !w.refines {
				w.fail("%s", w.sorts)
			}
			return ""
		}
		op, ok := w.env.Builtins.Operators[k.Less]
		if !ok || op.Name != "<" && op.Name != ">" {
			return w.fail("it orders by an operator made by a user")
		}
		list[i] = w.expr(e) + " USING OPERATOR(pg_catalog." + op.Name + ") NULLS LAST"
		if k.NullsFirst {
			list[i] = strings.TrimSuffix(list[i], "LAST") + "FIRST"
		}
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

// bound writes LIMIT or OFFSET of a constant or parameter.
func (w *pushWriter) bound(word string, e *analyze.Expr) string {
	switch {
	case e == nil:
		return ""
	case e.Kind != analyze.Literal:
		return w.fail("its limit is computed")
	case len(w.kept) > 0 || w.sorts != "":
		probe := probeOf(e.Operand)
		if word == " LIMIT " {
			w.out.Limit = &probe
		} else {
			w.out.Offset = &probe
		}
		return ""
	}
	return word + w.symbol(Slot{Probe: probeOf(e.Operand)})
}

// symbol returns the parameter for a slot; equal ones share it, so that equal
// expressions stay equal.
func (w *pushWriter) symbol(s Slot) string {
	same := func(o Slot) bool {
		return o.Column == s.Column && o.Param == s.Param && o.Type == s.Type && (o.Value == nil) == (s.Value == nil) && string(o.Value) == string(s.Value)
	}
	i := slices.IndexFunc(w.out.Params, same)
	if i < 0 {
		i = len(w.out.Params)
		w.out.Params = append(w.out.Params, s)
	}
	return fmt.Sprintf("$%d", i+1)
}

func probeOf(o analyze.Operand) Probe {
	if o.Null {
		return Probe{Param: o.Param, Type: o.Type}
	}
	return Probe{Param: o.Param, Type: o.Type, Value: o.Value}
}
