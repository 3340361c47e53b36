package dp

import "math/big"

// An Estimate makes one number that is told of the numbers that were measured: it
// looks at nothing else, and so costs nothing. Num/Den is the size of a step.
type Estimate struct {
	Kind         EstimateKind
	Of           []int // indices of the question's measures
	Lower, Upper int64 // in steps
	Step         *big.Rat
	Sample       bool // Variance and Deviation: of a sample, with n-1
}

// An EstimateKind says how an Estimate is made.
type EstimateKind string

// The kinds of Estimate, with the measures that they are made of.
const (
	Tally     EstimateKind = "tally"     // Count or Subjects: not below 0
	Total     EstimateKind = "total"     // Sum
	Value     EstimateKind = "value"     // Quantile
	Mean      EstimateKind = "mean"      // Spread, Count
	Variance  EstimateKind = "variance"  // Spread, Count, Squares
	Deviation EstimateKind = "deviation" // the same
)

// Make makes the number. What would be impossible is brought back into its range:
// counts are not negative, means within the bounds, variances not negative and not
// above a quarter of the bounds' distance squared.
func (e Estimate) Make(numbers []*big.Int) *big.Rat {
	at := func(i int) *big.Rat { return new(big.Rat).SetInt(numbers[e.Of[i]]) }
	step := e.Step
	if step == nil {
		step = big.NewRat(1, 1)
	}
	switch e.Kind {
	case Tally:
		return atLeast(at(0), new(big.Rat))
	case Total, Value:
		return new(big.Rat).Mul(at(0), step)
	}
	count := atLeast(at(1), big.NewRat(1, 1))
	half := big.NewRat(e.Upper-e.Lower, 1) // in half steps, as Spread is
	mean := within(new(big.Rat).Quo(at(0), count), new(big.Rat).Neg(half), half)
	if e.Kind == Mean {
		mean.Add(mean, new(big.Rat).SetInt(new(big.Int).Add(big.NewInt(e.Lower), big.NewInt(e.Upper))))
		return mean.Mul(mean, step).Mul(mean, big.NewRat(1, 2))
	}
	v := new(big.Rat).Quo(at(2), count)
	v.Sub(v, new(big.Rat).Mul(mean, mean))
	v = within(v, new(big.Rat), new(big.Rat).Mul(half, half))
	if more := new(big.Rat).Sub(count, big.NewRat(1, 1)); e.Sample && more.Sign() > 0 {
		v.Mul(v, count).Quo(v, more)
	}
	v.Mul(v, step).Mul(v, step).Mul(v, big.NewRat(1, 4))
	if e.Kind == Variance {
		return v
	}
	root := new(big.Float).SetPrec(128).SetRat(v)
	v, _ = root.Sqrt(root).Rat(nil)
	return v
}

func atLeast(x, least *big.Rat) *big.Rat {
	if x.Cmp(least) < 0 {
		return least
	}
	return x
}

func within(x, lower, upper *big.Rat) *big.Rat {
	if x.Cmp(upper) > 0 {
		return new(big.Rat).Set(upper)
	}
	return new(big.Rat).Set(atLeast(x, lower))
}
