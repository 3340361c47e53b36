package recode

import "math/rand/v2"

const least = 1e-9 // a gain that is not rounding

// fits reports whether class c, without row out and with row in (-1: none),
// has k rows and satisfies every guard.
func (b *block) fits(c, out, in int32) bool {
	n := len(b.members[c])
	if out >= 0 {
		n--
	}
	if in >= 0 {
		n++
	}
	if n < b.k {
		return false
	}
	for g := range b.guards {
		w := b.guards[g].width
		count := b.gcount[g][int(c)*w : int(c+1)*w]
		if out >= 0 {
			count[b.sens[int(out)*len(b.guards)+g]]--
		}
		if in >= 0 {
			count[b.sens[int(in)*len(b.guards)+g]]++
		}
		ok := b.guards[g].guard.Fits(b.guards[g].values, count, n)
		if out >= 0 {
			count[b.sens[int(out)*len(b.guards)+g]]++
		}
		if in >= 0 {
			count[b.sens[int(in)*len(b.guards)+g]]--
		}
		if !ok {
			return false
		}
	}
	return true
}

// improve moves and swaps rows, dissolves and splits classes while that lowers
// the loss, at most the given number of passes.
func (b *block) improve(passes int, rng *rand.Rand) float64 {
	gain := 0.0
	for range passes {
		g := b.moves(rng)
		g += b.swaps(rng)
		g += b.dissolves()
		g += b.splits(rng)
		gain += g
		if g < least {
			break
		}
	}
	return gain
}

// moves lets each row go to the class that grows least, if its own class can
// spare it.
func (b *block) moves(rng *rand.Rand) float64 {
	gain := 0.0
	n := len(b.rows)
	start := rng.IntN(n)
	for i := range n {
		r := int32((i + start) % n)
		from := b.class[r]
		size := len(b.members[from])
		if size <= b.k {
			continue
		}
		saved := b.total(from) - float64(size-1)*b.removing(r)
		if saved < least {
			continue
		}
		best, to := saved-least, int32(-1)
		for c := range b.members {
			c := int32(c)
			m := len(b.members[c])
			if c == from || m == 0 {
				continue
			}
			// Adding a row costs at least the class's present loss.
			if b.cost[c] >= best {
				continue
			}
			if d := float64(m+1)*b.adding(r, c) - b.total(c); d < best && b.fits(c, -1, r) {
				best, to = d, c
			}
		}
		if to >= 0 && b.fits(from, r, -1) {
			b.take(r)
			b.put(r, to)
			gain += saved - best
		}
	}
	return gain
}

// swaps exchanges rows of two classes.
func (b *block) swaps(rng *rand.Rand) float64 {
	gain := 0.0
	n := len(b.rows)
	for r := range n {
		b.out[r] = b.removing(int32(r))
	}
	start := rng.IntN(n)
	for i := range n {
		r := int32((i + start) % n)
		from := b.class[r]
		size := float64(len(b.members[from]))
		can := size * (b.cost[from] - b.out[r])
		if can < least {
			continue
		}
		best, with := least, int32(-1)
		for c := range b.members {
			c := int32(c)
			m := float64(len(b.members[c]))
			if c == from || m == 0 {
				continue
			}
			// What r costs in c without any of its rows taken out is a bound only together with s.
			for _, s := range b.members[c] {
				could := m * (b.cost[c] - b.out[s])
				if can+could <= best {
					continue
				}
				g := size * (b.cost[from] - b.replacing(r, s))
				if g+could <= best {
					continue
				}
				g += m * (b.cost[c] - b.replacing(s, r))
				if g > best && b.fits(from, r, s) && b.fits(c, s, r) {
					best, with = g, s
				}
			}
		}
		if with < 0 {
			continue
		}
		c := b.class[with]
		b.take(r)
		b.take(with)
		b.put(r, c)
		b.put(with, from)
		for _, x := range b.members[c] {
			b.out[x] = b.removing(x)
		}
		for _, x := range b.members[from] {
			b.out[x] = b.removing(x)
		}
		gain += best
	}
	return gain
}

