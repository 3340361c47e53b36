package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/sqlast"
)

// A carried is a protected column of a table in the pushed statement.
type carried struct {
	at    int // range table index
	table *catalog.Table
	col   *catalog.Column
	as    uint32 // type as compared
}

func (c *carried) name() string { return c.table.Name + "." + c.col.Name }
func (c *carried) tag() string  { return alias(c.at) + "." + sqlast.Quote(c.col.TagColumn()) }
func (c *carried) cell() string { return alias(c.at) + "." + sqlast.Quote(c.col.CellColumn()) }

// protected returns the protected column that an expression is, or nil.
func (w *pushWriter) protected(e *analyze.Expr) *carried {
	as := e.Type
	for e.Kind == analyze.Relabel {
		e = e.Args[0]
	}
	if e.Kind != analyze.Column {
		return nil
	}
	t := w.tables[e.Table]
	if c := t.Column(e.Attr); c != nil && !c.Clear {
		return &carried{at: e.Table, table: t, col: c, as: as}
	}
	return nil
}

// carries reports whether a column has a tag whose equality is that of the
// type that the column is compared as.
func (w *pushWriter) carries(c *carried) bool {
	own, ok := pgvalue.Family(c.col.Type)
	as, okAs := pgvalue.Family(c.as)
	if !c.col.Equality || !ok || !okAs || own != as {
		w.fail("%s preserves no equality", c.name())
		return false
	}
	return true
}

// tag writes a column's tag where equality is computed on it.
func (w *pushWriter) tag(c *carried) string {
	switch {
	case !w.carries(c):
	case w.grouped && !w.keys[c.tag()]:
		w.fail("%s depends on the groups", c.name())
	}
	w.compared = append(w.compared, c)
	return c.tag()
}

// expr writes an expression whose value the provider computes.
func (w *pushWriter) expr(e *analyze.Expr) string {
	if w.why != "" {
		return "NULL"
	}
	if w.grouped && e.Kind != analyze.Literal && e.Kind != analyze.Aggregate {
		if key := w.key(e); key != "" {
			return key
		}
	}
	switch e.Kind {
	case analyze.Column:
		return w.column(e)
	case analyze.Call:
		f := w.env.Builtins.Functions[e.Func]
		return "pg_catalog." + sqlast.Quote(f.Name) + "(" + strings.Join(w.args(e.Args), ", ") + ")"
	case analyze.Operation:
		return w.operation(e)
	case analyze.AnyOf, analyze.AllOf:
		return w.member(e)
	case analyze.Conjunction, analyze.Disjunction:
		word := " AND "
		if e.Kind == analyze.Disjunction {
			word = " OR "
		}
		return "(" + strings.Join(w.conditions(e.Args), word) + ")"
	case analyze.Negation:
		return "(NOT " + w.conditions(e.Args)[0] + ")"
	case analyze.IsNull, analyze.IsNotNull:
		return w.null(e)
	case analyze.Relabel:
		if name, ok := relabels[e.Type]; ok {
			return "(" + w.expr(e.Args[0]) + ")::" + name
		}
		return w.fail("it casts to a type that is not known to mean the same there")
	case analyze.Aggregate:
		return w.aggregate(e)
	}
	return w.fail("a constant stands alone")
}

// relabels are the types that binary-compatible casts go to.
var relabels = map[uint32]string{pgvalue.TextOID: "pg_catalog.text", pgvalue.VarcharOID: "pg_catalog.varchar", pgvalue.BPCharOID: "pg_catalog.bpchar",
	pgvalue.Int4OID: "pg_catalog.int4", pgvalue.OIDOID: "pg_catalog.oid"}

// key returns the grouping key that an expression is, or "".
func (w *pushWriter) key(e *analyze.Expr) string {
	if c := w.protected(e); c != nil {
		if !w.keys[c.tag()] {
			w.fail("%s is neither grouped nor computed on", c.name())
		}
		return ""
	}
	sub := *w // whose new parameters, if any, are no key's
	sub.grouped, sub.out.Params = false, slices.Clone(w.out.Params)
	if sql := sub.expr(e); sub.why == "" && w.keys[sql] {
		return sql
	}
	return ""
}

func (w *pushWriter) column(e *analyze.Expr) string {
	t := w.tables[e.Table]
	c := t.Column(e.Attr)
	switch {
	case c == nil:
		return w.fail("it reads a column that is not stored")
	case !c.Clear:
		return w.fail("it computes on %s", t.Name+"."+c.Name)
	case w.grouped:
		return w.fail("%s depends on the groups", t.Name+"."+c.Name)
	}
	return alias(e.Table) + "." + sqlast.Quote(c.Name)
}

