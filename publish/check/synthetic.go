package check

import (
	"fmt"
	"math"
	"slices"

	"github.com/clarus-project/clarus/publish/table"
)

// A Synthetic is what a release promises whose rows were drawn from a model. That
// the model was made with differential privacy cannot be seen in a release; that
// every cell is of a declared domain can.
type Synthetic struct {
	Attributes     []Drawn
	Epsilon, Delta float64
	Rho            string // what was spent
	Each           int    // rows that one person has at most
	Subject        string // "": each row is another's
	Rows           int    // 0: about as many as there were
	Pairs          [][2]string
}

// A Drawn is the domain of an attribute.
type Drawn struct {
	Name         string
	Values       []string // those of an attribute that is neither open nor a range
	Open         bool     // values that are frequent in the original
	Scale        string   // of a range: numeric or date
	Lower, Upper float64
	Step         float64 // values are Lower and so many steps
	Bins         int     // the range was measured in so many parts; 0: it is none
	Missing      []string
	Other        bool // cells may be Suppressed: any other value
}

// Steps is how many values a range has.
func (d *Drawn) Steps() int { return int(math.Floor((d.Upper-d.Lower)/d.Step+1e-9)) + 1 }

// Range is the steps of a part, to which the last does not belong.
func (d *Drawn) Range(bin int) (from, to int) {
	n := d.Steps()
	return bin * n / d.Bins, (bin + 1) * n / d.Bins
}

// Bin is the part that a position is in; what is outside counts as the nearest value.
func (d *Drawn) Bin(at float64) int {
	n := d.Steps()
	step := int(math.Round((min(max(at, d.Lower), d.Upper) - d.Lower) / d.Step))
	return min(d.Bins-1, (min(step, n-1)*d.Bins+d.Bins-1)/n)
}

// A Sampled is how alike rows that were drawn are to the data. It was measured on the
// data, without noise.
type Sampled struct {
	Epsilon float64     `json:"epsilon"`
	Delta   float64     `json:"delta"`
	Rho     string      `json:"rho_spent"`
	Single  []Variation `json:"attributes"`
	Pairs   []Variation `json:"pairs"`
	Mean    float64     `json:"mean_variation_of_pairs"`
	Tree    [][2]string `json:"measured_pairs"`
}

// A Variation is the total variation distance between data and release, of one attribute or
// of two together: the share of rows that would have to change.
type Variation struct {
	Attributes []string `json:"attributes"`
	Distance   float64  `json:"distance"`
}

// RunSynthetic checks and measures rows that were drawn.
func RunSynthetic(original, release *table.Table, s *Spec) (*Result, Failed) {
	c := &checker{original: original, release: release, spec: s, result: &Result{Rows: release.Rows}}
	var names []string
	for _, a := range s.Synthetic.Attributes {
		names = append(names, a.Name)
	}
	if !slices.Equal(names, release.Names()) {
		c.violated("what is drawn is published, nothing else", "the columns %q", release.Names())
		return c.result, c.failed
	}
	if s.Synthetic.Rows > 0 && release.Rows != s.Synthetic.Rows {
		c.violated(fmt.Sprintf("%d rows are drawn", s.Synthetic.Rows), "%d are", release.Rows)
	}
	for i := range s.Synthetic.Attributes {
		c.drawn(&s.Synthetic.Attributes[i])
	}
	if len(c.failed) > 0 {
		return c.result, c.failed
	}
	c.alike()
	return c.result, nil
}

// drawn checks that every cell is of its domain.
func (c *checker) drawn(d *Drawn) {
	before, after := c.original.Column(d.Name), c.release.Column(d.Name)
	if len(after.Codes) != c.release.Rows {
		c.violated("every row has every attribute", "%s has %d cells of %d", d.Name, len(after.Codes), c.release.Rows)
		return
	}
	known := map[string]bool{}
	lists := [][]string{d.Values, d.Missing}
	if d.Open {
		lists = append(lists, before.Values)
	}
	if d.Other {
		lists = append(lists, []string{Suppressed})
	}
	for _, list := range lists {
		for _, v := range list {
			known[v] = true
		}
	}
	for x, n := range after.Count() {
		v := after.Values[x]
		if n == 0 || known[v] {
			continue
		}
		at, err := Position(d.Scale, nil, v)
		steps := (at - d.Lower) / d.Step
		if d.Bins == 0 || err != nil || at < d.Lower || at > d.Upper || math.Abs(steps-math.Round(steps)) > 1e-6 {
			c.violated("every cell of "+d.Name+" is of its domain", "%q is not", v)
			return
		}
	}
}

// alike measures how alike release and data are.
func (c *checker) alike() {
	s := c.spec.Synthetic
	out := &Sampled{Epsilon: s.Epsilon, Delta: s.Delta, Rho: s.Rho, Tree: s.Pairs}
	var before, after [][]uint32
	var sizes []int
	for i := range s.Attributes {
		d := &s.Attributes[i]
		cells := map[string]uint32{}
		before = append(before, d.cells(c.original.Column(d.Name), cells))
		after = append(after, d.cells(c.release.Column(d.Name), cells))
		sizes = append(sizes, len(cells))
		out.Single = append(out.Single, Variation{[]string{d.Name}, distance(before[i], after[i], nil, nil, 1)})
		for j := range i {
			v := Variation{[]string{s.Attributes[j].Name, d.Name}, distance(before[i], after[i], before[j], after[j], sizes[j])}
			out.Pairs = append(out.Pairs, v)
			out.Mean += v.Distance
		}
	}
	out.Mean /= float64(max(1, len(out.Pairs)))
	c.result.Sampled = out
}

// cells numbers what values are measured in: themselves, or the part of the range.
func (d *Drawn) cells(c *table.Column, cells map[string]uint32) []uint32 {
	cell := make([]uint32, len(c.Values))
	for x, v := range c.Values {
		if d.Bins > 0 && !slices.Contains(d.Missing, v) {
			if at, err := Position(d.Scale, nil, v); err == nil {
				v = fmt.Sprint("part ", d.Bin(at))
			}
		}
		n, ok := cells[v]
		if !ok {
			n = uint32(len(cells))
			cells[v] = n
		}
		cell[x] = n
	}
	out := make([]uint32, len(c.Codes))
	for r, x := range c.Codes {
		out[r] = cell[x]
	}
	return out
}

// distance is the total variation distance of one column, or of two together where the second
// has so many values.
func distance(before, after, with, without []uint32, size int) float64 {
	diff := map[uint64]float64{}
	add := func(a, b []uint32, x float64) {
		for r := range a {
			key := uint64(a[r]) * uint64(size)
			if b != nil {
				key += uint64(b[r])
			}
			diff[key] += x / float64(len(a))
		}
	}
	add(before, with, 1)
	add(after, without, -1)
	sum := 0.0
	for _, x := range diff {
		sum += math.Abs(x) / 2
	}
	return sum
}
