package pgvalue_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/pgvalue"
)

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// fill makes table s<i> (n, v) with the edges and count random values.
func fill(t *testing.T, db database, i int, k kind, count int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, uint64(k.oid)))
	var sql strings.Builder
	fmt.Fprintf(&sql, "set standard_conforming_strings = on; create table s%d (n serial, v %s); insert into s%d (v) values ", i, k.name, i)
	for n := range len(k.edges) + count {
		literal := ""
		if n < len(k.edges) {
			literal = k.edges[n]
		} else {
			literal = k.random(r)
			if k.name == "char(8)" {
				literal += strings.Repeat(" ", r.IntN(3))
			}
		}
		if n > 0 {
			sql.WriteString(",")
		}
		fmt.Fprintf(&sql, "(%s)", quoted(literal))
	}
	db.query(t, sql.String())
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTextIsPostgres holds Text against the server's own text format.
func TestTextIsPostgres(t *testing.T) {
	db := startPostgres(t)
	covered := map[uint32]bool{pgvalue.TimestamptzOID: false, pgvalue.IntervalOID: false}
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			switch k.oid {
			case pgvalue.Float4OID:
				k.edges = append(k.edges[:len(k.edges):len(k.edges)], powersOfTwo(32)...)
			case pgvalue.Float8OID:
				k.edges = append(k.edges[:len(k.edges):len(k.edges)], powersOfTwo(64)...)
			}
			fill(t, db, i, k, 3000)
			// An output function, since a cast from bpchar to text trims.
			text := "format('%s', v)"
			rows := db.query(t, fmt.Sprintf("select encode(%s(v),'hex'), encode(convert_to(%s,'UTF8'),'hex') from s%d order by n", k.send, text, i))
			if len(rows) < 3000 {
				t.Fatalf("%d rows", len(rows))
			}
			want, listed := covered[k.oid]
			for _, row := range rows {
				binary, wantText := unhex(t, row[0]), unhex(t, row[1])
				got, ok := pgvalue.Text(k.oid, binary)
				if ok != (want || !listed) {
					t.Fatalf("Text(%x) ok = %v", binary, ok)
				}
				if ok && !bytes.Equal(got, wantText) {
					t.Errorf("Text(%x) = %q, PostgreSQL says %q", binary, got, wantText)
				}
			}
		})
	}
}

// TestCanonicalIsPostgres holds equality of canonical forms against the
// server's = for every pair of sampled values of every two types of a family.
func TestCanonicalIsPostgres(t *testing.T) {
	db := startPostgres(t)
	canonical := make([][]string, len(kinds))
	for i, k := range kinds {
		if _, ok := pgvalue.Family(k.oid); !ok {
			continue
		}
		fill(t, db, i, k, 250)
		for _, row := range db.query(t, fmt.Sprintf("select encode(%s(v),'hex') from s%d order by n", k.send, i)) {
			form, err := pgvalue.Canonical(k.oid, unhex(t, row[0]))
			if err != nil {
				t.Fatalf("%s: Canonical(%s): %v", k.name, row[0], err)
			}
			canonical[i] = append(canonical[i], string(form))
		}
	}
	for i, a := range kinds {
		for j, b := range kinds {
			fa, _ := pgvalue.Family(a.oid)
			if fb, _ := pgvalue.Family(b.oid); canonical[i] == nil || canonical[j] == nil || fa != fb {
				continue
			}
			t.Run(a.name+"="+b.name, func(t *testing.T) {
				equal := map[string]bool{}
				for _, row := range db.query(t, fmt.Sprintf("select a.n-1, b.n-1 from s%d a, s%d b where a.v = b.v", i, j)) {
					equal[row[0]+" "+row[1]] = true
				}
				if len(equal) == 0 {
					t.Fatal("the samples have no equal values: this proves nothing")
				}
				for x, ca := range canonical[i] {
					for y, cb := range canonical[j] {
						if want := equal[fmt.Sprint(x, y)]; (ca == cb) != want {
							t.Errorf("values %d and %d: canonical %x and %x, PostgreSQL's = says %v", x, y, ca, cb, want)
						}
					}
				}
			})
		}
	}
}

// TestFamiliesArePostgres shows that types of one family have an = operator
// that is immutable, and that date or timestamp and timestamptz have none.
func TestFamiliesArePostgres(t *testing.T) {
	db := startPostgres(t)
	volatility := map[string]string{}
	for _, row := range db.query(t, `select oprleft, oprright, provolatile from pg_operator o join pg_proc p on p.oid = oprcode where oprname = '='`) {
		volatility[row[0]+" "+row[1]] = row[2]
	}
	direct := func(a, b uint32) string { return volatility[fmt.Sprint(a, " ", b)] }
	for _, pair := range [][2]uint32{{pgvalue.DateOID, pgvalue.TimestampOID}, {pgvalue.Int2OID, pgvalue.Int8OID}, {pgvalue.Float4OID, pgvalue.Float8OID}, {pgvalue.NameOID, pgvalue.TextOID}} {
		if got := direct(pair[0], pair[1]); got != "i" {
			t.Errorf("= of %v is %q, not immutable", pair, got)
		}
	}
	for _, other := range []uint32{pgvalue.DateOID, pgvalue.TimestampOID} {
		if got := direct(other, pgvalue.TimestamptzOID); got != "s" {
			t.Errorf("= of %d and timestamptz is %q, not stable", other, got)
		}
	}
}
