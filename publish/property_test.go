package publish_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// A world is a random table, its policy and the hierarchies that it names.
type world struct {
	table  *table.Table
	policy *model.Policy
	files  map[string]string
}

func (w *world) open(name string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(w.files[name])), nil
}

func drawWorld(t *rapid.T) *world {
	w := &world{table: &table.Table{Rows: rapid.IntRange(1, 60).Draw(t, "rows")}, files: map[string]string{}}
	seed := rapid.Uint64().Draw(t, "seed")
	w.policy = &model.Policy{K: rapid.IntRange(2, 6).Draw(t, "k"), Missing: []string{"", "?"}, Seed: &seed, KeepOrder: rapid.Bool().Draw(t, "keep")}
	w.policy.Method = rapid.SampledFrom([]model.Method{model.Local, model.Local, model.Global, model.Microaggregation}).Draw(t, "method")
	w.policy.Suppress = rapid.SampledFrom([]float64{0, 0, 0.2}).Draw(t, "suppress")
	for i := range rapid.IntRange(1, 4).Draw(t, "quasi") {
		w.quasi(t, fmt.Sprintf("q%d", i))
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "confidential") {
		w.confidential(t, fmt.Sprintf("c%d", i))
	}
	if rapid.Bool().Draw(t, "subject") {
		w.column(t, "person", []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"})
		w.policy.Subject = "person"
		w.policy.Attributes = append(w.policy.Attributes, &model.Attribute{Name: "person", Class: clarus.Identifier})
	}
	return w
}

func (w *world) column(t *rapid.T, name string, values []string) {
	b := table.NewBuilder(name, w.table.Rows)
	for range w.table.Rows {
		b.Add(rapid.SampledFrom(values).Draw(t, name))
	}
	w.table.Columns = append(w.table.Columns, b.Column())
}

// values have all that a set's or an interval's text must survive.
var values = map[model.Type][]string{
	model.Categorical: {"a", "b,c", `d"e`, "f}g", "[h", "i j", "ö", "x"},
	model.Ordinal:     {"low", "mid", "high", "top,most"},
	model.Numeric:     {"1", "2", "10", "-3.5", "1e2", "7", "1.0"},
	model.Point:       {"47.3,8.5", "47.31,8.51", "-1,2", "POINT(8.5 47.3)"},
	model.Date:        {"2020-01-31", "2020-02-01", "1999-12-31", "2021-07-15"},
}

func (w *world) quasi(t *rapid.T, name string) {
	typ := rapid.SampledFrom([]model.Type{model.Categorical, model.Ordinal, model.Numeric, model.Date, model.Point}).Draw(t, name+" type")
	a := &model.Attribute{Name: name, Class: clarus.QuasiIdentifier, Type: typ, Cover: model.CoverSet, Weight: rapid.Float64Range(0.1, 3).Draw(t, "weight")}
	if typ == model.Ordinal {
		a.Order = values[typ]
	}
	if typ != model.Categorical && typ != model.Point && rapid.Bool().Draw(t, name+" interval") {
		a.Cover = model.CoverInterval
	}
	if rapid.Bool().Draw(t, name+" has a hierarchy") {
		w.hierarchy(t, a)
		if rapid.Bool().Draw(t, name+" node") {
			a.Cover = model.CoverNode
		}
	}
	w.policy.Attributes = append(w.policy.Attributes, a)
	w.column(t, name, append([]string{"", "?"}, values[typ]...))
}

func (w *world) hierarchy(t *rapid.T, a *model.Attribute) {
	most := 2
	if a.Type == model.Point {
		most = 3
	}
	switch rapid.IntRange(0, most).Draw(t, a.Name+" hierarchy") {
	case 3:
		a.Hierarchy = &model.Source{Grid: []float64{0.1, 1}}
	case 0:
		a.Hierarchy = &model.Source{Build: true}
	case 1:
		a.Hierarchy = &model.Source{Prefix: []int{1}}
	default:
		var b strings.Builder
		for _, v := range values[a.Type] {
			if rapid.IntRange(0, 5).Draw(t, "hole") > 0 {
				fmt.Fprintf(&b, "\"%s\";group %d;all\n", strings.ReplaceAll(v, `"`, `""`), rapid.IntRange(0, 2).Draw(t, "group"))
			}
		}
		w.files[a.Name] = b.String()
		a.Hierarchy, a.HolesRoot = &model.Source{File: a.Name}, rapid.Bool().Draw(t, "holes")
	}
}

func (w *world) confidential(t *rapid.T, name string) {
	a := &model.Attribute{Name: name, Class: clarus.Confidential, Type: model.Ordinal, Order: values[model.Ordinal]}
	a.Hierarchy = &model.Source{Build: true}
	for range rapid.IntRange(0, 2).Draw(t, name+" models") {
		a.Wants = append(a.Wants, rapid.SampledFrom([]model.Requirement{
			{Kind: model.DistinctL, L: 2},
			{Kind: model.EntropyL, L: 1.5},
			{Kind: model.RecursiveL, L: 2, C: 3},
			{Kind: model.TCloseness, T: 0.3, Distance: model.Equal},
			{Kind: model.TCloseness, T: 0.2, Distance: model.Ordered},
			{Kind: model.TCloseness, T: 0.25, Distance: model.Hierarchical},
		}).Draw(t, "model"))
	}
	distances := map[string]bool{}
	for _, want := range a.Wants {
		distances[want.Distance] = true
	}
	if distances[model.Ordered] && distances[model.Hierarchical] {
		a.Wants = a.Wants[:1] // policies refuse the two together
	}
	w.policy.Attributes = append(w.policy.Attributes, a)
	w.column(t, name, append([]string{""}, values[model.Ordinal]...))
}

// TestReleases makes releases of random tables under random policies. A release
// is refused for a reason that names the data, or it is safe: no guard lets
// through what the checker, which knows the cells alone, refuses.
func TestReleases(t *testing.T) {
	made := 0
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		r, err := publish.Make(context.Background(), w.policy, w.table, w.open, nil)
		if failed, ok := errors.AsType[check.Failed](err); ok {
			t.Fatalf("the algorithm made a release that the checker refuses: %v", failed)
		}
		if err != nil {
			return
		}
		made++
		naive(t, w, r)
	})
	if made == 0 {
		t.Error("no release was made")
	}
}

