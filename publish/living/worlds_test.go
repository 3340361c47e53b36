package living_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/publish/model"
)

// A version is a row between two changes of its face.
type version struct {
	key string
	n   int
}

// A reading is what is known of a class: whose rows it has, and which faces.
type reading struct {
	rows  []version
	faces []string
}

// worlds are the tables that fit all readings.
type worlds struct {
	readings []reading
	tried    []reading
	face     map[version]string
	taken    []map[string]int // of each reading: how often each face is left
}

// possible reports whether there is such a table in which a row has this face.
func (w *worlds) possible(of version, face string) bool {
	w.face, w.taken = map[version]string{of: face}, nil
	w.tried = w.about(of.key)
	for _, r := range w.tried {
		left := map[string]int{}
		for _, f := range r.faces {
			left[f]++
		}
		w.taken = append(w.taken, left)
	}
	return w.fits(0, 0)
}

// about returns the readings that can tell something of a row: those of its classes, of
// the classes of the other rows in them, and so on. The others fit as they are.
func (w *worlds) about(key string) []reading {
	keys, in := map[string]bool{key: true}, make([]bool, len(w.readings))
	var out []reading
	for more := true; more; {
		more = false
		for i, r := range w.readings {
			if in[i] || !slices.ContainsFunc(r.rows, func(v version) bool { return keys[v.key] }) {
				continue
			}
			in[i], more = true, true
			out = append(out, r)
			for _, v := range r.rows {
				keys[v.key] = true
			}
		}
	}
	return out
}

// fits tries all faces for the i-th row of the c-th class and all that come after.
func (w *worlds) fits(c, i int) bool {
	if c == len(w.tried) {
		return true
	}
	if i == len(w.tried[c].rows) {
		return w.fits(c+1, 0)
	}
	v, left := w.tried[c].rows[i], w.taken[c]
	known, ok := w.face[v]
	for _, f := range slices.Sorted(maps.Keys(left)) {
		// Whoever changed has another face than before: who knows of the change knows that.
		if left[f] == 0 || ok && f != known || !ok && (w.face[version{v.key, v.n - 1}] == f || w.face[version{v.key, v.n + 1}] == f) {
			continue
		}
		left[f]--
		w.face[v] = f
		if w.fits(c, i+1) {
			return true
		}
		left[f]++
		delete(w.face, v)
		if ok {
			w.face[v] = known
		}
	}
	return false
}

// TestEveryWorld does not speak of histories: it looks for all tables that somebody can
// think of who has kept everything and knows whose rows are in which class and when
// they changed. In these tables every row has k different records and, as the model
// wants, two different illnesses.
func TestEveryWorld(t *testing.T) {
	judged, again := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		p := &model.Policy{K: rapid.IntRange(2, 3).Draw(t, "k"), Attributes: []*model.Attribute{
			{Name: "age", Class: clarus.QuasiIdentifier, Type: model.Numeric, Cover: model.CoverInterval, Weight: 1},
			{Name: "ill", Class: clarus.Confidential, Type: model.Categorical, Cover: model.CoverSet, Wants: []model.Requirement{{Kind: model.DistinctL, L: 2}}},
			{Name: "note", Class: clarus.NonConfidential},
		}}
		r, err := living.New(p, []string{"age", "ill", "note"}, open, &memory{}, living.Options{Keep: rapid.Bool().Draw(t, "keep")})
		if err != nil {
			t.Fatal(err)
		}
		w := &worlds{}
		table, versions, notes := map[string][]string{}, map[string]int{}, 0
		fresh := func(age string) []string {
			notes++
			return []string{age, rapid.SampledFrom([]string{"flu", "cold", "gout"}).Draw(t, "ill"), fmt.Sprint(notes)}
		}
		for range rapid.IntRange(3, 14).Draw(t, "acts") {
			keys := slices.Sorted(maps.Keys(table))
			switch act := rapid.IntRange(0, 5).Draw(t, "act"); {
			case act < 2 && len(versions) < 14:
				for range rapid.IntRange(1, 5).Draw(t, "rows") {
					key := fmt.Sprint(len(versions))
					table[key], versions[key] = fresh(fmt.Sprint(rapid.IntRange(20, 29).Draw(t, "age"))), 0
					err = r.Insert(key, table[key])
				}
			case act == 2 && len(keys) > 0:
				key := rapid.SampledFrom(keys).Draw(t, "leaves")
				delete(table, key)
				err = r.Delete(key)
			case act == 3:
				for _, key := range keys {
					if rapid.Bool().Draw(t, "changes") {
						table[key] = fresh(table[key][0])
						versions[key]++
						err = r.Update(key, table[key])
					}
				}
			default:
				c, failed := r.Prepare(t.Context(), true)
				if failed != nil || c == nil {
					err = failed
					break
				}
				for _, class := range c.Publish {
					var known reading
					for i, key := range class.Keys {
						known.rows = append(known.rows, version{key, versions[key]})
						if slices.ContainsFunc(w.readings, func(r reading) bool {
							return slices.ContainsFunc(r.rows, func(v version) bool { return v.key == key })
						}) {
							again++
						}
						known.faces = append(known.faces, strings.Join(class.Rows[i][1:], "/"))
					}
					w.readings = append(w.readings, known)
				}
				err = r.Confirm(c.Number)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, known := range w.readings {
			for _, v := range known.rows {
				records, ills := map[string]bool{}, map[string]bool{}
				for _, f := range known.faces {
					if w.possible(v, f) {
						ill, _, _ := strings.Cut(f, "/")
						records[f], ills[ill] = true, true
					}
				}
				judged++
				if len(records) < p.K || len(ills) < 2 {
					t.Fatalf("row %s can only be one of %v", v.key, slices.Sorted(maps.Keys(records)))
				}
			}
		}
	})
	if judged == 0 || again == 0 {
		t.Errorf("%d rows were judged, %d of them in a second class", judged, again)
	}
}
