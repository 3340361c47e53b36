package plan

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/sqlast"
)

// A privateExpr writes an expression for the twin: of leaves, constants, and what
// computes may be used.
type privateExpr struct {
	*privateWriter
	params   *[]Probe
	leaf     func(e *analyze.Expr) (string, bool) // a column or an aggregate
	computes func(e *analyze.Expr) bool           // a Call, an Operation, AnyOf or AllOf
}

// condition writes the WHERE clause. It is evaluated for every row, and an error
// that one row raises would tell of it. So only what can fail on no value is taken:
// comparisons of columns and values by built-in operators, casts that widen.
func (w *privateWriter) condition(e *analyze.Expr) string {
	x := privateExpr{privateWriter: w, params: &w.out.Params, computes: w.total}
	x.leaf = func(e *analyze.Expr) (string, bool) {
		c := w.out.Table.Column(e.Attr)
		if e.Kind != analyze.Column || c == nil {
			return "", false
		}
		w.out.Columns = append(w.out.Columns, c.ID)
		return "t." + sqlast.Quote(c.Name), true
	}
	return x.write(e)
}

var (
	// comparisons are functions behind operators that can fail on no value.
	comparisons = regexp.MustCompile(`^(bool|char|int2|int4|int8|int24|int42|int28|int82|int48|int84|oid|float4|float8|float48|float84|numeric_|text_?|bpchar|date_|time_|` +
		`timestamp_|timestamptz_|interval_|uuid_|bytea|enum_)(eq|ne|lt|le|gt|ge)$`)
	// patterns are likewise, with a pattern in which nothing is escaped.
	patterns = regexp.MustCompile(`^(text|bpchar)(ic)?n?like$`)
)

// widening are casts without loss and without error, by OID.
var widening = map[uint32]bool{313: true, 754: true, 481: true, 1740: true, 1781: true, 1782: true, 235: true, 316: true, 482: true, 311: true}

// float8OfNumeric is the cast around a constant that is compared with a double
// precision column. It can fail, but on no row.
const float8OfNumeric = 1746

// total reports whether an operator or function can fail on no value of a row.
func (w *privateWriter) total(e *analyze.Expr) bool {
	f := w.env.Builtins.Functions[e.Func]
	if e.Kind == analyze.Call {
		return len(e.Args) == 1 && (widening[e.Func] || e.Func == float8OfNumeric && e.Args[0].Kind == analyze.Literal)
	}
	if f.Volatility != 'i' || !w.env.Builtins.Operators[e.Op].Bool {
		return false
	}
	if patterns.MatchString(f.Name) {
		return e.Kind == analyze.Operation && len(e.Args) == 2 && e.Args[1].Kind == analyze.Literal && e.Args[1].Operand.Param == 0 && quick(e.Args[1].Operand.Value)
	}
	return comparisons.MatchString(f.Name)
}

// quick reports whether a pattern escapes nothing and is compared in little time:
// one with several wildcards inside could be made to take seconds for a single row.
func quick(pattern []byte) bool {
	inner := bytes.TrimSuffix(bytes.TrimPrefix(pattern, []byte("%")), []byte("%"))
	return len(pattern) <= 100 && !bytes.ContainsAny(inner, `%\`)
}

// mostParts bounds an expression: no row takes long to evaluate.
const mostParts = 1000

func (x *privateExpr) write(e *analyze.Expr) string {
	if x.parts++; x.parts > mostParts {
		x.fail("the statement has too many parts", "Ask about fewer values.")
		return "NULL"
	}
	if sql, ok := x.leaf(e); ok {
		return sql
	}
	switch e.Kind {
	case analyze.Literal:
		return x.symbol(e.Operand)
	case analyze.Call:
		if f := x.env.Builtins.Functions[e.Func]; x.allowed(e, "function "+f.Name) {
			return "pg_catalog." + sqlast.Quote(f.Name) + "(" + strings.Join(x.list(e.Args), ", ") + ")"
		}
	case analyze.Operation:
		return x.operation(e)
	case analyze.AnyOf, analyze.AllOf:
		return x.among(e)
	case analyze.Conjunction:
		return "(" + strings.Join(x.list(e.Args), " AND ") + ")"
	case analyze.Disjunction:
		return "(" + strings.Join(x.list(e.Args), " OR ") + ")"
	case analyze.Negation:
		return "(NOT " + x.write(e.Args[0]) + ")"
	case analyze.IsNull:
		return "(" + x.write(e.Args[0]) + " IS NULL)"
	case analyze.IsNotNull:
		return "(" + x.write(e.Args[0]) + " IS NOT NULL)"
	case analyze.Relabel:
		if name, ok := relabels[e.Type]; ok {
			return "(" + x.write(e.Args[0]) + ")::" + name
		}
	}
	x.fail("an expression has what is not understood, or columns that are neither grouped by nor aggregated", "")
	return "NULL"
}

func (x *privateExpr) list(args []*analyze.Expr) []string {
	out := make([]string, len(args))
	for i, e := range args {
		out[i] = x.write(e)
	}
	return out
}

func (x *privateExpr) allowed(e *analyze.Expr, what string) bool {
	ok := x.computes(e)
	if !ok {
		x.fail(what+" is not evaluated here", "In WHERE, columns are compared with values by =, <>, <, <=, >, >=, IN, LIKE without escapes and IS NULL, which can fail for no row.")
	}
	return ok
}

func (x *privateExpr) operation(e *analyze.Expr) string {
	op, ok := x.env.Builtins.Operators[e.Op]
	if !ok || op.Func != e.Func || !x.allowed(e, "operator "+op.Name) {
		x.fail("an operator made by a user", "")
		return "NULL"
	}
	symbol, args := " OPERATOR(pg_catalog."+op.Name+") ", x.list(e.Args)
	if len(args) == 1 {
		return "(" + symbol + args[0] + ")"
	}
	return "(" + args[0] + symbol + args[1] + ")"
}

func (x *privateExpr) among(e *analyze.Expr) string {
	op, ok := x.env.Builtins.Operators[e.Op]
	if !ok || op.Func != e.Func || len(e.List) == 0 || len(e.Args) != 1 || !x.allowed(e, "operator "+op.Name) {
		x.fail("an expression compares with a list that is empty", "")
		return "NULL"
	}
	list := make([]string, len(e.List))
	for i, o := range e.List {
		list[i] = x.symbol(o)
	}
	word := "ALL"
	if e.Kind == analyze.AnyOf {
		word = "ANY"
	}
	return "(" + x.write(e.Args[0]) + " OPERATOR(pg_catalog." + op.Name + ") " + word + " (ARRAY[" + strings.Join(list, ", ") + "]))"
}

func (x *privateExpr) symbol(o analyze.Operand) string {
	x.parts++
	*x.params = append(*x.params, probeOf(o))
	return fmt.Sprintf("$%d", len(*x.params))
}
