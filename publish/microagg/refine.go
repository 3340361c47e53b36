package microagg

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// refine improves classes in blocks of neighbours, which each round cuts in
// another way.
func refine(ctx context.Context, d *Data, classes [][]int32, o Options, round int) ([][]int32, error) {
	centers := &Data{Values: make([]float64, len(classes)*d.Width), Width: d.Width}
	for i, rows := range classes {
		d.mean(rows, centers.Row(int32(i)))
	}
	blocks := centers.divide(centers.all(), max(8, blockSize/o.K), round)
	parts := make([][][]int32, len(blocks))
	err := parallel(ctx, len(blocks), func(i int) {
		p := newPool(d, o.K, rand.New(rand.NewPCG(o.Seed+uint64(round), uint64(i))))
		for _, c := range blocks[i] {
			p.add(classes[c])
		}
		p.improve(20)
		p.renew(o.renewals(len(blocks[i])), o.heat(round)*p.total()/float64(len(blocks[i])))
		parts[i] = p.result()
	})
	return slices.Concat(parts...), err
}

// A pool is a few classes whose records move between them.
type pool struct {
	d       *Data
	k       int
	rng     *rand.Rand
	members [][]int32
	center  [][]float64
	sse     []float64
	near    []measured
	clock   int       // counts changes
	changed []int     // of each class: when it last changed
	looked  []int     // when its records last looked for a better place
	left    []int     // when it was last tried to dissolve
	around  [][]int32 // the classes that its records looked at
}

func newPool(d *Data, k int, rng *rand.Rand) *pool { return &pool{d: d, k: k, rng: rng} }

func (p *pool) add(rows []int32) int {
	p.members = append(p.members, slices.Clone(rows))
	p.center = append(p.center, make([]float64, p.d.Width))
	p.sse = append(p.sse, 0)
	p.changed, p.looked, p.left, p.around = append(p.changed, 0), append(p.looked, -1), append(p.left, -1), append(p.around, nil)
	p.settle(len(p.members) - 1)
	return len(p.members) - 1
}

// settle computes a class's mean and error anew.
func (p *pool) settle(c int) {
	p.clock++
	p.changed[c] = p.clock
	if len(p.members[c]) == 0 {
		p.sse[c] = 0
		return
	}
	p.d.mean(p.members[c], p.center[c])
	p.sse[c] = 0
	for _, r := range p.members[c] {
		p.sse[c] += distance(p.d.Row(r), p.center[c])
	}
}

func (p *pool) result() [][]int32 {
	return slices.DeleteFunc(p.members, func(rows []int32) bool { return len(rows) == 0 })
}

func (p *pool) total() float64 {
	t := 0.0
	for _, x := range p.sse {
		t += x
	}
	return t
}

// A gain below this is rounding.
const least = 1e-9

// improve moves, swaps, dissolves and splits until nothing gains any more, at
// most so many passes.
func (p *pool) improve(passes int) {
	for range passes {
		before := p.total()
		for c := range p.members {
			if !p.quiet(c, p.looked[c]) {
				p.looked[c] = p.clock
				p.each(c)
			}
		}
		for c := range p.members {
			if !p.quiet(c, p.left[c]) {
				p.left[c] = p.clock
				p.dissolve(c)
				p.split(c)
			}
		}
		if before-p.total() < least {
			return
		}
	}
}

// quiet reports whether neither a class nor those around it have changed since: what gained
// nothing then gains nothing now.
func (p *pool) quiet(c, since int) bool {
	if since < p.changed[c] {
		return false
	}
	for _, o := range p.around[c] {
		if since < p.changed[o] {
			return false
		}
	}
	return true
}

// swapped is the number of nearest classes that a record may swap into.
const swapped = 6

// each moves or swaps every record of class c where that gains most.
func (p *pool) each(c int) {
	p.around[c] = p.around[c][:0]
	for i := 0; i < len(p.members[c]); i++ {
		x := p.d.Row(p.members[c][i])
		n := float64(len(p.members[c]))
		cost, cheapest := p.closest(x, c)
		if len(p.near) == 0 {
			return
		}
		best, to, with := least, -1, -1
		if len(p.members[c]) > p.k {
			if g := n/(n-1)*distance(x, p.center[c]) - cost; g > best {
				best, to = g, cheapest
			}
		}
		for _, o := range p.near {
			if !slices.Contains(p.around[c], o.at) {
				p.around[c] = append(p.around[c], o.at)
			}
			for j, y := range p.members[o.at] {
				if g := p.swapGain(c, int(o.at), x, p.d.Row(y)); g > best {
					best, to, with = g, int(o.at), j
				}
			}
		}
		if to < 0 {
			continue
		}
		r := p.members[c][i]
		if with >= 0 {
			p.members[c][i], p.members[to][with] = p.members[to][with], r
		} else {
			p.members[c] = slices.Delete(p.members[c], i, i+1)
			p.members[to] = append(p.members[to], r)
			i--
		}
		p.settle(c)
		p.settle(to)
	}
}

// closest lists the few other classes nearest to a point, the nearest first, and returns which one a
// record there is cheapest to add to.
func (p *pool) closest(x []float64, but int) (cost float64, cheapest int) {
	p.near = p.near[:0]
	cost, cheapest = math.Inf(1), -1
	worst := math.Inf(1)
	for o, rows := range p.members {
		if o == but || len(rows) == 0 {
			continue
		}
		d := distance(x, p.center[o])
		if m := float64(len(rows)); m/(m+1)*d < cost {
			cost, cheapest = m/(m+1)*d, o
		}
		if d >= worst {
			continue
		}
		if len(p.near) < swapped {
			p.near = append(p.near, measured{})
		}
		j := len(p.near) - 1
		for ; j > 0 && d < p.near[j-1].distance; j-- {
			p.near[j] = p.near[j-1]
		}
		p.near[j] = measured{d, int32(o)}
		if len(p.near) == swapped {
			worst = p.near[swapped-1].distance
		}
	}
	return cost, cheapest
}

