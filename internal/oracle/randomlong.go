package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// LongPolicy is the policy that the tables of Long are made for.
const LongPolicy = `version: 1
defaults: {unlisted: seal, preserve: [equality], leak: {equality: 4}}
datasets:
  long_a: {attributes: {s: {class: confidential, preserve: []}, j: {class: confidential, preserve: []}, cl: {class: non-confidential}, ct: {class: non-confidential}}}
  long_b: {attributes: {s: {class: confidential, preserve: []}, j: {class: confidential, preserve: []}, ct: {class: non-confidential}}}
  long_c: {attributes: {id: {class: non-confidential}, ct: {class: non-confidential}}}
`

// LongTables are the tables, with what orders their rows.
var LongTables = []string{"long_a", "long_b", "long_c"}

// A Long makes statements about tables of many rows, whose lengths are very
// different: rows of one byte, of many pages, and duplicates. long_a has a
// protected key, long_b none, long_c a clear one.
type Long struct {
	r      *rand.Rand
	params bool
	values [][]byte
}

// NewLong returns a maker of statements: the same ones from the same seed.
func NewLong(seed uint64) *Long { return &Long{r: rand.New(rand.NewPCG(seed, 11))} }

// Schema makes the tables anew and fills them with n rows each.
func (g *Long) Schema(n int) []string {
	columns := "k int, t text, s text, m long_mood, p long_size, n numeric(20,4), f float8, v varchar(40), c char(9), a int[], j jsonb, cl int, ct text, " +
		"g text GENERATED ALWAYS AS (repeat(left(t, 6), 300)) STORED"
	list := []string{
		"DROP TABLE IF EXISTS long_c, long_b, long_a", "DROP TYPE IF EXISTS long_mood", "DROP DOMAIN IF EXISTS long_size",
		"CREATE TYPE long_mood AS ENUM ('low', 'mid', 'high')", "CREATE DOMAIN long_size AS int CHECK (VALUE > -1000000)",
		"CREATE TABLE long_a (id int PRIMARY KEY, " + columns + ")",
		"CREATE TABLE long_b (id int, " + columns + ")",
		"CREATE TABLE long_c (id int PRIMARY KEY, ref int REFERENCES long_a ON DELETE " + g.one("CASCADE", "SET NULL") + " ON UPDATE CASCADE, " + columns + ")",
	}
	for _, t := range LongTables {
		list = append(list, g.fill(t, n)...)
	}
	return list
}

// fill inserts n rows.
func (g *Long) fill(t string, n int) (list []string) {
	columns := "id, " + longColumns
	if t == "long_c" {
		columns = "id, ref, " + longColumns
	}
	for from := 0; from < n; from += 50 {
		var rows []string
		for i := from; i < min(from+50, n); i++ {
			key := fmt.Sprint(i)
			switch {
			case t == "long_b" && g.chance(3):
				key = fmt.Sprint(i / 10)
			case t == "long_c":
				key += g.one(", NULL", fmt.Sprintf(", %d", g.r.IntN(n)))
			}
			rows = append(rows, "("+key+", "+g.row()+")")
		}
		list = append(list, "INSERT INTO "+t+" ("+columns+") VALUES "+strings.Join(rows, ", "))
	}
	return list
}

const longColumns = "k, t, s, m, p, n, f, v, c, a, j, cl, ct"

func (g *Long) one(list ...string) string { return list[g.r.IntN(len(list))] }

func (g *Long) chance(n int) bool { return g.r.IntN(n) == 0 }

// row is a row's values, without keys.
func (g *Long) row() string {
	var list []string
	for c := range strings.SplitSeq(longColumns, ", ") {
		list = append(list, g.value(c))
	}
	return strings.Join(list, ", ")
}

