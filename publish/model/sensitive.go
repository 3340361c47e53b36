package model

import (
	"maps"
	"slices"
)

// A Sensitive attribute and what every class must satisfy in it.
type Sensitive struct {
	Codes  []uint32 // of each row, below Values
	Values int
	Guard  Guard
}

// Fits reports whether rows may be a class.
func (a *Sensitive) Fits(rows []int32) bool {
	count := map[uint32]int32{}
	for _, r := range rows {
		count[a.Codes[r]]++
	}
	values := slices.Sorted(maps.Keys(count))
	counts := make([]int32, len(values))
	for i, v := range values {
		counts[i] = count[v]
	}
	return a.Guard.Fits(values, counts, len(rows))
}
