package analyze

import (
	"strings"
	"testing"
)

// lifts analyses a statement in which each "?N{literal}" is a literal, and the
// same with parameters of these types in their places.
func lifts(t *testing.T, s *session, text string, types ...string) (Lifting, []uint32, bool) {
	t.Helper()
	var plain, with strings.Builder
	var places []int
	for at := 0; at < len(text); at++ {
		if text[at] != '{' {
			plain.WriteByte(text[at])
			with.WriteByte(text[at])
			continue
		}
		end := at + strings.IndexByte(text[at:], '}')
		places = append(places, plain.Len())
		plain.WriteString(text[at+1 : end])
		with.WriteString("$" + string(rune('0'+len(places))))
		at = end
	}
	tree, err := s.analyse(plain.String())
	if err != nil {
		t.Fatalf("%s: %v", plain.String(), err)
	}
	found, err := ConstantTypes(tree, places)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]uint32{"int4": 23, "int8": 20, "numeric": 1700, "text": 25, "varchar": 1043, "date": 1082, "-": 0}
	var oids []uint32
	for _, name := range types {
		oids = append(oids, names[name])
	}
	s.rows("SET client_min_messages = log; SET debug_pretty_print = off; SET debug_print_rewritten = on")
	s.tree = ""
	s.c.Parse("", with.String(), oids)
	s.c.Sync()
	if _, err := s.collect(); err != nil {
		return Lifting{}, found, false
	}
	other := s.tree
	s.rows("SET debug_print_rewritten = off")
	l, err := CompareLifted(tree, other, places, 1)
	if err != nil {
		t.Fatal(err)
	}
	return l, found, true
}

// TestLifted tells which literals can be parameters without another meaning.
func TestLifted(t *testing.T) {
	s := startServer(t)
	s.rows("CREATE TABLE t (id int8, n int4, d date, name text, short varchar(3), amount numeric(8,2))")
	for _, c := range []struct {
		text  string
		types string // of the constants; -: none
		same  bool
		folds bool
	}{
		{"SELECT name FROM t WHERE id = {4711}", "int4", true, false},
		{"SELECT name FROM t WHERE id = {-4711} AND n > {2147483648}", "int4 int8", true, false},
		{"SELECT name FROM t WHERE d >= {'2024-01-01'} AND name = {'x'} AND short = {'y'}", "date text text", true, false},
		{"SELECT name FROM t WHERE d >= {'2024-01-01'}::date", "date", true, false},
		{"SELECT name FROM t WHERE n IN ({1}, {2}) LIMIT {10}", "int4 int4 int4", true, false},
		{"SELECT {'x'} AS a, n + {1} FROM t", "text int4", true, false},
		{"SELECT n FROM t ORDER BY {1}", "-", false, false},
		{"SELECT short::varchar({2}) FROM t", "-", false, false},
		{"SELECT n + {1}, count(*) FROM t GROUP BY n + {1}", "int4 -", false, false},
		{"SELECT n FROM t WHERE n = {1} / {0}", "int4 int4", true, true},
		{"SELECT n FROM t WHERE short = {'abcd'}::varchar(2)", "varchar", true, true},
		{"SELECT n FROM t WHERE amount = {1.50} AND amount > {1}", "numeric int4", true, false},
		{"SELECT n FROM t WHERE id = -{1}", "-", false, false},
		{"INSERT INTO t (n, short, amount) VALUES ({1}, {'abcd'}, {1.005})", "int4 varchar numeric", true, false},
		{"SELECT {'a'} UNION SELECT {'b'}", "text text", true, false},
		{"SELECT n FROM t WHERE {'x'} || {'y'} = name", "text text", true, true},
	} {
		types := strings.Fields(c.types)
		l, found, ok := lifts(t, s, c.text, types...)
		var got []string
		for _, oid := range found {
			name := map[uint32]string{23: "int4", 20: "int8", 1700: "numeric", 25: "text", 1043: "varchar", 1082: "date", 0: "-"}[oid]
			got = append(got, name)
		}
		if strings.Join(got, " ") != c.types {
			t.Errorf("%s: the constants are %v", c.text, got)
		}
		if (ok && l.Same) != c.same || l.Folds != c.folds {
			t.Errorf("%s: analysed %v, same %v, folds %v", c.text, ok, l.Same, l.Folds)
		}
	}
}

// TestLiftedTypes: a parameter of another type than the constant's is another
// meaning.
func TestLiftedTypes(t *testing.T) {
	s := startServer(t)
	s.rows("CREATE TABLE t (id int8, n int4)")
	for _, c := range []struct {
		text  string
		types []string
	}{{"SELECT n FROM t WHERE id = {1}", []string{"int8"}}, {"SELECT {1}", []string{"numeric"}}, {"SELECT n FROM t WHERE n = {1} OR n = {2}", []string{"int4", "int8"}}} {
		if l, _, ok := lifts(t, s, c.text, c.types...); ok && l.Same {
			t.Errorf("%s with %v is taken for the same", c.text, c.types)
		}
	}
}
