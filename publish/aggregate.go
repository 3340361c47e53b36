package publish

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/microagg"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// mostNodes is how many coordinates one attribute may have.
const mostNodes = 128

// aggregate makes the quasi-identifiers' cells by microaggregation: every cell
// is the mean of its class, or what is nearest to a mean where there is none.
func (r *run) aggregate() ([]*table.Column, error) {
	sensitive, err := r.sensitive()
	if err != nil {
		return nil, err
	}
	var points []*embedding
	width := 0
	for _, d := range r.quasi {
		e, err := r.embed(d)
		if err != nil {
			return nil, err
		}
		points = append(points, e)
		width += e.width
	}
	data := &microagg.Data{Width: width, Values: make([]float64, 0, width*r.table.Rows)}
	for row := range r.table.Rows {
		for _, e := range points {
			data.Values = append(data.Values, e.point(e.codes[row])...)
		}
	}
	classes, err := microagg.Classes(r.ctx, data, microagg.Options{K: r.policy.K, Seed: r.rng.Uint64(), Effort: r.policy.Effort,
		Progress: func(done, of int) { r.progress("anonymise", done, of) }})
	if err != nil {
		return nil, err
	}
	if len(sensitive) > 0 {
		classes = microagg.Merge(data, classes, func(rows []int32) bool {
			for i := range sensitive {
				if !sensitive[i].Fits(rows) {
					return false
				}
			}
			return true
		})
	}
	columns := make([]*table.Column, len(points))
	for i, e := range points {
		out := table.NewBuilder(e.Name, 0)
		codes := make([]uint32, r.table.Rows)
		for _, rows := range classes {
			x := out.Code(e.middle(rows))
			for _, row := range rows {
				codes[row] = x
			}
		}
		columns[i] = out.Column()
		columns[i].Codes = codes
	}
	return columns, nil
}

// An embedding gives each leaf a point, so that squared distances between points
// are those of the attribute: of numbers and dates, of places in an order, or of
// a hierarchy, where two leaves are as far apart as their lowest common node is high.
type embedding struct {
	*domain
	width    int
	points   []float64 // leaf by leaf
	decimals int
	places   []hierarchy.Place // of each leaf, where they are points
}

func (e *embedding) point(leaf uint32) []float64 {
	return e.points[int(leaf)*e.width : int(leaf+1)*e.width]
}

// embed makes the embedding of an attribute.
func (r *run) embed(d *domain) (*embedding, error) {
	e := &embedding{domain: d}
	if d.Type != model.Categorical {
		if d.blank < len(d.leaves) {
			return nil, &table.Error{Column: d.Name, Msg: "a missing value, or one that the hierarchy lacks, has no mean with others", Hint: "complete the data, or make the attribute categorical"}
		}
		if d.Type == model.Point {
			e.place()
			e.scale(d.count())
			return e, nil
		}
		e.width = 1
		for _, l := range d.leaves {
			x, err := position(d, l)
			if err != nil {
				return nil, err
			}
			e.points = append(e.points, x)
			e.decimals = max(e.decimals, decimals(l))
		}
	} else if err := e.nodes(); err != nil {
		return nil, err
	}
	e.scale(d.count())
	return e, nil
}

// place gives points their coordinates on a flat map: near enough for the
// neighbours that classes are made of.
func (e *embedding) place() {
	e.width = 2
	north := 0.0
	for _, l := range e.leaves {
		p, _ := hierarchy.Point(l) // typed has seen that it is one
		e.places = append(e.places, p)
		north += p.Latitude / float64(len(e.leaves))
	}
	for _, p := range e.places {
		e.points = append(e.points, p.Latitude, p.Longitude*math.Cos(north*math.Pi/180))
	}
}

