package check

import (
	crand "crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/clarus-project/clarus/publish/model"
)

// A History judges a release that changes with its table, by what somebody knows
// who has kept every published state: docs/spec/living.md. It is told of every
// change of the table and of every step before that is published, and finds out
// by itself which rows have had the same history: published in the same classes
// and changed between the same steps. Those rows are a line. No step may divide
// a line so that a part is not as safe as a class must be.
//
// It is not for use by several goroutines.
type History struct {
	columns []string
	promise *Spec
	current bool
	salt    [16]byte
	rows    map[string]*record
	tombs   map[string]bool // names of rows that were published and left
	left    []string        // keys of rows that left since the last step
	shown   map[uint64][]*record
	last    uint64          // the greatest number of a class so far
	stale   map[uint64]bool // shown classes with a row that left or changed
	must    map[uint64]bool // shown classes that the next step withdraws, whatever else
	whole   []map[string]int
	living  int
}

// A record is a row as History knows it.
type record struct {
	values  []string // nil: it left
	shown   []string // the values when it was published last
	masked  []string // the masked cells then
	past    [][]string
	subject string
	line    *line  // nil: it was never published
	class   uint64 // shows it; 0: none
	back    bool   // a row of this key was published, and left
	hidden  bool   // it left, and subject is but a name
}

// A line is all rows of one history, those that left included.
type line struct {
	members []*record
	at      []*reference // of each publication
}

// A reference is the whole table at one publication: what t-closeness compares with.
type reference struct {
	of    []Confidential
	whole []map[string]int
	rows  int
}

// A Shown class is published as a whole and never changes, it is only withdrawn.
type Shown struct {
	ID   uint64
	Keys []string   // whose rows they are; never published
	Rows [][]string // the cells, in the order of Step.Columns
}

// A Step is one change of what is published.
type Step struct {
	Spec     *Spec // the domains of the quasi-identifiers and confidential attributes at this time
	Columns  []string
	Withdraw []uint64
	Publish  []Shown
}

// NewHistory begins a history in which nothing was published yet. Columns are those
// of the rows that it is told of. Current says that a class is withdrawn as soon as
// a row in it leaves or changes; else it may show what was so when it was published.
func NewHistory(columns []string, promise *Spec, current bool) *History {
	h := &History{columns: columns, promise: promise, current: current, rows: map[string]*record{}, tombs: map[string]bool{},
		shown: map[uint64][]*record{}, stale: map[uint64]bool{}, must: map[uint64]bool{}}
	crand.Read(h.salt[:]) // never fails: it ends the program instead
	for range promise.Confidential {
		h.whole = append(h.whole, map[string]int{})
	}
	return h
}

// name is what is kept of a key or a subject that left.
func (h *History) name(of string) string {
	sum := sha256.Sum256(append(h.salt[:], of...))
	return string(sum[:16])
}

func (h *History) column(name string) int { return slices.Index(h.columns, name) }

func (h *History) count(values []string, n int) {
	h.living += n
	for i := range h.promise.Confidential {
		v := values[h.column(h.promise.Confidential[i].Name)]
		if h.whole[i][v] += n; h.whole[i][v] == 0 {
			delete(h.whole[i], v)
		}
	}
}

func (h *History) touched(r *record) {
	if r.class != 0 {
		h.stale[r.class] = true
	}
}

// Insert tells of a new row.
func (h *History) Insert(key string, row []string) {
	h.forget(key) // if it left since the last step
	r := &record{values: row, back: h.tombs[h.name(key)]}
	if h.promise.Subject != "" {
		r.subject = row[h.column(h.promise.Subject)]
	}
	h.rows[key] = r
	h.count(row, 1)
}

// Update tells of a row's new values.
func (h *History) Update(key string, row []string) {
	r := h.rows[key]
	h.count(r.values, -1)
	r.values = row
	h.count(row, 1)
	h.touched(r)
}

