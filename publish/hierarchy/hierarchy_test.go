package hierarchy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus/publish/hierarchy"
)

// show prints each leaf's path.
func show(h *hierarchy.Hierarchy) string {
	var lines []string
	for leaf := range h.Leaves() {
		var path []string
		for _, level := range h.Levels {
			path = append(path, level.Labels[level.Node[leaf]])
		}
		lines = append(lines, strings.Join(path, " < "))
	}
	return strings.Join(lines, "\n")
}

func TestBuilders(t *testing.T) {
	for _, test := range []struct {
		name string
		make func() (*hierarchy.Hierarchy, error)
		want string
	}{
		{"flat", func() (*hierarchy.Hierarchy, error) { return hierarchy.Flat([]string{"a", "b"}) }, "a < *\nb < *"},
		{"neighbours are brought together", func() (*hierarchy.Hierarchy, error) {
			return hierarchy.New([][]string{{"a", "x", "*"}, {"b", "y", "*"}, {"c", "x", "*"}})
		}, "a < x < *\nc < x < *\nb < y < *"},
		{"a root is added", func() (*hierarchy.Hierarchy, error) { return hierarchy.New([][]string{{"a", "x"}, {"b", "y"}}) }, "a < x < *\nb < y < *"},
		{"intervals", func() (*hierarchy.Hierarchy, error) {
			return hierarchy.Intervals([]string{"12", "7", "-1", "3"}, []float64{5, 10})
		}, "-1 < [-5,0) < [-10,0) < *\n3 < [0,5) < [0,10) < *\n7 < [5,10) < [0,10) < *\n12 < [10,15) < [10,20) < *"},
		{"intervals of tenths", func() (*hierarchy.Hierarchy, error) {
			return hierarchy.Intervals([]string{"0.3", "0.1", "0.7"}, []float64{0.1, 0.5})
		}, "0.1 < [0.1,0.2) < [0,0.5) < *\n0.3 < [0.3,0.4) < [0,0.5) < *\n0.7 < [0.7,0.8) < [0.5,1) < *"},
		{"grid", func() (*hierarchy.Hierarchy, error) {
			return hierarchy.Grid([]string{"47.37,8.54", "POINT(8.51 47.39)", "-1 -1"}, []float64{0.1, 1})
		}, "-1 -1 < [-1,-0.9) x [-1,-0.9) < [-1,0) x [-1,0) < *\n47.37,8.54 < [47.3,47.4) x [8.5,8.6) < [47,48) x [8,9) < *\nPOINT(8.51 47.39) < [47.3,47.4) x [8.5,8.6) < [47,48) x [8,9) < *"},
		{"dates", func() (*hierarchy.Hierarchy, error) {
			return hierarchy.Dates([]string{"2021-03-04", "31.12.1999", "2021-05-06"}, []string{"quarter", "year"})
		}, "31.12.1999 < 1999-Q4 < 1999 < *\n2021-03-04 < 2021-Q1 < 2021 < *\n2021-05-06 < 2021-Q2 < 2021 < *"},
		{"prefixes", func() (*hierarchy.Hierarchy, error) {
			return hierarchy.Prefixes([]string{"08193", "08201", "101"}, []int{2, 4})
		}, "08193 < 081** < 0**** < *\n08201 < 082** < 0**** < *\n101 < 101** < 1**** < *"},
		{"balanced", func() (*hierarchy.Hierarchy, error) {
			return hierarchy.Balanced([]string{"1", "2", "3"}, []int{1, 1, 5})
		}, "1 < [1,2] < [1,3]\n2 < [1,2] < [1,3]\n3 < 3 < [1,3]"},
	} {
		h, err := test.make()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := show(h); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		want string
		err  func() error
	}{
		{"the hierarchy has no values", func() error { _, err := hierarchy.New(nil); return err }},
		{"line 2 has 1 levels, the first 2", func() error { _, err := hierarchy.New([][]string{{"a", "*"}, {"b"}}); return err }},
		{`line 2: the value "a" is that of line 1 again`, func() error { _, err := hierarchy.New([][]string{{"a", "*"}, {"a", "*"}}); return err }},
		{`line 2: "x" stands below "z", in line 1 below "y": give the nodes different names`, func() error {
			_, err := hierarchy.New([][]string{{"a", "x", "y", "*"}, {"b", "x", "z", "*"}})
			return err
		}},
		{"the width 7 is not a multiple of the one before", func() error { _, err := hierarchy.Intervals([]string{"1"}, []float64{5, 7}); return err }},
		{`"x" is not a number`, func() error { _, err := hierarchy.Intervals([]string{"x"}, []float64{5}); return err }},
		{`"NaN" is not a number`, func() error { _, err := hierarchy.Number("NaN"); return err }},
		{`"2020-13-01" is not a date like 2006-01-31`, func() error { _, err := hierarchy.Date("2020-13-01"); return err }},
		{`"month" is not one of day, month, quarter, year, decade, finest first`, func() error {
			_, err := hierarchy.Dates([]string{"2020-01-01"}, []string{"year", "month"})
			return err
		}},
		{"hiding 5 characters is not between 1 and 4, more at each level", func() error { _, err := hierarchy.Prefixes([]string{"08193"}, []int{5}); return err }},
	} {
		if err := test.err(); err == nil || err.Error() != test.want {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// Distances on a sphere are known; moving goes as far as it says.
func TestPlaces(t *testing.T) {
	paris, london := hierarchy.Place{Latitude: 48.8566, Longitude: 2.3522}, hierarchy.Place{Latitude: 51.5074, Longitude: -0.1278}
	if d := paris.Distance(london); d < 343_000 || d > 344_500 {
		t.Errorf("%.0f m", d)
	}
	for _, from := range []hierarchy.Place{paris, {Latitude: 10, Longitude: 179.99}, {Latitude: -45}} {
		for bearing := 0.0; bearing < 6; bearing++ {
			to := from.Move(5000, bearing)
			if d := from.Distance(to); d < 4999 || d > 5001 || to.Longitude < -180 || to.Longitude > 180 {
				t.Errorf("from %v: %v, %.1f m", from, to, d)
			}
		}
	}
	for _, bad := range []string{"", "1", "1,2,3", "91,0", "0,181", "a,b", "POINT(1)"} {
		if p, err := hierarchy.Point(bad); err == nil {
			t.Errorf("%q is %v", bad, p)
		}
	}
}

// TestCover: the lowest common node covers both leaves, and no lower one does.
func TestCover(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var values []string
		for i := range rapid.IntRange(1, 20).Draw(t, "n") {
			values = append(values, fmt.Sprint(i))
		}
		count := make([]int, len(values))
		for i := range count {
			count[i] = rapid.IntRange(1, 9).Draw(t, "count")
		}
		h, err := hierarchy.Balanced(values, count)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(h.Levels[0].Labels, values) || len(h.Levels[h.Height()].Labels) != 1 {
			t.Fatalf("leaves %v, levels %d", h.Levels[0].Labels, len(h.Levels))
		}
		lo := rapid.IntRange(0, len(values)-1).Draw(t, "lo")
		hi := rapid.IntRange(lo, len(values)-1).Draw(t, "hi")
		level, node := h.Cover(uint32(lo), uint32(hi))
		l := &h.Levels[level]
		if l.First[node] > uint32(lo) || l.First[node+1] <= uint32(hi) {
			t.Fatalf("node %d..%d over %d..%d", l.First[node], l.First[node+1], lo, hi)
		}
		if level > 0 && h.Levels[level-1].Node[lo] == h.Levels[level-1].Node[hi] {
			t.Fatal("a lower node covers both")
		}
		if s := h.Span(uint32(lo), uint32(hi)); s < 0 || s > 1 || (s == 0) != (l.Size(node) == 1) {
			t.Fatalf("span %g", s)
		}
	})
}
