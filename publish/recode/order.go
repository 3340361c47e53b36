package recode

import (
	"cmp"
	"slices"
)

// A keyed is a row or a class and where it stands in an order.
type keyed struct {
	key uint64
	id  int32
}

// key packs a row's ranks, those of the first columns highest.
func (s *search) key(r int32, columns []int) uint64 {
	var key uint64
	used := 0
	for _, c := range columns {
		v := s.Columns[c].Codes[r]
		if s.rank[c] != nil {
			v = s.rank[c][v]
		}
		b := s.bits[c]
		if used+b > 64 {
			v >>= used + b - 64
			b = 64 - used
		}
		key = key<<b | uint64(v)
		if used += b; used == 64 {
			break
		}
	}
	return key
}

func sortKeyed(order []keyed) {
	slices.SortFunc(order, func(a, b keyed) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id)) })
}

// dearest lists the columns, those where one more value costs most first. A
// range's unit is about that of a set over as many values.
func (s *search) dearest() []int {
	list := s.columns()
	unit := func(c int) float64 {
		if s.Columns[c].Span != nil {
			return s.unit[c] / float64(max(1, s.Columns[c].Leaves-1))
		}
		return s.unit[c]
	}
	slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(unit(b), unit(a)) })
	return list
}

func (s *search) columns() []int {
	list := make([]int, len(s.Columns))
	for i := range list {
		list[i] = i
	}
	return list
}

// shuffled lists the columns at random, in every second round the dear ones
// rather first.
func (s *search) shuffled(round int) []int {
	list := s.columns()
	at := make([]float64, len(list))
	for c := range at {
		if at[c] = s.rng.Float64(); round%2 == 0 {
			at[c] = s.rng.ExpFloat64() * float64(s.Columns[c].Leaves) / max(s.Columns[c].Weight, 1e-6)
		}
	}
	slices.SortFunc(list, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	return list
}

// sorted puts rows in the order of their keys, ties at random.
func (s *search) sorted(rows []int32, columns []int) []int32 {
	order := make([]keyed, len(rows))
	for i, r := range rows {
		order[i] = keyed{s.key(r, columns), r}
	}
	s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortFunc(order, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	out := make([]int32, len(rows))
	for i, o := range order {
		out[i] = o.id
	}
	return out
}

// spread reorders rows so that any run of them has nearly all rows' mix of
// values in the sensitive attribute: each value's rows keep their order and are
// set at equal distances over the whole (as SABRE redistributes buckets, Cao et
// al., VLDB Journal 2011).
func (s *search) spread(rows []int32, a int) []int32 {
	codes := s.Sensitive[a].Codes
	of := map[uint32]int{}
	for _, r := range rows {
		of[codes[r]]++
	}
	seen := map[uint32]int{}
	type placed struct {
		at  float64
		row int32
	}
	list := make([]placed, len(rows))
	for i, r := range rows {
		v := codes[r]
		list[i] = placed{(float64(seen[v]) + 0.5) / float64(of[v]), r}
		seen[v]++
	}
	slices.SortStableFunc(list, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	out := make([]int32, len(rows))
	for i, p := range list {
		out[i] = p.row
	}
	return out
}
