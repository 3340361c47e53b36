package dp

import (
	"math"
	"testing"
)

// TestChoose: choices have the probabilities of the exponential mechanism, and a wrong rate is found.
func TestChoose(t *testing.T) {
	const draws = 100_000
	scores := []int64{5, 0, -3, 5, 9}
	chi := func(num, den uint64, rate float64) float64 {
		s := NewSampler(nil)
		count, weight, total := make([]float64, len(scores)), make([]float64, len(scores)), 0.0
		for range draws {
			i, err := s.Choose(scores, num, den)
			if err != nil {
				t.Fatal(err)
			}
			count[i]++
		}
		for i, x := range scores {
			weight[i] = math.Exp(rate * float64(x))
			total += weight[i]
		}
		sum := 0.0
		for i := range scores {
			want := draws * weight[i] / total
			sum += (count[i] - want) * (count[i] - want) / want
		}
		return sum
	}
	const limit = 30 // of four degrees of freedom: probability 5e-6
	if x := chi(1, 8, 0.125); x > limit {
		t.Errorf("chi squared %.1f at rate 1/8", x)
	}
	if x := chi(1, 8, 0.14); x < limit {
		t.Errorf("chi squared %.1f: a rate that is off by a tenth is not found", x)
	}
	if _, err := NewSampler(nil).Choose(nil, 1, 1); err == nil {
		t.Error("a choice among nothing")
	}
	if r, err := OfChoice(2, 1, 4); err != nil || r != One/8 { // epsilon 1
		t.Errorf("epsilon 1 costs %v, %v", r, err)
	}
}
