package fulldomain_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus/publish/fulldomain"
	"github.com/clarus-project/clarus/publish/model"
)

// draw makes a small problem: columns of 8 leaves, in twos, in fours, and a root.
func draw(t *rapid.T) *fulldomain.Problem {
	n := rapid.IntRange(1, 40).Draw(t, "rows")
	p := &fulldomain.Problem{K: rapid.IntRange(1, 6).Draw(t, "k"), MaxSuppressed: rapid.IntRange(0, 5).Draw(t, "suppressed")}
	width := rapid.IntRange(1, 3).Draw(t, "columns")
	for range width {
		c := fulldomain.Column{Weight: 1 / float64(width)}
		for range n {
			c.Codes = append(c.Codes, uint32(rapid.IntRange(0, 7).Draw(t, "code")))
		}
		for l := range 4 {
			level := fulldomain.Level{Loss: make([]float64, 8>>l)}
			for leaf := range 8 {
				level.Node = append(level.Node, uint32(leaf>>l))
			}
			for i := range level.Loss {
				level.Loss[i] = float64(int(1)<<l-1) / 7
			}
			c.Levels = append(c.Levels, level)
		}
		p.Columns = append(p.Columns, c)
	}
	if rapid.Bool().Draw(t, "guarded") {
		s := model.Sensitive{Values: 3, Guard: rapid.SampledFrom([]model.Guard{model.Distinct(2), model.Entropy(1.8)}).Draw(t, "guard")}
		for range n {
			s.Codes = append(s.Codes, uint32(rapid.IntRange(0, 2).Draw(t, "value")))
		}
		p.Sensitive = []model.Sensitive{s}
	}
	return p
}

// plain is a node's loss by its definition; infinite if it is not safe.
func plain(p *fulldomain.Problem, node []int) float64 {
	n := len(p.Columns[0].Codes)
	classes := map[string][]int32{}
	for r := range n {
		k := ""
		for c, l := range node {
			k += fmt.Sprint(p.Columns[c].Levels[l].Node[p.Columns[c].Codes[r]], ",")
		}
		classes[k] = append(classes[k], int32(r))
	}
	loss, out := 0.0, 0
	for _, rows := range classes {
		if len(rows) < p.K || len(p.Sensitive) > 0 && !p.Sensitive[0].Fits(rows) {
			out += len(rows)
			loss += float64(len(rows))
			continue
		}
		for c, l := range node {
			loss += float64(len(rows)) * p.Columns[c].Weight * p.Columns[c].Levels[l].Loss[0]
		}
	}
	if out > p.MaxSuppressed {
		return math.Inf(1)
	}
	return loss / float64(n)
}

// TestBest: no node of the lattice loses less than the one that is found.
func TestBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		top := make([]int, len(p.Columns))
		for c := range top {
			top[c] = 3
		}
		best := math.Inf(1)
		node := make([]int, len(top))
		for i := range 1 << (2 * len(top)) {
			for c := range node {
				node[c] = i >> (2 * c) & 3
			}
			best = min(best, plain(p, node))
		}
		r, err := fulldomain.Search(context.Background(), p)
		if math.IsInf(plain(p, top), 1) {
			if !errors.Is(err, fulldomain.ErrUnsafe) {
				t.Fatal(err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := plain(p, r.Levels); math.Abs(got-r.Loss) > 1e-9 {
			t.Fatalf("node %v loses %g, it says %g", r.Levels, got, r.Loss)
		}
		if r.Best && r.Loss > best+1e-9 {
			t.Fatalf("%g at %v, best is %g", r.Loss, r.Levels, best)
		}
		if !r.Best {
			t.Fatal("a small lattice is not searched whole")
		}
	})
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := &fulldomain.Problem{K: 1, Columns: []fulldomain.Column{{Codes: []uint32{0, 1}, Weight: 1,
		Levels: []fulldomain.Level{{Node: []uint32{0, 1}, Loss: []float64{0, 0}}, {Node: []uint32{0, 0}, Loss: []float64{1}}}}}}
	if _, err := fulldomain.Search(ctx, p); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
