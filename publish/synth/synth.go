// Package synth draws rows from a model of a table instead of the table, with
// differential privacy: MST of McKenna, Miklau and Sheldon, "Winning the NIST
// contest", Journal of Privacy and Confidentiality 2021. It measures how often each
// value occurs, chooses the pairs of attributes that depend on each other most, a
// tree of them, measures these, and draws rows that agree with what was measured.
// Whatever is done with measurements costs nothing more.
package synth

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"

	"github.com/clarus-project/clarus/publish/dp"
)

// A Column is one attribute. Rows of the same number are of the same row.
type Column struct {
	Codes []uint32 // of each row, below Size
	Size  int
	Open  bool // which values there are is itself a secret: rare ones become Other
}

// Other is the code of what an open column does not tell.
func (c *Column) Other() uint32 { return uint32(c.Size) }

// A Problem is a table and what its sample may cost.
type Problem struct {
	Columns  []Column
	Each     uint64  // one person has so many rows at most
	Rho      dp.Rho  // budget
	Delta    float64 // with this probability at most an open column tells what only one person has
	Rows     int     // how many are drawn; 0: about as many as there are
	Sampler  *dp.Sampler
	Rand     *rand.Rand // for what costs nothing
	Progress func(done, of int)
}

// A Sample is rows that are nobody's.
type Sample struct {
	Codes [][]uint32 // of each column, of each row; Other in open columns
	Pairs [][2]int   // columns whose dependence was measured
	Spent dp.Rho
}

// mostCells bounds what one pair of attributes takes.
const mostCells = 1 << 18

// MostEach bounds Each.
const MostEach = 32

// ErrBudget: the budget is so small that its parts are nothing.
var ErrBudget = errors.New("synth: the privacy budget is too small for so many attributes")

// Draw makes a sample.
func Draw(ctx context.Context, p *Problem) (*Sample, error) {
	m := &maker{Problem: p}
	if m.Progress == nil {
		m.Progress = func(int, int) {}
	}
	if p.Each == 0 || p.Each > MostEach || len(p.Columns) == 0 {
		return nil, errors.New("synth: no column, or too many rows of one person")
	}
	for _, step := range []func() error{m.open, m.single, m.choose, m.pairs} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(); err != nil {
			return nil, err
		}
	}
	if m.spent > p.Rho {
		return nil, errors.New("synth: more was spent than the budget") // cannot be
	}
	f := m.forest()
	if err := f.fit(ctx, m.total, m.Progress); err != nil {
		return nil, err
	}
	rows := p.Rows
	if rows == 0 {
		rows = int(math.Round(m.total))
	}
	return &Sample{Codes: m.expand(f.draw(rows, p.Rand), rows), Pairs: m.tree, Spent: m.spent}, nil
}

// A maker is one making of a sample.
type maker struct {
	*Problem
	spent   dp.Rho
	domains []domain
	total   float64 // about how many rows there are
	tree    [][2]int
	pair    [][]float64 // measured, of each of tree
	pairVar float64     // variance of their noise
}

// A domain is the cells that one column is measured in.
type domain struct {
	cell    []uint32   // of each code
	members [][]uint32 // of each cell: codes
	noisy   []float64  // of each cell
	spread  []float64  // of each cell: variance of its noise
}

// share is a part of the budget: with open columns they have a quarter, and each
// of the three measurements a third of the rest.
func (m *maker) share(open bool) dp.Rho {
	opens := 0
	for _, c := range m.Columns {
		if c.Open {
			opens++
		}
	}
	switch {
	case opens == 0:
		return m.Rho / 3
	case open:
		return m.Rho / 4 / dp.Rho(opens)
	}
	return m.Rho / 4
}

// gaussian adds noise to counts, all of which together change by Each rows at most. It
// returns the variance.
func (m *maker) gaussian(counts []int64, rho dp.Rho) ([]float64, float64, error) {
	num, den := m.Each*m.Each*uint64(dp.One), 2*uint64(rho)
	if rho == 0 {
		return nil, 0, ErrBudget
	}
	cost, err := dp.OfGaussian(m.Each, num, den)
	if err != nil {
		return nil, 0, err
	}
	m.spent += cost
	noisy := make([]float64, len(counts))
	for i, n := range counts {
		x, err := m.Sampler.Gaussian(num, den)
		if err != nil {
			return nil, 0, err
		}
		noisy[i] = float64(n + x)
	}
	return noisy, float64(num) / float64(den), nil
}

// open decides which values of open columns are told: those that so many rows have that
// one person's cannot be what makes them told, but with probability Delta.
func (m *maker) open() error {
	opens := 0.0
	for _, c := range m.Columns {
		if c.Open {
			opens++
		}
	}
	for i := range m.Columns {
		c := &m.Columns[i]
		d := domain{cell: make([]uint32, c.Size)}
		if !c.Open {
			for x := range c.Size {
				d.cell[x] = uint32(x)
				d.members = append(d.members, []uint32{uint32(x)})
			}
			m.domains = append(m.domains, d)
			continue
		}
		noisy, variance, err := m.gaussian(count(c.Codes, nil, c.Size), m.share(true))
		if err != nil {
			return err
		}
		// A discrete Gaussian exceeds t with probability exp(-t^2/(2 variance)) at most, and
		// one person alone has Each values at most, each of them Each times at most.
		told := float64(m.Each) + math.Sqrt(2*variance*math.Log(float64(m.Each)*opens/m.Delta)) + 1
		for x, n := range noisy {
			if n >= told {
				d.cell[x] = uint32(len(d.members))
				d.members = append(d.members, []uint32{uint32(x)})
			}
		}
		for x, n := range noisy {
			if n < told {
				d.cell[x] = uint32(len(d.members))
			}
		}
		d.members = append(d.members, []uint32{c.Other()})
		m.domains = append(m.domains, d)
	}
	return nil
}

