package publish_test

import (
	"context"
	"fmt"
	"io"
	"os"
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

// drawing is a policy over the attributes that randomRows has.
func drawing(t *rapid.T) *model.Policy {
	missing := rapid.Bool().Draw(t, "missing as value")
	p := &model.Policy{Method: model.Sampling, Missing: []string{""}, MissingRefused: !missing, Subject: "who",
		Synthetic: &model.Synthetic{Epsilon: rapid.Float64Range(0.1, 20).Draw(t, "epsilon"), Delta: 1e-6, Rows: rapid.IntRange(0, 60).Draw(t, "drawn"), Each: rapid.IntRange(1, 32).Draw(t, "each")}}
	lower := float64(rapid.IntRange(-20, 20).Draw(t, "lower"))
	p.Attributes = []*model.Attribute{
		{Name: "who", Class: clarus.Identifier},
		{Name: "town", Class: clarus.QuasiIdentifier, Type: model.Categorical, Hierarchy: &model.Source{File: "towns"}, HolesRoot: true},
		{Name: "age", Class: clarus.QuasiIdentifier, Type: model.Numeric, Bounds: &model.Bounds{Lower: lower, Upper: lower + float64(rapid.IntRange(1, 50).Draw(t, "width")),
			Step: rapid.SampledFrom([]float64{0.1, 0.25, 1, 7}).Draw(t, "step"), Bins: rapid.IntRange(1, 40).Draw(t, "bins")}},
		{Name: "born", Class: clarus.Confidential, Type: model.Date, Bounds: &model.Bounds{Lower: 0, Upper: 400, Step: 1, Bins: 12}},
		{Name: "school", Class: clarus.NonConfidential, Type: model.Ordinal, Order: []string{"none", "some", "all"}},
		{Name: "ill", Class: clarus.Confidential, Type: model.Categorical},
	}
	return p
}

func randomRows(t *rapid.T, missing bool) *table.Table {
	out := &table.Table{Rows: rapid.IntRange(0, 80).Draw(t, "rows")}
	pick := func(name string, values ...string) {
		if missing && name != "who" {
			values = append(values, "")
		}
		b := table.NewBuilder(name, out.Rows)
		for range out.Rows {
			b.Add(rapid.SampledFrom(values).Draw(t, name))
		}
		out.Columns = append(out.Columns, b.Column())
	}
	pick("who", "a", "b", "c", "d", "e")
	pick("town", "Ulm", "Bonn", "Atlantis")
	pick("age", "-500", "3", "3.5", "17.25", "1e9")
	pick("born", "1950-01-01", "1970-06-01", "2030-01-01")
	pick("school", "none", "some", "all")
	pick("ill", "flu", "cold", "*", "gout")
	return out
}

// TestDrawn: whatever the table and the policy, every release has the columns and rows that it should,
// and cells of the declared domains only, as an independent checker sees it.
func TestDrawn(t *testing.T) {
	open := func(name string) (io.ReadCloser, error) {
		if name != "towns" {
			return nil, os.ErrNotExist
		}
		return io.NopCloser(strings.NewReader("Ulm;south;*\nBonn;west;*\nKiel;north;*\n")), nil
	}
	rapid.Check(t, func(t *rapid.T) {
		p := drawing(t)
		in := randomRows(t, !p.MissingRefused)
		r, err := publish.Make(context.Background(), p, in, open, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, failed := check.RunSynthetic(in, r.Table, r.Spec); failed != nil {
			t.Fatal(failed)
		}
		if got := r.Table.Names(); !slices.Equal(got, []string{"town", "age", "born", "school", "ill"}) {
			t.Fatalf("columns %q", got)
		}
		if p.Synthetic.Rows > 0 && r.Table.Rows != p.Synthetic.Rows {
			t.Fatalf("%d rows of %d", r.Table.Rows, p.Synthetic.Rows)
		}
		for _, v := range r.Table.Column("town").Values {
			if !slices.Contains([]string{"Ulm", "Bonn", "Kiel", "*", ""}, v) {
				t.Fatalf("the town %q is in no hierarchy", v)
			}
		}
		if v := r.Table.Column("born").Values; slices.Contains(v, "1950-01-01") || slices.Contains(v, "2030-01-01") {
			t.Fatalf("a date outside the bounds is drawn: %q", v)
		}
	})
}

// TestDrawnPersons: of one person with very many rows, as many count as the policy says.
func TestDrawnPersons(t *testing.T) {
	who, ward := table.NewBuilder("who", 0), table.NewBuilder("ward", 0)
	for i := range 2000 {
		who.Add("p" + fmt.Sprint(min(i, 1000))) // a thousand persons, one of them with half of all rows
		ward.Add([]string{"A", "B"}[i/1000])
	}
	in := &table.Table{Rows: 2000, Columns: []*table.Column{who.Column(), ward.Column()}}
	p := &model.Policy{Method: model.Sampling, Missing: []string{""}, MissingRefused: true, Subject: "who", Synthetic: &model.Synthetic{Epsilon: 10, Delta: 1e-6, Each: 1},
		Attributes: []*model.Attribute{{Name: "who", Class: clarus.Identifier}, {Name: "ward", Class: clarus.QuasiIdentifier, Type: model.Ordinal, Order: []string{"A", "B"}}}}
	r, err := publish.Make(context.Background(), p, in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := 0
	for row := range r.Table.Rows {
		if r.Table.Column("ward").At(row) == "B" {
			b++
		}
	}
	if r.Table.Rows < 950 || r.Table.Rows > 1050 || b > 50 {
		t.Errorf("%d rows are drawn, %d as the one person has them", r.Table.Rows, b)
	}
}

// TestDrawnTampered: what is not of the domain is found.
func TestDrawnTampered(t *testing.T) {
	read := func(text string) *table.Table {
		got, err := table.Read(strings.NewReader(text), table.Options{Delimiter: ','})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	original := read("a,n,o\nx,1,secret\ny,2,known\n")
	s := &check.Spec{Synthetic: &check.Synthetic{Rows: 2, Attributes: []check.Drawn{
		{Name: "a", Values: []string{"x", "y"}}, {Name: "n", Scale: "numeric", Lower: 0, Upper: 10, Step: 0.5, Bins: 4}, {Name: "o", Open: true, Other: true}}}}
	for _, test := range []struct{ release, want string }{
		{"a,n,o\ny,9.5,known\nx,0,*\n", ""},
		{"a,n,o\nz,1,*\nx,1,*\n", `every cell of a is of its domain: "z" is not`},
		{"a,n,o\n*,1,*\nx,1,*\n", `every cell of a is of its domain: "*" is not`},
		{"a,n,o\nx,1.2,*\nx,1,*\n", `every cell of n is of its domain: "1.2" is not`},
		{"a,n,o\nx,11,*\nx,1,*\n", `every cell of n is of its domain: "11" is not`},
		{"a,n,o\nx,,*\nx,1,*\n", `every cell of n is of its domain: "" is not`},
		{"a,n,o\nx,1,other\nx,1,*\n", `every cell of o is of its domain: "other" is not`},
		{"a,n,o\nx,1,*\n", "2 rows are drawn: 1 are"},
		{"a,n\nx,1\nx,1\n", `nothing else: the columns ["a" "n"]`},
		{"a,n,o,p\nx,1,*,q\nx,1,*,q\n", `nothing else: the columns ["a" "n" "o" "p"]`},
	} {
		_, failed := check.RunSynthetic(original, read(test.release), s)
		if (failed == nil) != (test.want == "") || failed != nil && !strings.Contains(failed.Error(), test.want) {
			t.Errorf("%q: %v, want %s", test.release, failed, test.want)
		}
	}
}
