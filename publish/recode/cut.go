package recode

import (
	"context"
	"math"

	"github.com/clarus-project/clarus/publish/model"
)

// start finds classes to begin with that satisfy every guard.
func (s *search) start(ctx context.Context, all []int32) (*Classes, error) {
	order := s.sorted(all, s.dearest())
	// What sorts rows sorts their sensitive values too: if guards need far longer
	// classes than k, this order is not the one to cut.
	best, err := s.cut(ctx, order, 20*s.K)
	if err != nil || len(s.Sensitive) == 0 {
		return best, err
	}
	for a := range s.Sensitive {
		other, err := s.cut(ctx, s.spread(order, a), 4096)
		if err != nil {
			return nil, err
		}
		if s.loss(other) < s.loss(best) {
			best = other
		}
	}
	return best, nil
}

// segment is how many rows are cut at a time, at least; it bounds memory, and
// segments are cut in parallel.
const segment = 1 << 13

// cut divides an order into classes of neighbours, of at most so many where guards
// want more than 2k-1. A segment that cannot be
// divided is a class, one that is not safe as a class joins the next.
func (s *search) cut(ctx context.Context, order []int32, most int) (*Classes, error) {
	size := max(segment, 16*s.K)
	count := max(1, len(order)/size)
	parts := make([][][]int32, count)
	err := s.parallel(ctx, count, func(w *scratch, i int) {
		from, to := i*len(order)/count, (i+1)*len(order)/count
		parts[i] = s.newCutter(w).divide(order[from:to], most)
	})
	if err != nil {
		return nil, err
	}
	out := newClasses(len(order), s.K)
	var rest []int32
	for i := range parts {
		for _, class := range parts[i] {
			if len(rest) > 0 {
				class = append(rest, class...)
			}
			if rest = nil; s.fits(class) {
				out.add(class)
			} else {
				rest = class
			}
		}
	}
	for len(rest) > 0 { // the classes before it take it in
		last := out.Len() - 1
		if last < 0 {
			out.add(rest) // all rows: Partition has seen that they fit
			break
		}
		rest = append(append([]int32(nil), out.Class(last)...), rest...)
		out.Rows, out.Starts = out.Rows[:out.Starts[last]], out.Starts[:last+1]
		if s.fits(rest) {
			out.add(rest)
			break
		}
	}
	return out, nil
}

// A cutter finds the best consecutive classes of a segment.
type cutter struct {
	s      *search
	seen   [][]int32 // of each column's codes: the start that saw it last
	lo, hi []uint32
	guards []*tally
}

func (s *search) newCutter(w *scratch) *cutter {
	c := &cutter{s: s, seen: w.stamp, lo: make([]uint32, len(s.Columns)), hi: make([]uint32, len(s.Columns))}
	for i := range s.Sensitive {
		c.guards = append(c.guards, &tally{of: &s.Sensitive[i], at: w.sens[i]})
	}
	return c
}

// divide tries lengths up to 2k-1, then with guards up to twice as many, until a
// division is safe; if none is, the segment is one class.
func (c *cutter) divide(rows []int32, most int) [][]int32 {
	for length := 2*c.s.K - 1; length < len(rows); length = 2*length + 1 {
		if classes := c.within(rows, length); classes != nil {
			return classes
		}
		if len(c.guards) == 0 || length >= most {
			break
		}
	}
	return [][]int32{append([]int32(nil), rows...)}
}

// within divides rows into classes of at most so many neighbours, or returns nil.
func (c *cutter) within(rows []int32, most int) [][]int32 {
	n := len(rows)
	loss, from := make([]float64, n+1), make([]int32, n+1)
	for i := 1; i <= n; i++ {
		loss[i] = math.Inf(1)
	}
	for i := 0; i+c.s.K <= n; i++ {
		if !math.IsInf(loss[i], 1) {
			c.extend(rows[i:min(n, i+most)], i, loss, from)
		}
	}
	for i := range c.seen {
		clear(c.seen[i])
	}
	for _, g := range c.guards {
		g.reset()
	}
	if math.IsInf(loss[n], 1) {
		return nil
	}
	var classes [][]int32
	for at := n; at > 0; at = int(from[at]) {
		classes = append(classes, rows[from[at]:at])
	}
	return classes
}

// extend tries every class that starts at i: the first rows of the list.
func (c *cutter) extend(rows []int32, i int, loss []float64, from []int32) {
	s, fixed := c.s, 0.0
	for _, g := range c.guards {
		g.reset()
	}
	for l, r := range rows {
		for j := range s.Columns {
			column := &s.Columns[j]
			v := column.Codes[r]
			switch {
			case column.Span == nil && c.seen[j][v] != int32(i+1):
				c.seen[j][v] = int32(i + 1)
				if l > 0 {
					fixed += s.unit[j]
				}
			case column.Span != nil && l == 0:
				c.lo[j], c.hi[j] = v, v
			case column.Span != nil:
				c.lo[j], c.hi[j] = min(c.lo[j], v), max(c.hi[j], v)
			}
		}
		for _, g := range c.guards {
			g.add(r)
		}
		if l+1 < s.K || !c.safe(l+1) {
			continue
		}
		cost := fixed
		for j := range s.Columns {
			if s.Columns[j].Span != nil {
				cost += s.span(j, c.lo[j], c.hi[j])
			}
		}
		if t := loss[i] + cost*float64(l+1); t < loss[i+l+1] {
			loss[i+l+1], from[i+l+1] = t, int32(i)
		}
		if len(c.guards) > 0 && l+1 >= 4*s.K {
			return // longer classes than the guards need are seldom better
		}
	}
}

func (c *cutter) safe(n int) bool {
	for _, g := range c.guards {
		if !g.of.Guard.Fits(g.values, g.count, n) {
			return false
		}
	}
	return true
}

// A tally counts the values of a sensitive attribute in a growing class. Its
// values are ascending, as Guard.Fits wants them.
type tally struct {
	of     *model.Sensitive
	at     []int32 // of each code: its place in values, from 1; 0: not there
	values []uint32
	count  []int32
}

func (t *tally) reset() {
	for _, v := range t.values {
		t.at[v] = 0
	}
	t.values, t.count = t.values[:0], t.count[:0]
}

func (t *tally) add(r int32) {
	v := t.of.Codes[r]
	if t.at[v] > 0 {
		t.count[t.at[v]-1]++
		return
	}
	t.values, t.count = append(t.values, v), append(t.count, 1)
	i := len(t.values) - 1
	for ; i > 0 && t.values[i-1] > v; i-- {
		t.values[i], t.count[i] = t.values[i-1], t.count[i-1]
		t.at[t.values[i]] = int32(i + 1)
	}
	t.values[i], t.count[i] = v, 1
	t.at[v] = int32(i + 1)
}

// fits reports whether rows may be a class.
func (s *search) fits(rows []int32) bool {
	if len(rows) < s.K {
		return false
	}
	for i := range s.Sensitive {
		if !s.Sensitive[i].Fits(rows) {
			return false
		}
	}
	return true
}
