package publish

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// A domain is a column in the terms of its attribute: what values there may
// be, in which order, and which of them each row has.
type domain struct {
	*model.Attribute
	column  *table.Column
	cover   model.Cover // of a confidential attribute: what order its guards need
	leaves  []string
	tree    *hierarchy.Hierarchy // over the leaves in their order; nil: none
	at      []float64            // position of each leaf, where they have one
	codes   []uint32             // leaf of each row
	missing map[string]bool
	blank   int // leaves from here on have no position: missing values and holes
	hole    int // leaf that stands for all values that the hierarchy lacks; -1: none
}

// newDomain reads a column.
func (r *run) newDomain(a *model.Attribute, c *table.Column) (*domain, error) {
	d := &domain{Attribute: a, column: c, cover: a.Cover, missing: map[string]bool{}, hole: -1}
	switch r.policy.Method {
	case model.Microaggregation:
		d.cover = model.CoverSet // means need the type's order
	case model.Global:
		d.cover = model.CoverNode
	}
	if a.Class == clarus.Confidential {
		d.cover = model.CoverSet
		if slices.ContainsFunc(a.Wants, func(w model.Requirement) bool { return w.Distance == model.Hierarchical }) {
			d.cover = model.CoverNode
		}
	}
	for _, m := range r.policy.Missing {
		d.missing[m] = true
	}
	used := c.Count()
	var values, missing []string
	for i, v := range c.Values {
		switch {
		case used[i] == 0:
		case !d.missing[v]:
			values = append(values, v)
		case r.policy.MissingRefused:
			return nil, d.wrong(uint32(i), "the value is missing", "complete the data, or write missing: {as: value}")
		default:
			missing = append(missing, v)
		}
	}
	if err := d.typed(values); err != nil {
		return nil, err
	}
	if err := d.build(r.files, values, used); err != nil {
		return nil, err
	}
	if err := d.order(values); err != nil {
		return nil, err
	}
	d.blank = len(d.leaves)
	if err := d.blanks(values, missing); err != nil {
		return nil, err
	}
	return d, d.encode()
}

// wrong is an error at the first row that has the code.
func (d *domain) wrong(code uint32, msg, hint string) error {
	return &table.Error{Row: d.column.First(code) + 1, Column: d.column.Name, Msg: msg, Hint: hint}
}

// typed checks that values are what their type says.
func (d *domain) typed(values []string) error {
	for _, v := range values {
		var err error
		hint := ""
		switch d.Type {
		case model.Numeric:
			_, err = hierarchy.Number(v)
			hint = "correct it, list it under missing, or make the attribute categorical"
		case model.Date:
			_, err = hierarchy.Date(v)
			hint = "correct it, list it under missing, or make the attribute categorical"
		case model.Point:
			_, err = hierarchy.Point(v)
			hint = "write latitude,longitude in degrees, or make the attribute categorical"
		case model.Ordinal:
			if !slices.Contains(d.Order, v) {
				err = fmt.Errorf("%q is not in the attribute's order", v)
				hint = "add it to order, or list it under missing"
			}
		}
		if err == nil && (v == check.Suppressed || strings.HasPrefix(v, "{")) {
			err, hint = fmt.Errorf("%q would be read as a cover of other values", v), "* and sets in braces have a meaning in a release: write the value otherwise"
		}
		if err != nil {
			return d.wrong(uint32(slices.Index(d.column.Values, v)), err.Error(), hint)
		}
	}
	return nil
}

// build makes the hierarchy, if there is to be one.
func (d *domain) build(files *Files, values []string, used []int) (err error) {
	s := d.Hierarchy
	if len(values) == 0 || s == nil {
		return nil
	}
	switch {
	case s.File != "":
		d.tree, err = files.hierarchy(s.File)
	case s.Intervals != nil:
		d.tree, err = hierarchy.Intervals(values, s.Intervals)
	case s.Dates != nil:
		d.tree, err = hierarchy.Dates(values, s.Dates)
	case s.Prefix != nil:
		d.tree, err = hierarchy.Prefixes(values, s.Prefix)
	case s.Grid != nil:
		d.tree, err = hierarchy.Grid(values, s.Grid)
	case s.Build:
		ordered, _ := d.positions(values)
		of := make(map[string]int, len(used))
		for i, v := range d.column.Values {
			of[v] = used[i]
		}
		count := make([]int, len(ordered))
		for i, v := range ordered {
			count[i] = of[v]
		}
		d.tree, err = hierarchy.Balanced(ordered, count)
	}
	if err != nil {
		return fmt.Errorf("hierarchy of %s: %w", d.Name, err)
	}
	return nil
}

