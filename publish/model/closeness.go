package model

import (
	"math"

	"github.com/clarus-project/clarus/publish/hierarchy"
)

// Closeness is t-closeness (Li, Li and Venkatasubramanian, ICDE 2007): the
// distribution of values in a class is at most t from that in the whole table,
// by the earth mover's distance.
type Closeness struct {
	t        float64
	whole    []float64 // share of each value in the table
	below    []float64 // of each value: share of those before it; ordered only
	area     []float64 // sums of below, to find areas between the curves; ordered only
	tree     *hierarchy.Hierarchy
	distance string
}

// The ground distances of Closeness.
const (
	Equal        = "equal"        // any two values are 1 apart: half the sum of differences
	Ordered      = "ordered"      // values are as far apart as their places in order
	Hierarchical = "hierarchical" // values are as far apart as their lowest common node is high
)

// NewClosenessEqual makes t-closeness with equal distance. Count is how often
// each value stands in the table.
func NewClosenessEqual(t float64, count []int) *Closeness {
	return &Closeness{t: t, whole: shares(count), distance: Equal}
}

// NewClosenessOrdered makes t-closeness with ordered distance; the codes are in
// the values' order.
func NewClosenessOrdered(t float64, count []int) *Closeness {
	c := &Closeness{t: t, whole: shares(count), distance: Ordered}
	c.below, c.area = make([]float64, len(count)+1), make([]float64, len(count)+1)
	for i, q := range c.whole {
		c.below[i+1] = c.below[i] + q
		c.area[i+1] = c.area[i] + c.below[i+1]
	}
	return c
}

// NewClosenessHierarchical makes t-closeness with hierarchical distance; the
// codes are the hierarchy's leaves.
func NewClosenessHierarchical(t float64, count []int, h *hierarchy.Hierarchy) *Closeness {
	return &Closeness{t: t, whole: shares(count), tree: h, distance: Hierarchical}
}

func shares(count []int) []float64 {
	total := 0
	for _, c := range count {
		total += c
	}
	q := make([]float64, len(count))
	for i, c := range count {
		q[i] = float64(c) / float64(max(1, total))
	}
	return q
}

func (c *Closeness) String() string { return number(c.t) + "-closeness (" + c.distance + " distance)" }

// Fits implements Guard.
func (c *Closeness) Fits(values []uint32, count []int32, n int) bool {
	return c.Distance(values, count, n) <= c.t+slack
}

// Distance is how far the class's distribution is from the table's.
func (c *Closeness) Distance(values []uint32, count []int32, n int) float64 {
	switch c.distance {
	case Ordered:
		return c.ordered(values, count, n)
	case Hierarchical:
		return c.hierarchical(values, count, n)
	}
	// Values that the class lacks differ by their whole share.
	d, seen, each := 0.0, 0.0, 1/float64(n)
	for i, v := range values {
		q := c.whole[v]
		seen += q
		d += math.Abs(float64(count[i])*each - q)
	}
	return (d + max(0, 1-seen)) / 2
}

// ordered is the area between the two cumulative distributions, over the number
// of values less one. Between two values of the class its own curve is level and
// the table's rises, so they cross at most once there.
func (c *Closeness) ordered(values []uint32, count []int32, n int) float64 {
	m := len(c.whole)
	if m < 2 {
		return 0
	}
	total, level, at := 0.0, 0.0, 0
	for i, v := range values {
		total += c.between(at, int(v), level)
		at = int(v)
		level += float64(count[i]) / float64(n)
	}
	return (total + c.between(at, m-1, level)) / float64(m-1)
}

// between sums |level - below[j+1]| for j from lo up to but not hi.
func (c *Closeness) between(lo, hi int, level float64) float64 {
	if lo >= hi {
		return 0
	}
	// The first j whose table curve is above the level.
	a, b := lo, hi
	for a < b {
		if mid := (a + b) / 2; c.below[mid+1] > level {
			b = mid
		} else {
			a = mid + 1
		}
	}
	under := level*float64(a-lo) - (c.area[a] - c.area[lo])
	over := (c.area[hi] - c.area[a]) - level*float64(hi-a)
	return under + over
}

// hierarchical moves mass within the lowest nodes first: each node moves what
// its children can exchange, at its height's share.
func (c *Closeness) hierarchical(values []uint32, count []int32, n int) float64 {
	extra := make([]float64, len(c.whole))
	for v, q := range c.whole {
		extra[v] = -q
	}
	for i, v := range values {
		extra[v] += float64(count[i]) / float64(n)
	}
	total := 0.0
	for l := 1; l < len(c.tree.Levels); l++ {
		upper, lower := &c.tree.Levels[l], &c.tree.Levels[l-1]
		next := make([]float64, len(upper.Labels))
		more, less := make([]float64, len(next)), make([]float64, len(next))
		for node := range lower.Labels {
			up := upper.Node[lower.First[node]]
			x := extra[node]
			next[up] += x
			more[up] += max(x, 0)
			less[up] += max(-x, 0)
		}
		for i := range next {
			total += float64(l) / float64(c.tree.Height()) * min(more[i], less[i])
		}
		extra = next
	}
	return total
}