// args writes arguments. Constants go along only beside a column, whose domain
// they then belong to.
func (w *pushWriter) args(list []*analyze.Expr) []string {
	out := make([]string, len(list))
	beside := slices.ContainsFunc(list, hasColumn)
	for i, e := range list {
		switch {
		case e.Kind != analyze.Literal:
			out[i] = w.expr(e)
		case beside:
			out[i] = w.symbol(Slot{Probe: probeOf(e.Operand)})
		default:
			out[i] = w.fail("it computes on constants alone")
		}
	}
	return out
}

func hasColumn(e *analyze.Expr) bool {
	return e.Kind == analyze.Column || e.Kind == analyze.Aggregate || slices.ContainsFunc(e.Args, hasColumn)
}

func (w *pushWriter) conditions(list []*analyze.Expr) []string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = w.expr(e)
	}
	return out
}

// operation writes an operator: on tags if it compares a protected column for equality.
func (w *pushWriter) operation(e *analyze.Expr) string {
	op, ok := w.env.Builtins.Operators[e.Op]
	if !ok {
		return w.fail("it uses an operator made by a user")
	}
	symbol := " OPERATOR(pg_catalog." + op.Name + ") "
	if len(e.Args) == 2 {
		left, right := w.protected(e.Args[0]), w.protected(e.Args[1])
		if left != nil || right != nil {
			if op.Name != "=" && op.Name != "<>" {
				return w.fail("operator %s on %s is not preserved", op.Name, cmpName(left, right))
			}
			return "(" + w.side(left, right, e.Args[0]) + symbol + w.side(right, left, e.Args[1]) + ")"
		}
	}
	args := w.args(e.Args)
	if len(args) == 1 {
		return "(" + symbol + args[0] + ")"
	}
	return "(" + args[0] + symbol + args[1] + ")"
}

func cmpName(a, b *carried) string {
	if a != nil {
		return a.name()
	}
	return b.name()
}

// side writes one side of an equality: its tag, or the tag of a value.
func (w *pushWriter) side(c, other *carried, e *analyze.Expr) string {
	switch {
	case c == nil && e.Kind != analyze.Literal:
		return w.fail("%s is compared with what has no tag", other.name())
	case c == nil:
		return w.probe(other, e.Operand)
	case other != nil:
		own, _ := pgvalue.Family(c.as)
		as, _ := pgvalue.Family(other.as)
		if own != as || c.col.Group != other.col.Group || c.col.Group == "" && (c.table != other.table || c.col != other.col) {
			return w.fail("the tags of %s and %s are of different groups", c.name(), other.name())
		}
	}
	return w.tag(c)
}

// probe writes the tag of a constant or parameter, as the column would have it.
func (w *pushWriter) probe(c *carried, o analyze.Operand) string {
	if !w.carries(c) {
		return "NULL"
	}
	own, _ := pgvalue.Family(c.as)
	if as, ok := pgvalue.Family(o.Type); !ok || as != own {
		return w.fail("%s is compared with a value of another kind", c.name())
	}
	return w.symbol(Slot{Probe: probeOf(o), Table: c.table, Column: c.col})
}

// member writes column op ANY or ALL (list).
func (w *pushWriter) member(e *analyze.Expr) string {
	op, ok := w.env.Builtins.Operators[e.Op]
	if !ok || len(e.List) == 0 {
		return w.fail("it compares with a list that is empty or by an operator made by a user")
	}
	word := "ALL"
	if e.Kind == analyze.AnyOf {
		word = "ANY"
	}
	c := w.protected(e.Args[0])
	list := make([]string, len(e.List))
	left := ""
	if c != nil {
		if op.Name != "=" && op.Name != "<>" {
			return w.fail("operator %s on %s is not preserved", op.Name, c.name())
		}
		left = w.tag(c)
	} else if !hasColumn(e.Args[0]) {
		return w.fail("it computes on constants alone")
	} else {
		left = w.expr(e.Args[0])
	}
	for i, o := range e.List {
		if c != nil {
			list[i] = w.probe(c, o)
		} else {
			list[i] = w.symbol(Slot{Probe: probeOf(o)})
		}
	}
	return fmt.Sprintf("(%s OPERATOR(pg_catalog.%s) %s (ARRAY[%s]))", left, op.Name, word, strings.Join(list, ", "))
}

