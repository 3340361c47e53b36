package plan

import (
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish/dp"
	"github.com/clarus-project/clarus/sqlast"
)

// A PrivateQuery is a statement of a user who gets differentially private answers
// only: what rows the twin is asked for, what is asked of them, and how the columns
// of the result are made of what is told.
type PrivateQuery struct {
	Table    *catalog.Table
	Rules    *policy.Aggregates
	SQL      string   // for the twin: subject, keys, values; in binary format
	Params   []Probe  // what $1, $2, ... of it are
	Columns  []uint32 // immutable ids of the columns that it names, in the order of SQL
	Keys     []PrivateKey
	Values   []PrivateValue
	Question dp.Question

	// The result is made of a table of cells, named v.c0, v.c1, ..., one row for
	// each group, by a SELECT that sees nothing else.
	Cells   []PrivateCell
	Outputs []string // expressions over cells
	Having  string   // the same; "": none
	Sort    []PrivateSort
	Given   []Probe // what $1, $2, ... of them are
	Limit   *Probe
	Offset  *Probe
}

// A PrivateKey is an attribute that is grouped by.
type PrivateKey struct {
	Attr *catalog.Column
	Type uint32 // on the twin
}

// A PrivateValue is what a row has for a measure: a number, counted in steps, or
// without Bound only whether there is a value.
type PrivateValue struct {
	Attr  *catalog.Column
	Bound *policy.Bound
}

// A PrivateCell is a value that is told of a group: a key, or an estimate.
type PrivateCell struct {
	Key      int // index in Keys; -1: none
	Estimate dp.Estimate
	Type     uint32
	Digits   int // of a numeric
}

// A PrivateSort is an entry of ORDER BY.
type PrivateSort struct {
	By         string // as Outputs
	Operator   string
	NullsFirst bool
}

// Confined is the error for what users with aggregate: dp may not do.
func Confined(what, hint string) error {
	return &clarus.Error{Op: "plan", Kind: clarus.Denied, Msg: what + ": you get differentially private answers to aggregate queries only", Hint: hint}
}

// privateShape says what is answered.
const privateShape = "Ask SELECT with count, sum, avg, variance, stddev, percentile_cont or percentile_disc of columns FROM one table, WHERE columns are compared with values, GROUP BY columns. See docs/policy.md."

// Idle reports whether a statement computes nothing and reads nothing, such as SELECT 1.
func Idle(list []*analyze.Statement) bool {
	if len(list) != 1 || list[0].Query == nil {
		return false
	}
	st := list[0]
	return st.Command == analyze.Select && len(st.Relations)+len(st.Functions)+len(st.Operators)+len(st.SQLValues)+len(st.NextValues)+len(st.RegConsts) == 0
}

// Privately plans a statement of a user who gets differentially private answers
// only. What it does not understand is refused.
func Privately(env Env, list []*analyze.Statement, rules func(t *catalog.Table) *policy.Aggregates) (*Plan, error) {
	p, err := Make(env, list)
	if err != nil {
		return nil, err
	}
	st := list[0]
	if st.Command != analyze.Select || st.Query == nil || len(p.Tables) != 1 || len(st.Query.Tables) != 1 || len(st.Query.From) != 1 ||
		p.Effects() || p.Opaque || p.Draws || st.RowSecurity {
		return nil, Confined("the statement is not one plain block over one table", privateShape)
	}
	w := &privateWriter{env: env, st: st, q: st.Query, measures: map[string]dp.Measure{}, values: map[string]PrivateValue{}}
	w.out.Table = p.Tables[0]
	if w.out.Rules = rules(w.out.Table); w.out.Rules == nil {
		return nil, Confined("the policy lets nobody ask about "+w.out.Table.Relation.Qualified(), "The owner may add aggregate to the dataset in the policy.")
	}
	w.write()
	if w.err != nil {
		return nil, w.err
	}
	p.Class, p.Private, p.Why = Private, &w.out, ""
	p.Fetches = []Fetch{{Table: w.out.Table}} // whole: neither its time nor its limits tell of the question's rows
	return p, nil
}

// A privateWriter writes a PrivateQuery; err is the first thing that is refused.
type privateWriter struct {
	env      Env
	st       *analyze.Statement
	q        *analyze.Query
	measures map[string]dp.Measure // by what they are of
	values   map[string]PrivateValue
	made     [][]string // for each cell the measures it is made of
	parts    int        // of the expressions
	out      PrivateQuery
	err      error
}

func (w *privateWriter) fail(what, hint string) {
	if w.err == nil {
		w.err = Confined(what, cmp.Or(hint, privateShape))
	}
}

