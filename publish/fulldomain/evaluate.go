package fulldomain

import "math/bits"

// evaluate generalises to a node: its loss, whether no more rows than allowed are
// in unsafe classes, and which those are.
func (s *search) evaluate(node []int) (loss float64, safe bool, suppressed []bool) {
	size := s.classes(node)
	unsafe := make([]bool, len(size))
	out := 0
	for g, n := range size {
		if n < int32(s.K) {
			unsafe[g] = true
			out += int(n)
		}
	}
	if out > s.MaxSuppressed {
		s.fails[key(node)] = true
		return 0, false, nil
	}
	for i := range s.Sensitive {
		out += s.guard(i, size, unsafe)
		if out > s.MaxSuppressed {
			return 0, false, nil
		}
	}
	loss = s.bound(node)
	if out == 0 {
		return loss, true, nil
	}
	suppressed = make([]bool, s.n)
	for r, g := range s.group {
		if !unsafe[g] {
			continue
		}
		suppressed[r] = true
		kept := 0.0
		for c, l := range node {
			level := &s.Columns[c].Levels[l]
			kept += s.Columns[c].Weight * level.Loss[level.Node[s.Columns[c].Codes[r]]]
		}
		loss += (1 - kept) / float64(s.n)
	}
	return loss, true, suppressed
}

// guard marks the classes that a sensitive attribute's guard refuses and returns
// how many rows they have.
func (s *search) guard(i int, size []int32, unsafe []bool) int {
	start := make([]int32, len(size)+1)
	for g, n := range size {
		start[g+1] = start[g] + n
	}
	rows, at := make([]int32, s.n), append([]int32(nil), start...)
	for r, g := range s.group {
		rows[at[g]] = int32(r)
		at[g]++
	}
	out := 0
	for g := range size {
		if class := rows[start[g]:start[g+1]]; !unsafe[g] && !s.Sensitive[i].Fits(class) {
			unsafe[g] = true
			out += len(class)
		}
	}
	return out
}

// classes numbers each row's class under a node and counts the classes' rows.
// Classes are told apart by numbers of 64 bits as long as all combinations of
// nodes fit, and numbered in between where they do not.
func (s *search) classes(node []int) []int32 {
	clear(s.group)
	combinations := uint64(1)
	keys := make([]uint64, s.n)
	var size []int32
	number := func() {
		ids := make(map[uint64]int32, len(size)+1)
		size = size[:0]
		for r, k := range keys {
			id, ok := ids[k]
			if !ok {
				id = int32(len(size))
				ids[k] = id
				size = append(size, 0)
			}
			s.group[r] = id
			size[id]++
		}
	}
	for c, l := range node {
		level := &s.Columns[c].Levels[l]
		n := uint64(len(level.Loss))
		if n < 2 {
			continue
		}
		if hi, _ := bits.Mul64(combinations, n); hi > 0 {
			number()
			for r, g := range s.group {
				keys[r] = uint64(g)
			}
			combinations = uint64(len(size))
		}
		combinations *= n
		for r, x := range s.Columns[c].Codes {
			keys[r] = keys[r]*n + uint64(level.Node[x])
		}
	}
	number()
	return size
}
