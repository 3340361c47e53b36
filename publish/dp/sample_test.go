package dp

import (
	"errors"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func seeded(seed uint64) *Sampler {
	return NewSampler(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}))
}

// fit compares draws with the probabilities they should have (chi-square over
// values that are expected five times or more, the rest together); it returns by how
// many standard deviations the statistic is over its mean.
func fit(t testing.TB, draws int, draw func() (int64, error), weight func(x int64) float64) float64 {
	t.Helper()
	total := weight(0)
	for x := int64(1); x < 1_000_000; x++ {
		w := weight(x)
		if total += 2 * w; w < 1e-18*total {
			break
		}
	}
	seen := map[int64]int{}
	for range draws {
		x, err := draw()
		if err != nil {
			t.Fatal(err)
		}
		seen[x]++
	}
	chi, cells, rest, restSeen := 0.0, 0, float64(draws), draws
	for x := int64(0); ; x++ {
		expected := float64(draws) * weight(x) / total
		if expected < 5 {
			break
		}
		for _, y := range []int64{x, -x}[:min(2, 1+int(x))] {
			d := float64(seen[y]) - expected
			chi += d * d / expected
			cells++
			rest -= expected
			restSeen -= seen[y]
		}
	}
	if rest > 1 {
		d := float64(restSeen) - rest
		chi += d * d / rest
		cells++
	}
	freedom := float64(cells - 1)
	return (chi - freedom) / math.Sqrt(2*freedom)
}

func laplaceWeight(scale float64) func(int64) float64 {
	return func(x int64) float64 { return math.Exp(-math.Abs(float64(x)) / scale) }
}

func gaussianWeight(square float64) func(int64) float64 {
	return func(x int64) float64 { return math.Exp(-float64(x) * float64(x) / (2 * square)) }
}

// scales are parameters num/den.
var scales = [][2]uint64{{1, 3}, {1, 1}, {7, 2}, {50, 1}, {1000, 7}}

func TestLaplace(t *testing.T) { testLaplace(t, 50_000) }

func testLaplace(t *testing.T, draws int) {
	for i, p := range scales {
		s := seeded(uint64(i))
		if z := fit(t, draws, func() (int64, error) { return s.Laplace(p[0], p[1]) }, laplaceWeight(float64(p[0])/float64(p[1]))); z > 4 {
			t.Errorf("scale %d/%d: %.1f deviations", p[0], p[1], z)
		}
	}
}

func TestGaussian(t *testing.T) { testGaussian(t, 50_000) }

func testGaussian(t *testing.T, draws int) {
	for i, p := range scales {
		s := seeded(uint64(100 + i))
		if z := fit(t, draws, func() (int64, error) { return s.Gaussian(p[0], p[1]) }, gaussianWeight(float64(p[0])/float64(p[1]))); z > 4 {
			t.Errorf("sigma^2 %d/%d: %.1f deviations", p[0], p[1], z)
		}
	}
}

// TestFitFinds: the test would find a parameter that is off by five per cent, one
// distribution for the other, and a zero that counts twice.
func TestFitFinds(t *testing.T) {
	s := seeded(9)
	laplace := func() (int64, error) { return s.Laplace(10, 1) }
	twice := func(x int64) float64 {
		if x == 0 {
			return 2
		}
		return laplaceWeight(10)(x)
	}
	for name, weight := range map[string]func(int64) float64{"scale": laplaceWeight(10.5), "gaussian": gaussianWeight(100), "zero": twice} {
		if z := fit(t, 50_000, laplace, weight); z < 4 {
			t.Errorf("%s: only %.1f deviations", name, z)
		}
	}
}

// TestNeighbours: of counts of neighbouring tables, 5 and 6, no answer is more
// than e^epsilon times as likely under one, within what chance allows.
func TestNeighbours(t *testing.T) {
	const draws, epsilon = 200_000, 0.5
	count := func(truth int64, seed uint64) map[int64]int {
		s, seen := seeded(seed), map[int64]int{}
		for range draws {
			x, err := s.Laplace(2, 1)
			if err != nil {
				t.Fatal(err)
			}
			seen[truth+x]++
		}
		return seen
	}
	a, b := count(5, 21), count(6, 22)
	for x, n := range a {
		m := b[x]
		// A ratio of counts n and m varies by about sqrt(1/n + 1/m).
		if n >= 100 && m >= 100 && math.Abs(math.Log(float64(n)/float64(m))) > epsilon+5*math.Sqrt(1/float64(n)+1/float64(m)) {
			t.Errorf("%d: %d against %d", x, n, m)
		}
	}
}

func TestParameters(t *testing.T) {
	s := NewSampler(nil)
	for _, p := range [][2]uint64{{0, 1}, {1, 0}, {1<<54 + 1, 1}, {1, 1 << 41}} {
		if _, err := s.Laplace(p[0], p[1]); err == nil {
			t.Errorf("scale %v", p)
		}
		square := new(big.Int).Mul(product(p[0], p[0]), big.NewInt(2))
		if _, err := s.gaussian(square, product(p[1])); err == nil {
			t.Errorf("sigma^2 %v", p)
		}
	}
	for _, p := range [][2]uint64{{1 << 54, 1}, {1, 1 << 40}} { // the ends are drawn without overflow
		x, err := s.Laplace(p[0], p[1])
		if err != nil || p[0] == 1 && x != 0 {
			t.Errorf("scale %v: %d, %v", p, x, err)
		}
		if x, err = s.Gaussian(p[0], p[1]); err != nil || p[0] == 1 && x != 0 {
			t.Errorf("sigma^2 %v: %d, %v", p, x, err)
		}
	}
	// A standard deviation of 2^50 is neither cut nor wrapped: half of the draws are beyond 0.67 of it.
	beyond := 0
	for range 2000 {
		x, err := s.gaussian(new(big.Int).Lsh(big.NewInt(1), 100), big.NewInt(1))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(x)) > 0.6745*(1<<50) {
			beyond++
		}
	}
	if beyond < 850 || beyond > 1150 {
		t.Errorf("%d of 2000 draws are beyond the quartiles", beyond)
	}
	broken := NewSampler(iotest.ErrReader(io.ErrUnexpectedEOF))
	if _, err := broken.Gaussian(5, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func BenchmarkGaussian(b *testing.B) {
	s := NewSampler(nil)
	for b.Loop() {
		if _, err := s.Gaussian(1000, 7); err != nil {
			b.Fatal(err)
		}
	}
}
