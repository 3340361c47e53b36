package living_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/publish/model"
)

// A world is a table that changes, a release that follows it, a provider that shows
// the release, and somebody who keeps all that is shown.
type world struct {
	*rapid.T
	policy  *model.Policy
	columns []string
	options living.Options
	store   memory
	release *living.Release
	table   map[string][]string
	next    int
	shown   provider
	copies  []provider // that somebody may restore
	spy     spy
}

// memory is a store that forgets nothing it was given.
type memory struct{ state []byte }

func (m *memory) Save(state []byte) error { m.state = slices.Clone(state); return nil }
func (m *memory) Load() ([]byte, error)   { return m.state, nil }

// A provider shows classes.
type provider struct {
	number  uint64
	classes map[uint64]living.Class
}

// apply is one transaction.
func (p *provider) apply(t *rapid.T, c *living.Change) {
	next := maps.Clone(p.classes)
	for _, id := range c.Withdraw {
		if _, ok := next[id]; !ok {
			t.Fatalf("change %d withdraws class %d, which is not shown", c.Number, id)
		}
		delete(next, id)
	}
	for _, class := range c.Publish {
		if _, ok := next[class.ID]; ok {
			t.Fatalf("change %d publishes class %d again", c.Number, class.ID)
		}
		next[class.ID] = class
	}
	p.number, p.classes = c.Number, next
}

var towns = []string{"Bonn", "Köln", "Ulm", "Jena", "Kiel"}

var ills = []string{"flu", "cold", "gout"}

const illTree = "flu;lungs;all\ncold;lungs;all\ngout;joints;all\n"

const townTree = "Bonn;west;all\nKöln;west;all\nUlm;south;all\nJena;east;all\nKiel;north;all\n"

func open(name string) (io.ReadCloser, error) {
	text, ok := map[string]string{"towns": townTree, "ills": illTree}[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func drawWorld(t *rapid.T) *world {
	w := &world{T: t, table: map[string][]string{}, columns: []string{"name", "age", "town", "ill", "cost", "note", "who"}}
	cover := rapid.SampledFrom([]model.Cover{model.CoverSet, model.CoverNode}).Draw(t, "cover")
	top := 50.0
	w.policy = &model.Policy{K: rapid.IntRange(2, 4).Draw(t, "k"), Missing: []string{""}, Attributes: []*model.Attribute{
		{Name: "name", Class: clarus.Identifier},
		{Name: "age", Class: clarus.QuasiIdentifier, Type: model.Numeric, Cover: model.CoverInterval, Weight: 1},
		{Name: "town", Class: clarus.QuasiIdentifier, Type: model.Categorical, Cover: cover, Weight: 1, Hierarchy: &model.Source{File: "towns"}},
		{Name: "ill", Class: clarus.Confidential, Type: model.Ordinal, Order: ills, Hierarchy: &model.Source{File: "ills"}, Wants: w.wants()},
		{Name: "cost", Class: clarus.Confidential, Type: model.Numeric, Cover: model.CoverInterval, Mask: &model.Mask{Top: &top, Noise: float64(rapid.IntRange(0, 1).Draw(t, "noise"))}},
		{Name: "note", Class: clarus.NonConfidential},
		{Name: "who", Class: clarus.Identifier},
	}}
	if rapid.Bool().Draw(t, "subject") {
		w.policy.Subject = "who"
	}
	w.options = living.Options{Held: rapid.SampledFrom([]int{0, 0, 5, 20}).Draw(t, "held"), Patience: rapid.IntRange(0, 2).Draw(t, "patience"), Keep: rapid.Bool().Draw(t, "keep")}
	r, err := living.New(w.policy, w.columns, open, &w.store, w.options)
	if err != nil {
		t.Fatal(err)
	}
	w.release, w.shown = r, provider{classes: map[uint64]living.Class{}}
	w.spy = spy{world: w, rows: map[string]*seen{}, keys: map[uint64][]string{}}
	return w
}

func (w *world) wants() []model.Requirement {
	all := [][]model.Requirement{
		nil,
		{{Kind: model.DistinctL, L: 2}},
		{{Kind: model.EntropyL, L: 1.6}},
		{{Kind: model.RecursiveL, L: 2, C: 2}},
		{{Kind: model.TCloseness, T: 0.4, Distance: model.Equal}, {Kind: model.DistinctL, L: 2}},
		{{Kind: model.TCloseness, T: 0.25, Distance: model.Ordered}},
		{{Kind: model.TCloseness, T: 0.25, Distance: model.Hierarchical}},
	}
	return rapid.SampledFrom(all).Draw(w.T, "models")
}

func (w *world) row() []string {
	draw := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(w.T, name) }
	return []string{"x", strconv.Itoa(rapid.IntRange(20, 40).Draw(w.T, "age")), draw("town", towns...), draw("ill", ills...),
		draw("cost", "10", "60", "70", ""), draw("note", "a", "b"), "p" + strconv.Itoa(rapid.IntRange(0, 30).Draw(w.T, "who"))}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// someKey draws a row of the table.
func (w *world) someKey() string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(w.table))).Draw(w.T, "key")
}