// rank lists the other classes with their distance from a point.
func (p *pool) rank(x []float64, but int) {
	p.near = p.near[:0]
	for o := range p.members {
		if o != but && len(p.members[o]) > 0 {
			p.near = append(p.near, measured{distance(x, p.center[o]), int32(o)})
		}
	}
}

// swapGain is what exchanging x of class a with y of class b saves.
func (p *pool) swapGain(a, b int, x, y []float64) float64 {
	n, m := float64(len(p.members[a])), float64(len(p.members[b]))
	// A class's error is its sum of squares less n times its mean's square.
	w := 1/n + 1/m
	g := 0.0
	s, t := p.center[a][:len(x)], p.center[b][:len(x)]
	y = y[:len(x)]
	for i, u := range x {
		e := y[i] - u
		g += e * (2*(s[i]-t[i]) + w*e)
	}
	return g
}

// dissolve gives the records of a class to the nearest ones, if that saves.
func (p *pool) dissolve(c int) {
	rows := p.members[c]
	if len(rows) == 0 {
		return
	}
	saved := p.sse[c]
	cost := 0.0
	for _, r := range rows {
		x := p.d.Row(r)
		best := math.Inf(1)
		for o := range p.members {
			if m := float64(len(p.members[o])); o != c && m > 0 {
				best = min(best, m/(m+1)*distance(x, p.center[o]))
			}
		}
		if cost += best; cost >= saved {
			return // about: two that go to one class cost more
		}
	}
	before, old := p.total(), p.snapshot()
	p.members[c] = nil
	p.settle(c)
	for _, r := range rows {
		p.give(r)
	}
	if p.total() > before-least {
		p.restore(old)
	}
}

// give adds a record to the class that it costs least.
func (p *pool) give(r int32) {
	x := p.d.Row(r)
	best, to := math.Inf(1), -1
	for o := range p.members {
		if m := float64(len(p.members[o])); m > 0 {
			if g := m / (m + 1) * distance(x, p.center[o]); g < best {
				best, to = g, o
			}
		}
	}
	p.members[to] = append(p.members[to], r)
	p.settle(to)
}

func (p *pool) snapshot() [][]int32 {
	old := make([][]int32, len(p.members))
	for c, rows := range p.members {
		old[c] = slices.Clone(rows)
	}
	return old
}

func (p *pool) restore(old [][]int32) {
	for c := range p.members {
		if c >= len(old) {
			p.members[c] = nil
		} else if slices.Equal(p.members[c], old[c]) {
			continue
		} else {
			p.members[c] = old[c]
		}
		p.settle(c)
	}
}

// split divides a class of 2k or more, if that saves.
func (p *pool) split(c int) {
	rows := p.members[c]
	if len(rows) < 2*p.k {
		return
	}
	parts := mdav(p.d, rows, p.k)
	before := p.sse[c]
	q := newPool(p.d, p.k, p.rng)
	for _, part := range parts {
		q.add(part)
	}
	for o := range q.members {
		q.each(o)
	}
	if q.total() > before-least {
		return
	}
	p.members[c] = q.members[0]
	p.settle(c)
	for _, part := range q.members[1:] {
		p.put(part)
	}
}

// put adds a class, in the place of an empty one if there is one.
func (p *pool) put(rows []int32) {
	for o := range p.members {
		if len(p.members[o]) == 0 {
			p.members[o] = slices.Clone(rows)
			p.settle(o)
			return
		}
	}
	p.add(rows)
}

// renew takes a random class with its nearest ones apart, divides their records
// anew and keeps that if it saves, or costs no more than a random amount of about
// heat (ruin and recreate, Schrimpf et al., 2000, with simulated annealing).
func (p *pool) renew(times int, heat float64) {
	for range times {
		c := p.rng.IntN(len(p.members))
		if len(p.members[c]) == 0 {
			continue
		}
		p.rank(p.center[c], -1)
		m := min(2+p.rng.IntN(5), len(p.near))
		nearest(p.near, m)
		var chosen []int
		var rows []int32
		before := 0.0
		for _, o := range p.near[:m] {
			chosen = append(chosen, int(o.at))
			rows = append(rows, p.members[o.at]...)
			before += p.sse[o.at]
		}
		q := newPool(p.d, p.k, p.rng)
		for _, part := range q.scatter(rows) {
			q.add(part)
		}
		q.improve(6)
		if q.total() > before-least+heat*p.rng.ExpFloat64() {
			continue
		}
		for _, o := range chosen {
			p.members[o] = nil
			p.settle(o)
		}
		for _, part := range q.result() {
			p.put(part)
		}
	}
}

// scatter divides rows around random ones.
func (p *pool) scatter(rows []int32) [][]int32 {
	rest := slices.Clone(rows)
	var classes [][]int32
	for len(rest) >= 2*p.k {
		seed := p.d.Row(rest[p.rng.IntN(len(rest))])
		slices.SortFunc(rest, func(a, b int32) int { return cmp.Compare(distance(seed, p.d.Row(a)), distance(seed, p.d.Row(b))) })
		n := p.k
		classes = append(classes, slices.Clone(rest[:n]))
		rest = rest[n:]
	}
	return append(classes, rest)
}
