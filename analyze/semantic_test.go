package analyze

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	queries = flag.Int("queries", 1000, "number of random statements for TestFilterKeepsResult")
	seed    = flag.Uint64("seed", 1, "where their random numbers start")
)

// TestFilterKeepsResult runs random statements twice on a real server: over
// whole tables, and over tables reduced to the rows that pass the statement's
// filters (to no row where the statement does not read the table). The
// results must be the same.
func TestFilterKeepsResult(t *testing.T) {
	s := startServer(t)
	s.rows(semanticSchema + "; SET statement_timeout = '3s'")
	c := readSchema(s)
	g := &generator{Rand: rand.New(rand.NewPCG(*seed, 0))}
	ran, told := 0, 0 // told: rows went away, yet the result has rows
	for i := range *queries {
		if i%100 == 0 {
			fill(s, g)
		}
		g.aliases = 0
		sql := g.statement()
		want, err := s.run(nil, sql)
		if err != nil {
			if i < 10 {
				t.Logf("%s\n%v", sql, err)
			}
			continue // a type clash, two sources for one MERGE row
		}
		ran++
		st := s.parse(sql)
		deleted := 0
		got, err := s.run(func() { deleted = c.reduce(s, st) }, sql)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("statement %d: %s\nwhole tables: %q\nreduced:      %q %v\n%s", i, sql, want, got, err, describe(st))
		}
		if deleted > 0 && len(want) > 0 {
			told++
		}
	}
	t.Logf("%d statements ran, %d lost rows of their tables but none of a result that had rows", ran, told)
	if ran < *queries*3/4 || told < *queries/5 {
		t.Errorf("the generator has gone weak: of %d statements %d ran and %d could tell a wrong filter", *queries, ran, told)
	}
}

func describe(st *Statement) string {
	var b strings.Builder
	for _, r := range st.Relations {
		fmt.Fprintf(&b, "relation %d: %v\n", r.OID, r.Filter)
	}
	return b.String()
}

// fill gives the tables new random rows, many with NULLs.
func fill(s *session, g *generator) {
	s.rows("TRUNCATE t1, t2, t3, t4, t5")
	n := func() string { return g.pick("0", "1", "1", "2", "2", "3", "NULL") }
	text := func() string { return g.pick("'a'", "'ab'", "'b'", "''", "NULL") }
	for range 8 {
		s.rows(fmt.Sprintf("INSERT INTO t1 VALUES (%s, %s, %s, %s)", n(), n(), text(), g.constant('b')))
		s.rows(fmt.Sprintf("INSERT INTO t2 VALUES (%s, %s, %s, %s)", n(), n(), text(), g.constant('n')))
		s.rows(fmt.Sprintf("INSERT INTO t3 VALUES (%s, %s, %s)", n(), g.constant('d'), text()))
		s.rows(fmt.Sprintf("INSERT INTO t5 VALUES (%s, %s)", n(), n()))
		if g.p(40) {
			s.rows(fmt.Sprintf("INSERT INTO t4 VALUES (%s, %s, %s, %s, %s)", n(), n(), text(), g.constant('b'), n()))
		}
	}
}

// run executes a statement as app in a transaction that is rolled back, after
// prepare as the owner. The rows are sorted; MERGE, which returns nothing, is
// followed by the target's rows.
func (s *session) run(prepare func(), sql string) ([]string, error) {
	s.t.Helper()
	s.rows("BEGIN")
	if prepare != nil {
		prepare()
	}
	s.rows("SET LOCAL ROLE app")
	out, err := s.try(sql)
	if err == nil && strings.HasPrefix(sql, "MERGE") {
		out = s.rows("SELECT * FROM t1")
	}
	s.rows("ROLLBACK")
	slices.Sort(out)
	return out, err
}

func (s *session) parse(sql string) *Statement {
	s.t.Helper()
	s.rows("SET ROLE app")
	tree, err := s.analyse(sql)
	s.rows("RESET ROLE")
	check(s.t, err)
	list, err := Parse(tree)
	if err != nil || len(list) != 1 {
		s.t.Fatalf("%s: %d statements, %v", sql, len(list), err)
	}
	return list[0]
}

