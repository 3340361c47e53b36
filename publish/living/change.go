package living

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/clarus-project/clarus"
)

// ErrKey is what is wrong with a key: it is there already, or not.
var ErrKey = errors.New("living: the key")

// Insert tells of a new row. Its key names it as long as it is in the table. A key
// that left and comes back is never published again, if it ever was: name another
// row otherwise.
func (r *Release) Insert(key string, values []string) error {
	if r.rows[key] != nil {
		return fmt.Errorf("%w %q is there already", ErrKey, key)
	}
	codes, kept, err := r.encode(values)
	if err != nil {
		return err
	}
	masked, err := r.mask(kept, nil)
	if err != nil {
		r.drop(codes)
		return err
	}
	w := &row{key: key, at: len(r.all), codes: codes, masked: masked}
	r.rows[key] = w
	r.all = append(r.all, w)
	r.history.Insert(key, kept)
	return nil
}

// Update tells of a row's new values.
func (r *Release) Update(key string, values []string) error {
	w := r.rows[key]
	if w == nil {
		return fmt.Errorf("%w %q is not there", ErrKey, key)
	}
	codes, kept, err := r.encode(values)
	if err != nil {
		return err
	}
	if slices.Equal(codes, w.codes) {
		r.drop(codes)
		return nil
	}
	if r.another(w, values) {
		r.drop(codes)
		return fmt.Errorf("%w %q becomes another's row: delete it, and insert one of another key", ErrKey, key)
	}
	masked, err := r.mask(kept, w)
	if err != nil {
		r.drop(codes)
		return err
	}
	r.drop(w.codes)
	w.codes, w.masked = codes, masked
	r.touch(w)
	r.history.Update(key, kept)
	return nil
}

// Delete tells that a row left the table. What is published of its class goes with
// the next step, unless Options.Keep says otherwise.
func (r *Release) Delete(key string) error { return r.remove(key, false) }

// Erase is Delete whatever Options.Keep says.
func (r *Release) Erase(key string) error { return r.remove(key, true) }

func (r *Release) remove(key string, erase bool) error {
	w := r.rows[key]
	if w == nil {
		return fmt.Errorf("%w %q is not there", ErrKey, key)
	}
	r.touch(w)
	if g := w.group; g != nil {
		g.left++
		g.erased = g.erased || erase && g.class != nil
		g.members = slices.DeleteFunc(g.members, func(m *row) bool { return m == w })
	}
	r.drop(w.codes)
	if w.seen != nil {
		r.drop(w.seen.codes)
	}
	last := r.all[len(r.all)-1]
	r.all[w.at], last.at = last, w.at
	r.all = r.all[:len(r.all)-1]
	delete(r.rows, key)
	r.history.Delete(key, erase)
	return nil
}

func (r *Release) touch(w *row) {
	if w.group != nil {
		r.dirty[w.group] = true
	}
}

// another reports whether values say that a row is another subject's.
func (r *Release) another(w *row, values []string) bool {
	for i := range r.kept {
		if c := &r.kept[i]; c.attribute.Name == r.policy.Subject {
			return c.from < len(values) && values[c.from] != c.dict.values[w.codes[i]]
		}
	}
	return false
}

// Sync makes the release's table the given one, whatever changes it was or was not
// told of: what is to be done after Load.
func (r *Release) Sync(whole iter.Seq2[string, []string]) error {
	there := make(map[string]bool, len(r.rows))
	for key, values := range whole {
		if there[key] {
			return fmt.Errorf("%w %q is there twice", ErrKey, key)
		}
		there[key] = true
		put := r.Insert
		if w := r.rows[key]; w != nil && r.another(w, values) {
			if err := r.Delete(key); err != nil {
				return err
			}
		} else if w != nil {
			put = r.Update
		}
		if err := put(key, values); err != nil {
			return fmt.Errorf("row %q: %w", key, err)
		}
	}
	var gone []string
	for key := range r.rows {
		if !there[key] {
			gone = append(gone, key)
		}
	}
	for _, key := range gone {
		if err := r.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// changed reports whether what is published of a row beside its quasi-identifiers
// would not be what it was.
func (r *Release) changed(w *row) bool {
	for i := range r.kept {
		a := r.kept[i].attribute
		if a.Class != clarus.QuasiIdentifier && a.Mask == nil && w.codes[i] != w.seen.codes[i] {
			return true
		}
	}
	return !slices.Equal(w.masked, w.seen.masked)
}
