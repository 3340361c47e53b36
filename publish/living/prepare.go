package living

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/table"
)

// ErrPending is that of a step that must be published and confirmed first.
var ErrPending = errors.New("living: a change is pending")

// Prepare makes the next change, or returns the one that is not confirmed yet, or nil
// if nothing can be published now. All rows that can safely be published are if all
// is true, however much they lose. When it returns a change, the store has it: from
// then on everybody is taken to have seen it.
func (r *Release) Prepare(ctx context.Context, all bool) (*Change, error) {
	if r.pending == nil {
		if err := r.prepare(ctx, all); err != nil {
			return nil, err
		}
	}
	if r.pending != nil && !r.saved {
		if err := r.save(); err != nil {
			return nil, err
		}
		r.saved = true
	}
	return r.pending, nil
}

// A step is a change that is being made.
type step struct {
	*Release
	ctx    context.Context
	whole  []*row         // the table's rows as the space numbers them
	space  *publish.Space // nil: the table cannot be read as the policy says
	change *Change
	made   []made
	gone   []*group // withdrawn
}

// A made class is not published yet.
type made struct {
	rows []*row
	from *group // that the rows are of; nil: none of them was ever published
	loss float64
}

func (r *Release) prepare(ctx context.Context, all bool) error {
	s := r.next(ctx)
	unreadable := s.look() // then nothing is published; what must be withdrawn still is
	for g := range r.dirty {
		if err := s.follow(g); err != nil {
			return err
		}
	}
	if unreadable == nil {
		if err := s.grow(all); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, w := range r.all {
		w.waited++
	}
	if len(s.made) == 0 && len(s.gone) == 0 {
		r.history.Forget()
		clear(r.dirty)
		return unreadable
	}
	return s.finish()
}

func (r *Release) next(ctx context.Context) *step {
	return &step{Release: r, ctx: ctx, change: &Change{Number: r.number + 1, Columns: r.visible()}}
}

// finish has the step judged, and takes it for published.
func (s *step) finish() error {
	for _, m := range s.made {
		s.write(m)
	}
	spec, err := s.promise()
	if err != nil {
		return err
	}
	if s.space != nil {
		spec = s.space.Spec()
	}
	judged := &check.Step{Spec: spec, Columns: s.change.Columns, Withdraw: s.change.Withdraw}
	for _, c := range s.change.Publish {
		judged.Publish = append(judged.Publish, check.Shown(c))
	}
	if failed := s.history.Publish(judged); failed != nil {
		return failed
	}
	s.settle()
	return nil
}

// look reads the whole table in the terms of the policy.
func (s *step) look() error {
	s.whole = slices.Clone(s.all)
	t := &table.Table{Rows: len(s.whole)}
	for i := range s.kept {
		c := &s.kept[i]
		if !slices.Contains(s.Release.space.Attributes, c.attribute) {
			continue
		}
		codes := make([]uint32, len(s.whole))
		for k, w := range s.whole {
			codes[k] = w.codes[i]
		}
		t.Columns = append(t.Columns, &table.Column{Name: c.attribute.Name, Values: c.dict.values, Codes: codes})
	}
	space, err := publish.NewSpace(s.ctx, s.Release.space, t, s.files)
	if err == nil {
		s.space = space
	}
	return err
}

// grow makes classes of rows that were never published.
func (s *step) grow(all bool) error {
	var pool []int32
	for i, w := range s.whole {
		if w.group == nil && !s.history.Back(w.key) {
			pool = append(pool, int32(i))
		}
	}
	if !all && len(pool) <= s.options.Held && !slices.ContainsFunc(pool, func(i int32) bool { return s.impatient(s.whole[i]) }) {
		return nil
	}
	sweeps := s.policy.Effort
	switch {
	case sweeps == 0 && all:
		sweeps = sweepsAtLast
	case sweeps == 0:
		sweeps = sweepsOfGrowth
	}
	classes, err := s.space.Divide(pool, sweeps)
	if err != nil {
		return err
	}
	list := make([]made, len(classes))
	for i, class := range classes {
		_, list[i].loss = s.space.Cells(class)
		list[i].rows = s.of(class)
	}
	slices.SortFunc(list, func(a, b made) int { return cmp.Compare(a.loss, b.loss) })
	waiting := len(pool)
	for _, m := range list {
		if all || waiting > s.options.Held || slices.ContainsFunc(m.rows, s.impatient) {
			s.made = append(s.made, m)
			waiting -= len(m.rows)
		}
	}
	return nil
}

// How often classes are refined, unless the policy says so: at last more, since what
// was held back until then has few neighbours.
const (
	sweepsOfGrowth = 2
	sweepsAtLast   = 8
)

// impatient reports whether a row has been held back for long enough.
func (s *step) impatient(w *row) bool {
	return s.options.Patience > 0 && w.waited >= s.options.Patience
}

func (s *step) of(class []int32) []*row {
	out := make([]*row, len(class))
	for i, x := range class {
		out[i] = s.whole[x]
	}
	return out
}

// write makes a class's cells.
func (s *step) write(m made) {
	index := make([]int32, len(m.rows))
	for i, w := range m.rows {
		index[i] = int32(w.at)
	}
	quasi, _ := s.space.Cells(index)
	s.rng.Shuffle(len(m.rows), func(i, j int) { m.rows[i], m.rows[j] = m.rows[j], m.rows[i] })
	s.last++
	c := Class{ID: s.last}
	for _, w := range m.rows {
		c.Keys = append(c.Keys, w.key)
		c.Rows = append(c.Rows, s.cells(w, quasi))
	}
	s.change.Publish = append(s.change.Publish, c)
}

// cells are a row's, the quasi-identifiers given.
func (s *step) cells(w *row, quasi []string) []string {
	cells := make([]string, 0, len(s.change.Columns))
	q, m := 0, 0
	for i := range s.kept {
		a := s.kept[i].attribute
		switch {
		case a.Class == clarus.Identifier:
		case a.Mask != nil:
			cells = append(cells, w.masked[m])
			m++
		case a.Class == clarus.QuasiIdentifier:
			cells = append(cells, quasi[q])
			q++
		default:
			cells = append(cells, s.kept[i].dict.values[w.codes[i]])
		}
	}
	return cells
}

// settle takes the change for published.
func (s *step) settle() {
	r := s.Release
	for _, g := range s.gone {
		delete(r.classes, g.class.ID)
		g.class, g.erased = nil, false
	}
	for i, m := range s.made {
		g := &group{members: m.rows}
		if m.from != nil {
			if len(m.rows) == len(m.from.members) && m.from.left == 0 {
				g = m.from
			} else {
				for _, w := range m.rows {
					w.group = g
				}
				m.from.members = slices.DeleteFunc(m.from.members, func(w *row) bool { return w.group == g })
			}
		}
		c := s.change.Publish[i]
		g.class = &shown{Class: Class{ID: c.ID, Rows: c.Rows}, group: g, loss: m.loss}
		r.classes[c.ID] = g.class
		for _, w := range m.rows {
			if w.seen != nil {
				r.drop(w.seen.codes)
			}
			w.group, w.seen = g, &face{w.codes, w.masked}
			for k, x := range w.codes {
				r.kept[k].dict.uses[x]++
			}
		}
	}
	clear(r.dirty)
	r.number, r.pending, r.saved = s.change.Number, s.change, false
}

// Confirm says that the pending change is published, whole. It need not be durable: who
// loads a state in which the change is still pending finds out by Resume.
func (r *Release) Confirm(number uint64) error {
	if r.pending == nil || r.pending.Number != number || !r.saved {
		return fmt.Errorf("%w: not %d", ErrPending, number)
	}
	r.pending = nil
	return nil
}
