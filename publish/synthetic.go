package publish

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/dp"
	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/synth"
	"github.com/clarus-project/clarus/publish/table"
)

// synthetic makes a release of rows that are drawn from a model of the table.
func (r *run) synthetic() (*Release, error) {
	if err := r.named(); err != nil {
		return nil, err
	}
	p := r.policy.Synthetic
	rows := r.contributed()
	problem := &synth.Problem{Each: uint64(p.Each), Rows: p.Rows, Sampler: dp.NewSampler(nil), Rand: r.rng,
		Progress: func(done, of int) { r.progress("anonymise", done, of) }}
	var drawn []*drawn
	for _, c := range r.table.Columns {
		a := r.policy.Attribute(c.Name)
		if a.Class == clarus.Identifier {
			r.spec.Absent = append(r.spec.Absent, c.Name)
			continue
		}
		d, err := r.newDrawn(a, c)
		if err != nil {
			return nil, err
		}
		drawn = append(drawn, d)
		column := synth.Column{Size: d.size(), Open: d.Open, Codes: make([]uint32, len(rows))}
		for i, row := range rows {
			column.Codes[i] = d.code[c.Codes[row]]
		}
		problem.Columns = append(problem.Columns, column)
	}
	delta := p.Delta
	if slices.ContainsFunc(problem.Columns, func(c synth.Column) bool { return c.Open }) {
		delta /= 2 // the other half is that of values that are told
		problem.Delta = delta
	}
	problem.Rho = affordable(p.Epsilon, delta)
	sample, err := synth.Draw(r.ctx, problem)
	if err != nil {
		return nil, err
	}
	out := &table.Table{Delimiter: r.table.Delimiter, Rows: len(sample.Codes[0])}
	r.spec.Synthetic = &check.Synthetic{Epsilon: p.Epsilon, Delta: p.Delta, Rho: sample.Spent.String(), Each: p.Each, Subject: r.policy.Subject, Rows: p.Rows}
	for i, d := range drawn {
		out.Columns = append(out.Columns, d.column(sample.Codes[i], r))
		r.spec.Synthetic.Attributes = append(r.spec.Synthetic.Attributes, d.Drawn)
	}
	for _, pair := range sample.Pairs {
		r.spec.Synthetic.Pairs = append(r.spec.Synthetic.Pairs, [2]string{drawn[pair[0]].Name, drawn[pair[1]].Name})
	}
	out = r.shuffle(out) // they were drawn value by value
	r.progress("check", 0, 1)
	result, failed := check.RunSynthetic(r.table, out, r.spec)
	if failed != nil {
		return nil, failed
	}
	r.progress("check", 1, 1)
	return &Release{out, out, r.spec, result}, r.ctx.Err()
}

// affordable is the greatest loss that is within (epsilon, delta)-differential privacy.
func affordable(epsilon, delta float64) dp.Rho {
	rho := dp.Rho(0)
	for step := 1024 * dp.One; step > 0; step /= 2 {
		if (rho + step).Epsilon(delta) <= epsilon {
			rho += step
		}
	}
	return rho
}

// contributed are the rows that count: of each person so many at most, chosen by chance.
func (r *run) contributed() []int32 {
	if r.policy.Subject == "" {
		rows := make([]int32, r.table.Rows)
		for i := range rows {
			rows[i] = int32(i)
		}
		return rows
	}
	c := r.table.Column(r.policy.Subject)
	count := make([]int, len(c.Values))
	var rows []int32
	for _, row := range r.rng.Perm(r.table.Rows) {
		if x := c.Codes[row]; count[x] < r.policy.Synthetic.Each {
			count[x]++
			rows = append(rows, int32(row))
		}
	}
	return rows
}

// A drawn is an attribute with the code of each value of the column, and what the codes are
// written as. Codes depend on the policy alone, but for open attributes.
type drawn struct {
	check.Drawn
	code  []uint32
	texts []string // of values, missing values and the root; ranges are before them
	steps int      // of a range: how many values there are
	date  bool
}