// value is a constant for a column, or a parameter.
func (g *Long) value(column string) string {
	typ, v := "text", ""
	switch column {
	case "k", "cl":
		typ, v = "int", fmt.Sprint(g.r.IntN(9))
	case "p":
		typ, v = "long_size", fmt.Sprint(g.r.IntN(1000))
	case "m":
		typ, v = "long_mood", g.one("low", "mid", "high")
	case "n":
		typ, v = "numeric(20,4)", g.one("0", "1.5", "1.5000", "-7", "1234567890123456.7891", "NaN")
	case "f":
		typ, v = "float8", g.one("0", "1.5", "NaN", "1e300")
	case "v":
		typ, v = "varchar(40)", g.text(40)
	case "c":
		typ, v = "char(9)", g.one("a", "a  ", "", "abcdefghi")
	case "a":
		typ, v = "int[]", g.one("{}", "{1}", "{1,NULL,3}", "{{1,2},{3,4}}", "{"+strings.Repeat("7,", g.r.IntN(900))+"8}")
	case "j":
		typ, v = "jsonb", g.one(`{"k": "v", "n": 1}`, `{"n": 1, "k": "v", "n": 2}`, `[1, 1.0, 1.00]`, `"x"`, `{"k": "`+g.text(3000)+`"}`)
	case "ct":
		v = g.one("red", "green", "blue", "")
	case "t":
		v = g.one("cnryrandomaaaaaa", "x", "", "y", g.text(60), g.text(9000))
	default:
		v = g.text([]int{1, 1, 9, 90, 400, 2000, 20_000}[g.r.IntN(7)])
	}
	if g.chance(7) {
		return "NULL"
	}
	if g.params && g.chance(2) {
		g.values = append(g.values, []byte(v))
		return fmt.Sprintf("$%d::%s", len(g.values), typ)
	}
	return "'" + v + "'::" + typ
}

// text is a text of at most n bytes, one that can be compressed or not.
func (g *Long) text(n int) string {
	n = 1 + g.r.IntN(n)
	if g.chance(2) {
		return strings.Repeat(g.one("x", "y", "ab"), n)[:n]
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[g.r.IntN(64)]
	}
	return string(b)
}

// condition is one about a row of alias x.
func (g *Long) condition(x string, depth int) string {
	if depth > 0 {
		switch g.r.IntN(5) {
		case 0, 1:
			return "(" + g.condition(x, depth-1) + " AND " + g.condition(x, depth-1) + ")"
		case 2:
			return "(" + g.condition(x, depth-1) + " OR " + g.condition(x, depth-1) + ")"
		case 3:
			return "NOT " + g.condition(x, depth-1)
		}
	}
	column := g.one("k", "t", "v", "m", "p", "cl", "ct", "n", "c", "s")
	switch g.r.IntN(14) {
	case 0:
		from := g.r.IntN(400)
		return fmt.Sprintf("%s.id BETWEEN %d AND %d", x, from, from+g.r.IntN(60))
	case 1:
		m := 2 + g.r.IntN(40)
		return fmt.Sprintf("%s.id %% %d = %d", x, m, g.r.IntN(m))
	case 2, 3:
		return x + "." + column + " = " + g.value(column)
	case 4:
		return x + "." + column + g.one(" IS NULL", " IS NOT NULL")
	case 5:
		return x + "." + column + " IS DISTINCT FROM " + g.value(column)
	case 6:
		return x + "." + column + g.one(" IN (", " NOT IN (") + g.value(column) + ", " + g.value(column) + ")"
	case 7:
		return x + ".t LIKE " + g.one("'x%'", "'%a%'", "'cnry%'", "''")
	case 8:
		return fmt.Sprintf("length(%s.%s) %s %d", x, g.one("t", "s", "g"), g.one("<", ">"), g.r.IntN(3000))
	case 9:
		return g.one(x+".j ->> 'k' = 'v'", x+".j ? 'n'", "3 = ANY ("+x+".a)", "cardinality("+x+".a) > 5")
	case 10:
		return x + ".t = " + x + g.one(".s", ".v", ".ct")
	case 11:
		return g.one("EXISTS", "NOT EXISTS") + " (SELECT FROM long_c z WHERE z.ref = " + x + ".id AND " + g.condition("z", 0) + ")"
	case 12:
		return x + ".id IN (SELECT z.id FROM long_b z WHERE " + g.condition("z", 0) + ")"
	}
	return fmt.Sprintf("(%s.id, %s.k) IN ((%d, %d), (%d, 1))", x, x, g.r.IntN(300), g.r.IntN(9), g.r.IntN(300))
}

