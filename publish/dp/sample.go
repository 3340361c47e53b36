// Package dp has what differentially private answers are made of: noise from the
// discrete Laplace and the discrete Gaussian distribution, drawn exactly, and a
// ledger of what has been spent.
//
// Noise made of floating-point numbers gives values away by their last bits
// (Mironov, CCS 2012). Here every probability is a quotient of whole numbers, or
// e to the power of one, and every draw compares whole numbers: the algorithms of
// Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy",
// NeurIPS 2020.
package dp

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"math/bits"
)

// A Sampler draws noise. It is not safe for concurrent use.
type Sampler struct {
	random *bufio.Reader
	err    error // the first of the reader; draws until then do not count
}

// NewSampler makes a sampler of a source of random bytes; nil is the system's,
// and nothing else should be used but in tests.
func NewSampler(random io.Reader) *Sampler {
	if random == nil {
		random = rand.Reader
	}
	return &Sampler{random: bufio.NewReaderSize(random, 4096)}
}

// Parameters are bounded so that whole numbers stay within 64 bits: denominators
// to 2^40, scales and standard deviations to 2^54.
const (
	mostDen   = 1 << 40
	mostScale = 1 << 54
)

var errParameter = errors.New("dp: the parameter of the noise is too large or too small")

// Laplace draws from the discrete Laplace distribution of scale num/den: x has a
// probability in proportion to exp(-|x|*den/num). Added to a whole number of
// sensitivity 1, it gives den/num-differential privacy.
func (s *Sampler) Laplace(num, den uint64) (int64, error) {
	if num == 0 || den == 0 || num > mostScale || den > mostDen {
		return 0, errParameter
	}
	x := s.laplace(num, den)
	return x, s.err
}

func (s *Sampler) laplace(num, den uint64) int64 {
	for s.err == nil {
		u := s.below(num)
		if !s.expSmall(u, num) {
			continue
		}
		v := uint64(0)
		for s.err == nil && s.expSmall(1, 1) {
			if v++; v > 256 {
				s.err = errors.New("dp: the source of randomness is broken") // this happens once in e^256 times
			}
		}
		y := (u + num*v) / den
		negative := s.below(2) == 1
		if negative && y == 0 {
			continue // zero must not count twice
		}
		if negative {
			return -int64(y)
		}
		return int64(y)
	}
	return 0
}

// Gaussian draws from the discrete Gaussian distribution with parameter
// sigma^2 = num/den: x has a probability in proportion to exp(-x^2*den/(2*num)).
// Added to a whole number of sensitivity 1, it gives den/(2*num)-zCDP.
func (s *Sampler) Gaussian(num, den uint64) (int64, error) {
	return s.gaussian(new(big.Int).SetUint64(num), new(big.Int).SetUint64(den))
}

func (s *Sampler) gaussian(p, q *big.Int) (int64, error) {
	if p.Sign() <= 0 || q.Sign() <= 0 || q.BitLen() > 41 {
		return 0, errParameter
	}
	bt := new(big.Int).Sqrt(new(big.Int).Quo(p, q))
	if bt.Add(bt, big.NewInt(1)); bt.BitLen() > 54 {
		return 0, errParameter
	}
	t := bt.Uint64()
	// (|y| - sigma^2/t)^2 / (2 sigma^2) = (|y|*q*t - p)^2 / (2*p*q*t^2)
	qt := new(big.Int).Mul(q, bt)
	below := new(big.Int).Mul(new(big.Int).Lsh(p, 1), new(big.Int).Mul(qt, bt))
	for s.err == nil {
		y := s.laplace(t, 1)
		above := new(big.Int).Mul(new(big.Int).Abs(big.NewInt(y)), qt)
		above.Sub(above, p)
		above.Mul(above, above)
		if s.exp(above, below) {
			return y, s.err
		}
	}
	return 0, s.err
}

// below draws a whole number below n, every one with the same probability.
func (s *Sampler) below(n uint64) uint64 {
	if n <= 1 {
		return 0
	}
	mask := ^uint64(0) >> bits.LeadingZeros64(n-1)
	for s.err == nil {
		var b [8]byte
		k := (bits.Len64(mask) + 7) / 8
		if _, err := io.ReadFull(s.random, b[:k]); err != nil {
			s.err = err
			return 0
		}
		if x := binary.LittleEndian.Uint64(b[:]) & mask; x < n {
			return x
		}
	}
	return 0
}

// expSmall is true with probability exp(-n/d), for n <= d (algorithm 1): of
// trials that succeed with n/(d*k) at the k-th, the first to fail has an odd number.
func (s *Sampler) expSmall(n, d uint64) bool {
	for k := uint64(1); ; k++ {
		// Both must succeed: n/d and 1/k.
		if s.below(d) >= n || s.below(k) != 0 || s.err != nil {
			return k%2 == 1
		}
	}
}

// exp is true with probability exp(-above/below).
func (s *Sampler) exp(above, below *big.Int) bool {
	whole, rest := new(big.Int).QuoRem(above, below, new(big.Int))
	if !whole.IsInt64() {
		return false // less than exp(-2^63)
	}
	for range whole.Int64() {
		if s.err != nil || !s.expSmall(1, 1) {
			return false
		}
	}
	for k := uint64(1); ; k++ {
		if s.bigBelow(below).Cmp(rest) >= 0 || s.below(k) != 0 || s.err != nil {
			return k%2 == 1
		}
	}
}

func (s *Sampler) bigBelow(n *big.Int) *big.Int {
	if n.IsUint64() {
		return new(big.Int).SetUint64(s.below(n.Uint64()))
	}
	x, err := rand.Int(s.random, n)
	if err != nil {
		s.err = err
		return new(big.Int)
	}
	return x
}