func (w *privateWriter) write() {
	t, q := w.out.Table, w.q
	switch {
	case t.Relation.RowSecurity:
		w.fail("the table has row security", "")
	case len(q.Distinct) > 0:
		w.fail("DISTINCT is not answered", "Group by the columns.")
	}
	for _, c := range w.st.Collations {
		if c != 0 && c != defaultCollation {
			w.fail("text is compared under another collation than the database's", "")
		}
	}
	w.keys()
	told := make([]string, len(q.Outputs))
	for i, o := range q.Outputs {
		if told[i] = w.told(o.Expr); !o.Junk {
			w.out.Outputs = append(w.out.Outputs, told[i])
		}
	}
	if q.Having != nil {
		w.out.Having = w.told(q.Having)
	}
	if len(w.measures) == 0 {
		w.fail("the statement has no aggregate", "")
	}
	w.sort(told)
	if w.err == nil {
		w.assemble()
	}
}

// column returns the stored column that an expression is, whatever it is relabelled as.
func (w *privateWriter) column(e *analyze.Expr) *catalog.Column {
	for e.Kind == analyze.Relabel {
		e = e.Args[0]
	}
	if e.Kind != analyze.Column {
		return nil
	}
	return w.out.Table.Column(e.Attr)
}

// tells reports whether equal values of a column are the same bytes.
func (w *privateWriter) tells(c *catalog.Column) bool {
	return (identical(c.Type) || c.Type == pgvalue.EnumOID) && w.out.Table.Relation.Column(c.Num).Collation == ""
}

func (w *privateWriter) keys() {
	seen := map[int16]int{} // by number, so that the order of GROUP BY makes no other question
	for _, k := range w.q.Group {
		e := w.q.Outputs[k.Output].Expr
		c := w.column(e)
		if c == nil || !w.tells(c) {
			w.fail("it groups by what is no column, or one of a type whose equal values are not the same", "Group by whole numbers, texts, dates, times, booleans, uuids or enumerated types.")
			return
		}
		seen[c.Num] = k.Output
	}
	for _, num := range slices.Sorted(maps.Keys(seen)) {
		c := w.out.Table.Column(num)
		e := w.q.Outputs[seen[num]].Expr
		key := dp.Key{}
		for _, text := range w.out.Rules.Keys[c.Name] {
			value, ok := []byte(text), c.Type == pgvalue.EnumOID
			if !ok {
				value, ok = pgvalue.Read(c.Type, []byte(text))
			}
			if !ok {
				w.err = &clarus.Error{Op: "plan", Attr: c.Name, Kind: clarus.Misconfigured, Msg: "the policy's keys are not all values of the column's type", Hint: "The owner must correct aggregate.keys."}
				return
			}
			key.Domain = append(key.Domain, value)
		}
		w.out.Keys = append(w.out.Keys, PrivateKey{c, e.Type})
		w.out.Question.Keys = append(w.out.Question.Keys, key)
	}
}

// told writes an expression over what is told: keys and aggregates. It is evaluated
// after the noise, so any function will do that computes from its arguments alone.
func (w *privateWriter) told(e *analyze.Expr) string {
	x := privateExpr{privateWriter: w, params: &w.out.Given, computes: w.pure}
	x.leaf = func(e *analyze.Expr) (string, bool) {
		c := PrivateCell{Key: -1, Type: e.Type}
		var made []string
		if e.Kind == analyze.Aggregate {
			made = w.aggregate(&c, e)
		} else if of := w.column(e); of != nil {
			c.Key = slices.IndexFunc(w.out.Keys, func(k PrivateKey) bool { return k.Attr == of })
		}
		if c.Key < 0 && made == nil {
			return "", false
		}
		w.out.Cells, w.made = append(w.out.Cells, c), append(w.made, made)
		return fmt.Sprintf("v.c%d", len(w.out.Cells)-1), true
	}
	return x.write(e)
}

// pure reports whether an operator or function computes from its arguments and the
// session's settings alone.
func (w *privateWriter) pure(e *analyze.Expr) bool {
	f, ok := w.env.Builtins.Functions[e.Func]
	return ok && (f.Volatility == 'i' || f.Volatility == 's' && settings.MatchString(f.Name))
}

// aggregates are the functions that are answered, with the estimate for each.
var privateAggregates = map[string]dp.EstimateKind{"count": dp.Tally, "sum": dp.Total, "avg": dp.Mean, "var_pop": dp.Variance, "var_samp": dp.Variance,
	"variance": dp.Variance, "stddev": dp.Deviation, "stddev_pop": dp.Deviation, "stddev_samp": dp.Deviation, "percentile_cont": dp.Value, "percentile_disc": dp.Value}