// count counts the cells of codes; nil: each code is its cell.
func count(codes, cell []uint32, size int) []int64 {
	n := make([]int64, size)
	for _, x := range codes {
		if cell != nil {
			x = cell[x]
		}
		n[x]++
	}
	return n
}

// rare is how many standard deviations of noise a count must be above none for its value
// to be a cell of its own.
const rare = 3

// single measures every column, puts its rare values into one cell, and estimates the number of rows.
func (m *maker) single() error {
	above, below := 0.0, 0.0
	for i := range m.domains {
		d := &m.domains[i]
		noisy, variance, err := m.gaussian(count(m.Columns[i].Codes, d.cell, len(d.members)), m.share(false)/dp.Rho(len(m.domains)))
		if err != nil {
			return err
		}
		sum := 0.0
		for _, x := range noisy {
			sum += x
		}
		w := 1 / (variance * float64(len(noisy)))
		above, below = above+w*sum, below+w
		d.compress(noisy, variance)
	}
	m.total = max(1, above/below)
	return nil
}

// compress merges rare cells.
func (d *domain) compress(noisy []float64, variance float64) {
	moved := make([]uint32, len(noisy))
	old := d.members
	d.members = nil
	var few []int
	for i, n := range noisy {
		if n < rare*math.Sqrt(variance) {
			few = append(few, i)
			continue
		}
		moved[i] = uint32(len(d.members))
		d.members, d.noisy, d.spread = append(d.members, old[i]), append(d.noisy, n), append(d.spread, variance)
	}
	if len(few) > 0 {
		sum := 0.0
		var all []uint32
		for _, i := range few {
			moved[i] = uint32(len(d.members))
			sum += noisy[i]
			all = append(all, old[i]...)
		}
		d.members, d.noisy, d.spread = append(d.members, all), append(d.noisy, sum), append(d.spread, variance*float64(len(few)))
	}
	for x, c := range d.cell {
		d.cell[x] = moved[c]
	}
}

// shares are the cells' shares as measured, negative counts taken for none.
func (d *domain) shares() []float64 {
	p, sum := make([]float64, len(d.noisy)), 0.0
	for i, n := range d.noisy {
		p[i] = max(n, 0)
		sum += p[i]
	}
	for i := range p {
		if sum > 0 {
			p[i] /= sum
		} else {
			p[i] = 1 / float64(len(p))
		}
	}
	return p
}

// contingency counts the pairs of cells of two columns.
func (m *maker) contingency(i, j int) []int64 {
	a, b := &m.domains[i], &m.domains[j]
	width := uint32(len(b.members))
	n := make([]int64, len(a.members)*len(b.members))
	other := m.Columns[j].Codes
	for r, x := range m.Columns[i].Codes {
		n[a.cell[x]*width+b.cell[other[r]]]++
	}
	return n
}

// choose builds the tree: again and again a pair of columns that are not connected yet, with
// the better chance the more rows would be wrong if they were taken for independent.
func (m *maker) choose() error {
	var pairs [][2]int
	var scores []int64
	done, of := 0, len(m.domains)*(len(m.domains)-1)/2
	for j := range m.domains {
		q := m.domains[j].shares()
		for i := range j {
			m.Progress(done, 2*of)
			done++
			if len(m.domains[i].members)*len(m.domains[j].members) > mostCells {
				continue
			}
			wrong := int64(0)
			p := m.domains[i].shares()
			for k, n := range m.contingency(i, j) {
				x := n - int64(math.Round(m.total*p[k/len(q)]*q[k%len(q)]))
				wrong += max(x, -x)
			}
			pairs, scores = append(pairs, [2]int{i, j}), append(scores, wrong)
		}
	}
	group := make([]int, len(m.domains))
	for i := range group {
		group[i] = i
	}
	rounds := dp.Rho(max(1, len(m.domains)-1))
	const den = 1 << 30
	num := uint64(den * math.Sqrt(2*float64(m.share(false)/rounds)/float64(dp.One)) / float64(m.Each))
	for {
		var left [][2]int
		var among []int64
		for k, pair := range pairs {
			if group[pair[0]] != group[pair[1]] {
				left, among = append(left, pair), append(among, scores[k])
			}
		}
		if len(left) == 0 {
			return nil
		}
		cost, err := dp.OfChoice(m.Each, num, den)
		if err != nil || num == 0 {
			return ErrBudget
		}
		m.spent += cost
		k, err := m.Sampler.Choose(among, num, den)
		if err != nil {
			return err
		}
		m.tree = append(m.tree, left[k])
		from, to := group[left[k][1]], group[left[k][0]]
		for i, g := range group {
			if g == from {
				group[i] = to
			}
		}
	}
}

// pairs measures the pairs of the tree.
func (m *maker) pairs() error {
	for _, pair := range m.tree {
		noisy, variance, err := m.gaussian(m.contingency(pair[0], pair[1]), m.share(false)/dp.Rho(len(m.tree)))
		if err != nil {
			return err
		}
		m.pair, m.pairVar = append(m.pair, noisy), variance
	}
	return nil
}
