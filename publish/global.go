package publish

import (
	"errors"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/fulldomain"
	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/table"
)

// global makes the quasi-identifiers' cells by full-domain generalisation.
func (r *run) global() ([]*table.Column, error) {
	problem := &fulldomain.Problem{K: r.policy.K, MaxSuppressed: int(r.policy.Suppress * float64(r.table.Rows)),
		Progress: func(done, of int) { r.progress("anonymise", done, of) }}
	r.spec.MaxSuppressed = problem.MaxSuppressed
	total := 0.0
	for _, d := range r.quasi {
		total += d.Weight
	}
	for i, d := range r.quasi {
		if d.tree == nil {
			var err error
			if d.tree, err = hierarchy.Flat(d.leaves); err != nil {
				return nil, err
			}
			r.spec.Quasi[i].Tree = d.tree
		}
		c := fulldomain.Column{Codes: d.codes, Weight: d.Weight / total}
		for l := range d.tree.Levels {
			level := &d.tree.Levels[l]
			loss := make([]float64, len(level.Labels))
			for node := range loss {
				loss[node] = d.tree.Span(level.First[node], level.First[node+1]-1)
			}
			c.Levels = append(c.Levels, fulldomain.Level{Node: level.Node, Loss: loss})
		}
		problem.Columns = append(problem.Columns, c)
	}
	var err error
	if problem.Sensitive, err = r.sensitive(); err != nil {
		return nil, err
	}
	result, err := fulldomain.Search(r.ctx, problem)
	if errors.Is(err, fulldomain.ErrUnsafe) {
		return nil, &table.Error{Msg: "all attributes at their roots do not satisfy the model", Hint: "ask for less"}
	}
	if err != nil {
		return nil, err
	}
	var columns []*table.Column
	for i, d := range r.quasi {
		columns = append(columns, d.atLevel(result.Levels[i], result.Suppressed))
	}
	if result.Suppressed == nil {
		return columns, nil
	}
	for _, d := range r.secret { // a suppressed row shows no confidential value either
		columns = append(columns, suppress(d.column, result.Suppressed))
	}
	for i, c := range r.masked { // they may be confidential too
		r.masked[i] = suppress(c, result.Suppressed)
	}
	return columns, nil
}

// atLevel is the column with each leaf's label at a level.
func (d *domain) atLevel(l int, suppressed []bool) *table.Column {
	level := &d.tree.Levels[l]
	out := table.NewBuilder(d.Name, len(d.codes))
	label := make([]uint32, len(level.Labels))
	for i, text := range level.Labels {
		if l == d.tree.Height() && l > 0 {
			text = check.Suppressed // the root, whatever its name, also covers what the hierarchy lacks
		}
		label[i] = out.Code(text)
	}
	c := out.Column()
	for _, x := range d.codes {
		c.Codes = append(c.Codes, label[level.Node[x]])
	}
	if suppressed == nil {
		return c
	}
	return suppress(c, suppressed)
}

// suppress replaces the cells of some rows.
func suppress(c *table.Column, rows []bool) *table.Column {
	out := table.NewBuilder(c.Name, len(c.Codes))
	for r := range c.Codes {
		if rows[r] {
			out.Add(check.Suppressed)
		} else {
			out.Add(c.At(r))
		}
	}
	return out.Column()
}