// few is a condition that holds for few rows.
func (g *Long) few(x string) string {
	m := 5 + g.r.IntN(40)
	return fmt.Sprintf("%s.id %% %d = %d AND %s", x, m, g.r.IntN(m), g.condition(x, 1))
}

// set is the right side of SET, for a row of alias x.
func (g *Long) set(x string) string {
	sets := map[string]string{}
	for range 1 + g.r.IntN(3) {
		c := g.one("k", "t", "s", "m", "p", "n", "v", "a", "j", "c", "f", "cl", "ct")
		sets[c] = g.value(c)
		if g.chance(2) {
			continue
		}
		switch c {
		case "k":
			sets[c] = x + ".k + 1"
		case "t":
			sets[c] = g.one("left("+x+".s, 100)", x+".ct || "+x+".k", "upper("+x+".t)", "'r' || "+x+".id")
		case "s":
			sets[c] = g.one("left("+x+".s || "+x+".s, 20000)", "left("+x+".s, 7)", x+".t", "repeat('q', "+x+".id % 997)")
		case "p":
			sets[c] = "length(" + x + ".s)"
		case "n":
			sets[c] = x + ".n * 1.5"
		case "a":
			sets[c] = x + ".k || " + g.one("'{7}'::int[]", "ARRAY["+x+".p]")
		case "j":
			sets[c] = "jsonb_build_object('k', left(" + x + ".t, 30), 'id', " + x + ".id)"
		}
	}
	var list []string
	for c := range strings.SplitSeq(longColumns, ", ") {
		if v, ok := sets[c]; ok {
			list = append(list, c+" = "+v)
		}
	}
	return strings.Join(list, ", ")
}

// Statement makes a statement, and the values of its parameters where it is
// to have some.
func (g *Long) Statement(params bool) (sql string, values [][]byte) {
	g.params, g.values = params, nil
	t := g.one(LongTables...)
	switch g.r.IntN(4) {
	case 0:
		sql = g.query(t)
	case 1:
		sql = g.insert(t)
	default:
		sql = g.change(t)
	}
	return sql, g.values
}

const returned = " RETURNING x.id, x.k, length(x.s), x.t"

func (g *Long) change(t string) string {
	key := "long_" + g.one("a", "c")
	back := g.one("", returned)
	one := "(SELECT ref, max(id) AS id, max(k) AS k, max(s) AS s FROM long_c GROUP BY ref) y"
	switch g.r.IntN(11) {
	case 0, 1, 2:
		return "UPDATE " + t + " x SET " + g.set("x") + " WHERE " + g.condition("x", 2) + back
	case 3:
		return "UPDATE " + t + " x SET s = y.s, " + g.one("p = y.id", "v = left(y.s, 40)") + " FROM " + one + " WHERE y.ref = x.id AND " + g.condition("x", 1) + back
	case 4:
		return fmt.Sprintf("UPDATE %s x SET id = id + %d WHERE %s%s", t, 1000+g.r.IntN(9000), g.few("x"), back)
	case 5:
		return "DELETE FROM " + t + " x WHERE " + g.few("x") + back
	case 6:
		return "DELETE FROM " + t + " x USING " + one + " WHERE y.ref = x.id AND " + g.few("x") + back
	case 7:
		return "MERGE INTO long_a x USING (SELECT * FROM long_b WHERE id % 10 = 3 AND id > 40) y ON x.id = y.id WHEN MATCHED AND " + g.condition("x", 0) + " THEN " +
			g.one("DELETE", "UPDATE SET "+g.set("x")) + " WHEN NOT MATCHED THEN INSERT (id, t, s) VALUES (y.id, y.s, y.t)"
	case 8:
		return "WITH w AS (UPDATE " + t + " x SET " + g.set("x") + " WHERE " + g.condition("x", 1) + returned + ") SELECT count(*), sum(k), sum(length(t)) FROM w"
	case 9:
		return "WITH w AS (DELETE FROM long_b x WHERE " + g.few("x") + " RETURNING x.*) INSERT INTO long_b (id, k, t, s, m, p, n, f, v, c, a, j) SELECT id + 1, k, s, t, m, p, n, f, v, c, a, j FROM w"
	}
	return fmt.Sprintf("UPDATE %s x SET %s WHERE x.id IN (SELECT id FROM %s ORDER BY id LIMIT %d OFFSET %d FOR UPDATE)%s", key, g.set("x"), key, 1+g.r.IntN(20), g.r.IntN(100), back)
}

