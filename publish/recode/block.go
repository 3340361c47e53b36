package recode

import (
	"math"

	"github.com/clarus-project/clarus/publish/model"
)

// A block is a few classes that lie near each other, worked on alone: their
// rows move between them while that lowers the loss. Codes are numbered anew
// inside the block, so that its tables stay small whatever the domains are.
type block struct {
	k       int
	set     []setColumn
	span    []spanColumn
	guards  []guardColumn
	rows    []int32   // global row numbers
	code    []int32   // row-major: the counter of each set column's value
	pos     []uint32  // row-major: the position in each span column
	sens    []int32   // row-major: the code in each guard's attribute
	class   []int32   // of each row
	at      []int32   // of each row: its index among its class's members
	members [][]int32 // of each class
	width   int       // counters of a class
	count   []int32   // class-major
	ends    []ends    // class-major: of each span column
	fixed   []float64 // of each class: loss of a row by set columns
	cost    []float64 // of each class: loss of a row
	gcount  [][]int32 // of each guard, class-major: how often each code stands in the class
	out     []float64 // of each row: the class's cost without it
}

type setColumn struct {
	weight float64 // of each further value
}

type spanColumn struct {
	weight float64
	share  func(lo, hi uint32) float64
}

type guardColumn struct {
	guard  model.Guard
	width  int
	values []uint32
}

// ends are a class's two smallest and two largest positions.
type ends struct{ lo, lo2, hi, hi2 uint32 }

func (e *ends) add(p uint32) {
	if p < e.lo {
		e.lo, e.lo2 = p, e.lo
	} else if p < e.lo2 {
		e.lo2 = p
	}
	if p > e.hi {
		e.hi, e.hi2 = p, e.hi
	} else if p > e.hi2 {
		e.hi2 = p
	}
}

func (e ends) without(p uint32) (lo, hi uint32) {
	lo, hi = e.lo, e.hi
	if p == lo {
		lo = e.lo2
	}
	if p == hi {
		hi = e.hi2
	}
	return lo, hi
}

var noEnds = ends{math.MaxUint32, math.MaxUint32, 0, 0}

func (s *spanColumn) loss(lo, hi uint32) float64 {
	if lo >= hi {
		return 0
	}
	return s.weight * s.share(lo, hi)
}

// adding returns the loss of a row of class c with row r added.
func (b *block) adding(r, c int32) float64 {
	d := b.fixed[c]
	n := len(b.set)
	code, count := b.code[int(r)*n:int(r)*n+n], b.count[int(c)*b.width:int(c+1)*b.width]
	for i, x := range code {
		if count[x] == 0 {
			d += b.set[i].weight
		}
	}
	m := len(b.span)
	for i := range b.span {
		e, p := b.ends[int(c)*m+i], b.pos[int(r)*m+i]
		d += b.span[i].loss(min(e.lo, p), max(e.hi, p))
	}
	return d
}

// removing returns the loss of a row of r's class with row r taken out.
func (b *block) removing(r int32) float64 {
	c := b.class[r]
	d := b.fixed[c]
	n := len(b.set)
	code, count := b.code[int(r)*n:int(r)*n+n], b.count[int(c)*b.width:int(c+1)*b.width]
	for i, x := range code {
		if count[x] == 1 {
			d -= b.set[i].weight
		}
	}
	m := len(b.span)
	for i := range b.span {
		lo, hi := b.ends[int(c)*m+i].without(b.pos[int(r)*m+i])
		d += b.span[i].loss(lo, hi)
	}
	return d
}

// replacing returns the loss of a row of r's class with s in the place of r.
func (b *block) replacing(r, s int32) float64 {
	c := b.class[r]
	d := b.fixed[c]
	n := len(b.set)
	code, other, count := b.code[int(r)*n:int(r)*n+n], b.code[int(s)*n:int(s)*n+n], b.count[int(c)*b.width:int(c+1)*b.width]
	for i, x := range code {
		y := other[i]
		if x == y {
			continue
		}
		if count[x] == 1 {
			d -= b.set[i].weight
		}
		if count[y] == 0 {
			d += b.set[i].weight
		}
	}
	m := len(b.span)
	for i := range b.span {
		lo, hi := b.ends[int(c)*m+i].without(b.pos[int(r)*m+i])
		p := b.pos[int(s)*m+i]
		d += b.span[i].loss(min(lo, p), max(hi, p))
	}
	return d
}

// put adds a row, which is in no class, to class c.
func (b *block) put(r, c int32) {
	b.class[r], b.at[r] = c, int32(len(b.members[c]))
	b.members[c] = append(b.members[c], r)
	n := len(b.set)
	count := b.count[int(c)*b.width : int(c+1)*b.width]
	for i, x := range b.code[int(r)*n : int(r)*n+n] {
		if count[x] == 0 && len(b.members[c]) > 1 {
			b.fixed[c] += b.set[i].weight
		}
		count[x]++
	}
	m := len(b.span)
	for i := range b.span {
		b.ends[int(c)*m+i].add(b.pos[int(r)*m+i])
	}
	for g := range b.guards {
		b.gcount[g][int(c)*b.guards[g].width+int(b.sens[int(r)*len(b.guards)+g])]++
	}
	b.settle(c)
}

// take takes a row out of its class.
func (b *block) take(r int32) {
	c := b.class[r]
	list := b.members[c]
	last := list[len(list)-1]
	list[b.at[r]], b.at[last] = last, b.at[r]
	list = list[:len(list)-1]
	b.members[c] = list
	n := len(b.set)
	count := b.count[int(c)*b.width : int(c+1)*b.width]
	for i, x := range b.code[int(r)*n : int(r)*n+n] {
		count[x]--
		if count[x] == 0 && len(list) > 0 {
			b.fixed[c] -= b.set[i].weight
		}
	}
	m := len(b.span)
	for i := range b.span {
		e, p := &b.ends[int(c)*m+i], b.pos[int(r)*m+i]
		if p <= e.lo2 || p >= e.hi2 {
			*e = noEnds
			for _, s := range list {
				e.add(b.pos[int(s)*m+i])
			}
		}
	}
	for g := range b.guards {
		b.gcount[g][int(c)*b.guards[g].width+int(b.sens[int(r)*len(b.guards)+g])]--
	}
	b.settle(c)
}

// settle computes anew what a change of the class's members changed.
func (b *block) settle(c int32) {
	if len(b.members[c]) <= 1 {
		b.fixed[c] = 0 // no rounding stays behind
	}
	d := b.fixed[c]
	m := len(b.span)
	for i := range b.span {
		e := b.ends[int(c)*m+i]
		d += b.span[i].loss(e.lo, e.hi)
	}
	b.cost[c] = d
}

// total is the loss of all rows of class c.
func (b *block) total(c int32) float64 { return b.cost[c] * float64(len(b.members[c])) }
