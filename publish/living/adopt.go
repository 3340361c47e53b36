package living

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/table"
)

// Adopt begins with a release of a whole table that was made before, under the same
// policy. Keys name its rows, in the order of the original. It returns the change
// that publishes the same classes, to be published in the place of that release and
// confirmed.
func (r *Release) Adopt(ctx context.Context, keys []string, original *table.Table, made *publish.Release) (*Change, error) {
	if r.number > 0 || len(r.all) > 0 {
		return nil, errors.New("living: only an empty release can adopt another")
	}
	if len(keys) != original.Rows || made.Checked.Rows != original.Rows {
		return nil, fmt.Errorf("living: %d keys and %d released rows of %d", len(keys), made.Checked.Rows, original.Rows)
	}
	for i := range keys {
		if err := r.adoptRow(keys[i], i, original, made.Checked); err != nil {
			return nil, err
		}
	}
	s := r.next(ctx)
	if err := s.look(); err != nil {
		return nil, err
	}
	s.adoptClasses(made)
	if err := s.finish(); err != nil {
		return nil, err
	}
	return r.Prepare(ctx, false)
}

func (r *Release) adoptRow(key string, at int, original, released *table.Table) error {
	values := make([]string, len(r.columns))
	for i, name := range r.columns {
		c := original.Column(name)
		if c == nil {
			return fmt.Errorf("living: the original lacks %s", name)
		}
		values[i] = c.At(at)
	}
	if err := r.Insert(key, values); err != nil {
		return err
	}
	w := r.rows[key]
	w.masked = nil
	for i := range r.kept {
		a := r.kept[i].attribute
		if a.Mask == nil {
			continue
		}
		c := released.Column(a.Name)
		if c == nil {
			return fmt.Errorf("living: the release lacks %s", a.Name)
		}
		w.masked = append(w.masked, c.At(at))
	}
	return nil
}

// adoptClasses makes the classes of rows that read the same in the release.
func (s *step) adoptClasses(release *publish.Release) {
	classes := map[string][]*row{}
	var order []string
	for i, w := range s.whole {
		var cells []string
		for _, q := range release.Spec.Quasi {
			cells = append(cells, release.Checked.Column(q.Name).At(i))
		}
		class := strings.Join(cells, "\x00")
		if classes[class] == nil {
			order = append(order, class)
		}
		classes[class] = append(classes[class], w)
	}
	s.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, class := range order {
		rows := slices.Clone(classes[class])
		_, loss := s.space.Cells(s.index(rows))
		s.made = append(s.made, made{rows: rows, loss: loss})
	}
}
