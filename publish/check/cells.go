package check

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/table"
)

// A domain reads the cells of one quasi-identifier.
type domain struct {
	q      *Quasi
	index  map[string]int
	at     []float64 // position of each leaf on the scale
	off    []bool    // leaves that have none, as a missing value
	labels map[string][]int
	lo, hi float64 // of all positions
}

// Position is where a value stands on a scale; an error if it has no place there.
func Position(scale string, order []string, value string) (float64, error) {
	switch scale {
	case "numeric":
		return hierarchy.Number(value)
	case "date":
		t, err := hierarchy.Date(value)
		return float64(t.Unix()) / 86400, err
	case "ordinal":
		if i := slices.Index(order, value); i >= 0 {
			return float64(i), nil
		}
	}
	return 0, fmt.Errorf("%q has no place on a scale", value)
}

// A Cover is what a cell says: one of these leaves.
type Cover struct {
	all    bool
	leaves []int // ascending
	loss   float64
}

// Share is the part of the covered leaves that are wanted.
func (c *Cover) Share(wanted []bool) float64 {
	n := 0
	if c.all {
		for _, w := range wanted {
			if w {
				n++
			}
		}
		return float64(n) / float64(max(1, len(wanted)))
	}
	for _, l := range c.leaves {
		if wanted[l] {
			n++
		}
	}
	return float64(n) / float64(max(1, len(c.leaves)))
}

// Read reads a quasi-identifier before and after: the leaf of each original
// value, -1 where the domain lacks it, and the cover of each published cell.
// Cells that cannot be read, which Run reports, cover everything.
func Read(q *Quasi, before, after *table.Column) ([]int, []Cover) {
	d := newDomain(q)
	leaf, covers := make([]int, len(before.Values)), make([]Cover, len(after.Values))
	for i, v := range before.Values {
		leaf[i] = d.leaf(v)
	}
	for i, label := range after.Values {
		var err error
		if covers[i], err = d.read(label); err != nil {
			covers[i] = Cover{all: true, loss: 1}
		}
	}
	return leaf, covers
}

func (c *Cover) covers(leaf int) bool {
	if c.all {
		return true
	}
	_, ok := slices.BinarySearch(c.leaves, leaf)
	return ok
}

func newDomain(q *Quasi) *domain {
	d := &domain{q: q, index: map[string]int{}, labels: map[string][]int{}}
	for i, l := range q.Leaves {
		d.index[l] = i
	}
	d.at, d.off = make([]float64, len(q.Leaves)), make([]bool, len(q.Leaves))
	d.lo, d.hi = math.Inf(1), math.Inf(-1)
	for i, l := range q.Leaves {
		x, err := Position(q.Scale, q.Order, l)
		if d.at[i], d.off[i] = x, err != nil; err == nil {
			d.lo, d.hi = min(d.lo, x), max(d.hi, x)
		}
	}
	if q.Tree != nil {
		d.readTree(q.Tree)
	}
	return d
}

// readTree notes what each label covers: where labels are equal, the most.
func (d *domain) readTree(t *hierarchy.Hierarchy) {
	for l := range t.Levels {
		level := &t.Levels[l]
		covered := map[string][]int{}
		for leaf, node := range level.Node {
			if i, ok := d.index[t.Levels[0].Labels[leaf]]; ok {
				covered[level.Labels[node]] = append(covered[level.Labels[node]], i)
			}
		}
		for label, leaves := range covered {
			if len(leaves) > len(d.labels[label]) {
				slices.Sort(leaves)
				d.labels[label] = leaves
			}
		}
	}
}

// leaf is the number of an original value, -1 if the domain lacks it: then only
// a suppressed cell covers it.
func (d *domain) leaf(value string) int {
	if i, ok := d.index[value]; ok {
		return i
	}
	return -1
}

// read reads a cell: suppressed, a label of the hierarchy or a value, an
// interval [lo,hi], or a set {a,b}.
func (d *domain) read(label string) (Cover, error) {
	if label == Suppressed {
		return Cover{all: true, loss: 1}, nil
	}
	if leaves, ok := d.labels[label]; ok {
		return d.cover(leaves), nil
	}
	if i, ok := d.index[label]; ok {
		return d.cover([]int{i}), nil
	}
	if d.q.Scale != "" && d.q.Scale != "categorical" && strings.HasPrefix(label, "[") && strings.HasSuffix(label, "]") {
		return d.interval(label)
	}
	if strings.HasPrefix(label, "{") && strings.HasSuffix(label, "}") {
		return d.set(label)
	}
	return Cover{}, fmt.Errorf("%q is no value, label, interval or set", label)
}

func (d *domain) cover(leaves []int) Cover {
	loss := 0.0
	if len(d.q.Leaves) > 1 {
		loss = float64(len(leaves)-1) / float64(len(d.q.Leaves)-1)
	}
	return Cover{leaves: leaves, loss: loss}
}

func (d *domain) interval(label string) (Cover, error) {
	ends := elements(label[1 : len(label)-1])
	if len(ends) != 2 {
		return Cover{}, fmt.Errorf("%q is not an interval", label)
	}
	lo, err1 := Position(d.q.Scale, d.q.Order, ends[0])
	hi, err2 := Position(d.q.Scale, d.q.Order, ends[1])
	if err1 != nil || err2 != nil || lo > hi {
		return Cover{}, fmt.Errorf("%q is not an interval", label)
	}
	var leaves []int
	for i, x := range d.at {
		if !d.off[i] && lo <= x && x <= hi {
			leaves = append(leaves, i)
		}
	}
	if len(leaves) == 0 {
		return Cover{}, fmt.Errorf("%q covers no value", label)
	}
	c := d.cover(leaves)
	if d.q.Tree == nil && d.hi > d.lo {
		c.loss = (hi - lo) / (d.hi - d.lo) // no hierarchy says which values count
	}
	return c, nil
}

func (d *domain) set(label string) (Cover, error) {
	var leaves []int
	for _, v := range elements(label[1 : len(label)-1]) {
		i, ok := d.index[v]
		if !ok {
			return Cover{}, fmt.Errorf("%q has a member that is no value: %q", label, v)
		}
		leaves = append(leaves, i)
	}
	slices.Sort(leaves)
	return d.cover(slices.Compact(leaves)), nil
}

// elements divides a set's text at commas; elements in quotes have quotes twice.
func elements(text string) []string {
	var out []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(out, b.String())
}
