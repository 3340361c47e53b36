package microagg

import (
	"math/rand/v2"
	"testing"
)

// TestNearest: the index finds the nearest of points that come and go, as looking at all does.
func TestNearest(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	points := make([][]float64, 600)
	for i := range points {
		points[i] = []float64{float64(rng.IntN(30)), rng.NormFloat64(), 7}
	}
	x := newIndex(300, func(i int32) []float64 { return points[i] })
	there := map[int32]bool{}
	for i := range int32(300) {
		there[i] = true
	}
	for range 3000 {
		p := int32(rng.IntN(600))
		switch {
		case !there[p]:
			x.insert(p)
		case len(there) > 1:
			x.remove(p)
		}
		if there[p] = !there[p]; !there[p] {
			delete(there, p)
		}
		to := []float64{rng.Float64() * 30, rng.NormFloat64(), 7}
		best := int32(-1)
		for q := range there {
			if d := distance(to, points[q]); best < 0 || d < distance(to, points[best]) {
				best = q
			}
		}
		if got := x.nearest(to); len(there) > 0 && distance(to, points[got]) != distance(to, points[best]) {
			t.Fatalf("%d is found, %d is nearer", got, best)
		}
	}
}

// TestMerge: every class becomes safe, no record is lost, and what was safe alone stays alone
// unless a neighbour needs it.
func TestMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	d := &Data{Width: 2}
	kind := make([]int, 3000)
	for i := range kind {
		kind[i] = rng.IntN(3)
		d.Values = append(d.Values, rng.NormFloat64(), rng.NormFloat64())
	}
	classes, err := MDAV(d, 3)
	if err != nil {
		t.Fatal(err)
	}
	safe := func(rows []int32) bool {
		seen := [3]bool{}
		for _, r := range rows {
			seen[kind[r]] = true
		}
		return seen == [3]bool{true, true, true}
	}
	merged := Merge(d, classes, safe)
	n := 0
	for _, rows := range merged {
		if n += len(rows); !safe(rows) {
			t.Errorf("a class of %d is not safe", len(rows))
		}
	}
	if n != d.Len() || len(merged) < 300 {
		t.Errorf("%d records in %d classes", n, len(merged))
	}
	if all := Merge(d, classes, func([]int32) bool { return false }); len(all) != 1 || len(all[0]) != d.Len() {
		t.Errorf("%d classes where only all records would do", len(all))
	}
}
