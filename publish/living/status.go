package living

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// ErrBehind is that of a provider that shows what this side has not published, as far
// as it knows: the state is an old one.
var ErrBehind = errors.New("living: the release that is shown is ahead of the state")

// Pending is the change that is prepared, and not confirmed; nil: none.
func (r *Release) Pending() *Change {
	if !r.saved {
		return nil
	}
	return r.pending
}

// Number is that of the state that was prepared last.
func (r *Release) Number() uint64 { return r.number }

// Columns are those that are published.
func (r *Release) Columns() []string { return r.visible() }

// Classes are all that is published when the pending change is, the oldest class first.
func (r *Release) Classes() iter.Seq[Class] {
	return func(yield func(Class) bool) {
		for _, id := range slices.Sorted(maps.Keys(r.classes)) {
			if !yield(r.classes[id].Class) {
				return
			}
		}
	}
}

// Resume is told what is shown after a crash, a restart, or when somebody restored what
// is shown from a copy: the number of the state and its classes. It returns the
// change that leads to the newest state, to be published and confirmed, or nil if that
// is what is shown. Nothing in it is new: all of it may have been seen before.
func (r *Release) Resume(number uint64, there []uint64) (*Change, error) {
	if number > r.number {
		return nil, fmt.Errorf("%w: state %d is shown, %d is known", ErrBehind, number, r.number)
	}
	c := &Change{Number: r.number, Columns: r.visible()}
	seen := map[uint64]bool{}
	for _, id := range there {
		if id > r.last {
			return nil, fmt.Errorf("%w: class %d is shown, %d is the last one known", ErrBehind, id, r.last)
		}
		if seen[id] = true; r.classes[id] == nil {
			c.Withdraw = append(c.Withdraw, id)
		}
	}
	for class := range r.Classes() {
		if !seen[class.ID] {
			c.Publish = append(c.Publish, class)
		}
	}
	if r.pending != nil && !r.saved {
		return nil, fmt.Errorf("%w and is not durable: call Prepare", ErrPending)
	}
	if number == r.number && len(c.Withdraw) == 0 && len(c.Publish) == 0 {
		if r.pending == nil {
			return nil, nil
		}
		return nil, r.Confirm(number)
	}
	r.pending, r.saved = c, true
	return c, nil
}

// A Status counts the rows of the table by what became of them.
type Status struct {
	Number   uint64
	Rows     int // of the table
	Shown    int // published
	Held     int // not published yet
	Stranded int // were published, and cannot come back without telling of others
	Barred   int // of keys that were published, left and came again
	Left     int // shown, and not in the table any more (Options.Keep)
	Classes  int
	Loss     float64 // mean over shown rows, each as of when it was published
}

// Status says how far the release follows the table.
func (r *Release) Status() Status {
	s := Status{Number: r.number, Rows: len(r.all), Classes: len(r.classes)}
	for _, w := range r.all {
		switch {
		case w.group == nil && r.history.Back(w.key):
			s.Barred++
		case w.group == nil:
			s.Held++
		case w.group.class == nil:
			s.Stranded++
		}
	}
	total := 0
	for _, c := range r.classes {
		total += len(c.Rows)
		s.Loss += c.loss * float64(len(c.Rows))
		s.Left += len(c.Rows) - len(c.group.members)
	}
	s.Shown = total - s.Left
	if total > 0 {
		s.Loss /= float64(total)
	}
	return s
}
