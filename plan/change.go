package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/sqlast"
)

// A changer plans an UPDATE or a DELETE that the provider carries out on tags
// and clear columns, and with cells that are sealed before.
type changer struct {
	pushWriter
	write  *Write
	st     *analyze.Write
	known  []int16 // columns whose values in the changed row are known
	change []int16 // columns that change
}

// change plans an UPDATE or a DELETE; it returns why it cannot.
func (env Env) change(w *Write, st *analyze.Write) string {
	c := &changer{write: w, st: st}
	c.pushWriter = pushWriter{env: env, q: &st.Query, tables: map[int]*catalog.Table{st.Target: w.Table}, nullable: map[int]bool{}}
	c.key()
	sql := sqlast.Qualify(w.Table.Schema, w.Table.Physical()) + " AS " + alias(st.Target)
	where := ""
	if st.Where != nil {
		where = " WHERE " + c.provider(st.Where)
	}
	set := make([]string, len(st.Set)) // "" for what is given
	for i, a := range st.Set {
		set[i] = c.assign(a)
	}
	for i := range st.Outputs {
		if !env.portableExpr(st.Outputs[i].Expr) {
			c.fail("a function is evaluated on this side")
		}
		c.output(i)
	}
	c.prove()
	c.check()
	if c.why != "" {
		return c.why
	}
	c.out.Once, w.Change = true, c.out
	if w.Command == analyze.Delete {
		w.Change.SQL = "DELETE FROM " + sql + where
	} else {
		w.Change.SQL = "UPDATE " + sql + " SET " + c.assignments(set) + where
	}
	if len(c.fields) > 0 {
		w.Change.SQL += " RETURNING " + strings.Join(c.fields, ", ")
	}
	return ""
}

// provider writes an expression, all of whose functions must mean the same there.
func (c *changer) provider(e *analyze.Expr) string {
	if !c.env.portableExpr(e) {
		return c.fail("a function is evaluated on this side")
	}
	return c.expr(e)
}

func (env Env) portableExpr(e *analyze.Expr) bool {
	if e.Func != 0 {
		f, ok := env.Builtins.Functions[e.Func]
		if !ok || f.Volatility != 'i' && !(f.Volatility == 's' && settings.MatchString(f.Name)) {
			return false
		}
	}
	return !slices.ContainsFunc(e.Args, func(a *analyze.Expr) bool { return !env.portableExpr(a) })
}

// key finds in the condition what the key of the row identity must be.
func (c *changer) key() {
	t := c.write.Table
	if !t.Derived() || c.st.Where == nil {
		return
	}
	parts := []*analyze.Expr{c.st.Where}
	if c.st.Where.Kind == analyze.Conjunction {
		parts = c.st.Where.Args
	}
	list := make([]Given, len(t.Key))
	for i, num := range t.Key {
		at := slices.IndexFunc(parts, func(e *analyze.Expr) (ok bool) {
			list[i], ok = c.equal(e, t.Column(num))
			return ok
		})
		if at < 0 {
			return
		}
	}
	c.write.Key, c.known = list, slices.Clone(t.Key)
}

// equal recognises column = value where equal values are the same bytes.
func (c *changer) equal(e *analyze.Expr, col *catalog.Column) (Given, bool) {
	if e.Kind != analyze.Operation || len(e.Args) != 2 || c.env.Builtins.Operators[e.Op].Name != "=" || !identical(col.Type) {
		return Given{}, false
	}
	left, right := e.Args[0], e.Args[1]
	if left.Kind == analyze.Literal {
		left, right = right, left
	}
	as := left.Type
	for left.Kind == analyze.Relabel {
		left = left.Args[0]
	}
	own, _ := pgvalue.Family(col.Type)
	family, ok := pgvalue.Family(as)
	if left.Kind != analyze.Column || left.Attr != col.Num || !ok || own != family {
		return Given{}, false
	}
	return c.env.given(right, c.write.Table, col)
}

