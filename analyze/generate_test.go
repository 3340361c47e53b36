package analyze

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// semanticSchema is what random queries run over, as the role app. t4 is a
// child of t1, t5 has row security, the views hide joins of all kinds.
const semanticSchema = `
CREATE TABLE t1 (a int, b int, s text, f bool);
CREATE TABLE t2 (a int, c bigint, v varchar(5), n numeric);
CREATE TABLE t3 (a smallint, d date, k char(3));
CREATE TABLE t4 (e int) INHERITS (t1);
CREATE TABLE t5 (a int, x int);
CREATE VIEW v1 AS SELECT t1.a, b, v FROM t1 JOIN t2 ON t2.a = t1.a AND t2.c > 0 WHERE f OR b < 3;
CREATE VIEW v2 AS SELECT q.a, t3.d, q.b FROM v1 q LEFT JOIN t3 ON t3.a = q.b AND t3.d > '2020-01-02' WHERE t3.d IS NULL OR q.a = 2;
CREATE VIEW v3 WITH (security_barrier) AS SELECT a, s FROM ONLY t1 WHERE s IN ('a', 'ab') OR a IS NULL;
CREATE VIEW v4 AS SELECT a, c FROM t2 WHERE n IS NOT NULL;
CREATE ROLE app;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app;
ALTER TABLE t5 ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON t5 TO app USING (x > 1 AND EXISTS (SELECT FROM t3 WHERE t3.a = t5.a)) WITH CHECK (true);`

// A col is a column that an expression may use; typ is i (integer), s (text),
// b (boolean), n (numeric) or d (date).
type col struct {
	expr string
	typ  byte
}

// relationColumns are "name:type" of what FROM may name.
var relationColumns = map[string]string{
	"t1": "a:i b:i s:s f:b", "t2": "a:i c:i v:s n:n", "t3": "a:i d:d k:s", "t4": "a:i b:i s:s f:b e:i", "t5": "a:i x:i",
	"v1": "a:i b:i v:s", "v2": "a:i d:d b:i", "v3": "a:i s:s", "v4": "a:i c:i",
}

var relationNames = []string{"t1", "t1", "t1", "t2", "t2", "t2", "t3", "t3", "t4", "t5", "v1", "v2", "v3", "v4"}

// A generator makes random statements. The results are determined: LIMIT
// comes with a total order, no function is volatile.
type generator struct {
	*rand.Rand
	aliases int
	ctes    map[string]string
}

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

// p is true with a chance of n in a hundred.
func (g *generator) p(n int) bool { return g.IntN(100) < n }

func (g *generator) alias() string { g.aliases++; return fmt.Sprintf("q%d", g.aliases) }

func columns(alias, spec string) (out []col) {
	for word := range strings.FieldsSeq(spec) {
		name, typ, _ := strings.Cut(word, ":")
		out = append(out, col{alias + "." + name, typ[0]})
	}
	return out
}

// item makes a FROM item and the columns it offers.
func (g *generator) item(depth int, outer []col) (string, []col) {
	switch n := g.IntN(100); {
	case depth > 0 && n < 35:
		return g.join(depth-1, outer)
	case depth > 0 && n < 43:
		q := g.alias()
		sql, spec := g.query(depth-1, nil)
		return "(" + sql + ") " + q, columns(q, spec)
	case n < 46:
		q := g.alias()
		return "generate_series(0, 2) " + q + "(a)", columns(q, "a:i")
	case n < 49:
		q := g.alias()
		return "(VALUES (1, 'a'), (2, NULL), (NULL, 'b')) " + q + "(a, s)", columns(q, "a:i s:s")
	case n < 58 && len(g.ctes) > 0:
		q := g.alias()
		for name, spec := range g.ctes { // there is one at most
			return name + " " + q, columns(q, spec)
		}
	}
	return g.named(g.pick(relationNames...))
}

func (g *generator) named(name string) (string, []col) {
	q := g.alias()
	cols := columns(q, relationColumns[name])
	switch {
	case name == "t1" && g.p(10):
		name = "ONLY t1"
	case name[0] == 't' && g.p(4):
		return name + " " + q + " TABLESAMPLE bernoulli (60) REPEATABLE (3)", cols
	}
	return name + " " + q, cols
}

func (g *generator) join(depth int, outer []col) (string, []col) {
	kind := g.pick("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN LATERAL", "USING")
	left, lcols := g.item(depth, outer)
	switch kind {
	case "CROSS JOIN LATERAL":
		q := g.alias()
		sql, spec := g.query(depth, append(lcols[:len(lcols):len(lcols)], outer...))
		return left + " CROSS JOIN LATERAL (" + sql + ") " + q, append(lcols, columns(q, spec)...)
	case "USING":
		left, lcols = g.named(g.pick("t1", "t3", "t5", "v1"))
		right, rcols := g.named(g.pick("t2", "t4", "v2", "v4"))
		q := g.alias()
		sql := fmt.Sprintf("%s %s %s USING (a) AS %s", left, g.pick("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"), right, q)
		return sql, append(append(lcols, rcols...), col{q + ".a", 'i'})
	}
	right, rcols := g.item(depth, outer)
	cols := append(lcols, rcols...)
	on := g.condition(2, cols)
	if g.p(60) || kind == "FULL JOIN" { // FULL JOIN needs a mergeable condition
		on = fmt.Sprintf("%s = %s", of(g, lcols, 'i'), of(g, rcols, 'i'))
		if kind != "FULL JOIN" {
			on += " AND " + g.condition(1, cols)
		} else if g.p(50) {
			on += " AND " + g.leaf(rcols)
		}
	}
	return fmt.Sprintf("(%s %s %s ON %s)", left, kind, right, on), cols
}

