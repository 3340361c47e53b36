// Package model holds the privacy models that a class of a release must
// satisfy, as guards that algorithms ask before they form a class. The checker
// (publish/check) measures releases with formulas of its own.
package model

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// A Guard decides whether a class may be published.
type Guard interface {
	// Fits is given values of the sensitive attribute, ascending, how often each
	// stands in the class (perhaps never), and the class's size. It keeps
	// neither, and may be called by several goroutines.
	Fits(values []uint32, count []int32, n int) bool
	// String names the model and its parameters.
	String() string
}

// slack keeps guards on the safe side of rounding: the checker accepts what is
// within 1e-9 of a bound, a guard only what is within a tenth of that.
const slack = 1e-10

// Distinct is distinct l-diversity: a class has at least l different values
// (Machanavajjhala et al., TKDD 2007, section 4.1). On the attribute that says
// whose a row is, it makes k-anonymity count persons instead of rows.
type Distinct int

// Fits implements Guard.
func (l Distinct) Fits(_ []uint32, count []int32, _ int) bool {
	d := 0
	for _, c := range count {
		if c > 0 {
			if d++; d >= int(l) {
				return true
			}
		}
	}
	return false
}

func (l Distinct) String() string { return fmt.Sprintf("distinct %d-diversity", int(l)) }

// Entropy is entropy l-diversity: the entropy of a class's values is at least
// log l (Machanavajjhala et al., definition 4.1).
type Entropy float64

// Fits implements Guard.
func (l Entropy) Fits(_ []uint32, count []int32, n int) bool {
	h := 0.0
	for _, c := range count {
		if c > 0 {
			p := float64(c) / float64(n)
			h -= p * math.Log(p)
		}
	}
	return h >= math.Log(float64(l))-slack
}

func (l Entropy) String() string { return "entropy " + number(float64(l)) + "-diversity" }

// Recursive is recursive (c,l)-diversity: the most frequent value is rarer than
// c times all those from the l-th on (Machanavajjhala et al., definition 4.2).
type Recursive struct {
	C float64
	L int
}

// Fits implements Guard.
func (g Recursive) Fits(_ []uint32, count []int32, _ int) bool {
	var few [64]int32
	sorted := append(few[:0], count...)
	slices.SortFunc(sorted, func(a, b int32) int { return int(b - a) })
	tail := 0
	for i := g.L - 1; i < len(sorted); i++ {
		tail += int(sorted[i])
	}
	return len(sorted) > 0 && float64(sorted[0]) < g.C*float64(tail)
}

func (g Recursive) String() string {
	return fmt.Sprintf("recursive (%s,%d)-diversity", number(g.C), g.L)
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// All is a guard that wants everything its parts want.
type All []Guard

// Fits implements Guard.
func (a All) Fits(values []uint32, count []int32, n int) bool {
	for _, g := range a {
		if !g.Fits(values, count, n) {
			return false
		}
	}
	return true
}

func (a All) String() string {
	s := ""
	for i, g := range a {
		if i > 0 {
			s += ", "
		}
		s += g.String()
	}
	return s
}