// nodes gives a leaf a coordinate for each node, 1/sqrt(2h) where it is below it
// (h is the height): two leaves differ in two nodes of each level up to their
// common one.
func (e *embedding) nodes() error {
	tree := e.tree
	if tree == nil {
		var err error
		if tree, err = hierarchy.Flat(e.leaves); err != nil {
			return err
		}
	}
	index := tree.Index()
	offset := make([]int, len(tree.Levels))
	for l := range tree.Levels[:tree.Height()] {
		offset[l] = e.width
		e.width += len(tree.Levels[l].Labels)
	}
	if e.width > mostNodes {
		return &table.Error{Column: e.Name, Msg: fmt.Sprintf("microaggregation takes %d values and nodes of a categorical attribute at most, this one has %d", mostNodes, e.width), Hint: "give it a numeric, date or ordinal type, or choose method: local"}
	}
	e.points = make([]float64, len(e.leaves)*e.width)
	for i, label := range e.leaves {
		for l := range tree.Levels[:tree.Height()] {
			e.points[i*e.width+offset[l]+int(tree.Levels[l].Node[index[label]])] = math.Sqrt(0.5 / float64(tree.Height()))
		}
	}
	return nil
}

// scale puts the attribute's variance, over all its coordinates, on its weight.
func (e *embedding) scale(count []int) {
	n, variance := 0, 0.0
	for _, c := range count {
		n += c
	}
	for i := range e.width {
		mean, square := 0.0, 0.0
		for l, c := range count {
			mean += float64(c) * e.points[l*e.width+i]
		}
		mean /= float64(n)
		for l, c := range count {
			x := e.points[l*e.width+i] - mean
			square += float64(c) * x * x
		}
		variance += square / float64(n)
	}
	if variance > 0 {
		f := math.Sqrt(e.Weight / variance)
		for i := range e.points {
			e.points[i] *= f
		}
	}
}

// middle is the cell of a class: the mean of numbers and dates, the median of an
// order, the value nearest to all others in a hierarchy.
func (e *embedding) middle(rows []int32) string {
	switch e.Type {
	case model.Point:
		var p hierarchy.Place
		for _, r := range rows {
			p.Latitude += e.places[e.codes[r]].Latitude / float64(len(rows))
			p.Longitude += e.places[e.codes[r]].Longitude / float64(len(rows))
		}
		return p.String()
	case model.Numeric, model.Date:
		sum := 0.0
		for _, r := range rows {
			sum += e.at[e.codes[r]]
		}
		mean := sum / float64(len(rows))
		if e.Type == model.Date {
			return time.Unix(int64(math.Round(mean))*86400, 0).UTC().Format("2006-01-02")
		}
		scale := math.Pow(10, float64(min(12, e.decimals+2)))
		return hierarchy.Format(math.Round(mean*scale) / scale)
	case model.Ordinal:
		codes := make([]uint32, len(rows))
		for i, r := range rows {
			codes[i] = e.codes[r]
		}
		slices.Sort(codes)
		return e.leaves[codes[(len(codes)-1)/2]]
	}
	return e.leaves[e.nearest(rows)]
}

// nearest is the leaf of some rows that is nearest to all of them: the sum of its squared
// distances is n|p|^2 - 2ps and what all leaves have in common, s the sum of all.
func (e *embedding) nearest(rows []int32) uint32 {
	codes := make([]uint32, len(rows))
	sum := make([]float64, e.width)
	for i, r := range rows {
		codes[i] = e.codes[r]
		for j, x := range e.point(codes[i]) {
			sum[j] += x
		}
	}
	slices.Sort(codes)
	best, at := math.Inf(1), codes[0]
	for _, c := range slices.Compact(codes) {
		cost := 0.0
		for j, x := range e.point(c) {
			cost += x * (float64(len(rows))*x - 2*sum[j])
		}
		if cost < best-1e-9*float64(len(rows)) { // the first of equal ones
			best, at = cost, c
		}
	}
	return at
}

// decimals counts the digits after a number's point.
func decimals(number string) int {
	_, after, _ := strings.Cut(strings.TrimSpace(number), ".")
	return len(strings.TrimRight(after, "0"))
}
