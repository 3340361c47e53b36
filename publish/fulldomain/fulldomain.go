// Package fulldomain publishes microdata by full-domain generalisation: every
// quasi-identifier is generalised to one level of its hierarchy, in all rows
// alike, and the rows whose classes are still not safe are suppressed, up to a
// limit. It looks in the lattice of levels (Samarati, IEEE TKDE 2001; LeFevre et
// al., Incognito, SIGMOD 2005) for the node that loses least by LM, suppressed
// rows counted as lost altogether.
//
// A node's loss without suppression is known without looking at rows and is a
// lower bound, so only nodes whose bound is below the best loss found are looked
// at; and where a node leaves more rows in classes below k than may be
// suppressed, so does every node below it (as Flash uses, Kohlmayer et al.,
// PASSAT 2012). Both prune exactly. Where the lattice is larger than the budget of
// nodes, the search may miss the best node; the result says so.
package fulldomain

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/clarus-project/clarus/publish/model"
)

// A Column is a quasi-identifier.
type Column struct {
	Codes  []uint32 // leaf of each row
	Levels []Level  // from the leaves up
	Weight float64  // of the loss in it; the sum over columns is 1
}

// A Level is one level of a column's hierarchy.
type Level struct {
	Node []uint32  // of each leaf
	Loss []float64 // of each node: the share of the domain that it adds to a leaf
}

// A Problem is what to generalise.
type Problem struct {
	K             int
	MaxSuppressed int // rows
	Columns       []Column
	Sensitive     []model.Sensitive
	Budget        int // nodes that are looked at; 0: the default
	Progress      func(done, of int)
}

// A Result is the node that was chosen.
type Result struct {
	Levels     []int
	Suppressed []bool // rows; nil: none
	Loss       float64
	Looked     int  // nodes
	Best       bool // no node of the lattice loses less
}

// ErrUnsafe: no node is safe, not even the highest.
var ErrUnsafe = errors.New("full generalisation does not satisfy the model")

const (
	defaultBudget = 20_000
	mostNodes     = 2_000_000 // of a lattice that is searched whole
)

// Search finds the node.
func Search(ctx context.Context, p *Problem) (*Result, error) {
	s := newSearch(p)
	top := make([]int, len(p.Columns))
	for c := range top {
		top[c] = len(p.Columns[c].Levels) - 1
	}
	if !s.look(top) {
		return nil, ErrUnsafe
	}
	// Greedily down, for a good first bound.
	at := slices.Clone(top)
	for {
		next := s.step(ctx, at)
		if next == nil {
			break
		}
		at = next
	}
	if err := s.sweep(ctx, top); err != nil {
		return nil, err
	}
	_, _, suppressed := s.evaluate(s.best)
	r := &Result{Levels: s.best, Loss: s.loss, Looked: s.looked, Best: s.whole}
	if slices.Contains(suppressed, true) {
		r.Suppressed = suppressed
	}
	return r, nil
}

type search struct {
	*Problem
	n      int
	level  [][]float64 // of each column and level: mean loss of a cell, weighted
	best   []int
	loss   float64
	looked int
	whole  bool            // every node that may be better was looked at
	fails  map[string]bool // nodes that leave too many rows in classes below k
	group  []int32         // of each row
}

func newSearch(p *Problem) *search {
	s := &search{Problem: p, n: len(p.Columns[0].Codes), loss: 2, whole: true, fails: map[string]bool{}}
	if s.Budget == 0 {
		s.Budget = defaultBudget
	}
	s.group = make([]int32, s.n)
	for i := range p.Columns {
		c := &p.Columns[i]
		losses := make([]float64, len(c.Levels))
		for l := range c.Levels {
			sum := 0.0
			for _, x := range c.Codes {
				sum += c.Levels[l].Loss[c.Levels[l].Node[x]]
			}
			losses[l] = c.Weight * sum / float64(max(1, s.n))
		}
		s.level = append(s.level, losses)
	}
	return s
}

// bound is the node's loss if nothing is suppressed.
func (s *search) bound(node []int) float64 {
	b := 0.0
	for c, l := range node {
		b += s.level[c][l]
	}
	return b
}

func key(node []int) string {
	b := make([]byte, len(node))
	for i, l := range node {
		b[i] = byte(l)
	}
	return string(b)
}

// hopeless reports whether a node above this one, or itself, left too many rows
// in classes below k.
func (s *search) hopeless(node []int) bool {
	if s.fails[key(node)] {
		return true
	}
	// What is directly above is enough: failures are passed down as nodes are met.
	for c, l := range node {
		if l+1 < len(s.Columns[c].Levels) {
			node[c]++
			above := s.fails[key(node)]
			node[c]--
			if above {
				s.fails[key(node)] = true
				return true
			}
		}
	}
	return false
}

// look evaluates a node and keeps it if it is safe and loses less than the best.
func (s *search) look(node []int) bool {
	s.looked++
	loss, safe, _ := s.evaluate(node)
	if safe && loss < s.loss {
		s.best, s.loss = slices.Clone(node), loss
	}
	return safe
}

// step returns the safe node directly below that loses least, nil if there is none
// that loses less than the best.
func (s *search) step(ctx context.Context, node []int) []int {
	before := s.loss
	for c := range node {
		if node[c] == 0 || ctx.Err() != nil {
			continue
		}
		below := slices.Clone(node)
		below[c]--
		if !s.hopeless(below) {
			s.look(below)
		}
	}
	if s.loss < before {
		return s.best
	}
	return nil
}

// sweep looks at every node whose bound is below the best loss, the highest
// bound first, so that failures prune what is below.
func (s *search) sweep(ctx context.Context, top []int) error {
	total := 1
	for _, l := range top {
		if total *= l + 1; total > mostNodes {
			s.whole = false
			return ctx.Err()
		}
	}
	type candidate struct {
		bound float64
		node  []uint8
	}
	var list []candidate
	node := make([]int, len(top))
	for {
		if b := s.bound(node); b < s.loss-1e-12 {
			short := make([]uint8, len(node))
			for i, l := range node {
				short[i] = uint8(l)
			}
			list = append(list, candidate{b, short})
		}
		c := 0
		for ; c < len(node) && node[c] == top[c]; c++ {
			node[c] = 0
		}
		if c == len(node) {
			break
		}
		node[c]++
	}
	height := func(c candidate) (h int) {
		for _, l := range c.node {
			h += int(l)
		}
		return h
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(height(b), height(a)), cmp.Compare(a.bound, b.bound))
	})
	for i, c := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.Progress != nil && i%64 == 0 {
			s.Progress(i, len(list))
		}
		for j, l := range c.node {
			node[j] = int(l)
		}
		if s.hopeless(node) || c.bound >= s.loss-1e-12 {
			continue
		}
		if s.looked >= s.Budget {
			s.whole = false
			return nil
		}
		s.look(node)
	}
	return ctx.Err()
}