// aggregate says how an aggregate is estimated and names the measures for it.
func (w *privateWriter) aggregate(o *PrivateCell, e *analyze.Expr) []string {
	name := w.env.Builtins.Functions[e.Func].Name
	kind, known := privateAggregates[name]
	if !known || e.Filter != nil || len(e.Args) > 1 {
		w.fail("aggregate "+cmp.Or(name, "of a user")+" is not answered in this form", "Instead of min and max ask for percentile_disc, instead of FILTER use WHERE.")
		return nil
	}
	o.Estimate = dp.Estimate{Kind: kind, Sample: name != "var_pop" && name != "stddev_pop"}
	if len(e.Args) == 0 {
		return []string{w.measure(dp.Measure{Kind: dp.Count}, "")}
	}
	c := w.column(e.Args[0])
	if name == "percentile_cont" && c == nil && e.Args[0].Kind == analyze.Call && w.env.Builtins.Functions[e.Args[0].Func].Name == "float8" {
		c = w.column(e.Args[0].Args[0])
	}
	switch {
	case c == nil:
		w.fail(name+" of what is not a column", "")
		return nil
	case e.Distinct && (name != "count" || c.Name != w.out.Rules.Subject):
		w.fail("DISTINCT of what is not the subject", "count(DISTINCT "+w.out.Rules.Subject+") counts subjects.")
		return nil
	case e.Distinct:
		return []string{w.measure(dp.Measure{Kind: dp.Subjects}, "")}
	case name == "count":
		return []string{w.measure(dp.Measure{Kind: dp.Count}, w.value(c, w.bound(c)))}
	}
	return w.numeric(o, e, c, name)
}

var wholes = []uint32{pgvalue.Int2OID, pgvalue.Int4OID, pgvalue.Int8OID}

// bound is what the policy says of a column of numbers, or nil.
func (w *privateWriter) bound(c *catalog.Column) *policy.Bound {
	b, ok := w.out.Rules.Bounds[c.Name]
	if !ok || !slices.Contains(wholes, c.Type) && !slices.Contains([]uint32{pgvalue.NumericOID, pgvalue.Float4OID, pgvalue.Float8OID}, c.Type) {
		return nil
	}
	return &b
}

// numeric is the part of aggregate for numbers.
func (w *privateWriter) numeric(o *PrivateCell, e *analyze.Expr, c *catalog.Column, name string) []string {
	b := w.bound(c)
	switch {
	case b == nil:
		w.fail(c.Name+" has no bounds, or is no number", "The owner may add bounds to aggregate in the policy.")
		return nil
	case !b.Step.IsInt() && slices.Contains(wholes, c.Type):
		w.err = &clarus.Error{Op: "plan", Attr: c.Name, Kind: clarus.Misconfigured, Msg: "the policy's step is not whole, and the column's type is", Hint: "The owner must correct aggregate.bounds."}
		return nil
	}
	o.Estimate.Lower, o.Estimate.Upper, o.Estimate.Step = b.Lower, b.Upper, b.Step
	o.Digits, _ = b.Step.FloatPrec()
	of := func(k dp.Kind) string {
		return w.measure(dp.Measure{Kind: k, Lower: b.Lower, Upper: b.Upper}, w.value(c, b))
	}
	switch o.Estimate.Kind {
	case dp.Total:
		return []string{of(dp.Sum)}
	case dp.Value:
		share := w.share(e)
		if share == nil {
			w.fail(name+" of a share that is not a constant from 0 to 1 of six digits, or in descending order", "")
			return nil
		}
		return []string{w.measure(dp.Measure{Kind: dp.Quantile, Lower: b.Lower, Upper: b.Upper, Num: share.Num().Uint64(), Den: share.Denom().Uint64()}, w.value(c, b))}
	}
	o.Digits += 6
	made := []string{of(dp.Spread), w.measure(dp.Measure{Kind: dp.Count}, w.value(c, b))}
	if o.Estimate.Kind != dp.Mean {
		made = append(made, of(dp.Squares))
	}
	return made
}

// share reads the fraction of a percentile.
func (w *privateWriter) share(e *analyze.Expr) *big.Rat {
	if len(e.Direct) != 1 || w.env.Builtins.Operators[e.Within].Name != "<" {
		return nil
	}
	d := e.Direct[0]
	if d.Kind == analyze.Call && len(d.Args) == 1 && w.env.Builtins.Functions[d.Func].Name == "float8" {
		d = d.Args[0]
	}
	if d.Kind != analyze.Literal || d.Operand.Param > 0 || d.Operand.Null {
		return nil
	}
	text, ok := pgvalue.Text(d.Operand.Type, d.Operand.Value)
	if !ok || !shares.Match(text) {
		return nil
	}
	x, ok := new(big.Rat).SetString(string(text))
	if !ok || x.Sign() < 0 || x.Cmp(big.NewRat(1, 1)) > 0 {
		return nil
	}
	return x
}

