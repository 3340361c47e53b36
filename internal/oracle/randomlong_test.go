package oracle_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/canary"
	"github.com/clarus-project/clarus/internal/oracle"
)

// TestRandomLong makes random changes of tables that have many rows, of very
// different lengths, in plain PostgreSQL and through Clarus, one transaction
// after the other. What they answer and what they leave agree, or Clarus refuses.
// CLARUS_SEED is the epoch to begin with.
func TestRandomLong(t *testing.T) {
	first, epochs, rounds, rows := uint64(1), uint64(1), 10, 100
	if soaking {
		epochs, rounds, rows = 30, 40, 400
	}
	if s := os.Getenv("CLARUS_SEED"); s != "" {
		var err error
		if first, err = strconv.ParseUint(s, 10, 32); err != nil {
			t.Fatal(err)
		}
	}
	e, err := world.Embed(t.Context(), "randomlong", oracle.LongPolicy)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Stop()
	w := &longWorld{t: t, rounds: rounds, rows: rows, e: e, here: connect(t, e.Target), there: connect(t, world.Plain)}
	for epoch := first; epoch < first+epochs && w.failed < 10; epoch++ {
		w.epoch(epoch)
	}
	if w.refused > w.asked/4 {
		t.Errorf("%d of %d were refused: what is left says little", w.refused, w.asked)
	}
	t.Logf("%d statements, %d refused, %d failed alike", w.asked, w.refused, w.alike)
}

type longWorld struct {
	t           *testing.T
	e           *oracle.Embedded
	here, there *oracle.Session

	rounds, rows                  int // of the same tables; of each table
	asked, refused, alike, failed int
}

var longShape = oracle.Shape{Types: func(oid uint32) string { return "" }, Mask: func(b []byte) []byte { return b }}

func (w *longWorld) epoch(epoch uint64) {
	g := oracle.NewLong(epoch)
	for _, sql := range g.Schema(w.rows/2 + g.Pick(w.rows)) {
		if code := w.both(epoch, sql, nil); code != "" {
			w.t.Fatalf("epoch %d: %.300s: %s", epoch, sql, code)
		}
	}
	secret, err := canary.NewSet([]string{"cnryrandomaaaaaa"})
	if err != nil {
		w.t.Fatal(err)
	}
	before := w.failed
	for range w.rounds {
		w.round(epoch, g)
		if hits := secret.Bytes("", w.e.Ear.Take()); len(hits) > 0 {
			w.failed++
			w.t.Errorf("epoch %d: reached the provider: %v", epoch, hits)
		}
		if w.failed > before {
			return // what comes after would differ too
		}
	}
}

// round makes some changes, in a transaction or not, and compares the tables.
func (w *longWorld) round(epoch uint64, g *oracle.Long) {
	block := g.Pick(3) > 0
	if block {
		w.both(epoch, "BEGIN ISOLATION LEVEL "+[]string{"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"}[g.Pick(3)], nil)
	}
	saved, cursor := false, ""
	for range 1 + g.Pick(6) {
		sql, values := g.Statement(g.Pick(2) == 0)
		switch choice := g.Pick(10); {
		case !block:
		case choice < 2 && saved:
			sql, values, cursor = "ROLLBACK TO SAVEPOINT a", nil, ""
		case choice < 2:
			sql, values, saved = "SAVEPOINT a", nil, true
		case choice < 4 && cursor != "":
			sql, values = fmt.Sprintf("FETCH %d FROM %s", 1+g.Pick(90), cursor), nil
		case choice < 4:
			cursor = fmt.Sprint("c", w.asked)
			sql, values = "DECLARE "+cursor+" CURSOR FOR "+g.Ordered(), nil
		}
		if w.both(epoch, sql, values) == "" {
			continue
		}
		if saved && w.here.Status == 'E' && w.there.Status == 'E' {
			w.both(epoch, "ROLLBACK TO SAVEPOINT a", nil)
			cursor = ""
			continue
		}
		break
	}
	if block && (w.here.Status == 'T' || w.there.Status == 'T') && w.here.Status == w.there.Status {
		w.tables(epoch)
	}
	end := "ROLLBACK"
	if w.here.Status == 'T' && w.there.Status == 'T' && g.Pick(3) > 0 {
		end = "COMMIT"
	}
	for _, s := range []*oracle.Session{w.here, w.there} {
		if s.Status != 'I' {
			if _, err := s.Simple(end, nil); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.tables(epoch)
}

func (w *longWorld) tables(epoch uint64) {
	for _, t := range oracle.LongTables {
		w.both(epoch, "SELECT * FROM "+t, nil)
	}
}

// both asks Clarus, then plain PostgreSQL unless it was refused. It returns the
// error's code.
func (w *longWorld) both(epoch uint64, sql string, values [][]byte) string {
	ask := func(s *oracle.Session) []oracle.Outcome {
		var list []oracle.Outcome
		var err error
		if values == nil {
			list, err = s.Simple(sql, nil)
		} else {
			list, err = s.Extended(oracle.Call{SQL: sql, Params: values}, nil)
		}
		if err != nil {
			_ = w.e.Stop()
			w.t.Fatalf("epoch %d: %.2000s: the session ended: %v\n%s", epoch, sql, err, w.e.Log.String())
		}
		return list
	}
	w.asked++
	got := ask(w.here)
	code := lastCode(got)
	if code != "" && strings.Contains(documented, code) {
		w.refused++
		if testing.Verbose() {
			w.t.Logf("epoch %d: refused %s: %.300s", epoch, code, sql)
		}
		return code
	}
	want := ask(w.there)
	if lastCode(want) != "" && lastCode(want) == code {
		w.alike++
	}
	if g, o := longShape.Text(got), longShape.Text(want); g != o {
		w.failed++
		at := 0
		for at < min(len(g), len(o)) && g[at] == o[at] {
			at++
		}
		from := max(at-200, 0)
		cut := func(s string) string { return s[from:min(at+300, len(s))] }
		w.t.Errorf("epoch %d, statement %d: %.1500s\n%q\ngot  …%s\nwant …%s", epoch, w.asked, sql, values, cut(g), cut(o))
		return fmt.Sprint("differs ", code)
	}
	return code
}
