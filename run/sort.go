package run

import (
	"bytes"
	"cmp"
	"container/heap"
	"math"
	"slices"

	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/plan"
)

// A sortKey is a column by which rows are sorted.
type sortKey struct {
	plan.Ordered
	compare pgvalue.Comparison
}

// compareKeys tells which of two values comes first.
func (k sortKey) compareKeys(a, b []byte) int {
	switch {
	case a == nil && b == nil:
		return 0
	case (a == nil) == k.NullsFirst && (a == nil || b == nil):
		return -1
	case a == nil || b == nil:
		return 1
	case k.Descending:
		return k.compare(b, a)
	}
	return k.compare(a, b)
}

// A sorter keeps the first rows in order, as many as are needed: a heap with the
// last of them on top. Equal ones stay as they came.
type sorter struct {
	keys   []sortKey
	offset int64
	first  int64 // rows that are needed
	most   int
	rows   []sortable
	came   int
}

type sortable struct {
	keys [][]byte
	came int
	body []byte // for the client
}

func newSorter(r *Refinement) *sorter {
	s := &sorter{keys: r.order, offset: r.offset, first: math.MaxInt64, most: r.most}
	if r.limit >= 0 && r.limit <= math.MaxInt64-r.offset {
		s.first = r.offset + r.limit
	}
	return s
}

func (s *sorter) compare(a, b sortable) int {
	for i, k := range s.keys {
		if c := k.compareKeys(a.keys[i], b.keys[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.came, b.came)
}

func (s *sorter) add(values [][]byte, body []byte) error {
	s.came++
	row := sortable{came: s.came}
	for _, k := range s.keys {
		row.keys = append(row.keys, values[k.At])
	}
	full := int64(len(s.rows)) >= s.first
	switch {
	case s.first == 0 || full && s.compare(row, s.rows[0]) > 0:
		return nil
	case !full && len(s.rows) >= s.most:
		return tooMany(s.most)
	}
	for i := range row.keys {
		row.keys[i] = bytes.Clone(row.keys[i])
	}
	row.body = bytes.Clone(body)
	if full {
		s.rows[0] = row
		heap.Fix(s, 0)
	} else {
		heap.Push(s, row)
	}
	return nil
}

// each hands the rows on in order.
func (s *sorter) each(hand func([]byte) error) error {
	slices.SortFunc(s.rows, s.compare)
	for i, row := range s.rows {
		if int64(i) < s.offset {
			continue
		}
		if err := hand(row.body); err != nil {
			return err
		}
	}
	return nil
}

// Len, Less, Swap, Push and Pop are heap.Interface's.
func (s *sorter) Len() int           { return len(s.rows) }
func (s *sorter) Less(i, j int) bool { return s.compare(s.rows[i], s.rows[j]) > 0 }
func (s *sorter) Swap(i, j int)      { s.rows[i], s.rows[j] = s.rows[j], s.rows[i] }
func (s *sorter) Push(x any)         { s.rows = append(s.rows, x.(sortable)) }
func (s *sorter) Pop() any {
	last := s.rows[len(s.rows)-1]
	s.rows = s.rows[:len(s.rows)-1]
	return last
}
