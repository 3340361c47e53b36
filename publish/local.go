package publish

import (
	"slices"
	"strings"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/recode"
	"github.com/clarus-project/clarus/publish/table"
)

// recoded is a quasi-identifier as recode sees it; weight is its share of the
// loss of a row.
func (d *domain) recoded(weight float64) recode.Column {
	c := recode.Column{Codes: d.codes, Leaves: len(d.leaves), Weight: weight}
	switch d.cover {
	case model.CoverNode:
		if d.tree != nil {
			c.Span = d.tree.Span
		}
	case model.CoverInterval:
		c.Span = d.span
	}
	return c
}

// recoded is the quasi-identifiers as recode sees them; their weights add up to 1.
func (r *run) recoded() []recode.Column {
	total := 0.0
	for _, d := range r.quasi {
		total += d.Weight
	}
	var columns []recode.Column
	for _, d := range r.quasi {
		columns = append(columns, d.recoded(d.Weight/total))
	}
	return columns
}

// span is the share of the domain that an interval adds to a single value: by
// leaves where a hierarchy says which there are, else by distance. What has no
// position has no interval with others.
func (d *domain) span(lo, hi uint32) float64 {
	switch {
	case lo == hi:
		return 0
	case int(hi) >= d.blank:
		return 1
	case d.tree != nil:
		return float64(hi-lo) / float64(len(d.leaves)-1)
	}
	whole := d.at[d.blank-1] - d.at[0]
	if whole <= 0 {
		return 0
	}
	return (d.at[hi] - d.at[lo]) / whole
}

// A renderer writes the cells of one quasi-identifier.
type renderer struct {
	*domain
	out    *table.Builder
	single []int64 // of each leaf: its cell's code; -1: not written yet
	spans  map[uint64]uint32
}

func newRenderer(d *domain) *renderer {
	w := &renderer{domain: d, out: table.NewBuilder(d.Name, 0), single: make([]int64, len(d.leaves)), spans: map[uint64]uint32{}}
	for i := range w.single {
		w.single[i] = -1
	}
	return w
}

// cell returns the code of the smallest cover of some leaves, ascending and
// each once.
func (w *renderer) cell(leaves []uint32) uint32 {
	lo, hi := leaves[0], leaves[len(leaves)-1]
	if lo == hi {
		if w.single[lo] < 0 {
			w.single[lo] = int64(w.out.Code(w.leaves[lo]))
		}
		return uint32(w.single[lo])
	}
	if w.hole >= 0 && slices.Contains(leaves, uint32(w.hole)) {
		return w.out.Code(check.Suppressed)
	}
	if w.cover == model.CoverSet || w.cover == model.CoverNode && w.tree == nil {
		return w.out.Code(w.set(leaves))
	}
	key := uint64(lo)<<32 | uint64(hi)
	code, ok := w.spans[key]
	if !ok {
		code = w.out.Code(w.covering(lo, hi))
		w.spans[key] = code
	}
	return code
}

func (w *renderer) set(leaves []uint32) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range leaves {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(element(w.leaves[l]))
	}
	b.WriteByte('}')
	return b.String()
}

// covering is the cover of all leaves from lo to hi.
func (w *renderer) covering(lo, hi uint32) string {
	if w.cover == model.CoverNode {
		level, node := w.tree.Cover(lo, hi)
		if level == w.tree.Height() {
			return check.Suppressed
		}
		return w.tree.Levels[level].Labels[node]
	}
	if int(hi) >= w.blank {
		return check.Suppressed
	}
	return "[" + element(w.leaves[lo]) + "," + element(w.leaves[hi]) + "]"
}

// element writes a member of a set so that check.elements reads it.
func element(v string) string {
	if v != "" && !strings.ContainsAny(v, `,{}[]"`) {
		return v
	}
	return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
}

// render writes the quasi-identifiers of a release.
func render(domains []*domain, classes *recode.Classes) []*table.Column {
	columns := make([]*table.Column, len(domains))
	var leaves []uint32
	for i, d := range domains {
		w := newRenderer(d)
		codes := make([]uint32, len(d.codes))
		for k := range classes.Len() {
			rows := classes.Class(k)
			leaves = leaves[:0]
			for _, r := range rows {
				leaves = append(leaves, d.codes[r])
			}
			slices.Sort(leaves)
			leaves = slices.Compact(leaves)
			x := w.cell(leaves)
			for _, r := range rows {
				codes[r] = x
			}
		}
		columns[i] = w.out.Column()
		columns[i].Codes = codes
	}
	return columns
}