func (d *drawn) size() int { return d.Bins + len(d.texts) }

func (r *run) newDrawn(a *model.Attribute, c *table.Column) (*drawn, error) {
	d := &drawn{Drawn: check.Drawn{Name: a.Name}, code: make([]uint32, len(c.Values)), date: a.Type == model.Date}
	if !r.policy.MissingRefused {
		d.Missing = r.policy.Missing
	}
	switch {
	case a.Bounds != nil:
		d.Scale, d.Lower, d.Upper, d.Step, d.Bins = string(a.Type), a.Bounds.Lower, a.Bounds.Upper, a.Bounds.Step, a.Bounds.Bins
		d.steps = d.Steps()
		d.Bins = min(d.Bins, d.steps)
	case a.Type == model.Ordinal:
		d.texts = slices.Clone(a.Order)
	case a.Hierarchy != nil:
		tree, err := r.files.hierarchy(a.Hierarchy.File)
		if err != nil {
			return nil, fmt.Errorf("hierarchy of %s: %w", a.Name, err)
		}
		d.texts = slices.Clone(tree.Levels[0].Labels)
		d.Other = a.HolesRoot
	default:
		d.Open, d.Other = true, true
		for x, n := range c.Count() {
			if n > 0 && !slices.Contains(r.policy.Missing, c.Values[x]) {
				d.texts = append(d.texts, c.Values[x])
			}
		}
		slices.Sort(d.texts) // the order of the file is a secret
	}
	if !d.Open {
		d.Values = slices.Clone(d.texts)
	}
	for _, m := range d.Missing {
		if !slices.Contains(d.texts, m) {
			d.texts = append(d.texts, m)
		}
	}
	if d.Other && !d.Open && !slices.Contains(d.texts, check.Suppressed) {
		d.texts = append(d.texts, check.Suppressed)
	}
	return d, d.encode(c, r.policy.Missing)
}

// encode finds each value's code.
func (d *drawn) encode(c *table.Column, missing []string) error {
	index := map[string]int{}
	for i, text := range d.texts {
		index[text] = d.Bins + i
	}
	for x, n := range c.Count() {
		if n == 0 {
			continue
		}
		v := c.Values[x]
		wrong := func(msg, hint string) error {
			return &table.Error{Row: c.First(uint32(x)) + 1, Column: c.Name, Msg: msg, Hint: hint}
		}
		i, known := index[v]
		switch {
		case known:
		case slices.Contains(missing, v):
			return wrong("the value is missing", "complete the data, or write missing: {as: value}")
		case d.Bins > 0:
			at, err := check.Position(d.Scale, nil, v)
			if err != nil {
				return wrong(err.Error(), "correct it, list it under missing, or leave bounds out and make the attribute categorical")
			}
			i = d.Bin(at)
		case d.Other:
			i = index[check.Suppressed]
		default:
			return wrong(fmt.Sprintf("%q is none of the attribute's values", v), "add it to the policy's hierarchy or order, or write holes: root")
		}
		d.code[x] = uint32(i)
	}
	return nil
}

// column writes what was drawn: of a range, any of its steps.
func (d *drawn) column(codes []uint32, r *run) *table.Column {
	out := table.NewBuilder(d.Name, len(codes))
	for _, x := range codes {
		switch i := int(x) - d.Bins; {
		case i >= len(d.texts):
			out.Add(check.Suppressed)
		case i >= 0:
			out.Add(d.texts[i])
		default:
			from, to := d.Range(int(x))
			out.Add(d.format(d.Lower + float64(from+r.rng.IntN(to-from))*d.Step))
		}
	}
	return out.Column()
}

func (d *drawn) format(at float64) string {
	if d.date {
		return time.Unix(int64(math.Round(at))*86400, 0).UTC().Format("2006-01-02")
	}
	return hierarchy.Format(math.Round(at*1e9) / 1e9)
}