func (w *world) act() {
	kind := rapid.IntRange(0, 11).Draw(w.T, "act")
	if len(w.table) == 0 {
		kind = 0
	}
	switch kind {
	case 0, 1, 2:
		for range rapid.IntRange(1, 12).Draw(w.T, "rows") {
			w.next++
			w.insert(fmt.Sprint(w.next))
		}
	case 3, 4:
		for range rapid.IntRange(1, 3).Draw(w.T, "updates") {
			w.update(w.someKey())
		}
	case 5: // many at once, so that they may follow together
		for _, key := range slices.Sorted(maps.Keys(w.table)) {
			if rapid.Bool().Draw(w.T, "too") {
				w.update(key)
			}
		}
	case 6, 7:
		for range min(len(w.table), rapid.IntRange(1, 4).Draw(w.T, "deletions")) {
			key := w.someKey()
			w.remove(key)
			if rapid.IntRange(0, 3).Draw(w.T, "comes back") == 0 {
				w.insert(key)
			}
		}
	case 8:
		w.crash()
	case 9:
		w.rollback()
	default:
		w.step()
	}
}

func (w *world) insert(key string) {
	row := w.row()
	w.must(w.release.Insert(key, row))
	w.table[key] = row
}

func (w *world) update(key string) {
	row := w.row()
	now := slices.Clone(w.table[key])
	for i := 1; i < 6; i++ {
		if rapid.Bool().Draw(w.T, "change") {
			now[i] = row[i]
		}
	}
	w.must(w.release.Update(key, now))
	w.table[key] = now
}

func (w *world) remove(key string) {
	if rapid.Bool().Draw(w.T, "erase") {
		w.must(w.release.Erase(key))
	} else {
		w.must(w.release.Delete(key))
	}
	delete(w.table, key)
}

// step publishes a change, or fails to.
func (w *world) step() {
	before := w.release.Pending()
	c, err := w.release.Prepare(w.Context(), rapid.Bool().Draw(w.T, "all"))
	w.must(err)
	if c == nil {
		w.follows()
		return
	}
	if before == nil {
		w.spy.sees(c)
	} else if before != c {
		w.Fatal("another change than the pending one")
	}
	switch rapid.IntRange(0, 4).Draw(w.T, "publishing") {
	case 0: // it fails: the change stays pending
		return
	case 1: // it succeeds, and then Clarus ends
		w.shown.apply(w.T, c)
		w.crash()
		return
	case 2: // Clarus ends before
		w.crash()
		return
	}
	w.shown.apply(w.T, c)
	w.must(w.release.Confirm(c.Number))
	w.copies = append(w.copies, w.shown)
	if before == nil {
		w.follows()
	}
}

// crash goes on with what is durable.
func (w *world) crash() {
	r, err := living.Load(w.policy, w.columns, open, &w.store, w.options)
	w.must(err)
	w.release = r
	w.must(r.Sync(maps.All(w.table)))
	w.resume()
}

// rollback restores an old copy of what is shown.
func (w *world) rollback() {
	if len(w.copies) > 0 {
		w.shown = rapid.SampledFrom(w.copies).Draw(w.T, "copy")
	}
	w.resume()
}

