package dp

import (
	"math/big"
	"math/bits"
)

// A Question is what is asked of a table whose rows belong to subjects: numbers of
// groups of rows. Neighbouring tables differ by all rows of one subject.
type Question struct {
	Mechanism Mechanism
	Cost      Loss // Delta matters where groups are not known beforehand
	Rows      int  // most rows of one subject that count
	Groups    int  // most groups in which rows of one subject count; at most Rows
	Keys      []Key
	Measures  []Measure
}

// A Key is an attribute to group by. With a domain, groups are made of its values,
// whether they occur or not, and rows with others are left out. Without, a group is
// told only if enough subjects are in it.
type Key struct {
	Domain [][]byte // nil: not known
}

// A Kind says what is measured of a group.
type Kind string

// The kinds of Measure. Values are clamped to the bounds first.
const (
	Count    Kind = "count"    // rows with a value; with Value -1 all rows
	Subjects Kind = "subjects" // different subjects
	Sum      Kind = "sum"      // of the values
	Spread   Kind = "spread"   // the sum of 2*value - Lower - Upper
	Squares  Kind = "squares"  // the sum of the squares of that
	Quantile Kind = "quantile" // the value below which a share of Num/Den is
)

// A Measure is one number for each group. Bounds count in steps.
type Measure struct {
	Kind         Kind
	Value        int // index in Row.Values
	Lower, Upper int64
	Num, Den     uint64
}

// mostBound bounds values in steps.
const mostBound = 1 << 40

// Check reports what cannot be asked; it depends on no rows.
func (q *Question) Check() error {
	if q.Rows < 1 || q.Rows > 1<<20 || q.Groups < 1 || q.Groups > q.Rows {
		return wrong("the contribution of a subject is not bounded by a number of rows and groups")
	}
	if len(q.Measures) == 0 || len(q.Measures) > 64 {
		return wrong("a question has one measure at least, and 64 at most")
	}
	for _, m := range q.Measures {
		switch {
		case m.Kind == Count || m.Kind == Subjects:
		case m.Lower > m.Upper || m.Lower < -mostBound || m.Upper > mostBound:
			return wrong("bounds are wrong, or too wide for their steps")
		case m.Kind == Squares && m.Upper-m.Lower >= 1<<31:
			return wrong("bounds are too wide for their steps to measure squares")
		case m.Kind == Quantile && (m.Den == 0 || m.Num > m.Den || m.Den > 1_000_000):
			return wrong("a quantile is a share between 0 and 1, of six digits at most")
		}
	}
	if q.open() && q.Cost.Delta == 0 {
		return wrong("groups that are not known beforehand need a delta")
	}
	if q.fixed() > mostGroups {
		return wrong("the domains of the keys make too many groups")
	}
	_, err := q.noises()
	return err
}

// mostGroups bounds the groups that domains make.
const mostGroups = 10_000

// open reports whether groups are found in the rows.
func (q *Question) open() bool {
	for _, k := range q.Keys {
		if k.Domain == nil {
			return true
		}
	}
	return false
}

// fixed is the number of groups that domains make; 0: they are found in the rows.
func (q *Question) fixed() int {
	if q.open() {
		return 0
	}
	n := 1
	for _, k := range q.Keys {
		if n *= len(k.Domain); n > mostGroups {
			return n
		}
	}
	return n
}

// measures are the question's own, and the one that tells which groups are told.
func (q *Question) measures() []Measure {
	if !q.open() || q.telling() < len(q.Measures) {
		return q.Measures
	}
	return append(q.Measures[:len(q.Measures):len(q.Measures)], Measure{Kind: Subjects})
}

// telling is the index of the measure of subjects.
func (q *Question) telling() int {
	for i, m := range q.Measures {
		if m.Kind == Subjects {
			return i
		}
	}
	return len(q.Measures)
}

// noises are what the measures get: each an equal share of the cost.
func (q *Question) noises() ([]noise, error) {
	list := q.measures()
	share := q.Cost.Rho / Rho(len(list))
	out := make([]noise, len(list))
	for i, m := range list {
		r := share
		if m.Kind == Quantile {
			r /= Rho(max(1, m.turns()))
		}
		var err error
		if out[i], err = calibrate(q.Mechanism, q.sensitivity(m), r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// turns is how often a quantile is compared.
func (m Measure) turns() int { return bits.Len64(uint64(m.Upper - m.Lower)) }

// sensitivity of a measure over all groups: a subject has at most Rows rows in
// them together, all in one at worst, and is in at most Groups of them.
func (q *Question) sensitivity(m Measure) sensitivity {
	if m.Kind == Subjects {
		n := big.NewInt(int64(q.Groups))
		return sensitivity{n, n}
	}
	most := big.NewInt(1)
	switch m.Kind {
	case Sum:
		most.SetInt64(max(m.Upper, -m.Lower, 1))
	case Spread:
		most.SetInt64(max(m.Upper-m.Lower, 1))
	case Squares:
		most.SetInt64(max(m.Upper-m.Lower, 1))
		most.Mul(most, most)
	case Quantile: // of Den*(values up to x) - Num*(all values)
		most.SetUint64(max(m.Num, m.Den-m.Num))
	}
	most.Mul(most, big.NewInt(int64(q.Rows)))
	return sensitivity{most, new(big.Int).Mul(most, most)}
}

// Threshold is how many subjects, noise included, a group needs to be told, where
// groups are not known beforehand: a group of one subject is told with so small a
// probability that all groups of one subject together make Cost.Delta.
func (q *Question) Threshold() (int64, error) {
	n, err := q.noises()
	if err != nil {
		return 0, err
	}
	return 1 + n[q.telling()].tail(q.Cost.Delta.Float()/float64(q.Groups)), nil
}
