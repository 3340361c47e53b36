package check

import (
	"math"
	"slices"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
)

// masked checks that an attribute's mask was put on, as far as one row can tell:
// bounds, multiples, distances. What chance did to it cannot be told.
func (c *checker) masked(a *Masked) {
	before, after := c.original.Column(a.Name), c.release.Column(a.Name)
	values := map[string]bool{}
	for _, v := range before.Values {
		values[v] = true
	}
	for r := range before.Codes {
		v, w := before.At(r), after.At(r)
		if w == Suppressed || slices.Contains(a.Missing, v) && w == v {
			continue
		}
		if !plausible(v, w, a.Mask, values) {
			c.violated(a.Name+" is masked", "row %d does not show it", r+1)
			return
		}
	}
}

func plausible(before, after string, m *model.Mask, values map[string]bool) bool {
	if m.PRAM > 0 {
		return values[after]
	}
	if m.Donut != nil {
		p, err1 := hierarchy.Point(before)
		q, err2 := hierarchy.Point(after)
		d := p.Distance(q)
		return err1 == nil && err2 == nil && d >= m.Donut.Least-2 && d <= m.Donut.Most+2 // written to a metre
	}
	x, err1 := hierarchy.Number(before)
	y, err2 := hierarchy.Number(after)
	if err1 != nil || err2 != nil {
		return false
	}
	if m.Noise > 0 {
		return true
	}
	if m.Top != nil && x > *m.Top {
		x = *m.Top
	}
	if m.Bottom != nil && x < *m.Bottom {
		x = *m.Bottom
	}
	if m.Round == 0 {
		return x == y
	}
	return math.Abs(y/m.Round-math.Round(y/m.Round)) < 1e-6 && math.Abs(x-y) <= m.Round*0.500001
}
