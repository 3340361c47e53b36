// Package hierarchy holds generalisation hierarchies: the values that an
// attribute may have (the leaves), and for each level above them the node that
// a leaf belongs to, up to one root. Sweeney (IJUFKS 2002) calls them domain
// and value generalisation hierarchies.
package hierarchy

import (
	"fmt"
	"slices"
)

// Root is the label of the root where a hierarchy gives it none.
const Root = "*"

// A Hierarchy is a tree over leaves that stand in depth-first order, so that
// the leaves below any node are neighbours. All leaves are equally deep.
type Hierarchy struct {
	Levels []Level // from the leaves, level 0, to the root
}

// A Level is the nodes of one depth.
type Level struct {
	Labels []string // of each node
	Node   []uint32 // of each leaf
	First  []uint32 // of each node: its first leaf; and the number of leaves at the end
}

// Leaves is the number of leaves.
func (h *Hierarchy) Leaves() int { return len(h.Levels[0].Labels) }

// Height is the number of levels above the leaves.
func (h *Hierarchy) Height() int { return len(h.Levels) - 1 }

// Leaf returns the number of the leaf with the label.
func (h *Hierarchy) Leaf(label string) (uint32, bool) {
	i := slices.Index(h.Levels[0].Labels, label)
	return uint32(max(i, 0)), i >= 0
}

// Index returns the leaves' numbers by label.
func (h *Hierarchy) Index() map[string]uint32 {
	index := make(map[string]uint32, h.Leaves())
	for i, l := range h.Levels[0].Labels {
		index[l] = uint32(i)
	}
	return index
}

// Cover returns the lowest node over all leaves from lo to hi: its level and number.
func (h *Hierarchy) Cover(lo, hi uint32) (level int, node uint32) {
	for i := range h.Levels {
		if n := h.Levels[i].Node; n[lo] == n[hi] {
			return i, n[lo]
		}
	}
	return h.Height(), 0
}

// Size is the number of leaves below a node.
func (l *Level) Size(node uint32) int { return int(l.First[node+1] - l.First[node]) }

// Span is the share of the domain that covering lo to hi by a node adds to a
// single leaf (LM).
func (h *Hierarchy) Span(lo, hi uint32) float64 {
	if h.Leaves() < 2 {
		return 0
	}
	level, node := h.Cover(lo, hi)
	return float64(h.Levels[level].Size(node)-1) / float64(h.Leaves()-1)
}

// Distance is the number of levels up to the lowest common node, as a share of
// the height.
func (h *Hierarchy) Distance(a, b uint32) float64 {
	if h.Height() == 0 {
		return 0
	}
	level, _ := h.Cover(min(a, b), max(a, b))
	return float64(level) / float64(h.Height())
}

// New makes a hierarchy of paths: for each leaf its own label and that of
// each node above it. All paths have one length; a root is added unless all end
// in one label. Leaves keep the paths' order as far as nodes stay together.
func New(paths [][]string) (*Hierarchy, error) {
	if len(paths) == 0 {
		return nil, fmt.Errorf("the hierarchy has no values")
	}
	depth := len(paths[0])
	for i, p := range paths {
		if len(p) != depth || depth == 0 {
			return nil, fmt.Errorf("line %d has %d levels, the first %d", i+1, len(p), depth)
		}
	}
	rooted := !slices.ContainsFunc(paths, func(p []string) bool { return p[depth-1] != paths[0][depth-1] })
	if !rooted || depth == 1 && len(paths) > 1 {
		for i, p := range paths {
			paths[i] = append(slices.Clone(p), Root)
		}
		depth++
	}
	if err := consistent(paths); err != nil {
		return nil, err
	}
	order := depthFirst(paths)
	h := &Hierarchy{Levels: make([]Level, depth)}
	for l := range h.Levels {
		level := &h.Levels[l]
		for i, p := range order {
			if i == 0 || paths[p][l] != paths[order[i-1]][l] {
				level.Labels = append(level.Labels, paths[p][l])
				level.First = append(level.First, uint32(i))
			}
			level.Node = append(level.Node, uint32(len(level.Labels)-1))
		}
		level.First = append(level.First, uint32(len(order)))
	}
	return h, nil
}

// consistent reports a leaf that stands there twice, and a node with two
// different nodes above it.
func consistent(paths [][]string) error {
	for l := range paths[0] {
		above := map[string]int{}
		for i, p := range paths {
			j, known := above[p[l]]
			switch {
			case !known:
				above[p[l]] = i
			case l == 0:
				return fmt.Errorf("line %d: the value %q is that of line %d again", i+1, p[0], j+1)
			case !slices.Equal(paths[j][l:], p[l:]):
				return fmt.Errorf("line %d: %q stands below %q, in line %d below %q: give the nodes different names", i+1, p[l], p[l+1], j+1, paths[j][l+1])
			}
		}
	}
	return nil
}

// depthFirst orders the paths so that every node's are neighbours, nodes in the
// order of their first path.
func depthFirst(paths [][]string) []int {
	rank := make([][]int, len(paths)) // from the root down: when the node first occurred
	for i := range rank {
		rank[i] = make([]int, len(paths[0]))
	}
	for l := range paths[0] {
		first := map[string]int{}
		for i, p := range paths {
			if _, ok := first[p[l]]; !ok {
				first[p[l]] = i
			}
			rank[i][len(p)-1-l] = first[p[l]]
		}
	}
	order := make([]int, len(paths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return slices.Compare(rank[a], rank[b]) })
	return order
}
