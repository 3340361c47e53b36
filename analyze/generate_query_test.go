package analyze

import (
	"fmt"
	"strings"
)

// query makes a SELECT and says what columns it gives.
func (g *generator) query(depth int, outer []col) (string, string) {
	if depth > 0 && g.p(12) {
		return g.setOperation(depth - 1)
	}
	from, cols := g.item(depth, outer)
	if g.p(25) {
		more, mcols := g.item(max(depth-1, 0), outer)
		from, cols = from+", "+more, append(cols, mcols...)
	}
	where := ""
	if g.p(85) {
		where = " WHERE " + g.condition(2, append(cols[:len(cols):len(cols)], outer...))
	}
	if len(outer) > 0 && g.p(50) {
		where = fmt.Sprintf(" WHERE %s = %s AND %s", of(g, cols, 'i'), of(g, outer, 'i'), g.leaf(cols))
	}
	switch g.IntN(12) {
	case 0:
		return g.aggregate(from, where, cols), "x0:i x1:i x2:i"
	case 1:
		return fmt.Sprintf("SELECT %s x0, count(*) OVER (PARTITION BY %s) x1, rank() OVER (ORDER BY %s) x2 FROM %s%s",
			of(g, cols, 'i'), of(g, cols, 's'), of(g, cols, 'i')+"::int", from, where), "x0:i x1:i x2:i"
	}
	var list, spec, order []string
	for i := range 1 + g.IntN(3) {
		c := cols[g.IntN(len(cols))]
		list = append(list, fmt.Sprintf("%s x%d", c.expr, i))
		spec = append(spec, fmt.Sprintf("x%d:%c", i, c.typ))
		order = append(order, fmt.Sprint(i+1))
	}
	sql := fmt.Sprintf("SELECT %s%s FROM %s%s", g.pick("", "", "", "DISTINCT "), strings.Join(list, ", "), from, where)
	if g.p(20) {
		sql += fmt.Sprintf(" ORDER BY %s LIMIT %d OFFSET %d", strings.Join(order, ", "), 1+g.IntN(5), g.IntN(2))
	}
	return sql, strings.Join(spec, " ")
}

func (g *generator) aggregate(from, where string, cols []col) string {
	key, arg := of(g, cols, 'i'), of(g, cols, 'i')
	if g.p(30) {
		return fmt.Sprintf("SELECT count(*) x0, sum(%s::int) x1, max(%s::int) x2 FROM %s%s", key, arg, from, where)
	}
	having := g.pick("", " HAVING count(*) > 1", fmt.Sprintf(" HAVING max(%s::int) > 1", arg))
	group := g.pick("%s::int", "ROLLUP (%s::int)", "GROUPING SETS ((%s::int), ())")
	return fmt.Sprintf("SELECT %s::int x0, count(*) x1, min(%s::int) FILTER (WHERE %s) x2 FROM %s%s GROUP BY "+group+"%s",
		key, arg, g.leaf(cols), from, where, key, having)
}

func (g *generator) setOperation(depth int) (string, string) {
	branch := func() string {
		from, cols := g.item(depth, nil)
		return fmt.Sprintf("SELECT %s::int x0 FROM %s WHERE %s", of(g, cols, 'i'), from, g.condition(1, cols))
	}
	ops := []string{"UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL"}
	sql := fmt.Sprintf("(%s) %s (%s)", branch(), g.pick(ops...), branch())
	if g.p(30) {
		sql = fmt.Sprintf("(%s) %s (%s)", sql, g.pick(ops...), branch())
	}
	return sql, "x0:i"
}

// statement makes a whole statement. A writing one returns what it wrote.
func (g *generator) statement() string {
	g.ctes = nil
	switch g.IntN(20) {
	case 0:
		return g.recursive()
	case 1, 2:
		sql, spec := g.query(1, nil)
		g.ctes = map[string]string{"w": spec}
		main, _ := g.query(2, nil)
		g.ctes = nil
		return fmt.Sprintf("WITH w AS %s(%s) %s", g.pick("", "MATERIALIZED ", "NOT MATERIALIZED "), sql, main)
	case 3, 4, 5:
		return g.write()
	case 6:
		g.ctes = map[string]string{"w": "a:i"}
		main, _ := g.query(1, nil)
		g.ctes = nil
		return fmt.Sprintf("WITH w AS (%s) %s", g.returning("a"), main)
	case 8, 9, 10:
		return g.outer()
	case 7:
		from, cols := g.named(g.pick("t1", "t2", "t3"))
		return fmt.Sprintf("SELECT * FROM %s WHERE %s FOR %s", from, g.condition(2, cols), g.pick("UPDATE", "SHARE"))
	}
	sql, _ := g.query(2, nil)
	return sql
}

