package pgvalue_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/pgvalue"
)

// TestCompareIsPostgres holds Compare against the server's < and = for every
// pair of sampled values of every two types that it knows.
func TestCompareIsPostgres(t *testing.T) {
	db := startPostgres(t)
	values := make([][][]byte, len(kinds))
	for i, k := range kinds {
		if _, _, ok := pgvalue.Compare(k.oid, k.oid); !ok {
			continue
		}
		fill(t, db, i, k, 120)
		for _, row := range db.query(t, fmt.Sprintf("select encode(%s(v),'hex') from s%d order by n", k.send, i)) {
			values[i] = append(values[i], unhex(t, row[0]))
		}
	}
	pairs := 0
	for i, a := range kinds {
		for j, b := range kinds {
			compare, ordered, ok := pgvalue.Compare(a.oid, b.oid)
			if !ok {
				continue
			}
			pairs++
			t.Run(a.name+"<"+b.name, func(t *testing.T) {
				want := map[string]int{}
				for _, row := range db.query(t, fmt.Sprintf("select a.n-1, b.n-1, case when a.v = b.v then 0 when a.v < b.v then -1 else 1 end from s%d a, s%d b", i, j)) {
					var c int
					fmt.Sscan(row[2], &c)
					want[row[0]+" "+row[1]] = c
				}
				for x, va := range values[i] {
					for y, vb := range values[j] {
						got, is := compare(va, vb), want[fmt.Sprint(x, " ", y)]
						if (got == 0) != (is == 0) || ordered && (got < 0) != (is < 0) {
							t.Errorf("%x and %x: Compare = %d, PostgreSQL says %d", va, vb, got, is)
						}
					}
				}
			})
		}
	}
	if pairs < 25 {
		t.Errorf("only %d pairs of types are known", pairs)
	}
}

// TestLikeIsPostgres holds Pattern against the server's LIKE.
func TestLikeIsPostgres(t *testing.T) {
	db := startPostgres(t)
	r := rand.New(rand.NewPCG(3, 4))
	word := func(alphabet []string, longest int) string {
		var s strings.Builder
		for range r.IntN(longest + 1) {
			s.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		return s.String()
	}
	texts := []string{"", "a", "%", "_", `\`, "é", "aé%_", "\U0001F600"}
	patterns := []string{"", "%", "%%", "_", "%_%", `\%`, `\_`, `\\`, `\a`, "a%b%c", "_%_", `%\%`, "é_", "%\U0001F600"}
	for range 220 {
		texts = append(texts, word([]string{"a", "b", "é", "\U0001F600", "%", "_", `\`}, 8))
		patterns = append(patterns, word([]string{"a", "b", "é", "\U0001F600", "%", "%", "_", `\a`, `\%`, `\_`, `\\`, `\é`}, 6))
	}
	list := func(name string, values []string) string {
		for i, v := range values {
			values[i] = "(" + fmt.Sprint(i) + "," + quoted(v) + ")"
		}
		return fmt.Sprintf("create table %s (n int, v text); insert into %[1]s values %s;", name, strings.Join(values, ","))
	}
	db.query(t, "set standard_conforming_strings = on;"+list("texts", append([]string(nil), texts...))+list("patterns", append([]string(nil), patterns...)))
	like := map[string]bool{}
	for _, row := range db.query(t, "select t.n, p.n from texts t, patterns p where t.v like p.v") {
		like[row[0]+" "+row[1]] = true
	}
	if len(like) < 1000 {
		t.Fatalf("only %d texts match: this proves little", len(like))
	}
	for i, p := range patterns {
		pattern, ok := pgvalue.Like([]byte(p))
		if !ok {
			t.Fatalf("pattern %q is refused", p)
		}
		for j, s := range texts {
			if got, want := pattern.Match([]byte(s)), like[fmt.Sprint(j, " ", i)]; got != want {
				t.Errorf("%q LIKE %q = %v, PostgreSQL says %v", s, p, got, want)
			}
		}
	}
	for _, p := range []string{`\`, `a%\`, `\\\`} {
		if _, ok := pgvalue.Like([]byte(p)); ok {
			t.Errorf("pattern %q ends in a backslash and is accepted", p)
		}
	}
}

// TestSumIsPostgres holds Sum against the server's sum and avg over groups of
// sampled values.
func TestSumIsPostgres(t *testing.T) {
	db := startPostgres(t)
	for i, k := range kinds {
		switch k.oid {
		case pgvalue.Int2OID, pgvalue.Int4OID, pgvalue.Int8OID, pgvalue.NumericOID:
		default:
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			fill(t, db, i, k, 1500)
			// Groups of every size, and the edges alone and with others.
			groups := "(select g, n from generate_series(1, 300) g, lateral (select n from s%d where (n * g) %% (g + 3) < 3 or n between g and g + g %% 4) x) y"
			from := fmt.Sprintf(groups+" join s%[1]d s using (n)", i)
			sums := map[string]*pgvalue.Sum{}
			for _, row := range db.query(t, fmt.Sprintf("select g, encode(%s(v),'hex') from %s", k.send, from)) {
				if sums[row[0]] == nil {
					sums[row[0]] = &pgvalue.Sum{}
				}
				sums[row[0]].Add(k.oid, unhex(t, row[1]))
			}
			rows := db.query(t, "select g, sum(v)::text, avg(v)::text, encode(numeric_send(sum(v)::numeric),'hex'), encode(numeric_send(avg(v)),'hex') from "+from+" group by g")
			if len(rows) < 300 {
				t.Fatalf("%d groups", len(rows))
			}
			for _, row := range rows {
				s := sums[row[0]]
				sum, okSum := s.Numeric()
				mean, okMean := s.Mean()
				if !okSum || fmt.Sprintf("%x", sum) != row[3] {
					t.Errorf("group %s: sum %x, PostgreSQL says %s, %s", row[0], sum, row[3], row[1])
				}
				if !okMean || fmt.Sprintf("%x", mean) != row[4] {
					t.Errorf("group %s: mean %x, PostgreSQL says %s, %s", row[0], mean, row[4], row[2])
				}
				if n, ok := s.Int64(); ok && k.oid != pgvalue.NumericOID && fmt.Sprint(n) != row[1] {
					t.Errorf("group %s: sum %d, PostgreSQL says %s", row[0], n, row[1])
				}
			}
		})
	}
}
