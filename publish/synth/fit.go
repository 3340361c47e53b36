package synth

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// A forest is the distribution that was measured: each node is a column, which
// depends on its parent. It is the one of greatest entropy that is nearest to all
// measurements, weighted by their noise (McKenna, Sheldon and Miklau, ICML 2019).
type forest struct {
	nodes []node // a parent before its children
	order []int  // of each node: its column
}

// A node is a column with its potentials, what was measured of it, and what is
// believed of it now.
type node struct {
	parent   int // -1: none
	size     int
	theta    []float64 // of each cell
	noisy    []float64
	weight   []float64 // one over the variance of noise
	edge     []float64 // potentials of each cell of the parent and each cell
	pair     []float64 // measured
	pairs    float64   // one over the variance of their noise
	up       []float64 // theta and what children say
	given    []float64 // probability of each cell given each of the parent's
	belief   []float64 // how many rows have the cell
	together []float64 // and both
}

// forest arranges what was measured.
func (m *maker) forest() *forest {
	f := &forest{}
	at := make([]int, len(m.domains))
	for i := range at {
		at[i] = -1
	}
	var visit func(column, parent, pair int)
	visit = func(column, parent, pair int) {
		d := &m.domains[column]
		n := node{parent: parent, size: len(d.members), theta: make([]float64, len(d.members)), noisy: d.noisy}
		for _, v := range d.spread {
			n.weight = append(n.weight, 1/v)
		}
		if parent >= 0 {
			n.pair, n.pairs = m.pair[pair], 1/m.pairVar
			if m.tree[pair][0] == column {
				n.pair = transposed(n.pair, n.size)
			}
			n.edge = make([]float64, len(n.pair))
		}
		at[column] = len(f.nodes)
		f.nodes, f.order = append(f.nodes, n), append(f.order, column)
		for k, e := range m.tree {
			for side := range 2 {
				if e[side] == column && at[e[1-side]] < 0 {
					visit(e[1-side], at[column], k)
				}
			}
		}
	}
	for column := range m.domains {
		if at[column] < 0 {
			visit(column, -1, -1)
		}
	}
	return f
}

// transposed exchanges the sides of a pair whose first has so many cells.
func transposed(x []float64, first int) []float64 {
	second := len(x) / first
	y := make([]float64, len(x))
	for i := range first {
		for j := range second {
			y[j*first+i] = x[i*second+j]
		}
	}
	return y
}

// believe finds what the potentials say, of so many rows.
func (f *forest) believe(total float64) {
	for i := range f.nodes {
		f.nodes[i].up = append(f.nodes[i].up[:0], f.nodes[i].theta...)
	}
	for i := len(f.nodes) - 1; i >= 0; i-- {
		n := &f.nodes[i]
		if n.parent < 0 {
			continue
		}
		n.given = append(n.given[:0], n.edge...)
		for a := range f.nodes[n.parent].size {
			f.nodes[n.parent].up[a] += softmax(n.given[a*n.size:(a+1)*n.size], n.up)
		}
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.parent < 0 {
			n.belief = append(n.belief[:0], n.up...)
			softmax(n.belief, nil)
			for b := range n.belief {
				n.belief[b] *= total
			}
			continue
		}
		n.belief = slices.Grow(n.belief[:0], n.size)[:n.size]
		clear(n.belief)
		n.together = append(n.together[:0], n.given...)
		for a, rows := range f.nodes[n.parent].belief {
			line := n.together[a*n.size : (a+1)*n.size]
			for b := range line {
				line[b] *= rows
				n.belief[b] += line[b]
			}
		}
	}
}