// positions sorts values by their attribute's order and says where they stand in it.
func (d *domain) positions(values []string) ([]string, []float64) {
	type placed struct {
		value string
		at    float64
	}
	list := make([]placed, len(values))
	for i, v := range values {
		list[i] = placed{value: v}
		list[i].at, _ = check.Position(string(d.Type), d.Order, v) // typed has seen that it has one
	}
	if d.unordered() {
		slices.SortFunc(list, func(a, b placed) int { return strings.Compare(a.value, b.value) })
	} else {
		slices.SortStableFunc(list, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	}
	out, at := make([]string, len(list)), make([]float64, len(list))
	for i, p := range list {
		out[i], at[i] = p.value, p.at
	}
	return out, at
}

// position is where a value stands on the attribute's scale.
func position(d *domain, value string) (float64, error) {
	x, err := check.Position(string(d.Type), d.Order, value)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", d.Name, err)
	}
	return x, nil
}

// unordered reports whether the type has no order.
func (d *domain) unordered() bool { return d.Type == model.Categorical || d.Type == model.Point }

// order puts the leaves in the order that covers need: that of the hierarchy
// for its nodes, that of the type otherwise.
func (d *domain) order(values []string) error {
	all := values
	switch {
	case d.tree != nil:
		all = d.tree.Levels[0].Labels
	case d.Type == model.Ordinal:
		all = d.Order
	}
	if d.cover == model.CoverNode && d.tree != nil {
		d.leaves = slices.Clone(all)
		return nil
	}
	for _, v := range all {
		if _, err := check.Position(string(d.Type), d.Order, v); err != nil && !d.unordered() {
			return fmt.Errorf("hierarchy of %s: %w, as its type %s says", d.Name, err, d.Type)
		}
	}
	d.leaves, d.at = d.positions(all)
	return nil
}

// blanks adds leaves for what has no place in the order: missing values, and
// holes of the hierarchy where the policy maps them to the root.
func (d *domain) blanks(values, missing []string) error {
	known := map[string]bool{}
	for _, l := range d.leaves {
		known[l] = true
	}
	for _, v := range values {
		if known[v] {
			continue
		}
		if !d.HolesRoot {
			return d.wrong(uint32(slices.Index(d.column.Values, v)), fmt.Sprintf("the hierarchy lacks the value %q", v), d.proposal(v))
		}
		if d.hole < 0 {
			d.hole = len(d.leaves)
			d.leaves = append(d.leaves, check.Suppressed)
		}
	}
	for _, m := range missing {
		if !known[m] {
			d.leaves = append(d.leaves, m)
		}
	}
	if d.tree == nil || len(d.leaves) == d.blank {
		return nil
	}
	paths := make([][]string, 0, len(d.leaves))
	for i, l := range d.leaves {
		path := []string{l}
		for _, level := range d.tree.Levels[1:] {
			switch leaf, ok := d.tree.Leaf(l); {
			case i < d.blank && ok:
				path = append(path, level.Labels[level.Node[leaf]])
			case len(path) == d.tree.Height():
				path = append(path, d.tree.Levels[d.tree.Height()].Labels[0])
			default:
				path = append(path, l)
			}
		}
		paths = append(paths, path)
	}
	tree, err := hierarchy.New(paths)
	if err != nil {
		return fmt.Errorf("hierarchy of %s, with missing values added: %w", d.Name, err)
	}
	d.tree = tree
	return nil
}

// proposal says what to add for a value that the hierarchy lacks: the nodes
// above the leaf that is written most alike.
func (d *domain) proposal(value string) string {
	near := d.tree.Levels[0].Labels[0]
	for _, l := range d.tree.Levels[0].Labels {
		if alike(l, value) > alike(near, value) {
			near = l
		}
	}
	leaf, _ := d.tree.Leaf(near)
	path := []string{value}
	for _, level := range d.tree.Levels[1:] {
		path = append(path, level.Labels[level.Node[leaf]])
	}
	return fmt.Sprintf("add the line %s, as for %s, or write holes: root", strings.Join(path, ";"), near)
}

// alike counts the characters that two words begin and end with in common.
func alike(a, b string) int {
	a, b = strings.ToLower(strings.TrimSpace(a)), strings.ToLower(strings.TrimSpace(b))
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	m := 0
	for m < len(a)-n && m < len(b)-n && a[len(a)-1-m] == b[len(b)-1-m] {
		m++
	}
	return n + m
}

// encode finds each row's leaf.
func (d *domain) encode() error {
	index := make(map[string]uint32, len(d.leaves))
	for i, l := range d.leaves {
		index[l] = uint32(i)
	}
	leaf := make([]uint32, len(d.column.Values))
	for i, v := range d.column.Values {
		x, ok := index[v]
		if !ok && d.hole >= 0 {
			x = uint32(d.hole)
		}
		leaf[i] = x
	}
	d.codes = make([]uint32, len(d.column.Codes))
	for r, x := range d.column.Codes {
		d.codes[r] = leaf[x]
	}
	return nil
}

// count is how often each leaf occurs.
func (d *domain) count() []int {
	count := make([]int, len(d.leaves))
	for _, x := range d.codes {
		count[x]++
	}
	return count
}