// naive counts rows and persons of classes once more, as plainly as can be.
func naive(t *rapid.T, w *world, r *publish.Release) {
	rows, persons := map[string]int{}, map[string]map[string]bool{}
	for i := range r.Checked.Rows {
		var cells []string
		for _, q := range r.Spec.Quasi {
			cells = append(cells, r.Checked.Column(q.Name).At(i))
		}
		class := strings.Join(cells, "\x00")
		rows[class]++
		if persons[class] == nil {
			persons[class] = map[string]bool{}
		}
		if w.policy.Subject != "" {
			persons[class][w.table.Column("person").At(i)] = true
		}
	}
	withheld := strings.Repeat("*\x00", len(r.Spec.Quasi)-1) + "*" // these rows show nothing: the checker sees to that
	for class, n := range rows {
		if w.policy.Method == model.Global && class == withheld {
			continue
		}
		if n < w.policy.K || w.policy.Subject != "" && len(persons[class]) < w.policy.K {
			t.Fatalf("%q: %d rows, %d persons", class, n, len(persons[class]))
		}
	}
	if r.Table.Column("person") != nil {
		t.Fatal("the subject is published")
	}
	if len(r.Table.Columns) != len(r.Checked.Columns) {
		t.Fatal("shuffling loses columns")
	}
	for i, c := range r.Table.Columns { // the same cells, in any order
		if !slices.Equal(sorted(c), sorted(r.Checked.Columns[i])) {
			t.Fatalf("shuffling changes %s", c.Name)
		}
	}
}

func sorted(c *table.Column) []string {
	var out []string
	for r := range c.Codes {
		out = append(out, c.At(r))
	}
	slices.Sort(out)
	return out
}

// TestInterrupted: whatever the method, an interrupted making gives nothing.
func TestInterrupted(t *testing.T) {
	for _, method := range []model.Method{model.Local, model.Global, model.Microaggregation} {
		w := &world{table: &table.Table{Rows: 200}}
		w.policy = &model.Policy{K: 5, Method: method, Attributes: []*model.Attribute{
			{Name: "a", Class: clarus.QuasiIdentifier, Type: model.Numeric, Cover: model.CoverInterval, Weight: 1, Hierarchy: &model.Source{Build: true}}}}
		b := table.NewBuilder("a", 200)
		for i := range 200 {
			b.Add(fmt.Sprint(i % 50))
		}
		w.table.Columns = []*table.Column{b.Column()}
		ctx, cancel := context.WithCancel(t.Context())
		r, err := publish.Make(ctx, w.policy, w.table, w.open, func(step string, _, _ int) {
			if step == "read" {
				cancel()
			}
		})
		if r != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", method, err)
		}
	}
}
