package dp

import (
	"errors"
	"fmt"
	"math"
	"math/big"
)

// A Rho is an amount of privacy loss in zero-concentrated differential privacy
// (zCDP, Bun and Steinke, TCC 2016), in billionths. It adds up over answers.
type Rho uint64

// One is a Rho of 1.
const One Rho = 1_000_000_000

func (r Rho) String() string { return fmt.Sprintf("%d.%09d", r/One, r%One) }

// A Delta is a probability with which an answer may cost more than its Rho, in
// units of 10^-18. It adds up over answers too.
type Delta uint64

// Certain is the Delta that is 1.
const Certain Delta = 1_000_000_000_000_000_000

// Float is the probability.
func (d Delta) Float() float64 { return float64(d) / float64(Certain) }

// A Loss is what an answer costs in approximate zCDP (Bun and Steinke, section 8).
type Loss struct {
	Rho   Rho   `json:"rho"`
	Delta Delta `json:"delta,omitempty"`
}

func (l Loss) String() string {
	if l.Delta == 0 {
		return "rho " + l.Rho.String()
	}
	return fmt.Sprintf("rho %s with delta %.3g", l.Rho, l.Delta.Float())
}

// plus adds what two answers cost. Sums are far from overflowing: limits are
// compared first.
func (l Loss) plus(m Loss) Loss { return Loss{l.Rho + m.Rho, l.Delta + m.Delta} }

// left is what remains of l when m is spent.
func (l Loss) left(m Loss) Loss {
	return Loss{l.Rho - min(l.Rho, m.Rho), l.Delta - min(l.Delta, m.Delta)}
}

// covers reports whether m is no more than l.
func (l Loss) covers(m Loss) bool { return m.Rho <= l.Rho && m.Delta <= l.Delta }

// OfGaussian is what a discrete Gaussian answer of this sensitivity and of
// sigma^2 = num/den costs, rounded up: sensitivity^2*den/(2*num).
func OfGaussian(sensitivity, num, den uint64) (Rho, error) {
	return cost(product(sensitivity, sensitivity, den), product(num))
}

// OfLaplace is what a discrete Laplace answer of this sensitivity and scale num/den
// costs, rounded up: epsilon^2/2 for epsilon = sensitivity*den/num.
func OfLaplace(sensitivity, num, den uint64) (Rho, error) {
	return cost(product(sensitivity, sensitivity, den, den), product(num, num))
}

func product(factors ...uint64) *big.Int {
	p := big.NewInt(1)
	for _, f := range factors {
		p.Mul(p, new(big.Int).SetUint64(f))
	}
	return p
}

// cost is above/(2*below) in billionths, rounded up.
func cost(above, below *big.Int) (Rho, error) {
	above = new(big.Int).Mul(above, product(uint64(One)))
	below = new(big.Int).Lsh(below, 1)
	if below.Sign() == 0 {
		return 0, errParameter
	}
	above.Add(above, below)
	above.Sub(above, big.NewInt(1))
	if above.Div(above, below); above.BitLen() > 62 {
		return 0, errors.New("dp: the answer costs more than any budget")
	}
	return Rho(above.Uint64()), nil
}

// Epsilon is the epsilon for which a loss of r gives (epsilon, delta)-differential
// privacy (Bun and Steinke, proposition 1.3).
func (r Rho) Epsilon(delta float64) float64 {
	x := float64(r) / float64(One)
	return x + 2*math.Sqrt(x*math.Log(1/delta))
}
