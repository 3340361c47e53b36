package publish_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// A step of the stream comes after so many rows, and holds back so many.
const streamStep, streamHeld = 6000, 8000

// stream inserts all rows of a table in random order, a step after every so many,
// and the last one with all rows that were held back. It returns the published
// table, in the order of the original.
func stream(t testing.TB, p *model.Policy, a *adult, data *table.Table, store living.Store, o living.Options) (*living.Release, *table.Table) {
	t.Helper()
	r, err := living.New(p, data.Names(), a.open, store, o)
	if err != nil {
		t.Fatal(err)
	}
	cells := make([][]string, data.Rows)
	step := func(all bool) {
		c, err := r.Prepare(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		if c == nil {
			return
		}
		for _, class := range c.Publish {
			for i, key := range class.Keys {
				row, _ := strconv.Atoi(key)
				cells[row] = class.Rows[i]
			}
		}
		if err := r.Confirm(c.Number); err != nil {
			t.Fatal(err)
		}
	}
	for n, row := range rand.New(rand.NewPCG(2, 2)).Perm(data.Rows) {
		values := make([]string, len(data.Columns))
		for i, c := range data.Columns {
			values[i] = c.At(row)
		}
		if err := r.Insert(fmt.Sprint(row), values); err != nil {
			t.Fatal(err)
		}
		if n%streamStep == streamStep-1 {
			step(false)
		}
	}
	step(true)
	out := &table.Table{Rows: data.Rows, Delimiter: data.Delimiter}
	for i, name := range r.Columns() {
		b := table.NewBuilder(name, data.Rows)
		for _, row := range cells {
			if row == nil {
				b.Add(check.Suppressed)
			} else {
				b.Add(row[i])
			}
		}
		out.Columns = append(out.Columns, b.Column())
	}
	return r, out
}

// drifts reports whether the models compare with the whole table, which is another one
// when all rows are there than when a class was published.
func drifts(target adultTarget) bool {
	wants := target.confidential["occupation"]
	return len(wants) > 0 && wants[0].Kind == model.TCloseness
}

// TestLivingAdult streams Adult: the release ends at most a quarter worse than one of
// all rows at once, and safe.
func TestLivingAdult(t *testing.T) {
	a := loadAdult(t)
	data, err := table.Read(bytes.NewReader(a.data), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range adultTargets {
		if target.k != 5 || drifts(target) {
			continue
		}
		p := a.policy(target.k, target.confidential)
		batch, _ := a.release(t, p)
		r, out := stream(t, p, a, data, living.File(filepath.Join(t.TempDir(), "state")), living.Options{Held: streamHeld})
		m, failed := check.Run(data, out, batch.Spec)
		if failed != nil {
			t.Fatal(failed)
		}
		t.Logf("%s: loss %.5f, at once %.5f; %+v", target.name, m.Loss, batch.Result.Loss, r.Status())
		if m.Suppressed > 0 || m.Smallest < target.k || m.Loss > 1.25*batch.Result.Loss {
			t.Errorf("%s: %d suppressed, smallest class %d, loss %.5f; at once %.5f", target.name, m.Suppressed, m.Smallest, m.Loss, batch.Result.Loss)
		}
	}
}
