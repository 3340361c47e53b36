package synth_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/clarus-project/clarus/publish/dp"
	"github.com/clarus-project/clarus/publish/synth"
)

// draw draws a sample of columns given by their rows.
func draw(t testing.TB, p synth.Problem) *synth.Sample {
	t.Helper()
	p.Sampler, p.Rand = dp.NewSampler(nil), rand.New(rand.NewPCG(rand.Uint64(), 1))
	if p.Each == 0 {
		p.Each = 1
	}
	s, err := synth.Draw(context.Background(), &p)
	if err != nil {
		t.Fatal(err)
	}
	if s.Spent > p.Rho || s.Spent < p.Rho*9/10 {
		t.Errorf("%v of %v are spent", s.Spent, p.Rho)
	}
	return s
}

// chain is a table whose columns each copy the one before, most of the time; the last two are
// of chance alone and of a constant.
func chain(rows int) []synth.Column {
	rng := rand.New(rand.NewPCG(1, 2))
	columns := []synth.Column{{Size: 6}, {Size: 6}, {Size: 6}, {Size: 3}, {Size: 4}}
	for range rows {
		x := uint32(min(5, rng.ExpFloat64()*2))
		for i := range 3 {
			columns[i].Codes = append(columns[i].Codes, x)
			if rng.IntN(4) == 0 {
				x = rng.Uint32N(6)
			}
		}
		columns[3].Codes = append(columns[3].Codes, rng.Uint32N(3))
		columns[4].Codes = append(columns[4].Codes, 2)
	}
	return columns
}

// variation is the total variation distance of two columns together, before and after.
func variation(a, b, c, d []uint32) float64 {
	p := map[[2]uint32]float64{}
	for r := range a {
		p[[2]uint32{a[r], b[r]}] += 1 / float64(len(a))
	}
	for r := range c {
		p[[2]uint32{c[r], d[r]}] -= 1 / float64(len(c))
	}
	sum := 0.0
	for _, x := range p {
		sum += math.Abs(x) / 2
	}
	return sum
}

// TestFaithful: the tree is that of the strongest dependences, and with a large budget every
// pair is drawn as often as it stands in the data.
func TestFaithful(t *testing.T) {
	columns := chain(4000)
	s := draw(t, synth.Problem{Columns: columns, Rho: 100 * dp.One})
	for _, want := range [][2]int{{0, 1}, {1, 2}} {
		if !slices.Contains(s.Pairs, want) {
			t.Errorf("the pair %v is not in the tree %v", want, s.Pairs)
		}
	}
	if len(s.Pairs) != 4 {
		t.Errorf("a tree of five columns has %d pairs", len(s.Pairs))
	}
	if n := len(s.Codes[0]); n < 3980 || n > 4020 {
		t.Errorf("%d rows are drawn where there are 4000", n)
	}
	for i := range columns {
		for j := range i {
			if d := variation(columns[i].Codes, columns[j].Codes, s.Codes[i], s.Codes[j]); d > 0.05 {
				t.Errorf("columns %d and %d: variation %.3f", i, j, d)
			}
		}
	}
	// With nearly no budget it is another table.
	small := draw(t, synth.Problem{Columns: columns, Rho: dp.One / 1_000_000, Rows: 4000})
	if d := variation(columns[0].Codes, columns[1].Codes, small.Codes[0], small.Codes[1]); d < 0.1 {
		t.Errorf("a budget of a millionth gives variation %.3f: where is the noise?", d)
	}
}

// TestOpen: of a column whose values are not known, those that many have are told, those of one person never.
func TestOpen(t *testing.T) {
	c := synth.Column{Size: 50, Open: true}
	for r := range 3000 {
		c.Codes = append(c.Codes, uint32(r%2))
	}
	for r := range 48 {
		c.Codes = append(c.Codes, uint32(2+r))
	}
	for range 20 {
		s := draw(t, synth.Problem{Columns: []synth.Column{c, c}, Rho: dp.One, Delta: 1e-9})
		seen := map[uint32]int{}
		for _, x := range s.Codes[0] {
			seen[x]++
		}
		for x, n := range seen {
			if x > 1 && x != c.Other() {
				t.Fatalf("value %d of one person is told %d times", x, n)
			}
		}
		if seen[0] < 1000 || seen[1] < 1000 {
			t.Fatalf("frequent values are drawn %d and %d times", seen[0], seen[1])
		}
	}
}

// TestNeighbours: no event is more than e^epsilon times as likely with a person as without; with
// noise for a greater epsilon than is claimed, one is.
func TestNeighbours(t *testing.T) {
	without := []synth.Column{{Size: 2, Codes: make([]uint32, 12)}, {Size: 2, Codes: make([]uint32, 12)}}
	with := []synth.Column{{Size: 2, Codes: append(make([]uint32, 12), 1)}, {Size: 2, Codes: append(make([]uint32, 12), 1)}}
	const claimed, delta, draws = 1.0, 0.01, 1500
	rho := dp.Rho(0)
	for step := dp.One; step > 0; step /= 2 {
		if (rho + step).Epsilon(delta) <= claimed {
			rho += step
		}
	}
	worst := func(rho dp.Rho) float64 {
		chance := func(columns []synth.Column) (p [4]float64) {
			for range draws {
				s := draw(t, synth.Problem{Columns: columns, Rho: rho, Rows: 12})
				both := 0
				for r, x := range s.Codes[0] {
					if x == 1 && s.Codes[1][r] == 1 {
						both++
					}
				}
				for k := range p {
					if both > k {
						p[k] += 1.0 / draws
					}
				}
			}
			return p
		}
		most := 0.0
		p, q := chance(with), chance(without)
		for k := range p {
			most = max(most, p[k]-math.Exp(claimed)*q[k], q[k]-math.Exp(claimed)*p[k])
		}
		return most
	}
	const slack = 0.06 // four standard deviations
	if x := worst(rho); x > delta+slack {
		t.Errorf("an event exceeds epsilon by %.3f", x)
	}
	if x := worst(100 * rho); x < delta+slack {
		t.Errorf("noise of a tenth is not found: %.3f", x)
	}
}

// TestPersons: what one person may add is covered by more noise.
func TestPersons(t *testing.T) {
	columns := chain(500)
	off := func(each uint64) float64 {
		sum := 0.0
		for range 20 {
			s := draw(t, synth.Problem{Columns: columns, Rho: dp.One / 10, Each: each, Rows: 500})
			sum += variation(columns[0].Codes, columns[1].Codes, s.Codes[0], s.Codes[1])
		}
		return sum
	}
	if one, many := off(1), off(16); many < 1.5*one {
		t.Errorf("variation %.2f with one row a person, %.2f with sixteen", one, many)
	}
}

func TestBudget(t *testing.T) {
	p := synth.Problem{Columns: chain(10), Rho: 3, Each: 1, Sampler: dp.NewSampler(nil), Rand: rand.New(rand.NewPCG(1, 1))}
	if _, err := synth.Draw(context.Background(), &p); err != synth.ErrBudget {
		t.Errorf("a budget of nothing: %v", err)
	}
}
