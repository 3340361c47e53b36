// Package recode publishes microdata by cell-local generalisation: rows are
// gathered into classes, and every cell of a class becomes the smallest cover
// of what stands in the class's column (a value, a set, an interval or a node
// of a hierarchy). It finds classes of k rows or more that satisfy every guard
// and lose little: the loss of a cell is the share of its domain that the
// cover adds (LM, Iyengar, KDD 2002; NCP, Xu et al., KDD 2006).
//
// It works in three steps, each linear in rows but for sorting. Rows are sorted
// by their attributes, the dearest first; the order is cut into the best
// consecutive classes by dynamic programming (as Hansen and Mukherjee, IEEE
// TKDE 2003, do for one number); then neighbouring classes move and swap rows,
// dissolve and split while that lowers the loss (as ONA, Soria-Comas et al.,
// 2019, does for numbers), in neighbourhoods that a random order of the
// attributes chooses anew in each sweep.
//
// The orders and ties are random on purpose. A recoding that is minimal and
// deterministic tells which coarser classes could not be split, and by that the
// values themselves (downcoding, Cohen, USENIX Security 2022). Randomness does
// not remove that, it makes the inference uncertain; docs/publish.md says so.
package recode

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"github.com/clarus-project/clarus/publish/model"
)

// A Column is a quasi-identifier.
type Column struct {
	Codes  []uint32 // of each row, below Leaves
	Leaves int
	Weight float64 // what losing a cell altogether costs
	// Span is nil where cells become sets of values. Otherwise they become
	// ranges of the codes' order, and Span says which share of the domain the
	// range from lo to hi adds to a single value: 0 if lo = hi, 1 for all.
	Span func(lo, hi uint32) float64
}

// Loss is the loss of a cell that covers these codes, ascending and each once.
func (c *Column) Loss(codes []uint32) float64 {
	switch {
	case len(codes) < 2:
		return 0
	case c.Span != nil:
		return c.Weight * c.Span(codes[0], codes[len(codes)-1])
	}
	return c.Weight * float64(len(codes)-1) / float64(max(1, c.Leaves-1))
}

// A Problem is what to recode.
type Problem struct {
	K         int
	Columns   []Column
	Sensitive []model.Sensitive
	Sweeps    int    // how often classes are refined; 0: the default
	Seed      uint64 // of every random choice
	Progress  func(done, of int)
}

// Classes is a partition of the rows.
type Classes struct {
	Rows   []int32 // class after class
	Starts []int32 // of each class in Rows, and the number of rows at the end
}

// Len is the number of classes.
func (c *Classes) Len() int { return len(c.Starts) - 1 }

// Class returns the rows of class i.
func (c *Classes) Class(i int) []int32 { return c.Rows[c.Starts[i]:c.Starts[i+1]] }

func (c *Classes) add(rows []int32) {
	c.Rows = append(c.Rows, rows...)
	c.Starts = append(c.Starts, int32(len(c.Rows)))
}

func newClasses(n, k int) *Classes {
	return &Classes{Rows: make([]int32, 0, n), Starts: append(make([]int32, 0, n/k+2), 0)}
}

// ErrUnsafe: not even all rows in one class satisfy k and the guards.
var ErrUnsafe = errors.New("all rows in one class do not satisfy the model")

const (
	defaultSweeps = 1
	passes        = 1 // of improvement in a block: the next sweep's blocks do better than a second pass
)

// Partition finds the classes.
func Partition(ctx context.Context, p *Problem) (*Classes, error) {
	s, err := newSearch(p)
	if err != nil {
		return nil, err
	}
	all := make([]int32, s.n)
	for i := range all {
		all[i] = int32(i)
	}
	if !s.fits(all) {
		return nil, ErrUnsafe
	}
	sweeps := p.Sweeps
	if sweeps == 0 {
		sweeps = defaultSweeps
		if len(p.Sensitive) > 0 {
			sweeps = 4 // a start that satisfies guards is far from the best
		}
	}
	classes, err := s.start(ctx, all)
	for i := 0; i < sweeps && err == nil; i++ {
		s.progress(i+1, sweeps+1)
		classes, err = s.sweep(ctx, classes, i)
	}
	s.progress(1, 1)
	return classes, err
}

// A search is a Problem with what every step needs to know of it.
type search struct {
	*Problem
	n       int
	unit    []float64  // loss of each further value in a set; of a column with Span, its weight
	rank    [][]uint32 // of each column's codes: their place in sorting; nil: the code itself
	bits    []int      // of each column's ranks
	rng     *rand.Rand
	workers []*scratch
}

// A scratch is what one goroutine reuses from block to block.
type scratch struct {
	stamp [][]int32 // of each column's codes
	sens  [][]int32 // of each sensitive attribute's codes
}

func newSearch(p *Problem) (*search, error) {
	if len(p.Columns) == 0 || p.K < 1 {
		return nil, errors.New("recode: no column, or k below 1")
	}
	s := &search{Problem: p, n: len(p.Columns[0].Codes), rng: rand.New(rand.NewPCG(p.Seed, 0))}
	if s.n == 0 || s.n > math.MaxInt32/2 {
		return nil, errors.New("recode: no rows, or too many")
	}
	for i := range p.Columns {
		c := &p.Columns[i]
		s.unit = append(s.unit, c.Weight)
		s.rank = append(s.rank, nil)
		if c.Span == nil {
			s.unit[i] = c.Weight / float64(max(1, c.Leaves-1))
			s.rank[i] = byFrequency(c)
		}
		s.bits = append(s.bits, bitLength(c.Leaves))
	}
	for range runtime.GOMAXPROCS(0) {
		w := &scratch{}
		for i := range p.Columns {
			w.stamp = append(w.stamp, make([]int32, p.Columns[i].Leaves))
		}
		for i := range p.Sensitive {
			w.sens = append(w.sens, make([]int32, p.Sensitive[i].Values))
		}
		s.workers = append(s.workers, w)
	}
	return s, nil
}

func (s *search) progress(done, of int) {
	if s.Progress != nil {
		s.Progress(done, of)
	}
}

// byFrequency ranks the codes, the most frequent first, so that rare values
// are neighbours.
func byFrequency(c *Column) []uint32 {
	count := make([]int, c.Leaves)
	for _, x := range c.Codes {
		count[x]++
	}
	order := make([]uint32, c.Leaves)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return count[b] - count[a] })
	rank := make([]uint32, c.Leaves)
	for i, x := range order {
		rank[x] = uint32(i)
	}
	return rank
}

func bitLength(n int) int {
	b := 0
	for 1<<b < n {
		b++
	}
	return b
}

// span is the loss in column c of a range.
func (s *search) span(c int, lo, hi uint32) float64 {
	if lo >= hi {
		return 0
	}
	return s.unit[c] * s.Columns[c].Span(lo, hi)
}
