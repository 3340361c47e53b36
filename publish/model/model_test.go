package model_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
)

// The example of Li et al. (ICDE 2007), section 4: salaries 3k to 11k; the class
// {3k,4k,5k} is 0.375 from the whole, {6k,8k,11k} 0.167.
func TestClosenessOfThePaper(t *testing.T) {
	c := model.NewClosenessOrdered(0.2, []int{1, 1, 1, 1, 1, 1, 1, 1, 1})
	for _, test := range []struct {
		class []uint32
		want  float64
	}{{[]uint32{0, 1, 2}, 0.375}, {[]uint32{3, 5, 8}, 1.0 / 6}} {
		if got := c.Distance(test.class, []int32{1, 1, 1}, 3); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%v: %g, want %g", test.class, got, test.want)
		}
	}
	// Section 4.2: four values below two nodes; mass within a node moves half as far.
	h, err := hierarchy.New([][]string{{"a", "x", "*"}, {"b", "x", "*"}, {"c", "y", "*"}, {"d", "y", "*"}})
	if err != nil {
		t.Fatal(err)
	}
	tree := model.NewClosenessHierarchical(0.2, []int{1, 1, 1, 1}, h)
	if got := tree.Distance([]uint32{0, 2}, []int32{1, 1}, 2); math.Abs(got-0.25) > 1e-12 {
		t.Errorf("one of each node: %g, want 0.25", got)
	}
	if got := tree.Distance([]uint32{0, 1}, []int32{1, 1}, 2); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("one node: %g, want 0.5", got)
	}
}

// TestCloseness compares the fast distances with their definitions.
func TestCloseness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 12).Draw(t, "values")
		whole, class := make([]int, m), make([]int32, m)
		values := make([]uint32, m)
		total, n := 0, 0
		for i := range m {
			class[i] = int32(rapid.IntRange(0, 4).Draw(t, "class"))
			whole[i] = int(class[i]) + rapid.IntRange(0, 9).Draw(t, "rest")
			values[i] = uint32(i)
			total, n = total+whole[i], n+int(class[i])
		}
		if n == 0 {
			return
		}
		equal, ordered, carried := 0.0, 0.0, 0.0
		for i := range m {
			d := float64(class[i])/float64(n) - float64(whole[i])/float64(total)
			equal += math.Abs(d) / 2
			carried += d
			ordered += math.Abs(carried)
		}
		ordered /= float64(max(1, m-1))
		if got := model.NewClosenessEqual(0, whole).Distance(values, class, n); math.Abs(got-equal) > 1e-9 {
			t.Fatalf("equal %g, want %g", got, equal)
		}
		if got := model.NewClosenessOrdered(0, whole).Distance(values, class, n); math.Abs(got-ordered) > 1e-9 {
			t.Fatalf("ordered %g, want %g", got, ordered)
		}
		// Values that the class lacks may be left out.
		values, class = slices.Clone(values), slices.Clone(class)
		for i := m - 1; i >= 0; i-- {
			if class[i] == 0 {
				values, class = slices.Delete(values, i, i+1), slices.Delete(class, i, i+1)
			}
		}
		if got := model.NewClosenessOrdered(0, whole).Distance(values, class, n); math.Abs(got-ordered) > 1e-9 {
			t.Fatalf("ordered, sparse %g, want %g", got, ordered)
		}
	})
}

func TestDiversity(t *testing.T) {
	for _, test := range []struct {
		guard model.Guard
		count []int32
		want  bool
	}{
		{model.Distinct(3), []int32{5, 0, 1, 1}, true},
		{model.Distinct(3), []int32{5, 0, 1}, false},
		{model.Entropy(2), []int32{3, 3}, true},
		{model.Entropy(2), []int32{4, 3}, false},
		{model.Recursive{C: 2, L: 2}, []int32{1, 3, 1}, true},  // 3 < 2 * (1+1)
		{model.Recursive{C: 2, L: 2}, []int32{2, 4}, false},    // 4 = 2 * 2
		{model.Recursive{C: 9, L: 3}, []int32{2, 2, 0}, false}, // no third value
		{model.All{model.Distinct(2), model.Entropy(2)}, []int32{4, 3}, false},
	} {
		n, values := 0, make([]uint32, len(test.count))
		for i, c := range test.count {
			n += int(c)
			values[i] = uint32(i)
		}
		if got := test.guard.Fits(values, test.count, n); got != test.want {
			t.Errorf("%s of %v: %v", test.guard, test.count, got)
		}
	}
}
