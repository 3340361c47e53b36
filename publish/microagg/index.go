package microagg

import "slices"

// An index finds the nearest of points that come and go: k-d trees whose sizes
// double (Bentley and Saxe, Journal of Algorithms 1980), so that each point is put
// into a tree log n times at most.
type index struct {
	point func(i int32) []float64
	trees []*tree
	tree  []*tree // of each point: where it is; nil: it is not there
	slot  []int32 // of each point: its place there
}

// leafSize is how many points a tree does not divide.
const leafSize = 8

// patience is how many points a search looks at in one tree: with many coordinates
// trees help little, and a near point will do.
const patience = 1024

func newIndex(n int, point func(i int32) []float64) *index {
	x := &index{point: point}
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	x.plant(all)
	return x
}

// plant makes a tree of points.
func (x *index) plant(points []int32) {
	t := &tree{points: points}
	t.build(x.point, 0, len(points))
	if n := int(slices.Max(points)) + 1; n > len(x.tree) {
		x.tree = append(x.tree, make([]*tree, n-len(x.tree))...)
		x.slot = append(x.slot, make([]int32, n-len(x.slot))...)
	}
	for i, p := range points {
		x.tree[p], x.slot[p] = t, int32(i)
	}
	x.trees = append(x.trees, t)
}

// insert adds a point.
func (x *index) insert(p int32) {
	points := []int32{p}
	for len(x.trees) > 0 {
		last := x.trees[len(x.trees)-1]
		if len(last.points) > len(points) {
			break
		}
		for _, q := range last.points {
			if x.tree[q] == last {
				points = append(points, q)
			}
		}
		x.trees = x.trees[:len(x.trees)-1]
	}
	x.plant(points)
}

// remove takes a point out.
func (x *index) remove(p int32) {
	x.tree[p].remove(x.slot[p])
	x.tree[p] = nil
}

// nearest returns the point nearest to another place, -1 if there is none.
func (x *index) nearest(to []float64) int32 {
	s := search{x: x, to: to, best: -1}
	for i := len(x.trees) - 1; i >= 0; i-- {
		s.tree, s.left = x.trees[i], patience
		s.look(0)
	}
	return s.best
}

// A tree divides its points at the median of the coordinate that is widest.
type tree struct {
	points []int32
	nodes  []branch
}

// A branch is a node: its points, and the place that divides them.
type branch struct {
	lo, hi      int32
	alive       int32
	coordinate  int32
	at          float64
	left, right int32 // 0: it is a leaf
}

func (t *tree) build(point func(int32) []float64, lo, hi int) int32 {
	me := int32(len(t.nodes))
	t.nodes = append(t.nodes, branch{lo: int32(lo), hi: int32(hi), alive: int32(hi - lo)})
	if hi-lo <= leafSize {
		return me
	}
	c := widest(point, t.points[lo:hi])
	slices.SortFunc(t.points[lo:hi], func(a, b int32) int {
		switch x, y := point(a)[c], point(b)[c]; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return int(a) - int(b)
	})
	m := (lo + hi) / 2
	t.nodes[me].coordinate, t.nodes[me].at = int32(c), point(t.points[m])[c]
	left := t.build(point, lo, m)
	right := t.build(point, m, hi)
	t.nodes[me].left, t.nodes[me].right = left, right
	return me
}

// widest is the coordinate in which points lie farthest apart.
func widest(point func(int32) []float64, points []int32) int {
	lo, hi := slices.Clone(point(points[0])), slices.Clone(point(points[0]))
	for _, p := range points {
		for i, v := range point(p) {
			lo[i], hi[i] = min(lo[i], v), max(hi[i], v)
		}
	}
	best, width := 0, 0.0
	for i := range lo {
		if hi[i]-lo[i] > width {
			best, width = i, hi[i]-lo[i]
		}
	}
	return best
}

func (t *tree) remove(slot int32) {
	for n := int32(0); ; {
		b := &t.nodes[n]
		b.alive--
		if b.left == 0 {
			return
		}
		if n = b.right; slot < t.nodes[b.left].hi {
			n = b.left
		}
	}
}

// A search is for the nearest point of all trees.
type search struct {
	x    *index
	tree *tree
	to   []float64
	best int32
	away float64 // of best
	left int     // points that may still be looked at
}

func (s *search) look(n int32) {
	b := &s.tree.nodes[n]
	if b.alive == 0 || s.left <= 0 || s.best >= 0 && s.away == 0 {
		return
	}
	if b.left == 0 {
		for _, p := range s.tree.points[b.lo:b.hi] {
			if s.x.tree[p] != s.tree {
				continue
			}
			s.left--
			if d := distance(s.to, s.x.point(p)); s.best < 0 || d < s.away {
				s.best, s.away = p, d
			}
		}
		return
	}
	beyond := s.to[b.coordinate] - b.at
	first, second := b.left, b.right
	if beyond >= 0 {
		first, second = second, first
	}
	s.look(first)
	if s.best < 0 || beyond*beyond < s.away {
		s.look(second)
	}
}
