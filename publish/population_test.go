package publish_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// covers reports whether a cell of TestJournalist's releases covers a value, read in the simplest way.
func covers(cell, value string) bool {
	region := map[string]string{"Ulm": "south", "Lindau": "south", "Bonn": "west", "Köln": "west"}
	switch {
	case cell == "*":
		return true
	case strings.HasPrefix(cell, "["):
		lo, hi, _ := strings.Cut(strings.Trim(cell, "[])"), ",")
		a, err1 := strconv.ParseFloat(lo, 64)
		b, err2 := strconv.ParseFloat(hi, 64)
		x, err3 := strconv.ParseFloat(value, 64)
		if strings.HasSuffix(cell, ")") {
			b -= 1e-6
		}
		return err1 == nil && err2 == nil && err3 == nil && a <= x && x <= b
	case strings.HasPrefix(cell, "{"):
		return slices.Contains(strings.Split(strings.Trim(cell, "{}"), ","), value)
	}
	return cell == value || region[value] == cell
}

// TestJournalist: the risk among a population is that of counting, class by class, whom the cells cover.
func TestJournalist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		make := func(rows int, what string) (*table.Table, string) {
			text := "age,town,sex,zone\n"
			for range rows {
				text += fmt.Sprintf("%d,%s,%s,%d\n", rapid.IntRange(20, 30).Draw(t, what+" age"), rapid.SampledFrom([]string{"Ulm", "Lindau", "Bonn", "Köln", "Atlantis"}).Draw(t, what+" town"),
					rapid.SampledFrom([]string{"m", "f", "x"}).Draw(t, what+" sex"), rapid.IntRange(0, 9).Draw(t, what+" zone"))
			}
			got, err := table.Read(strings.NewReader(text), table.Options{Delimiter: ','})
			if err != nil {
				t.Fatal(err)
			}
			return got, text
		}
		in, _ := make(rapid.IntRange(3, 25).Draw(t, "rows"), "data")
		all, register := make(rapid.IntRange(0, 60).Draw(t, "population"), "population")
		p := &model.Policy{K: rapid.IntRange(2, 3).Draw(t, "k"), Missing: []string{""}, MissingRefused: true, Population: "register", Method: rapid.SampledFrom([]model.Method{model.Local, model.Global}).Draw(t, "method")}
		if p.Method == model.Global {
			p.Suppress = 0.3
		}
		p.Attributes = []*model.Attribute{
			{Name: "age", Class: clarus.QuasiIdentifier, Type: model.Numeric, Cover: model.CoverInterval, Weight: 1},
			{Name: "town", Class: clarus.QuasiIdentifier, Type: model.Categorical, Cover: model.CoverNode, Weight: 1, Hierarchy: &model.Source{File: "towns"}, HolesRoot: true},
			{Name: "sex", Class: clarus.QuasiIdentifier, Type: model.Categorical, Cover: model.CoverSet, Weight: 1},
			{Name: "zone", Class: clarus.QuasiIdentifier, Type: model.Numeric, Cover: model.CoverNode, Weight: 1, Hierarchy: &model.Source{Intervals: []float64{2, 4}}},
		}
		files := map[string]string{"register": register, "towns": "Ulm;south;*\nLindau;south;*\nBonn;west;*\nKöln;west;*\n"}
		r, err := publish.Make(context.Background(), p, in, func(name string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(files[name])), nil }, nil)
		if err != nil {
			t.Fatal(err)
		}
		size := map[string]int{}
		line := func(t *table.Table, row int) string {
			var cells []string
			for _, c := range t.Columns {
				cells = append(cells, c.At(row))
			}
			return strings.Join(cells, "|")
		}
		for row := range r.Table.Rows {
			size[line(r.Table, row)]++
		}
		highest, mean, lacking, rows := 0.0, 0.0, 0, 0
		for class, n := range size {
			if class == "*|*|*|*" && (n < p.K || n <= int(p.Suppress*float64(in.Rows))) {
				continue // suppressed
			}
			persons := 0
			for row := range all.Rows {
				in := true
				for i, cell := range strings.Split(class, "|") {
					in = in && covers(cell, all.Columns[i].At(row))
				}
				if in {
					persons++
				}
			}
			if persons < n {
				persons = n
				lacking++
			}
			highest = max(highest, 1/float64(persons))
			mean += float64(n) / float64(persons)
			rows += n
		}
		j := r.Result.Risk.Journalist
		if j == nil || j.Population != all.Rows || j.Lacking != lacking || abs(j.Highest-highest) > 1e-12 || abs(j.Mean-mean/float64(max(1, rows))) > 1e-9 {
			t.Fatalf("%+v, counted: highest %g, mean %g, lacking %d", j, highest, mean/float64(max(1, rows)), lacking)
		}
	})
}

func abs(x float64) float64 { return max(x, -x) }