// of is a column of a type, or a constant where there is none.
func of(g *generator, cols []col, typ byte) string {
	for range 8 {
		if c := cols[g.IntN(len(cols))]; c.typ == typ {
			return c.expr
		}
	}
	return g.constant(typ)
}

func (g *generator) constant(typ byte) string {
	switch typ {
	case 'i':
		return g.pick("0", "1", "2", "3", "-1", "NULL", "2::bigint", "1::smallint")
	case 's':
		return g.pick("'a'", "'ab'", "'b'", "''", "NULL", "'a'::varchar")
	case 'b':
		return g.pick("true", "false", "NULL")
	case 'n':
		return g.pick("1.5", "-0.25", "0.0", "10000.0001", "'NaN'", "NULL")
	}
	return g.pick("'2020-01-01'", "'2020-01-02'", "'infinity'", "NULL")
}

// leaf is a condition on one column, mostly of a kind that filters know.
func (g *generator) leaf(cols []col) string {
	c := cols[g.IntN(len(cols))]
	k := func() string { return g.constant(c.typ) }
	cmp := g.pick("=", "=", "=", "<", ">=", "<>")
	switch n := g.IntN(20); {
	case n == 0:
		return c.expr + " IS NULL"
	case n == 1:
		return c.expr + " IS NOT NULL"
	case c.typ == 'b' && n < 12:
		return g.pick("", "NOT ") + c.expr + g.pick("", "", " IS TRUE", " IS NOT TRUE", " IS FALSE", " IS NOT FALSE", " IS UNKNOWN", " IS NOT UNKNOWN")
	case n < 4:
		return fmt.Sprintf("%s %s (%s, %s, %s)", c.expr, g.pick("IN", "IN", "NOT IN"), k(), k(), k())
	case n == 4:
		return fmt.Sprintf("%s BETWEEN %s AND %s", c.expr, k(), k())
	case n == 5 && c.typ == 'i':
		return fmt.Sprintf("%s %s %s ('{1,NULL,3}')", c.expr, cmp, g.pick("ANY", "ALL"))
	case n == 5 && c.typ == 's':
		return fmt.Sprintf("%s %s %s ('{a,NULL,ab}')", c.expr, cmp, g.pick("ANY", "ALL"))
	case n == 6 && c.typ == 's':
		return c.expr + g.pick(" LIKE 'a%'", " COLLATE \"C\" > 'a'", " || 'b' = 'ab'", " ~ 'b'")
	case n == 7:
		return fmt.Sprintf("%s IS %sDISTINCT FROM %s", c.expr, g.pick("", "NOT "), k())
	case n == 8:
		return fmt.Sprintf("COALESCE(%s, %s) %s %s", c.expr, k(), cmp, k())
	case n == 9:
		return fmt.Sprintf("%s %s %s", k(), cmp, c.expr)
	case n == 10:
		return fmt.Sprintf("%s %s %s", c.expr, cmp, of(g, cols, c.typ))
	case n == 11:
		return fmt.Sprintf("(%s, %s) %s (%s, 2)", c.expr, of(g, cols, 'i'), g.pick("<", "=", "<>"), k())
	}
	return fmt.Sprintf("%s %s %s", c.expr, cmp, k())
}

func (g *generator) condition(depth int, cols []col) string {
	if depth == 0 || g.p(25) {
		return g.leaf(cols)
	}
	sub := func() string { return g.condition(depth-1, cols) }
	switch g.IntN(9) {
	case 0, 1, 2:
		return "(" + sub() + " AND " + sub() + ")"
	case 3, 4:
		return "(" + sub() + " OR " + sub() + ")"
	case 5:
		return "NOT (" + sub() + ")"
	case 6:
		inner, icols := g.named(g.pick(relationNames...))
		return fmt.Sprintf("%sEXISTS (SELECT FROM %s WHERE %s = %s AND %s)", g.pick("", "NOT "), inner,
			of(g, icols, 'i'), of(g, cols, 'i'), g.condition(depth-1, append(icols, cols...)))
	case 7:
		inner, icols := g.named(g.pick(relationNames...))
		return fmt.Sprintf("%s %s (SELECT %s FROM %s WHERE %s)", of(g, cols, 'i'), g.pick("IN", "NOT IN"),
			of(g, icols, 'i'), inner, g.condition(depth-1, icols))
	}
	return sub()
}