// dissolves gives the rows of a class to the others.
func (b *block) dissolves() float64 {
	gain := 0.0
	alive := 0
	for c := range b.members {
		if len(b.members[c]) > 0 {
			alive++
		}
	}
	var rows []int32
	for c := range b.members {
		c := int32(c)
		if alive < 2 || len(b.members[c]) == 0 || b.cost[c] == 0 {
			continue
		}
		saved := b.total(c)
		rows = append(rows[:0], b.members[c]...)
		spent, placed := 0.0, 0
		for _, r := range rows {
			best, to := saved-spent-least, int32(-1)
			for o := range b.members {
				o := int32(o)
				m := len(b.members[o])
				if o == c || m == 0 || b.cost[o] >= best {
					continue
				}
				if d := float64(m+1)*b.adding(r, o) - b.total(o); d < best && b.fits(o, -1, r) {
					best, to = d, o
				}
			}
			if to < 0 {
				break
			}
			spent += best
			b.take(r)
			b.put(r, to)
			placed++
		}
		if placed == len(rows) {
			gain += saved - spent
			alive--
			continue
		}
		for _, r := range rows[:placed] {
			b.take(r)
			b.put(r, c)
		}
	}
	return gain
}

// splits divides classes of 2k rows or more.
func (b *block) splits(rng *rand.Rand) float64 {
	gain := 0.0
	for c := range b.members {
		c := int32(c)
		if len(b.members[c]) >= 2*b.k && b.cost[c] > 0 {
			gain += b.split(c, rng)
		}
	}
	return gain
}

// split divides class c around two rows that lie far from each other, if both
// parts are safe and the loss is lower.
func (b *block) split(c int32, rng *rand.Rand) float64 {
	empty := int32(-1)
	for o := range b.members {
		if len(b.members[o]) == 0 {
			empty = int32(o)
			break
		}
	}
	if empty < 0 {
		empty = b.grow()
	}
	before := b.total(c)
	rows := append([]int32(nil), b.members[c]...)
	// The farthest row from a random one seeds the new class.
	far := func(from int32) int32 {
		best, at := -1.0, from
		for _, r := range rows {
			if d := b.distance(from, r); d > best {
				best, at = d, r
			}
		}
		return at
	}
	seed := far(rows[rng.IntN(len(rows))])
	b.take(seed)
	b.put(seed, empty)
	for len(b.members[empty]) < b.k {
		best, next := 0.0, int32(-1)
		for _, r := range b.members[c] {
			if d := b.adding(r, empty); next < 0 || d < best {
				best, next = d, r
			}
		}
		b.take(next)
		b.put(next, empty)
	}
	for len(b.members[c]) > b.k {
		best, next := -least, int32(-1)
		n, m := float64(len(b.members[c])), float64(len(b.members[empty]))
		for _, r := range b.members[c] {
			d := (m+1)*b.adding(r, empty) - b.total(empty) + (n-1)*b.removing(r) - b.total(c)
			if d < best {
				best, next = d, r
			}
		}
		if next < 0 {
			break
		}
		b.take(next)
		b.put(next, empty)
	}
	after := b.total(c) + b.total(empty)
	if after < before-least && b.fits(c, -1, -1) && b.fits(empty, -1, -1) {
		return before - after
	}
	for len(b.members[empty]) > 0 {
		r := b.members[empty][0]
		b.take(r)
		b.put(r, c)
	}
	return 0
}

// distance is the loss of a row of a class of these two.
func (b *block) distance(r, s int32) float64 {
	d := 0.0
	n := len(b.set)
	for i, x := range b.code[int(r)*n : int(r)*n+n] {
		if x != b.code[int(s)*n+i] {
			d += b.set[i].weight
		}
	}
	m := len(b.span)
	for i := range b.span {
		p, q := b.pos[int(r)*m+i], b.pos[int(s)*m+i]
		d += b.span[i].loss(min(p, q), max(p, q))
	}
	return d
}

// grow adds an empty class.
func (b *block) grow() int32 {
	c := int32(len(b.members))
	b.members = append(b.members, nil)
	b.count = append(b.count, make([]int32, b.width)...)
	for range b.span {
		b.ends = append(b.ends, noEnds)
	}
	for g := range b.guards {
		b.gcount[g] = append(b.gcount[g], make([]int32, b.guards[g].width)...)
	}
	b.fixed = append(b.fixed, 0)
	b.cost = append(b.cost, 0)
	return c
}
