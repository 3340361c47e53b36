package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// RandomPolicy is the policy that RandomSchema is made for: some columns are
// clear, some tagged, some sealed.
const RandomPolicy = `version: 1
defaults: {unlisted: seal, preserve: [equality], leak: {equality: 4}}
datasets:
  g_a: {attributes: {s: {class: confidential, preserve: []}, b: {class: confidential, preserve: []}, cl: {class: non-confidential}, ct: {class: non-confidential}}}
  g_b: {attributes: {s: {class: confidential, preserve: []}, b: {class: confidential, preserve: []}, cl: {class: non-confidential}, ct: {class: non-confidential}}}
`

// RandomSchema are the tables that random statements are about. g_c is clear.
var RandomSchema = func() []string {
	columns := "k int, t text, s text, n numeric, f float8, d date, ts timestamptz, c char(5), b boolean, cl int, ct text"
	list := []string{
		"CREATE TABLE g_a (id serial PRIMARY KEY, " + columns + ")",
		"CREATE TABLE g_b (id serial PRIMARY KEY, ref int REFERENCES g_a, " + columns + ")",
		"CREATE VIEW g_v AS SELECT a.id, a.k, a.t, a.s, b.cl, b.ct, b.t AS u FROM g_a a LEFT JOIN g_b b ON b.ref = a.id",
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 24 {
		values := make([]string, len(randomColumns))
		for j, c := range randomColumns {
			values[j] = c.value(r, true)
		}
		list = append(list, "INSERT INTO g_a (k, t, s, n, f, d, ts, c, b, cl, ct) VALUES ("+strings.Join(values, ", ")+")")
		for j, c := range randomColumns {
			values[j] = c.value(r, true)
		}
		list = append(list, fmt.Sprintf("INSERT INTO g_b (ref, k, t, s, n, f, d, ts, c, b, cl, ct) VALUES (%s, %s)",
			[]string{"NULL", fmt.Sprint(1 + r.IntN(i+1)), fmt.Sprint(1 + r.IntN(i+1))}[r.IntN(3)], strings.Join(values, ", ")))
	}
	return list
}()

// A randomColumn is a column of the tables. loose says that equal values may
// look different, so that plain PostgreSQL itself may return either.
type randomColumn struct {
	name, typ string
	loose     bool
	values    []string
}

var randomColumns = []randomColumn{
	{"k", "int", false, []string{"0", "1", "2", "3", "7", "-1", "2147483647"}},
	{"t", "text", false, []string{"'cnryrandomaaaaaa'", "'cnryrandombbbbbb'", "'cnryrandomcccccc'", "''", "'A cnryrandomaaaaaa'", "'cnryrandomaaaaaa '"}},
	{"s", "text", false, []string{"'cnryrandomaaaaaa'", "'cnryrandombbbbbb'", "'cnryrandomdddddd'", "''", "'%cnryrandomaaaaaa_'"}},
	{"n", "numeric", true, []string{"1", "1.0", "1.00", "0", "-0.0", "'NaN'", "2.5", "1e30", "'Infinity'"}},
	{"f", "float8", true, []string{"0", "'-0'", "'NaN'", "1", "1.5", "'Infinity'", "1e-300"}},
	{"d", "date", false, []string{"'2020-02-29'", "'2000-01-01'", "'infinity'", "'0044-03-15 BC'"}},
	{"ts", "timestamptz", false, []string{"'2020-02-29 12:00+00'", "'2020-02-29 13:00+01'", "'-infinity'", "'2000-01-01 00:00+00'"}},
	{"c", "char(5)", true, []string{"'a'", "'a  '", "'b'", "''", "'abcde'"}},
	{"b", "boolean", false, []string{"true", "false"}},
	{"cl", "int", false, []string{"1", "2", "3", "4"}},
	{"ct", "text", false, []string{"'red'", "'green'", "'blue'", "''"}},
}

func (c randomColumn) value(r *rand.Rand, null bool) string {
	if null && r.IntN(5) == 0 {
		return "NULL"
	}
	v := c.values[r.IntN(len(c.values))]
	if c.typ != "int" {
		v += "::" + c.typ
	}
	return v
}

// A Random makes statements about RandomSchema, the same ones from the same seed.
type Random struct {
	r     *rand.Rand
	alias int
	depth int
}

// NewRandom returns a maker of statements.
func NewRandom(seed uint64) *Random { return &Random{r: rand.New(rand.NewPCG(seed, 7))} }

func (g *Random) one(list ...string) string { return list[g.r.IntN(len(list))] }

func (g *Random) chance(n int) bool { return g.r.IntN(n) == 0 }

// a source is something in FROM, with the columns that it has.
type source struct {
	alias   string
	columns []randomColumn
}

func (s source) column(c randomColumn) string { return s.alias + "." + c.name }

func (g *Random) name() string {
	g.alias++
	return fmt.Sprintf("x%d", g.alias)
}

// pick returns a column of any source.
func (g *Random) pick(from []source) (string, randomColumn) {
	s := from[g.r.IntN(len(from))]
	c := s.columns[g.r.IntN(len(s.columns))]
	return s.column(c), c
}

// like returns a column of a type, or "".
func (g *Random) like(from []source, typ string) string {
	var list []string
	for _, s := range from {
		for _, c := range s.columns {
			if c.typ == typ {
				list = append(list, s.column(c))
			}
		}
	}
	if len(list) == 0 {
		return ""
	}
	return g.one(list...)
}

// idColumn is the clear key that g_a and g_b have.
var idColumn = randomColumn{"id", "int", false, []string{"1", "2", "5", "9", "24"}}

func (g *Random) table(outer []source) (string, source) {
	a := g.name()
	all := append([]randomColumn{idColumn}, randomColumns...)
	switch g.r.IntN(9) {
	case 0, 1, 2:
		return "g_a " + a, source{a, all}
	case 3, 4, 5:
		return "g_b " + a, source{a, all}
	case 6:
		return "g_v " + a, source{a, []randomColumn{idColumn, randomColumns[0], randomColumns[1], randomColumns[2], randomColumns[9], randomColumns[10]}}
	}
	if g.depth > 1 {
		return "g_a " + a, source{a, all}
	}
	lateral := ""
	if g.chance(2) && len(outer) > 0 {
		lateral = "LATERAL "
	} else {
		outer = nil
	}
	g.depth++
	defer func() { g.depth-- }()
	inner, from := g.from(outer)
	where := g.where(append(from, outer...))
	var cols []string
	out := source{alias: a}
	for i := range 1 + g.r.IntN(3) {
		name, c := g.pick(from)
		c.name = fmt.Sprintf("c%d", i)
		cols = append(cols, name+" AS "+c.name)
		out.columns = append(out.columns, c)
	}
	return lateral + "(SELECT " + strings.Join(cols, ", ") + " FROM " + inner + where + ") " + a, out
}

func (g *Random) from(outer []source) (string, []source) {
	sql, s := g.table(nil)
	from := []source{s}
	full := false
	for g.chance(2) && len(from) < 3 {
		join := g.one("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "JOIN", "CROSS JOIN", ",")
		seen := from
		if full = full || join == "RIGHT JOIN" || join == "FULL JOIN"; full {
			seen = nil
		}
		next, n := g.table(seen)
		switch join {
		case "CROSS JOIN", ",":
			if join == "," {
				join = "CROSS JOIN"
			}
			sql += " " + join + " " + next
		case "FULL JOIN": // its condition must be mergeable
			l, c := g.pick(from)
			r := g.like([]source{n}, c.typ)
			if r == "" {
				sql += " CROSS JOIN " + next
				break
			}
			sql += " FULL JOIN " + next + " ON " + l + " = " + r
		default:
			sql += " " + join + " " + next + " ON " + g.condition(append([]source{n}, from...), 1)
		}
		from = append(from, n)
	}
	return sql, from
}

func (g *Random) where(from []source) string {
	if g.chance(4) {
		return ""
	}
	return " WHERE " + g.condition(from, 2)
}

func (g *Random) condition(from []source, depth int) string {
	if depth > 0 {
		switch g.r.IntN(6) {
		case 0:
			return "(" + g.condition(from, depth-1) + " AND " + g.condition(from, depth-1) + ")"
		case 1:
			return "(" + g.condition(from, depth-1) + " OR " + g.condition(from, depth-1) + ")"
		case 2:
			return "NOT " + g.condition(from, depth-1)
		}
	}
	left, c := g.pick(from)
	right := c.value(g.r, g.chance(8))
	if other := g.like(from, c.typ); other != "" && g.chance(2) {
		right = other
	}
	switch g.r.IntN(14) {
	case 0, 1, 2, 3:
		return left + " = " + right
	case 4:
		return right + g.one(" = ", " <> ") + left
	case 5:
		return left + g.one(" <> ", " < ", " >= ", " > ", " <= ") + right
	case 6:
		return left + g.one(" IN (", " NOT IN (") + right + ", " + c.value(g.r, g.chance(6)) + ")"
	case 7:
		return left + g.one(" IS NULL", " IS NOT NULL")
	case 8:
		return left + g.one(" IS DISTINCT FROM ", " IS NOT DISTINCT FROM ") + right
	case 9:
		return left + " = " + g.one("ANY", "ALL") + " (ARRAY[" + c.value(g.r, false) + ", " + c.value(g.r, false) + "])"
	case 10:
		if c.typ == "text" {
			return left + g.one(" LIKE ", " ILIKE ", " ~ ") + g.one("'%a%'", "'cnry%'", "'%'")
		}
		return left + " BETWEEN " + c.value(g.r, false) + " AND " + c.value(g.r, false)
	case 11:
		return "CASE WHEN " + left + " = " + right + " THEN " + g.one("true", "false", "NULL") + " ELSE " + g.one("true", "false") + " END"
	case 12:
		return "coalesce(" + left + ", " + c.value(g.r, false) + ") = " + right
	}
	if g.depth > 1 {
		return left + " = " + right
	}
	g.depth++
	defer func() { g.depth-- }()
	inner, sub := g.from(nil)
	col := g.like(sub, c.typ)
	if col == "" || g.chance(3) {
		return g.one("EXISTS", "NOT EXISTS") + " (SELECT FROM " + inner + g.where(append(sub, from...)) + ")"
	}
	return left + g.one(" IN ", " NOT IN ", " = ANY ") + "(SELECT " + col + " FROM " + inner + g.where(append(sub, from...)) + ")"
}

// Query makes a SELECT.
func (g *Random) Query() string {
	g.alias, g.depth = 0, 0
	switch g.r.IntN(10) {
	case 0:
		return g.block(2) + g.one(" UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT ", " EXCEPT ALL ") + g.block(2)
	case 1:
		inner, from := g.from(nil)
		name, c := g.pick(from)
		w := source{"w", []randomColumn{{"v", c.typ, c.loose, c.values}}}
		second, more := g.table(nil)
		with := "WITH w AS " + g.one("", "MATERIALIZED ", "NOT MATERIALIZED ") + "(SELECT " + name + " AS v FROM " + inner + g.where(from) + ") "
		return with + "SELECT w.v FROM w JOIN " + second + " ON " + g.condition([]source{w, more}, 1)
	case 2:
		return "WITH RECURSIVE r(n, t) AS (SELECT id, t FROM g_a WHERE " + g.condition([]source{{"g_a", randomColumns}}, 1) +
			" UNION SELECT b.id, b.t FROM g_b b JOIN r ON b.ref = r.n AND b.id > r.n) SELECT * FROM r"
	}
	return g.block(0)
}

// block makes one SELECT; with fixed columns of that number, all of text.
func (g *Random) block(fixed int) string {
	sql, from := g.from(nil)
	where := g.where(from)
	if fixed > 0 {
		var list []string
		for range fixed {
			if col := g.like(from, "text"); col != "" {
				list = append(list, col)
			} else {
				list = append(list, "'red'::text")
			}
		}
		return "SELECT " + strings.Join(list, ", ") + " FROM " + sql + where
	}
	switch g.r.IntN(5) {
	case 0:
		return g.grouped(sql, from, where)
	case 1:
		var list []string
		for range 1 + g.r.IntN(3) {
			if name, c := g.pick(from); !c.loose {
				list = append(list, name)
			}
		}
		if len(list) > 0 {
			return "SELECT DISTINCT " + strings.Join(list, ", ") + " FROM " + sql + where
		}
	case 2:
		name, _ := g.pick(from)
		by, _ := g.pick(from)
		return fmt.Sprintf("SELECT count(%s) OVER (PARTITION BY %s), rank() OVER (ORDER BY %s) FROM %s%s", name, by, name, sql, where)
	}
	var list []string
	for range 1 + g.r.IntN(4) {
		name, c := g.pick(from)
		if g.chance(5) && c.typ == "text" {
			name = g.one("upper(", "length(", "md5(") + name + ")"
		}
		list = append(list, name)
	}
	tail := ""
	if g.chance(3) {
		tail = " ORDER BY " + strings.Join(ordinals(len(list)), ", ")
		if loose := strings.ContainsAny(strings.Join(list, " "), "nfc"); g.chance(2) && !loose {
			tail += fmt.Sprintf(" LIMIT %d OFFSET %d", g.r.IntN(6), g.r.IntN(3))
		}
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + sql + where + tail
}

func ordinals(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(i + 1)
	}
	return list
}

func (g *Random) grouped(sql string, from []source, where string) string {
	var keys, list []string
	for range g.r.IntN(3) {
		if name, c := g.pick(from); !c.loose {
			keys, list = append(keys, name), append(list, name)
		}
	}
	for range 1 + g.r.IntN(2) {
		name, c := g.pick(from)
		call := g.one("count(", "count(DISTINCT ") + name + ")"
		if g.chance(3) && !c.loose && c.typ != "boolean" {
			call = g.one("min(", "max(") + name + ")"
		}
		if g.chance(4) {
			call += " FILTER (WHERE " + g.condition(from, 0) + ")"
		}
		list = append(list, call)
	}
	out := "SELECT " + strings.Join(list, ", ") + " FROM " + sql + where
	if len(keys) > 0 {
		by := strings.Join(keys, ", ")
		out += " GROUP BY " + g.one(by, by, "ROLLUP ("+by+")")
	}
	if g.chance(4) {
		out += " HAVING count(*) > " + g.one("0", "1", "2")
	}
	return out
}

// Write makes a statement that changes g_a or g_b.
func (g *Random) Write() string {
	g.alias, g.depth = 0, 2         // without sub-queries, which could make very many rows
	c := randomColumns[g.r.IntN(9)] // not the clear ones
	own := []source{{"g_b", append([]randomColumn{idColumn}, randomColumns...)}}
	inner, from := g.from(nil)
	same := g.like(from, c.typ)
	if same == "" {
		same = c.value(g.r, false)
	}
	switch g.r.IntN(7) {
	case 0:
		return "UPDATE g_b SET " + c.name + " = " + c.value(g.r, true) + " WHERE " + g.condition(own, 2)
	case 1:
		return "UPDATE g_b SET " + c.name + " = (SELECT min(q.v) FROM (SELECT " + same + "::text AS v FROM " + inner + ") q)::" + c.typ + " WHERE " + g.condition(own, 1)
	case 2:
		return "DELETE FROM g_b WHERE " + g.condition(own, 2)
	case 3:
		return "INSERT INTO g_b (" + c.name + ") SELECT " + same + " FROM " + inner + g.where(from)
	case 4:
		return "DELETE FROM g_b USING g_a WHERE g_b.ref = g_a.id AND " + g.condition(append(own, source{"g_a", randomColumns}), 1)
	case 5:
		return "MERGE INTO g_b USING g_a ON g_b.ref = g_a.id AND g_a.k = g_b.k WHEN MATCHED AND " + g.condition(own, 0) + " THEN " +
			g.one("DELETE", "UPDATE SET "+c.name+" = "+c.value(g.r, true)) + " WHEN NOT MATCHED THEN INSERT (" + c.name + ") VALUES (g_a." + c.name + ")"
	}
	return "WITH w AS (UPDATE g_b SET " + c.name + " = " + c.value(g.r, true) + " WHERE " + g.condition(own, 1) + " RETURNING id, t) SELECT count(*) FROM w"
}