func (g *Long) insert(t string) string {
	from := g.one(LongTables...)
	high := 20_000 + g.r.IntN(100_000)
	head := "INSERT INTO " + t + " AS x (id, k, t, s, m, n, v, a, j) "
	rows := fmt.Sprintf("SELECT id + %d, k, left(s, 9000), t, m, n, v, a, j FROM %s y WHERE %s", high, from, g.few("y"))
	if from == "long_b" {
		rows = fmt.Sprintf("SELECT id + %d, min(k), min(t), max(s), max(m), max(n), max(v), max(a), NULL FROM long_b y WHERE %s GROUP BY id", high, g.few("y"))
	}
	if t == "long_b" {
		return head + rows + g.one("", returned)
	}
	if g.chance(2) {
		rows = strings.Replace(rows, fmt.Sprintf("id + %d", high), fmt.Sprintf("id + %d", g.r.IntN(30)), 1)
	}
	if t == "long_c" || g.chance(3) {
		rows = fmt.Sprintf("VALUES (%d, %s, %s, %s, 'low'::long_mood, 1.5, NULL, NULL, NULL), (%d, 1, 'x', 'y', NULL, NULL, NULL, '{}', NULL)",
			g.r.IntN(500), g.value("k"), g.value("t"), g.value("s"), 500+g.r.IntN(500))
	}
	switch g.r.IntN(4) {
	case 0:
		return head + rows + returned
	case 1:
		return head + rows + " ON CONFLICT DO NOTHING" + g.one("", returned)
	}
	return head + rows + " ON CONFLICT (id) DO UPDATE SET " + g.one("s = excluded.s || length(x.s)", "k = x.k + excluded.k", g.set("x")) +
		g.one("", " WHERE "+g.condition("x", 0)) + g.one("", returned)
}

func (g *Long) query(t string) string {
	key := "long_" + g.one("a", "c")
	switch g.r.IntN(5) {
	case 0, 1:
		return fmt.Sprintf("SELECT id, t, k FROM %s x WHERE %s ORDER BY id LIMIT %d OFFSET %d FOR %s", key, g.condition("x", 1), 1+g.r.IntN(30), g.r.IntN(9),
			g.one("UPDATE", "NO KEY UPDATE", "SHARE", "UPDATE SKIP LOCKED", "UPDATE NOWAIT"))
	case 2:
		return "SELECT " + g.one("m", "k", "cl") + ", count(*), count(DISTINCT t), sum(length(s)), max(v) FROM " + t + " x WHERE " + g.condition("x", 2) + " GROUP BY 1"
	case 3:
		return "SELECT x.id, x.k, y.id, y.t FROM " + t + " x LEFT JOIN long_a y ON y." + g.one("t = x.t", "id = x.k", "v = x.v AND y.id < 40") + " WHERE x.id < 60 AND " + g.condition("x", 1)
	}
	return "SELECT * FROM " + t + " x WHERE " + g.condition("x", 2)
}

// Ordered makes a query whose rows are in an order.
func (g *Long) Ordered() string {
	g.params = false
	return "SELECT id, k, t, length(s) FROM " + g.one("long_a", "long_c") + " x WHERE " + g.condition("x", 1) + " ORDER BY id"
}

// Pick returns a number below n.
func (g *Long) Pick(n int) int { return g.r.IntN(n) }
