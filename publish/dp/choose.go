package dp

import "math/big"

// Choose draws an index by the exponential mechanism (McSherry and Talwar, FOCS
// 2007): i has a probability in proportion to exp(scores[i]*num/den), exactly.
// Scores must be known without the data but for themselves.
func (s *Sampler) Choose(scores []int64, num, den uint64) (int, error) {
	if len(scores) == 0 || num == 0 || den == 0 || num > mostDen || den > mostDen {
		return 0, errParameter
	}
	best := scores[0]
	for _, x := range scores {
		best = max(best, x)
	}
	n, d := new(big.Int).SetUint64(num), new(big.Int).SetUint64(den)
	for s.err == nil {
		i := int(s.below(uint64(len(scores))))
		behind := new(big.Int).Sub(big.NewInt(best), big.NewInt(scores[i]))
		if s.exp(behind.Mul(behind, n), d) && s.err == nil {
			return i, nil
		}
	}
	return 0, s.err
}

// OfChoice is what a choice among scores of this sensitivity costs, rounded up:
// epsilon^2/8 for epsilon = 2*sensitivity*num/den (Cesar and Rogers, ALT 2021).
func OfChoice(sensitivity, num, den uint64) (Rho, error) {
	return cost(product(sensitivity, sensitivity, num, num), product(den, den))
}