var shares = regexp.MustCompile(`^[01](\.[0-9]{1,6})?$`)

// value names what a row has for a measure.
func (w *privateWriter) value(c *catalog.Column, b *policy.Bound) string {
	name := fmt.Sprintf("%05d", c.Num)
	if b != nil {
		name += "n"
	}
	w.values[name] = PrivateValue{c, b}
	return name
}

// measure names a measure of a value, or of none: the same one is made once.
func (w *privateWriter) measure(m dp.Measure, value string) string {
	if value == "" {
		m.Value = -1
	}
	name := fmt.Sprint(m) + "\x00" + value
	w.measures[name] = m
	return name
}

func (w *privateWriter) sort(told []string) {
	for _, k := range w.q.Sort {
		op := w.env.Builtins.Operators[k.Less].Name
		if op != "<" && op != ">" {
			w.fail("ORDER BY an operator that is not < or >", "")
		}
		w.out.Sort = append(w.out.Sort, PrivateSort{told[k.Output], op, k.NullsFirst})
	}
	for _, bound := range []struct {
		e  *analyze.Expr
		to **Probe
	}{{w.q.Limit, &w.out.Limit}, {w.q.Offset, &w.out.Offset}} {
		if bound.e == nil {
			continue
		}
		if bound.e.Kind != analyze.Literal {
			w.fail("LIMIT and OFFSET of what is not a constant", "")
			continue
		}
		p := probeOf(bound.e.Operand)
		*bound.to = &p
	}
}

// assemble puts the question together, with everything in one order, so that the
// same question has one form however it is written.
func (w *privateWriter) assemble() {
	rules, q := w.out.Rules, &w.out.Question
	values := slices.Sorted(maps.Keys(w.values))
	for _, name := range values {
		w.out.Values = append(w.out.Values, w.values[name])
	}
	names := slices.Sorted(maps.Keys(w.measures))
	for _, name := range names {
		m := w.measures[name]
		if _, value, _ := strings.Cut(name, "\x00"); value != "" {
			m.Value = slices.Index(values, value)
		}
		q.Measures = append(q.Measures, m)
	}
	for i, made := range w.made {
		for _, name := range made {
			w.out.Cells[i].Estimate.Of = append(w.out.Cells[i].Estimate.Of, slices.Index(names, name))
		}
	}
	q.Mechanism, q.Rows, q.Groups = dp.Mechanism(rules.Noise), rules.Rows, rules.Groups
	q.Cost = dp.Loss{Rho: dp.Rho(rules.Question.Rho), Delta: dp.Delta(rules.Question.Delta)}
	open := slices.ContainsFunc(q.Keys, func(k dp.Key) bool { return k.Domain == nil })
	if open && q.Cost.Delta == 0 {
		w.fail("a group's keys are not known to all, and the policy has no delta for a question", "The owner may add aggregate.keys, or a delta to aggregate.question.")
	} else if !open {
		q.Cost.Delta = 0
	}
	if err := q.Check(); err != nil && w.err == nil {
		w.err = &clarus.Error{Op: "plan", Attr: w.out.Table.Name, Kind: clarus.Misconfigured, Msg: err.Error(), Hint: "The owner must correct aggregate in the policy, or ask less in one statement."}
	}
	w.rows()
}

// rows writes what the twin is asked.
func (w *privateWriter) rows() {
	subject := slices.IndexFunc(w.out.Table.Columns, func(c *catalog.Column) bool { return c.Name == w.out.Rules.Subject })
	if subject < 0 || !w.tells(w.out.Table.Columns[subject]) {
		w.fail("the subject is of a type whose equal values are not the same", "")
		return
	}
	var list []string
	add := func(c *catalog.Column, test string) {
		list = append(list, "t."+sqlast.Quote(c.Name)+test)
		w.out.Columns = append(w.out.Columns, c.ID)
	}
	add(w.out.Table.Columns[subject], "")
	for _, k := range w.out.Keys {
		add(k.Attr, "")
	}
	for _, v := range w.out.Values {
		if v.Bound == nil {
			add(v.Attr, " IS NOT NULL")
		} else {
			add(v.Attr, "")
		}
	}
	w.out.SQL = "SELECT " + strings.Join(list, ", ") + " FROM " + sqlast.Qualify(w.out.Table.Schema, w.out.Table.Name) + " t WHERE t." +
		sqlast.Quote(w.out.Rules.Subject) + " IS NOT NULL"
	if w.q.Where != nil {
		w.out.SQL += " AND " + w.condition(w.q.Where)
	}
}