func (w *pushWriter) null(e *analyze.Expr) string {
	word := " IS NULL)"
	if e.Kind == analyze.IsNotNull {
		word = " IS NOT NULL)"
	}
	if c := w.protected(e.Args[0]); c != nil {
		return "(" + w.tag(c) + word
	}
	if e.Args[0].Kind == analyze.Literal {
		return w.fail("a constant stands alone")
	}
	return "(" + w.expr(e.Args[0]) + word
}

// aggregate functions whose result does not depend on the order of rows.
var unordered = regexp.MustCompile(`^(count|sum|avg|min|max|bool_and|bool_or|every|bit_and|bit_or|bit_xor|stddev|stddev_pop|stddev_samp|variance|var_pop|var_samp)$`)

func (w *pushWriter) aggregate(e *analyze.Expr) string {
	f, ok := w.env.Builtins.Functions[e.Func]
	if !ok || !unordered.MatchString(f.Name) || len(e.Args) > 1 {
		return w.fail("aggregate %s is computed on this side", f.Name)
	}
	grouped := w.grouped
	w.grouped = false
	defer func() { w.grouped = grouped }()
	arg := "*"
	if len(e.Args) == 1 {
		c := w.protected(e.Args[0])
		switch {
		case c == nil && e.Args[0].Kind == analyze.Literal:
			return w.fail("it computes on constants alone")
		case c == nil:
			arg = w.expr(e.Args[0])
		case f.Name != "count":
			return w.fail("%s of %s is not preserved", f.Name, c.name())
		default:
			arg = w.tag(c)
		}
	}
	if e.Distinct {
		arg = "DISTINCT " + arg
	}
	sql := "pg_catalog." + f.Name + "(" + arg + ")"
	if e.Filter != nil {
		sql += " FILTER (WHERE " + w.expr(e.Filter) + ")"
	}
	return sql
}

// identical reports whether equal values of a type are the same bytes, so that
// any of a group's cells stands for the group.
func identical(typ uint32) bool {
	return slices.Contains([]uint32{pgvalue.BoolOID, pgvalue.Int2OID, pgvalue.Int4OID, pgvalue.Int8OID, pgvalue.TextOID, pgvalue.VarcharOID,
		pgvalue.UUIDOID, pgvalue.DateOID, pgvalue.TimestampOID, pgvalue.TimestamptzOID, pgvalue.TimeOID, pgvalue.ByteaOID, pgvalue.OIDOID}, typ)
}

type place struct {
	name string
	typ  uint32
}

func (p place) quoted() string { return sqlast.Quote(p.name) }

// identity are the provider's columns that tell a row's identity.
func identity(t *catalog.Table) []place {
	if !t.Derived() {
		return []place{{catalog.RowColumn, pgvalue.UUIDOID}}
	}
	var list []place
	for _, num := range t.Key {
		c := t.Column(num)
		list = append(list, place{c.Name, c.StoredType()})
	}
	return list
}

// sends are the functions that give a key's binary format.
var sends = map[uint32]string{pgvalue.UUIDOID: "uuid_send", pgvalue.Int2OID: "int2send", pgvalue.Int4OID: "int4send", pgvalue.Int8OID: "int8send",
	pgvalue.TextOID: "textsend", pgvalue.VarcharOID: "varcharsend", pgvalue.BPCharOID: "bpcharsend", pgvalue.DateOID: "date_send",
	pgvalue.TimestampOID: "timestamp_send", pgvalue.TimestamptzOID: "timestamptz_send", pgvalue.OIDOID: "oidsend"}

// pack takes one row's identity and cell out of a group: the least of their
// hexadecimal texts, in which each part of the identity has its length before
// it. Of a group, any row will do; min needs no memory.
func (w *pushWriter) pack(c *carried) string {
	var parts []string
	for _, id := range identity(c.table) {
		send, ok := sends[id.typ]
		if !ok {
			return w.fail("the key of %s has no simple binary form", c.table.Name)
		}
		part := "pg_catalog." + send + "(" + alias(c.at) + "." + id.quoted() + ")"
		parts = append(parts, "pg_catalog.int4send(pg_catalog.octet_length("+part+"))", part)
	}
	if c.col.Cell().Type != pgvalue.ByteaOID {
		return w.fail("the cell of %s is not packed into a group's text", c.name())
	}
	parts = append(parts, c.cell())
	return "pg_catalog.min(pg_catalog.encode(" + strings.Join(parts, " OPERATOR(pg_catalog.||) ") + ", 'hex') COLLATE pg_catalog.\"C\")"
}
