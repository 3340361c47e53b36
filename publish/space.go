package publish

import (
	"context"
	"errors"
	"slices"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/recode"
	"github.com/clarus-project/clarus/publish/table"
)

// A Space is what a policy makes of a whole table, for who divides it part by
// part: which classes there may be, what they lose and how their cells read.
// Package living publishes tables that change with it.
type Space struct {
	r         *run
	columns   []recode.Column
	sensitive []model.Sensitive
	cells     []*renderer
	safe      bool // all rows in one class would be
}

// NewSpace reads the whole table in the terms of the policy, whose method is
// cell-local generalisation.
func NewSpace(ctx context.Context, p *model.Policy, whole *table.Table, files *Files) (*Space, error) {
	r := &run{ctx: ctx, policy: p, table: whole, files: files, progress: func(string, int, int) {}, rng: Random(p.Seed)}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	s := &Space{r: r, columns: r.recoded(), safe: r.enough() == nil}
	if s.safe {
		var err error
		s.sensitive, err = r.sensitive()
		if _, unsafe := errors.AsType[*table.Error](err); unsafe {
			s.safe = false
		} else if err != nil {
			return nil, err
		}
	}
	for _, d := range r.quasi {
		s.cells = append(s.cells, newRenderer(d))
	}
	return s, nil
}

// Spec is what a release of the table promises: its domains are those of all rows.
func (s *Space) Spec() *check.Spec { return s.r.spec }

// Divide makes classes of some rows, refined so often (0: the default); each
// satisfies the models against the whole table. There are none if the rows
// together do not.
func (s *Space) Divide(rows []int32, sweeps int) ([][]int32, error) {
	if !s.safe || len(rows) == 0 {
		return nil, nil
	}
	pick := func(codes []uint32) []uint32 {
		out := make([]uint32, len(rows))
		for i, r := range rows {
			out[i] = codes[r]
		}
		return out
	}
	p := &recode.Problem{K: s.r.policy.K, Sweeps: sweeps, Seed: s.r.rng.Uint64()}
	for _, c := range s.columns {
		c.Codes = pick(c.Codes)
		p.Columns = append(p.Columns, c)
	}
	for _, a := range s.sensitive {
		a.Codes = pick(a.Codes)
		p.Sensitive = append(p.Sensitive, a)
	}
	classes, err := recode.Partition(s.r.ctx, p)
	if errors.Is(err, recode.ErrUnsafe) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make([][]int32, classes.Len())
	for i := range out {
		out[i] = pickRows(rows, classes.Class(i))
	}
	return out, nil
}

func pickRows(rows, at []int32) []int32 {
	out := make([]int32, len(at))
	for i, x := range at {
		out[i] = rows[x]
	}
	return out
}

// Cells are the quasi-identifiers of a class, in the order of the table, and the
// loss of each of its rows.
func (s *Space) Cells(rows []int32) (cells []string, loss float64) {
	cells = make([]string, len(s.cells))
	var leaves []uint32
	for i, w := range s.cells {
		leaves = leaves[:0]
		for _, r := range rows {
			leaves = append(leaves, w.codes[r])
		}
		slices.Sort(leaves)
		leaves = slices.Compact(leaves)
		cells[i] = w.out.Column().Values[w.cell(leaves)]
		loss += s.columns[i].Loss(leaves)
	}
	return cells, loss
}

// Accepts says what is wrong with a value of an attribute, before it is in any table.
func Accepts(p *model.Policy, a *model.Attribute, value string, files *Files) error {
	if a.Hierarchy != nil && a.Hierarchy.Prefix != nil {
		any := *a // prefixes are of the longest value, which may be another
		any.Hierarchy, a = nil, &any
	}
	c := &table.Column{Name: a.Name, Values: []string{value}, Codes: []uint32{0}}
	_, err := (&run{policy: p, files: files}).newDomain(a, c)
	if e, ok := errors.AsType[*table.Error](err); ok {
		e.Row = 0 // it is the only one
	}
	return err
}
