package recode

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus/publish/model"
)

// random makes a problem of n rows: two sets and a range.
func random(n, k int, seed uint64) *Problem {
	rng := rand.New(rand.NewPCG(seed, 9))
	p := &Problem{K: k, Seed: seed}
	for _, leaves := range []int{2, 9, 50} {
		c := Column{Leaves: leaves, Weight: 1.0 / 3}
		for range n {
			c.Codes = append(c.Codes, uint32(rng.IntN(leaves)))
		}
		p.Columns = append(p.Columns, c)
	}
	p.Columns[2].Span = func(lo, hi uint32) float64 { return float64(hi-lo) / 49 }
	return p
}

func TestPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, k := rapid.IntRange(1, 400).Draw(t, "n"), rapid.IntRange(1, 12).Draw(t, "k")
		p := random(n, k, rapid.Uint64().Draw(t, "seed"))
		if rapid.Bool().Draw(t, "guarded") {
			p.Sensitive = []model.Sensitive{{Codes: p.Columns[1].Codes, Values: 9, Guard: model.Distinct(rapid.IntRange(1, 4).Draw(t, "l"))}}
		}
		classes, err := Partition(context.Background(), p)
		s, _ := newSearch(p)
		all := make([]int32, n)
		for i := range all {
			all[i] = int32(i)
		}
		if errors.Is(err, ErrUnsafe) != !s.fits(all) || err != nil && !errors.Is(err, ErrUnsafe) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if got := slices.Sorted(slices.Values(classes.Rows)); !slices.Equal(got, all) {
			t.Fatal("the classes are no partition")
		}
		for i := range classes.Len() {
			if !s.fits(classes.Class(i)) {
				t.Fatalf("class %d of %d rows does not fit", i, len(classes.Class(i)))
			}
		}
	})
}

// TestSweepsLower: a sweep never makes classes worse, and a block's account of
// its gain is what the loss tells.
func TestSweepsLower(t *testing.T) {
	p := random(3000, 4, 5)
	s, err := newSearch(p)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]int32, s.n)
	for i := range all {
		all[i] = int32(i)
	}
	classes, err := s.start(context.Background(), all)
	if err != nil {
		t.Fatal(err)
	}
	before := s.loss(classes)
	for i := range 4 {
		if classes, err = s.sweep(context.Background(), classes, i); err != nil {
			t.Fatal(err)
		}
		after := s.loss(classes)
		if after > before+1e-12 {
			t.Errorf("sweep %d: %g after %g", i, after, before)
		}
		before = after
	}
	order := []keyed{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}, {0, 6}, {0, 7}}
	b := s.load(s.workers[0], classes, order)
	sum := func() (total float64) {
		for c := range b.members {
			total += b.total(int32(c))
		}
		return total
	}
	start := sum()
	gain := b.improve(5, rand.New(rand.NewPCG(1, 1)))
	if end := sum(); math.Abs(start-end-gain) > 1e-9 {
		t.Errorf("gain %g, but the loss fell by %g", gain, start-end)
	}
}

func TestRepeatable(t *testing.T) {
	a, err := Partition(context.Background(), random(2000, 5, 3))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Partition(context.Background(), random(2000, 5, 3))
	if err != nil || !slices.Equal(a.Rows, b.Rows) || !slices.Equal(a.Starts, b.Starts) {
		t.Error("one seed gives two releases", err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := random(2000, 5, 3)
	p.Progress = func(int, int) { cancel() }
	if _, err := Partition(ctx, p); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
