package dp

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// free costs so much that the noise is next to nothing.
var free = Loss{Rho: 400 * One, Delta: Certain / 1_000_000}

func row(subject, key string, values ...int64) Row {
	r := Row{Subject: subject, Keys: [][]byte{[]byte(key)}}
	for _, v := range values {
		r.Values = append(r.Values, Number{v, true})
	}
	return r
}

// people are n subjects in two wards, one row each, of values 0 to n-1.
func people(n int) []Row {
	var rows []Row
	for i := range n {
		rows = append(rows, row(fmt.Sprint(i), []string{"a", "b"}[i%2], int64(i)))
	}
	return rows
}

func told(t *testing.T, q Question, rows []Row) []Group {
	t.Helper()
	list, err := q.Answer(seeded(1), rows)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func show(list []Group) string {
	var b strings.Builder
	for _, g := range list {
		for _, k := range g.Keys {
			fmt.Fprintf(&b, "%s ", k)
		}
		fmt.Fprintln(&b, g.Numbers)
	}
	return b.String()
}

// TestTruth: with next to no noise, the numbers are those of the rows.
func TestTruth(t *testing.T) {
	rows := append(people(100), Row{Subject: "x", Keys: [][]byte{[]byte("a")}, Values: []Number{{}}},
		row("y", "c", 7), row("z", "a", 5000))
	measures := []Measure{{Kind: Count, Value: -1}, {Kind: Count}, {Kind: Subjects}, {Kind: Sum, Upper: 200}, {Kind: Spread, Lower: 50, Upper: 60},
		{Kind: Squares, Lower: 50, Upper: 60}, {Kind: Quantile, Upper: 200, Num: 1, Den: 2}}
	// a: 0, 2 ... 98, NULL and 5000, which is taken for 200 or 60; b: 1, 3 ... 99.
	for _, m := range []Mechanism{Gaussian, Laplace} {
		q := Question{Mechanism: m, Cost: Loss{Rho: 400 * One}, Rows: 1, Groups: 1, Measures: measures, Keys: []Key{{Domain: [][]byte{[]byte("b"), []byte("a"), []byte("none")}}}}
		list := told(t, q, rows)
		want := [][]float64{{50, 50, 50, 2500, 0, 4620, 49}, {52, 51, 52, 2650, 0, 4820, 50}, {0, 0, 0, 0, 0, 0, 100}}
		spread := func(odd int64) (s, squares float64) {
			for i := odd; i < 100; i += 2 {
				x := float64(2*clamp(i, 50, 60) - 110)
				s, squares = s+x, squares+x*x
			}
			return s, squares
		}
		want[0][4], want[0][5] = spread(1)
		want[1][4], want[1][5] = spread(0)
		want[1][4], want[1][5] = want[1][4]+10, want[1][5]+100
		for i, g := range list {
			for j, n := range g.Numbers {
				got, _ := new(big.Float).SetInt(n).Float64()
				slack := []float64{3, 3, 3, 60, 6, 40, 3}[j]
				if i == 2 && j == 6 {
					slack = 200 // of no values
				}
				if math.Abs(got-want[i][j]) > slack {
					t.Errorf("%s: group %s, %s: %v, want %v", m, g.Keys[0], measures[j].Kind, got, want[i][j])
				}
			}
		}
		if len(list) != 3 || string(list[0].Keys[0]) != "b" {
			t.Errorf("%s: groups are not those of the domain: %s", m, show(list))
		}
	}
}

func grouped(q Question, rows []Row) []*group {
	return q.groups(rows, q.bound(rows, q.inDomains(rows)))
}

// bounded are the rows that count.
func bounded(q Question, rows []Row) (out []Row) {
	for _, i := range q.bound(rows, q.inDomains(rows)) {
		out = append(out, rows[i])
	}
	return out
}

// TestBound: a subject counts as often as the question allows, whatever rows it
// has, and which of them count depends on no other row or order.
func TestBound(t *testing.T) {
	q := Question{Rows: 3, Groups: 2}
	var rows []Row
	for i := range 40 {
		rows = append(rows, row(fmt.Sprint(i%4), fmt.Sprint(i%5), int64(i)))
	}
	mine := func(rows []Row) string {
		var list []string
		for _, r := range bounded(q, rows) {
			if r.Subject == "1" {
				list = append(list, fmt.Sprint(string(r.Keys[0]), r.Values))
			}
		}
		slices.Sort(list)
		return strings.Join(list, "; ")
	}
	want := mine(rows)
	count, groups := map[string]int{}, map[string]map[string]bool{}
	for _, r := range bounded(q, rows) {
		count[r.Subject]++
		if groups[r.Subject] == nil {
			groups[r.Subject] = map[string]bool{}
		}
		groups[r.Subject][string(r.Keys[0])] = true
	}
	for s, n := range count {
		if n > 3 || n == 0 || len(groups[s]) > 2 {
			t.Errorf("subject %s has %d rows in %d groups", s, n, len(groups[s]))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		others := slices.DeleteFunc(slices.Clone(rows), func(o Row) bool { return o.Subject != "1" && r.IntN(2) == 0 })
		if got := mine(others); got != want {
			t.Fatalf("%s, and then %s", want, got)
		}
	}
}

// TestSensitivity: no subject that comes or goes changes a measure by more than the
// noise is made for, whatever its rows are; and some change it by as much.
func TestSensitivity(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	measures := []Measure{{Kind: Count, Value: -1}, {Kind: Subjects}, {Kind: Sum, Lower: -3, Upper: 7}, {Kind: Spread, Lower: -3, Upper: 7},
		{Kind: Squares, Lower: -3, Upper: 7}, {Kind: Quantile, Lower: -3, Upper: 7, Num: 1, Den: 4}, {Kind: Quantile, Lower: -3, Upper: 7, Num: 1, Den: 2}}
	reached := make([]bool, len(measures))
	for range 1200 {
		q := Question{Rows: 1 + r.IntN(4), Measures: measures, Keys: []Key{{Domain: [][]byte{[]byte("a"), []byte("b"), []byte("c")}}}}
		q.Groups = 1 + r.IntN(q.Rows)
		draw := func(subject string, n int) (rows []Row) {
			same := r.IntN(2) == 0
			for range n {
				key, v := string(rune('a'+r.IntN(3))), int64(r.IntN(40)-20)
				if same {
					key, v = "a", 20
				}
				rows = append(rows, row(subject, key, v))
			}
			return rows
		}
		with := draw("x", r.IntN(7))
		var without []Row
		for i := range 3 {
			without = append(without, draw(fmt.Sprint(i), r.IntN(4))...)
		}
		a, b := grouped(q, without), grouped(q, append(with, without...))
		for i, m := range measures {
			limit := q.sensitivity(m)
			sum, squares := new(big.Int), new(big.Int)
			for g := range a {
				x, y := exact(t, a[g], m), exact(t, b[g], m)
				if m.Kind == Quantile { // what its comparisons look at
					at := int64(r.IntN(12) - 4)
					x, y = m.score(a[g].sorted(m), at), m.score(b[g].sorted(m), at)
				}
				d := new(big.Int).Abs(x.Sub(x, y))
				sum.Add(sum, d)
				squares.Add(squares, new(big.Int).Mul(d, d))
			}
			if sum.Cmp(limit.sum) > 0 || squares.Cmp(limit.squares) > 0 {
				t.Fatalf("%s changed by %s (%s), and %s (%s) was thought to be the most", m.Kind, sum, squares, limit.sum, limit.squares)
			}
			reached[i] = reached[i] || squares.Cmp(limit.squares) == 0
		}
	}
	if slices.Contains(reached, false) {
		t.Errorf("the most was reached by %v of %v", reached, measures)
	}
}

// exact is a measure without noise.
func exact(t *testing.T, g *group, m Measure) *big.Int {
	t.Helper()
	x, err := g.measure(seeded(1), m, noise{Laplace, big.NewInt(1), big.NewInt(1 << 39)})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestNoise: the numbers of an answer are the true ones plus noise that costs no
// more than the question does.
func TestNoise(t *testing.T) {
	q := Question{Mechanism: Gaussian, Cost: Loss{Rho: One / 8}, Rows: 2, Groups: 1, Measures: []Measure{{Kind: Count, Value: -1}, {Kind: Sum, Lower: -2, Upper: 3}}}
	rows := people(10)
	for i := range rows {
		rows[i].Keys = nil
	}
	s := seeded(5)
	for i, square := range []float64{2 * 2 * 8, 6 * 6 * 8} { // sensitivity^2 / (2*rho), where rho is shared by two
		truth := int64([]float64{10, 0 + 1 + 2 + 3*7}[i])
		z := fit(t, 10_000, func() (int64, error) {
			list, err := q.Answer(s, rows)
			return list[0].Numbers[i].Int64() - truth, err
		}, gaussianWeight(square))
		if z > 4 {
			t.Errorf("measure %d: %.1f deviations", i, z)
		}
	}
	q.Mechanism = Laplace
	n, err := q.noises()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range q.Measures {
		r, err := OfLaplace(q.sensitivity(m).sum.Uint64(), n[i].num.Uint64(), n[i].den.Uint64())
		if err != nil || r > q.Cost.Rho/2 || r < q.Cost.Rho/2-q.Cost.Rho/500 {
			t.Errorf("measure %d costs %s, not %s: %v", i, r, q.Cost.Rho/2, err)
		}
	}
}

// TestNeighbouringTables: whole answers about tables that differ by one subject are
// not told apart better than by the stated epsilon: sqrt(2*rho), for one measure
// with Laplace noise. For a quantile the search is so too.
func TestNeighbouringTables(t *testing.T) {
	const draws = 20_000
	for _, m := range []Measure{{Kind: Count, Value: -1}, {Kind: Sum, Upper: 4}, {Kind: Quantile, Upper: 6, Num: 1, Den: 2}} {
		epsilon := 1.0
		q := Question{Mechanism: Laplace, Cost: Loss{Rho: One / 2}, Rows: 2, Groups: 1, Measures: []Measure{m}}
		if m.Kind == Quantile { // three comparisons, each with a third of rho
			epsilon = 3 * math.Sqrt(2*0.5/3)
		}
		var rows []Row
		for i := range 5 {
			rows = append(rows, Row{Subject: fmt.Sprint(i), Values: []Number{{int64(i), true}}})
		}
		more := append(slices.Clone(rows), Row{Subject: "x", Values: []Number{{9, true}}}, Row{Subject: "x", Values: []Number{{9, true}}}, Row{Subject: "x", Values: []Number{{9, true}}})
		count := func(rows []Row, seed uint64) map[string]int {
			s, seen := seeded(seed), map[string]int{}
			for range draws {
				list, err := q.Answer(s, rows)
				if err != nil {
					t.Fatal(err)
				}
				seen[list[0].Numbers[0].String()]++
			}
			return seen
		}
		if worst := apart(count(rows, 31), count(more, 32)); worst > epsilon {
			t.Errorf("%s: told apart by %.2f, epsilon is %.2f", m.Kind, worst, epsilon)
		} else if worst < epsilon/4 {
			t.Errorf("%s: told apart by %.2f only: the test sees nothing", m.Kind, worst)
		}
	}
}

// apart is by how much the logarithms of two frequencies surely differ.
func apart(a, b map[string]int) float64 {
	worst := 0.0
	for x, n := range a {
		if m := b[x]; n >= 100 && m >= 100 {
			worst = max(worst, math.Abs(math.Log(float64(n)/float64(m)))-5*math.Sqrt(1/float64(n)+1/float64(m)))
		}
	}
	return worst
}

// TestUnknownGroups: groups of one subject are told no more often than delta says,
// large groups practically always, and no group that is not there.
func TestUnknownGroups(t *testing.T) {
	var rows []Row
	for i := range 60 {
		rows = append(rows, row(fmt.Sprint(i), "large"))
	}
	rows = append(rows, row("x", "one"), row("x", "two"), row("y", "three"))
	for _, m := range []Mechanism{Gaussian, Laplace} {
		const draws = 3000
		delta := 0.05
		q := Question{Mechanism: m, Cost: Loss{Rho: One / 10, Delta: Certain / 20}, Rows: 2, Groups: 2, Keys: []Key{{}}, Measures: []Measure{{Kind: Count, Value: -1}}}
		s, large, small := seeded(6), 0, 0
		for range draws {
			list, err := q.Answer(s, rows)
			if err != nil {
				t.Fatal(err)
			}
			ofX := false
			for _, g := range list {
				switch string(g.Keys[0]) {
				case "large":
					large++
				case "one", "two":
					ofX = true
				case "three":
				default:
					t.Fatalf("group %q", g.Keys[0])
				}
				if len(g.Numbers) != 1 {
					t.Fatal("the subjects were told, and not asked for", g.Numbers)
				}
			}
			if ofX {
				small++
			}
		}
		if limit := delta*draws + 5*math.Sqrt(delta*draws); float64(small) > limit || large < draws*99/100 {
			t.Errorf("%s: one subject's groups were told %d times, the large one %d times of %d", m, small, large, draws)
		}
	}
	q := Question{Mechanism: Gaussian, Cost: Loss{Rho: One}, Rows: 1, Groups: 1, Keys: []Key{{}}, Measures: []Measure{{Kind: Subjects}}}
	if _, err := q.Answer(seeded(1), rows); err == nil {
		t.Error("unknown groups without a delta")
	}
	q.Cost = free
	if got := show(told(t, q, append(rows, Row{Subject: "n", Keys: [][]byte{nil}}))); got != "large [60]\n" {
		t.Errorf("%q", got)
	}
}

// TestTail: draws are beyond a tail no more often than it says, by the exact sums.
func TestTail(t *testing.T) {
	for _, n := range []noise{{Gaussian, big.NewInt(1), big.NewInt(3)}, {Gaussian, big.NewInt(20), big.NewInt(1)}, {Gaussian, big.NewInt(5000), big.NewInt(7)},
		{Laplace, big.NewInt(1), big.NewInt(2)}, {Laplace, big.NewInt(9), big.NewInt(1)}, {Laplace, big.NewInt(300), big.NewInt(7)}} {
		parameter, _ := new(big.Rat).SetFrac(n.num, n.den).Float64()
		weight := laplaceWeight(parameter)
		if n.mechanism == Gaussian {
			weight = gaussianWeight(parameter)
		}
		for _, p := range []float64{0.1, 1e-3, 1e-9, 1e-15} {
			above, all, from := 0.0, 0.0, n.tail(p)
			for x := int64(-100_000); x <= 100_000; x++ {
				if all += weight(x); x >= from {
					above += weight(x)
				}
			}
			if above/all > p || n.mechanism == Laplace && above/all < p/100 {
				t.Errorf("%s %.2f: beyond %d with probability %.3g, and it should be about %.3g", n.mechanism, parameter, from, above/all, p)
			}
		}
	}
}

func TestWrongQuestions(t *testing.T) {
	good := Question{Mechanism: Gaussian, Cost: Loss{Rho: One}, Rows: 1, Groups: 1, Measures: []Measure{{Kind: Sum, Upper: 1}}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Question){
		"no rows":             func(q *Question) { q.Rows = 0 },
		"more groups":         func(q *Question) { q.Groups = 2 },
		"nothing asked":       func(q *Question) { q.Measures = nil },
		"bounds":              func(q *Question) { q.Measures = []Measure{{Kind: Sum, Lower: 2, Upper: 1}} },
		"wide bounds":         func(q *Question) { q.Measures = []Measure{{Kind: Sum, Upper: 1<<40 + 1}} },
		"wide squares":        func(q *Question) { q.Measures = []Measure{{Kind: Squares, Upper: 1 << 31}} },
		"share":               func(q *Question) { q.Measures = []Measure{{Kind: Quantile, Upper: 1, Num: 2, Den: 1}} },
		"nothing to pay with": func(q *Question) { q.Cost.Rho = 0 },
		"too little":          func(q *Question) { q.Cost.Rho, q.Measures[0].Upper = 1, 1<<40 },
		"mechanism":           func(q *Question) { q.Mechanism = "" },
		"groups": func(q *Question) {
			d := make([][]byte, 101)
			q.Keys = []Key{{Domain: d}, {Domain: d}}
		},
	} {
		q := good
		q.Measures = slices.Clone(good.Measures)
		change(&q)
		if _, err := q.Answer(seeded(1), nil); err == nil {
			t.Errorf("%s: answered", name)
		}
	}
}

func TestEstimates(t *testing.T) {
	cent := big.NewRat(1, 100)
	for _, test := range []struct {
		e       Estimate
		numbers []int64
		want    string
	}{
		{Estimate{Kind: Tally, Of: []int{0}}, []int64{-3}, "0.00"},
		{Estimate{Kind: Tally, Of: []int{1}}, []int64{-3, 9}, "9.00"},
		{Estimate{Kind: Total, Of: []int{0}, Step: cent}, []int64{-1234}, "-12.34"},
		{Estimate{Kind: Value, Of: []int{0}, Step: big.NewRat(5, 1)}, []int64{7}, "35.00"},
		{Estimate{Kind: Mean, Of: []int{0, 1}, Upper: 100}, []int64{-200, 10}, "40.00"},
		{Estimate{Kind: Mean, Of: []int{0, 1}, Lower: 3, Upper: 100}, []int64{-99999, 10}, "3.00"},
		{Estimate{Kind: Mean, Of: []int{0, 1}, Upper: 100, Step: cent}, []int64{80, -5}, "0.90"},
		// 1, 2, 3, 6 within 0 to 10: mean 3, variance 3.5, of a sample 14/3.
		{Estimate{Kind: Variance, Of: []int{0, 1, 2}, Upper: 10}, []int64{-16, 4, 64 + 36 + 16 + 4}, "3.50"},
		{Estimate{Kind: Variance, Of: []int{0, 1, 2}, Upper: 10, Sample: true}, []int64{-16, 4, 120}, "4.67"},
		{Estimate{Kind: Deviation, Of: []int{0, 1, 2}, Upper: 10, Step: big.NewRat(2, 1)}, []int64{-16, 4, 120}, "3.74"},
		{Estimate{Kind: Variance, Of: []int{0, 1, 2}, Upper: 10}, []int64{0, 4, 99999}, "25.00"},
		{Estimate{Kind: Deviation, Of: []int{0, 1, 2}, Upper: 10}, []int64{0, 4, -99999}, "0.00"},
	} {
		var numbers []*big.Int
		for _, n := range test.numbers {
			numbers = append(numbers, big.NewInt(n))
		}
		if got := test.e.Make(numbers).FloatString(2); got != test.want {
			t.Errorf("%s of %v: %s, want %s", test.e.Kind, test.numbers, got, test.want)
		}
	}
}