// outer makes an outer join of two tables whose WHERE likes the rows that the
// join extended by NULLs.
func (g *generator) outer() string {
	left, lcols := g.named(g.pick("t1", "t4", "t5"))
	right, rcols := g.named(g.pick("t2", "t3"))
	cols := append(lcols[:len(lcols):len(lcols)], rcols...)
	on := fmt.Sprintf("%s = %s", of(g, lcols, 'i'), of(g, rcols, 'i'))
	where := g.leaf(cols)
	kind := g.pick("LEFT", "LEFT", "RIGHT", "FULL")
	if kind != "FULL" && g.p(60) {
		on += " AND " + g.leaf(cols)
	}
	if g.p(70) {
		nullable := rcols
		if kind == "RIGHT" || kind == "FULL" && g.p(50) {
			nullable = lcols
		}
		where = nullable[g.IntN(len(nullable))].expr + " IS NULL"
		if g.p(30) {
			where += g.pick(" AND ", " OR ") + g.leaf(cols)
		}
	}
	return fmt.Sprintf("SELECT %s, %s, %s FROM %s %s JOIN %s ON %s WHERE %s", lcols[0].expr, lcols[1].expr, rcols[1].expr,
		left, kind, right, on, where)
}

func (g *generator) recursive() string {
	first, fcols := g.named(g.pick(relationNames...))
	next, ncols := g.named(g.pick(relationNames...))
	last, lcols := g.named(g.pick(relationNames...))
	return fmt.Sprintf(`WITH RECURSIVE r(x, l) AS (SELECT %s::int, 1 FROM %s WHERE %s
 UNION %s SELECT %s::int, l + 1 FROM %s JOIN r ON %s = r.x WHERE l < 3 AND %s)
 SELECT r.x, r.l, %s FROM r %s %s ON r.x = %s AND %s WHERE r.l <> 2`,
		of(g, fcols, 'i'), first, g.condition(2, fcols), g.pick("", "ALL"), of(g, ncols, 'i'), next, of(g, ncols, 'i'), g.condition(1, ncols),
		of(g, lcols, 'i'), g.pick("JOIN", "LEFT JOIN", "RIGHT JOIN"), last, of(g, lcols, 'i'), g.leaf(lcols))
}

// write makes a top-level writing statement.
func (g *generator) write() string {
	switch n := g.IntN(100); {
	case n < 20: // a source whose rows the ON clause talks about
		from, cols := g.named(g.pick("t2", "t3", "t5"))
		return fmt.Sprintf("MERGE INTO t1 USING %s ON t1.a = %s AND %s WHEN MATCHED THEN UPDATE SET b = 9 WHEN NOT MATCHED THEN INSERT (b) VALUES (%s)",
			from, cols[0].expr, g.leaf(cols), cols[0].expr)
	case n < 35:
		from, cols := g.item(1, nil)
		key := of(g, cols, 'i')
		return fmt.Sprintf(`MERGE INTO t1 USING (SELECT %s::int k FROM %s WHERE %s) m ON t1.a = m.k AND %s
 WHEN MATCHED AND t1.f THEN UPDATE SET b = 9 WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (a, b) VALUES (m.k, 8)`,
			key, from, g.condition(1, cols), g.leaf(columns("t1", relationColumns["t1"])))
	}
	return g.returning("*")
}

// returning makes INSERT, UPDATE or DELETE with RETURNING of the target's columns.
func (g *generator) returning(what string) string {
	name := g.pick("t1", "t2", "t3", "t4", "t5", "v3", "v4")
	own := columns("tgt", relationColumns[name])
	if what != "*" {
		what = "tgt." + what
	} else {
		what = "tgt.*"
	}
	other, cols := g.item(1, nil)
	switch g.IntN(5) {
	case 0:
		return fmt.Sprintf("INSERT INTO %s AS tgt (a) SELECT %s::int FROM %s WHERE %s RETURNING %s", name,
			of(g, cols, 'i'), other, g.condition(1, cols), what)
	case 1:
		return fmt.Sprintf("UPDATE %s tgt SET a = 7 WHERE %s RETURNING %s", name, g.condition(2, own), what)
	case 2:
		return fmt.Sprintf("UPDATE %s tgt SET a = 7 FROM %s WHERE %s = %s AND %s RETURNING %s", name, other,
			of(g, own, 'i'), of(g, cols, 'i'), g.condition(2, append(own, cols...)), what)
	case 3:
		return fmt.Sprintf("DELETE FROM %s tgt WHERE %s RETURNING %s", name, g.condition(2, own), what)
	}
	return fmt.Sprintf("DELETE FROM %s tgt USING %s WHERE %s = %s AND %s RETURNING %s", name, other,
		of(g, own, 'i'), of(g, cols, 'i'), g.condition(2, append(own, cols...)), what)
}