// assign writes what a column is set to; "" if it is given, and sealed if need be.
func (c *changer) assign(a analyze.Assignment) string {
	t := c.write.Table
	col := t.Column(a.Column)
	if col == nil || slices.Contains(t.Key, a.Column) {
		return c.fail("it changes the key of the row identity")
	}
	c.change = append(c.change, a.Column)
	if g, ok := c.env.given(a.Value, t, col); ok && g.Source != Drawn {
		c.write.Set = append(c.write.Set, Assigned{col, g})
		c.write.note(g, a.Value)
		c.known = append(c.known, a.Column)
		return ""
	}
	at := t.Relation.Column(a.Column)
	switch {
	case !col.Clear || at.Typmod >= 0:
		return c.fail("the value of %s is computed on this side", col.Name)
	case c.protected(a.Value) != nil:
		return c.fail("%s is opened for it", col.Name)
	case at.NotNull && !c.neverNull(a.Value):
		return c.fail("%s may become NULL", col.Name)
	}
	c.write.Strict = c.write.Strict || at.NotNull
	return sqlast.Quote(col.Name) + " = " + c.provider(a.Value)
}

// neverNull reports whether an expression is not NULL if no parameter is.
func (c *changer) neverNull(e *analyze.Expr) bool {
	switch e.Kind {
	case analyze.Literal:
		return !e.Operand.Null
	case analyze.Column:
		a := c.write.Table.Relation.Column(e.Attr)
		return a != nil && a.NotNull
	case analyze.Operation:
		if !slices.Contains([]string{"+", "-", "*", "/", "%", "||"}, c.env.Builtins.Operators[e.Op].Name) {
			return false
		}
	case analyze.Relabel:
	default:
		return false
	}
	return !slices.ContainsFunc(e.Args, func(a *analyze.Expr) bool { return !c.neverNull(a) })
}

// assignments writes SET, with the carriers of given values as parameters
// after all others.
func (c *changer) assignments(set []string) string {
	next, given := len(c.out.Params), 0
	for i := range set {
		if set[i] != "" {
			continue
		}
		names, _ := c.write.Set[given].Column.Stored()
		given++
		parts := make([]string, len(names))
		for j, name := range names {
			next++
			parts[j] = fmt.Sprintf("%s = $%d", sqlast.Quote(name), next)
		}
		set[i] = strings.Join(parts, ", ")
	}
	return strings.Join(set, ", ")
}

// check holds the write to what one statement of the provider can do, and to
// errors that can be told as PostgreSQL tells them: with the values of the key.
func (c *changer) check() {
	t := c.write.Table
	changes := func(num int16) bool { return slices.Contains(c.change, num) }
	unknown := func(num int16) bool { return !slices.Contains(c.known, num) }
	for _, a := range c.write.Set {
		if !a.Column.Clear && len(c.write.Key) == 0 {
			c.fail("which rows get a sealed value is not told by their key")
		}
	}
	for _, p := range c.compared {
		if changes(p.col.Num) {
			c.fail("%s is compared and changes", p.name())
		}
	}
	for _, k := range t.Relation.Constraints {
		if slices.ContainsFunc(k.Columns, changes) && slices.ContainsFunc(k.Columns, unknown) {
			c.fail("constraint %s is on columns that are not all known", k.Name)
		}
	}
	for _, i := range t.Relation.Indexes {
		if i.Unique && slices.ContainsFunc(i.Columns, changes) && slices.ContainsFunc(i.Columns, unknown) {
			c.fail("index %s is on columns that are not all known", i.Name)
		}
	}
	for _, child := range c.env.Catalog.Tables {
		for _, k := range child.Relation.Constraints {
			if k.Kind == 'f' && k.Ref == t.Relation.OID {
				c.referred(child, k, changes, unknown)
			}
		}
	}
}

// referred checks a foreign key to the table.
func (c *changer) referred(child *catalog.Table, k *catalog.Constraint, changes, unknown func(int16) bool) {
	if c.write.Command != analyze.Delete {
		if slices.ContainsFunc(k.RefColumns, changes) {
			c.fail("other rows refer to what changes")
		}
		return
	}
	further := slices.ContainsFunc(c.env.Catalog.Tables, func(o *catalog.Table) bool {
		return slices.ContainsFunc(o.Relation.Constraints, func(f *catalog.Constraint) bool { return f.Kind == 'f' && f.Ref == child.Relation.OID })
	})
	switch {
	case k.OnDelete == 'c' && !further:
	case k.OnDelete != 'a' && k.OnDelete != 'r':
		c.fail("rows that refer to it change")
	case slices.ContainsFunc(k.RefColumns, unknown):
		c.fail("rows may refer to it by columns that are not known")
	}
}
