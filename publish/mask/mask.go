// Package mask changes the values of one attribute, each by itself: rounding, top
// and bottom coding, noise, the post-randomisation method (PRAM), displacement of
// points. The methods are those of Hundepool et al., Statistical Disclosure
// Control (Wiley 2012). A mask blurs what is published of an attribute; alone it
// keeps nobody from being found.
package mask

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// Apply masks a column; values for which missing holds stay as they are.
func Apply(c *table.Column, m *model.Mask, missing func(string) bool, rng *rand.Rand) (*table.Column, error) {
	if m.PRAM > 0 {
		return pram(c, m.PRAM, rng), nil
	}
	out := table.NewBuilder(c.Name, len(c.Codes))
	for r, x := range c.Codes {
		v := c.Values[x]
		if !missing(v) {
			var err error
			if v, err = value(v, m, rng); err != nil {
				return nil, &table.Error{Row: r + 1, Column: c.Name, Msg: err.Error(), Hint: "correct it, or list it under missing"}
			}
		}
		out.Add(v)
	}
	return out.Column(), nil
}

func value(v string, m *model.Mask, rng *rand.Rand) (string, error) {
	if m.Donut != nil {
		p, err := hierarchy.Point(v)
		if err != nil {
			return "", err
		}
		return donut(p, m.Donut, rng).String(), nil
	}
	x, err := hierarchy.Number(v)
	if err != nil {
		return "", err
	}
	y := Number(x, m)
	if m.Noise > 0 {
		y += m.Noise * rng.NormFloat64()
		y = math.Round(y*1e6) / 1e6
	}
	if y == x {
		return v, nil
	}
	return hierarchy.Format(y), nil
}

// Number is what top and bottom coding and rounding make of a number, in this
// order.
func Number(x float64, m *model.Mask) float64 {
	if m.Top != nil {
		x = min(x, *m.Top)
	}
	if m.Bottom != nil {
		x = max(x, *m.Bottom)
	}
	if m.Round > 0 {
		x = math.Round(math.Round(x/m.Round)*m.Round*1e9)/1e9 + 0 // not -0
	}
	return x
}

// donut moves a point by a random distance within a ring, in a random direction,
// every place in the ring alike (donut geomasking, Hampton et al., American
// Journal of Epidemiology 2010).
func donut(p hierarchy.Place, r *model.Ring, rng *rand.Rand) hierarchy.Place {
	// Areas grow with the square of the distance.
	d := math.Sqrt(r.Least*r.Least + rng.Float64()*(r.Most*r.Most-r.Least*r.Least))
	return p.Move(d, 2*math.Pi*rng.Float64())
}

// pram replaces each value, with a probability, by one drawn from the whole column
// (Gouweleeuw et al., Journal of Official Statistics 1998): how often values
// occur stays as it was in expectation.
func pram(c *table.Column, p float64, rng *rand.Rand) *table.Column {
	out := &table.Column{Name: c.Name, Values: c.Values, Codes: make([]uint32, len(c.Codes))}
	for r, x := range c.Codes {
		if rng.Float64() < p {
			x = c.Codes[rng.IntN(len(c.Codes))]
		}
		out.Codes[r] = x
	}
	return out
}

// Describe says in words what a mask does.
func Describe(m *model.Mask) string {
	s := ""
	add := func(format string, args ...any) {
		if s != "" {
			s += ", "
		}
		s += fmt.Sprintf(format, args...)
	}
	if m.Top != nil {
		add("at most %g", *m.Top)
	}
	if m.Bottom != nil {
		add("at least %g", *m.Bottom)
	}
	if m.Round > 0 {
		add("rounded to multiples of %g", m.Round)
	}
	if m.Noise > 0 {
		add("with noise of standard deviation %g", m.Noise)
	}
	if m.PRAM > 0 {
		add("with %.4g %% of values drawn anew from the column", 100*m.PRAM)
	}
	if m.Donut != nil {
		add("moved by %g to %g metres", m.Donut.Least, m.Donut.Most)
	}
	return s
}
