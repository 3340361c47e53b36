package dp

import (
	"fmt"
	"math"
	"math/big"
)

// A Mechanism is the noise that numbers get.
type Mechanism string

// The mechanisms. The Gaussian is better for several numbers at once; the Laplace
// gives pure differential privacy, with epsilon = sqrt(2*rho) for each measure.
const (
	Gaussian Mechanism = "gaussian"
	Laplace  Mechanism = "laplace"
)

// A sensitivity is by how much all the numbers of one measure together can change
// when one subject's rows come or go: the sum of the changes, and the sum of their
// squares.
type sensitivity struct {
	sum, squares *big.Int
}

// A noise is a distribution for numbers of one measure.
type noise struct {
	mechanism Mechanism
	num, den  *big.Int // sigma^2, or the scale
}

// calibrate returns the noise with which all numbers of one measure together cost
// no more than r.
func calibrate(m Mechanism, s sensitivity, r Rho) (noise, error) {
	if r == 0 {
		return noise{}, wrong("the cost of a question is too small for what it asks")
	}
	switch m {
	case Gaussian: // rho = squares/(2*sigma^2)
		n := noise{m, new(big.Int).Mul(s.squares, product(uint64(One))), product(2, uint64(r))}
		return n, n.check()
	case Laplace: // rho = (sum/scale)^2/2, the scale rounded up to 1024ths
		below := product(2, uint64(r))
		square := new(big.Int).Mul(s.sum, s.sum)
		square.Mul(square, product(uint64(One), 1024, 1024))
		square.Add(square, below)
		square.Sub(square, big.NewInt(1)).Quo(square, below)
		root := new(big.Int).Sqrt(square)
		if new(big.Int).Mul(root, root).Cmp(square) < 0 {
			root.Add(root, big.NewInt(1))
		}
		n := noise{m, root, big.NewInt(1024)}
		return n, n.check()
	}
	return noise{}, fmt.Errorf("dp: there is no mechanism %q", string(m))
}

func wrong(msg string) error { return fmt.Errorf("dp: %s", msg) }

// check reports parameters that the sampler does not take.
func (n noise) check() error {
	root := n.num
	if n.mechanism == Gaussian {
		root = new(big.Int).Sqrt(new(big.Int).Quo(n.num, n.den))
	}
	if n.num.Sign() <= 0 || n.den.BitLen() > 40 || root.BitLen() > 53 {
		return wrong("the bounds are too wide for their steps, or the cost of a question is too small")
	}
	return nil
}

func (n noise) draw(s *Sampler) (int64, error) {
	if n.mechanism == Laplace {
		return s.Laplace(n.num.Uint64(), n.den.Uint64())
	}
	return s.gaussian(n.num, n.den)
}

// tail is a t for which a draw is t or more with probability p at most: both
// distributions fall at least as fast as these bounds (the discrete Gaussian is
// subgaussian with its sigma: Canonne, Kamath and Steinke).
func (n noise) tail(p float64) int64 {
	scale, _ := new(big.Rat).SetFrac(n.num, n.den).Float64()
	log := math.Log(1 / p)
	if n.mechanism == Laplace {
		return int64(math.Ceil(scale*log*(1+1e-9))) + 1
	}
	return int64(math.Ceil(math.Sqrt(2*scale*log)*(1+1e-9))) + 1
}