// softmax makes probabilities of logarithms, to which more is added, and returns
// the logarithm of their sum.
func softmax(x, more []float64) float64 {
	top := math.Inf(-1)
	for i := range x {
		if more != nil {
			x[i] += more[i]
		}
		top = max(top, x[i])
	}
	sum := 0.0
	for i := range x {
		x[i] = math.Exp(x[i] - top)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
	return top + math.Log(sum)
}

// loss is how far beliefs are from what was measured.
func (f *forest) loss() float64 {
	l := 0.0
	for i := range f.nodes {
		n := &f.nodes[i]
		for b, x := range n.belief {
			l += n.weight[b] * (x - n.noisy[b]) * (x - n.noisy[b]) / 2
		}
		for k, x := range n.together {
			l += n.pairs * (x - n.pair[k]) * (x - n.pair[k]) / 2
		}
	}
	return l
}

// rounds is how often potentials are bettered at most.
const rounds = 400

// fit betters the potentials by mirror descent with a line search.
func (f *forest) fit(ctx context.Context, total float64, progress func(done, of int)) error {
	f.believe(total)
	now, step := f.loss(), 1/total
	for round := range rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		progress(rounds+round, 2*rounds)
		old := make([]node, len(f.nodes))
		for i := range f.nodes {
			n := &f.nodes[i]
			old[i] = node{theta: slices.Clone(n.theta), edge: slices.Clone(n.edge), belief: slices.Clone(n.belief), together: slices.Clone(n.together)}
		}
		next, ok := now, false
		for range 25 {
			wanted := f.move(old, step, total)
			if next = f.loss(); now-next >= wanted/2 {
				ok = true
				break
			}
			step /= 2
		}
		if !ok || now-next < 1e-7*now {
			return nil
		}
		now = next
		step *= 2
	}
	return nil
}

// move takes a step down from old, and returns how much it should save.
func (f *forest) move(old []node, step, total float64) float64 {
	for i := range f.nodes {
		n := &f.nodes[i]
		for b, x := range old[i].belief {
			n.theta[b] = old[i].theta[b] - step*n.weight[b]*(x-n.noisy[b])
		}
		for k, x := range old[i].together {
			n.edge[k] = old[i].edge[k] - step*n.pairs*(x-n.pair[k])
		}
	}
	f.believe(total)
	saved := 0.0
	for i := range f.nodes {
		n := &f.nodes[i]
		for b, x := range old[i].belief {
			saved += n.weight[b] * (x - n.noisy[b]) * (x - n.belief[b])
		}
		for k, x := range old[i].together {
			saved += n.pairs * (x - n.pair[k]) * (x - n.together[k])
		}
	}
	return saved
}

// draw draws rows: cells by column. Each value gets the whole part of its expectation, and chance
// divides what is left.
func (f *forest) draw(rows int, rng *rand.Rand) [][]uint32 {
	out := make([][]uint32, len(f.nodes))
	for i := range f.nodes {
		n := &f.nodes[i]
		cells := make([]uint32, rows)
		out[f.order[i]] = cells
		if n.parent < 0 {
			sum := 0.0
			for _, x := range n.belief {
				sum += x
			}
			p := make([]float64, n.size)
			for b, x := range n.belief {
				p[b] = x / sum
			}
			all := make([]int32, rows)
			for r := range all {
				all[r] = int32(r)
			}
			assign(cells, all, p, rng)
			continue
		}
		groups := make([][]int32, f.nodes[n.parent].size)
		for r, a := range out[f.order[n.parent]] {
			groups[a] = append(groups[a], int32(r))
		}
		for a, members := range groups {
			assign(cells, members, n.given[a*n.size:(a+1)*n.size], rng)
		}
	}
	return out
}

// assign gives rows cells in these proportions, in random order.
func assign(cells []uint32, rows []int32, p []float64, rng *rand.Rand) {
	rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	// The boundaries between cells stand at cumulated expectations, shifted by one random part of a row.
	at, next, shift := 0.0, 0, rng.Float64()
	for b, x := range p {
		at += x * float64(len(rows))
		for next < len(rows) && float64(next)+shift < at {
			cells[rows[next]] = uint32(b)
			next++
		}
	}
	for last := len(p) - 1; next < len(rows); next++ {
		for last > 0 && p[last] <= 0 {
			last--
		}
		cells[rows[next]] = uint32(last)
	}
}

// expand makes codes of cells: of the rare values of a column any.
func (m *maker) expand(cells [][]uint32, rows int) [][]uint32 {
	out := make([][]uint32, len(cells))
	for i, column := range cells {
		out[i] = make([]uint32, rows)
		for r, c := range column {
			members := m.domains[i].members[c]
			out[i][r] = members[m.Rand.IntN(len(members))]
		}
	}
	return out
}
