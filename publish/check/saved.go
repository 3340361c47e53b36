package check

import (
	"fmt"
	"maps"
	"slices"
)

// Saved is a History without the rows' values, which who saves it has.
type Saved struct {
	Salt       [16]byte
	Last       uint64
	Living     []SavedRow
	Left       []SavedRow // those that are still in a line
	Lines      [][]int    // of each: its publications, as places in References
	References []SavedReference
	Tombs      []string
	Gone       []string // keys of rows that left since the last step
	Stale      []uint64
	Must       []uint64
}

// SavedRow is a row of a Saved.
type SavedRow struct {
	Key     string // of one that left: only since the last step
	Line    int    // from 1; 0: none
	Class   uint64
	Masked  []string
	Past    [][]string
	Back    bool
	Subject string // of one that left
	Hidden  bool
}

// SavedReference is a reference of a Saved.
type SavedReference struct {
	Of    []Confidential
	Whole []map[string]int
	Rows  int
}

// Save returns the history.
func (h *History) Save() *Saved {
	s := &Saved{Salt: h.salt, Last: h.last, Tombs: slices.Collect(maps.Keys(h.tombs)), Gone: h.left,
		Stale: slices.Collect(maps.Keys(h.stale)), Must: slices.Collect(maps.Keys(h.must))}
	lines, references := map[*line]int{}, map[*reference]int{}
	number := func(l *line) int {
		if l == nil {
			return 0
		}
		if lines[l] == 0 {
			var at []int
			for _, ref := range l.at {
				if _, ok := references[ref]; !ok {
					references[ref] = len(s.References)
					s.References = append(s.References, SavedReference{ref.of, ref.whole, ref.rows})
				}
				at = append(at, references[ref])
			}
			s.Lines = append(s.Lines, at)
			lines[l] = len(s.Lines)
		}
		return lines[l]
	}
	save := func(key string, r *record) SavedRow {
		w := SavedRow{Key: key, Line: number(r.line), Class: r.class, Masked: r.masked, Past: r.past, Back: r.back}
		if r.values == nil {
			w.Subject, w.Hidden = r.subject, r.hidden
		}
		return w
	}
	s.Living = make([]SavedRow, 0, len(h.rows))
	named := map[*record]bool{}
	for key, r := range h.rows {
		if r.values != nil {
			s.Living = append(s.Living, save(key, r))
		} else {
			named[r] = true
			s.Left = append(s.Left, save(key, r))
		}
	}
	for _, list := range h.shown {
		number(list[0].line) // also where all its rows have left
	}
	all := slices.Collect(maps.Keys(lines))
	for _, l := range all {
		for _, r := range l.members {
			if r.values == nil && !named[r] {
				s.Left = append(s.Left, save("", r))
			}
		}
	}
	return s
}

// Restore makes a history of what was saved. Values returns what a row is and what it
// was when it was published last, in the order of columns.
func Restore(columns []string, promise *Spec, current bool, s *Saved, values func(key string) (now, shown []string)) (*History, error) {
	h := NewHistory(columns, promise, current)
	h.salt, h.last, h.left = s.Salt, s.Last, s.Gone
	references, lines := make([]*reference, len(s.References)), make([]*line, len(s.Lines))
	for i, ref := range s.References {
		references[i] = &reference{ref.Of, ref.Whole, ref.Rows}
	}
	for i, at := range s.Lines {
		lines[i] = &line{}
		for _, k := range at {
			if k < 0 || k >= len(references) {
				return nil, fmt.Errorf("the history has no publication %d", k)
			}
			lines[i].at = append(lines[i].at, references[k])
		}
	}
	put := func(w *SavedRow, r *record) error {
		r.masked, r.past, r.back, r.class, r.hidden = w.Masked, w.Past, w.Back, w.Class, w.Hidden
		if w.Line < 0 || w.Line > len(lines) {
			return fmt.Errorf("the history has no line %d", w.Line)
		}
		if w.Line > 0 {
			r.line = lines[w.Line-1]
			r.line.members = append(r.line.members, r)
			if len(r.past) != len(r.line.at) {
				return fmt.Errorf("a row of line %d was published %d times, not %d", w.Line, len(r.past), len(r.line.at))
			}
		}
		if r.class != 0 {
			h.shown[r.class] = append(h.shown[r.class], r)
		}
		return nil
	}
	for i := range s.Living {
		w := &s.Living[i]
		now, shown := values(w.Key)
		if len(now) != len(columns) || w.Line > 0 && len(shown) != len(columns) {
			return nil, fmt.Errorf("the history knows a row that the table lacks")
		}
		h.Insert(w.Key, now)
		r := h.rows[w.Key]
		if r.shown = shown; w.Line == 0 {
			r.shown = nil
		}
		if err := put(w, r); err != nil {
			return nil, err
		}
	}
	for i := range s.Left {
		w := &s.Left[i]
		r := &record{subject: w.Subject}
		if err := put(w, r); err != nil {
			return nil, err
		}
		if w.Key != "" {
			h.rows[w.Key] = r
		}
	}
	for _, name := range s.Tombs {
		h.tombs[name] = true
	}
	for _, id := range s.Stale {
		h.stale[id] = true
	}
	for _, id := range s.Must {
		h.must[id] = true
	}
	return h, nil
}