// Delete tells that a row left. Erased, its class is withdrawn by the next step.
func (h *History) Delete(key string, erased bool) {
	r := h.rows[key]
	h.count(r.values, -1)
	h.touched(r)
	if erased && r.class != 0 {
		h.must[r.class] = true
	}
	if r.line == nil {
		delete(h.rows, key)
		return
	}
	r.values = nil
	h.left = append(h.left, key)
}

// Forget keeps of rows that left no key and no subject, only names that cannot be
// read. It is part of every step.
func (h *History) Forget() {
	for _, key := range h.left {
		h.forget(key)
	}
	h.left = nil
}

func (h *History) forget(key string) {
	if r := h.rows[key]; r != nil && r.values == nil {
		r.subject, r.hidden, r.shown, r.masked = h.name(r.subject), true, nil, nil
		h.tombs[h.name(key)] = true
		delete(h.rows, key)
	}
}

// Back reports whether a row of this key was published and left, so that it can
// never be published again: it alone would have been in both classes.
func (h *History) Back(key string) bool { return h.rows[key] != nil && h.rows[key].back }

// changed reports whether what is published of a row beside its quasi-identifiers
// would not be what it was: whoever sees the difference tells the row from those that
// stayed as they were. Masked are the cells of its masked attributes.
func (h *History) changed(r *record, masked []string) bool {
	differs := func(name string) bool { i := h.column(name); return r.values[i] != r.shown[i] }
	p := h.promise
	return r.line != nil && (slices.ContainsFunc(p.Confidential, func(a Confidential) bool { return differs(a.Name) }) ||
		slices.ContainsFunc(p.Kept, differs) || !slices.Equal(masked, r.masked))
}

// confidential are the values that models speak of.
func (h *History) confidential(values []string) []string {
	out := make([]string, len(h.promise.Confidential))
	for i := range out {
		out[i] = values[h.column(h.promise.Confidential[i].Name)]
	}
	return out
}

func (h *History) reference(spec *Spec) *reference {
	ref := &reference{of: spec.Confidential, whole: h.whole, rows: h.living}
	for i := range h.promise.Confidential { // what is wanted is never what a step says
		if i < len(ref.of) && ref.of[i].Name == h.promise.Confidential[i].Name {
			continue
		}
		ref.of = h.promise.Confidential
	}
	return ref
}

// frozen is the reference as it now is, if any model needs it later.
func (h *History) frozen(ref *reference) *reference {
	out := &reference{of: ref.of, rows: ref.rows, whole: make([]map[string]int, len(ref.whole))}
	for i, a := range h.promise.Confidential {
		if !slices.ContainsFunc(a.Wants, func(w model.Requirement) bool { return w.Kind == model.TCloseness }) {
			continue
		}
		out.whole[i] = make(map[string]int, len(h.whole[i]))
		for v, n := range h.whole[i] {
			out.whole[i][v] = n
		}
	}
	return out
}

// persons counts whose rows they are.
func (h *History) persons(list []*record) int {
	if h.promise.Subject == "" {
		return len(list)
	}
	someHidden := slices.ContainsFunc(list, func(r *record) bool { return r.hidden })
	seen := map[string]bool{}
	for _, r := range list {
		if someHidden && !r.hidden {
			seen[h.name(r.subject)] = true
		} else {
			seen[r.subject] = true
		}
	}
	return len(seen)
}

// enough says what k-anonymity finds wrong with rows that can be told from all others.
func (h *History) enough(list []*record) string {
	if n := h.persons(list); n < h.promise.K {
		return fmt.Sprintf("%d that can be told from all others", n)
	}
	return ""
}

// models says what the models find wrong with rows whose values are known together.
func (h *History) models(list []*record, values func(*record) []string, ref *reference) string {
	for i, a := range h.promise.Confidential {
		if len(a.Wants) == 0 {
			continue
		}
		count := map[string]int{}
		for _, r := range list {
			count[values(r)[i]]++
		}
		for _, want := range a.Wants {
			if ok, found := satisfied(want, &ref.of[i], count, len(list), ref.whole[i], ref.rows); !ok {
				return fmt.Sprintf("%s of %s: %s", want, a.Name, found)
			}
		}
	}
	return ""
}