// A schema turns filters back into SQL.
type schema struct {
	tables    map[string]uint32
	columns   map[string]string // "relation attnum"
	operators map[uint32]string
}

func readSchema(s *session) *schema {
	c := &schema{map[string]uint32{}, map[string]string{}, map[uint32]string{}}
	for _, line := range s.rows("SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[1-5]$'") {
		w := strings.Split(line, "\t")
		c.tables[w[1]] = number(w[0])
	}
	for _, line := range s.rows("SELECT attrelid || ' ' || attnum, attname FROM pg_attribute WHERE attnum > 0") {
		w := strings.Split(line, "\t")
		c.columns[w[0]] = w[1]
	}
	for _, line := range s.rows("SELECT oid, oprname FROM pg_operator") {
		w := strings.Split(line, "\t")
		c.operators[number(w[0])] = "OPERATOR(pg_catalog." + w[1] + ")"
	}
	return c
}

func number(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// reduce deletes the rows that the filters say are not needed, and returns
// how many it deleted.
func (c *schema) reduce(s *session, st *Statement) int {
	deleted := 0
	for _, name := range []string{"t1", "t2", "t3", "t4", "t5"} {
		d := &deletion{schema: c}
		var keep []string
		for _, r := range st.Relations {
			inherited := name == "t4" && r.OID == c.tables["t1"] && r.Inherit
			if r.References > 0 && (r.OID == c.tables[name] || inherited) {
				keep = append(keep, "coalesce("+d.sql(r.OID, r.Filter)+", false)")
			}
		}
		sql := "DELETE FROM ONLY " + name + " WHERE NOT (" + strings.Join(append(keep, "false"), " OR ") + ") RETURNING 1"
		s.c.Parse("", sql, d.types)
		s.c.Bind("", "", []int16{1}, d.values, nil)
		s.c.Execute("", 0)
		s.c.Sync()
		rows, err := s.collect()
		if err != nil {
			s.t.Fatalf("%s: %v", sql, err)
		}
		deleted += len(rows)
	}
	return deleted
}

// A deletion collects the constants of a condition as binary parameters, so
// that the server reads what Parse decoded.
type deletion struct {
	*schema
	types  []uint32
	values [][]byte
}

func (d *deletion) operand(o Operand) string {
	d.types = append(d.types, o.Type)
	value := o.Value
	if o.Null {
		value = nil
	} else if value == nil {
		value = []byte{}
	}
	d.values = append(d.values, value)
	return "$" + strconv.Itoa(len(d.values))
}

func (d *deletion) sql(rel uint32, f Filter) string {
	join := func(parts []Filter, sep string) string {
		var out []string
		for _, p := range parts {
			out = append(out, d.sql(rel, p))
		}
		return "(" + strings.Join(out, sep) + ")"
	}
	switch f := f.(type) {
	case And:
		return join(f, " AND ")
	case Or:
		return join(f, " OR ")
	case NullTest:
		if f.Not {
			return d.columns[fmt.Sprintf("%d %d", rel, f.Attr)] + " IS NOT NULL"
		}
		return d.columns[fmt.Sprintf("%d %d", rel, f.Attr)] + " IS NULL"
	case Compare:
		return d.compare(rel, f)
	}
	return "true"
}

func (d *deletion) compare(rel uint32, f Compare) string {
	column := d.columns[fmt.Sprintf("%d %d", rel, f.Attr)]
	if f.ColumnType == typeVarchar && f.Type == typeText {
		column += "::text"
	}
	if f.Collation == 950 {
		column += ` COLLATE "C"`
	}
	var right []string
	for _, o := range f.Right {
		right = append(right, d.operand(o))
	}
	op := d.operators[f.Op]
	switch {
	case f.Any && len(right) == 0:
		return "false"
	case f.Any:
		return fmt.Sprintf("%s %s ANY (ARRAY[%s])", column, op, strings.Join(right, ", "))
	case f.Commuted:
		return fmt.Sprintf("%s %s %s", right[0], op, column)
	}
	return fmt.Sprintf("%s %s %s", column, op, right[0])
}
