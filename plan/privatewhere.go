package plan

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/sqlast"
)

// A condition of a private question is evaluated for every row, and an error that
// one row raises would tell of it. So only what can fail on no value is taken:
// comparisons of columns and values by built-in operators, casts that widen.

// total are the functions behind such operators.
var total = regexp.MustCompile(`^(bool|char|int2|int4|int8|int24|int42|int28|int82|int48|int84|oid|float4|float8|float48|float84|numeric_|text_?|bpchar|date_|time_|` +
	`timestamp_|timestamptz_|interval_|uuid_|bytea|enum_)(eq|ne|lt|le|gt|ge)$`)

// widening are casts without loss and without error, by OID.
var widening = map[uint32]bool{313: true, 754: true, 481: true, 1740: true, 1781: true, 1782: true, 235: true, 316: true, 482: true, 311: true}

// float8OfNumeric is the cast around a constant that is compared with a double
// precision column. It can fail, but on no row.
const float8OfNumeric = 1746

// condition writes an expression of the WHERE clause for the twin.
func (w *privateWriter) condition(e *analyze.Expr) string {
	switch e.Kind {
	case analyze.Column:
		if c := w.out.Table.Column(e.Attr); c != nil {
			w.out.Columns = append(w.out.Columns, c.ID)
			return "t." + sqlast.Quote(c.Name)
		}
	case analyze.Literal:
		return w.symbol(e.Operand)
	case analyze.Call:
		if f := w.env.Builtins.Functions[e.Func]; len(e.Args) == 1 && (widening[e.Func] || e.Func == float8OfNumeric && e.Args[0].Kind == analyze.Literal) {
			return "pg_catalog." + sqlast.Quote(f.Name) + "(" + w.condition(e.Args[0]) + ")"
		}
		w.fail("the condition calls "+w.env.Builtins.Functions[e.Func].Name, "Only comparisons of columns with values, which no row can make fail, are evaluated.")
	case analyze.Operation:
		if op, ok := w.comparison(e); ok && len(e.Args) == 2 {
			return "(" + w.condition(e.Args[0]) + op + w.condition(e.Args[1]) + ")"
		}
	case analyze.AnyOf, analyze.AllOf:
		return w.among(e)
	case analyze.Conjunction:
		return w.joined(e.Args, " AND ")
	case analyze.Disjunction:
		return w.joined(e.Args, " OR ")
	case analyze.Negation:
		return "(NOT " + w.condition(e.Args[0]) + ")"
	case analyze.IsNull:
		return "(" + w.condition(e.Args[0]) + " IS NULL)"
	case analyze.IsNotNull:
		return "(" + w.condition(e.Args[0]) + " IS NOT NULL)"
	case analyze.Relabel:
		if name, ok := relabels[e.Type]; ok {
			return "(" + w.condition(e.Args[0]) + ")::" + name
		}
	}
	w.fail("the condition has something else than comparisons of columns with values", "")
	return "NULL"
}

func (w *privateWriter) joined(list []*analyze.Expr, word string) string {
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = w.condition(e)
	}
	return "(" + strings.Join(parts, word) + ")"
}

// comparison is the operator of an expression, if it can fail on no value.
func (w *privateWriter) comparison(e *analyze.Expr) (string, bool) {
	op, ok := w.env.Builtins.Operators[e.Op]
	f := w.env.Builtins.Functions[op.Func]
	if !ok || !op.Bool || op.Func != e.Func || f.Volatility != 'i' || !total.MatchString(f.Name) {
		w.fail("the condition uses operator "+op.Name, "Only comparisons by =, <>, <, <=, > and >= of values of one kind are evaluated.")
		return "", false
	}
	return " OPERATOR(pg_catalog." + op.Name + ") ", true
}

func (w *privateWriter) among(e *analyze.Expr) string {
	op, ok := w.comparison(e)
	if !ok || len(e.List) == 0 || len(e.Args) != 1 {
		w.fail("the condition compares with a list that is empty", "")
		return "NULL"
	}
	list := make([]string, len(e.List))
	for i, o := range e.List {
		list[i] = w.symbol(o)
	}
	word := "ALL"
	if e.Kind == analyze.AnyOf {
		word = "ANY"
	}
	return "(" + w.condition(e.Args[0]) + op + word + " (ARRAY[" + strings.Join(list, ", ") + "]))"
}

func (w *privateWriter) symbol(o analyze.Operand) string {
	w.out.Params = append(w.out.Params, probeOf(o))
	return fmt.Sprintf("$%d", len(w.out.Params))
}