func (w *world) resume() {
	c, err := w.release.Resume(w.shown.number, slices.Collect(maps.Keys(w.shown.classes)))
	w.must(err)
	if c != nil {
		w.shown.apply(w.T, c)
		w.must(w.release.Confirm(c.Number))
	}
	if w.release.Pending() != nil {
		w.Fatal("a change is pending after Resume")
	}
	want := map[uint64]living.Class{}
	for class := range w.release.Classes() {
		want[class.ID] = class
	}
	for id, class := range w.shown.classes {
		if fmt.Sprint(class.Rows) != fmt.Sprint(want[id].Rows) {
			w.Fatalf("class %d reads %v, then %v", id, class.Rows, want[id].Rows)
		}
	}
	if len(want) != len(w.shown.classes) || w.shown.number != w.release.Number() {
		w.Fatal("what is shown is not the newest state")
	}
}

// follows checks that what is shown is the table as it is.
func (w *world) follows() {
	s := w.release.Status()
	rows := 0
	for _, c := range w.shown.classes {
		rows += len(c.Rows)
	}
	if s.Rows != len(w.table) || s.Shown+s.Held+s.Stranded+s.Barred != len(w.table) || rows != s.Shown+s.Left {
		w.Fatalf("%d rows, %d shown: %+v", len(w.table), rows, s)
	}
	if w.options.Keep {
		return
	}
	if s.Left > 0 {
		w.Fatalf("rows that left are shown: %+v", s)
	}
	for id, c := range w.shown.classes {
		var ills, want []string
		for i, key := range w.spy.keys[id] {
			if w.table[key] == nil {
				w.Fatalf("class %d shows a row that left", id)
			}
			ills, want = append(ills, c.Rows[i][2]), append(want, w.table[key][3])
			covers(w.T, c.Rows[i], w.table[key])
		}
		if !slices.Equal(ills, want) {
			w.Fatalf("class %d shows %v, the table has %v", id, ills, want)
		}
	}
}

// covers reads cells as whoever receives them.
func covers(t *rapid.T, cells, row []string) {
	age, _ := strconv.Atoi(row[1])
	lo, hi, interval := strings.Cut(strings.Trim(cells[0], "[]"), ",")
	if !interval {
		hi = lo
	}
	from, err1 := strconv.Atoi(lo)
	to, err2 := strconv.Atoi(hi)
	region := strings.Contains(townTree, row[2]+";"+cells[1]+";") || cells[1] == "all" || cells[1] == "*"
	if err1 != nil || err2 != nil || age < from || age > to || !region && !slices.Contains(strings.Split(strings.Trim(cells[1], "{}"), ","), row[2]) {
		t.Fatalf("%v does not cover %v", cells, row)
	}
}

// TestNothingIsLearned: whatever happens to the table, to Clarus and to what is shown,
// somebody who has kept all that was ever shown, and all that was ever prepared to
// be shown, finds nobody among fewer than k, and no confidential value better than the
// models allow.
func TestNothingIsLearned(t *testing.T) { testNothingIsLearned(t) }

func testNothingIsLearned(t *testing.T) {
	shown, again := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range rapid.IntRange(5, 30).Draw(t, "acts") {
			w.act()
		}
		w.step()
		w.spy.judge()
		shown += len(w.spy.keys)
		again += w.spy.again
	})
	if shown == 0 || again == 0 {
		t.Errorf("%d classes were published, %d of rows that had been in another", shown, again)
	}
}

// TestPatience: a row waits no longer than it must.
func TestPatience(t *testing.T) {
	w := &world{columns: []string{"age"}, policy: &model.Policy{K: 2, Attributes: []*model.Attribute{{Name: "age", Class: clarus.QuasiIdentifier, Type: model.Numeric, Cover: model.CoverInterval, Weight: 1}}}}
	r, err := living.New(w.policy, w.columns, open, &w.store, living.Options{Held: 100, Patience: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := r.Insert(fmt.Sprint(i), []string{fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for step := range 3 {
		c, err := r.Prepare(t.Context(), false)
		if err != nil || (c != nil) != (step == 2) {
			t.Fatalf("step %d: %v, %v", step, c, err)
		}
	}
	if _, err := r.Resume(2, nil); !errors.Is(err, living.ErrBehind) {
		t.Errorf("a state of nowhere: %v", err)
	}
}
