package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
)

// An Error is one mistake in a configuration or policy file, or one wish of a
// policy that a table makes impossible. It never holds a secret's value.
type Error struct {
	File   string // as it was given to the loader
	Line   int    // from 1; 0: the error concerns no place in the file
	Column int    // in characters from 1
	Msg    string // what is wrong
	Remedy string // what the owner can write instead; may be empty
	Kind   clarus.Kind
}

// Error prints "file:line:col: msg (remedy)".
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.located()
	}
	return e.located() + " (" + e.Remedy + ")"
}

// Unwrap gives the fronts the error in the vocabulary that they map to a
// status; its kind is Misconfigured, or Unsupported for what is not available.
func (e *Error) Unwrap() error {
	return &clarus.Error{Op: "policy", Kind: e.Kind, Msg: e.located(), Hint: e.Remedy}
}

func (e *Error) located() string { return where(e.File, position{e.Line, e.Column}) + ": " + e.Msg }

// Errors are all mistakes of one file, in the order of their places.
type Errors []*Error

// Error prints one line for each mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single errors.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// As gives the fronts one *clarus.Error that tells all mistakes; its kind is
// the first one's.
func (es Errors) As(target any) bool {
	e, ok := target.(**clarus.Error)
	if !ok || len(es) < 2 {
		return false // one mistake: its Unwrap keeps message and remedy apart
	}
	*e = &clarus.Error{Op: "policy", Kind: es[0].Kind, Msg: es.Error()}
	return true
}

// A position is a place in a file, from 1; the zero position is the whole file.
type position struct{ line, column int }

func where(file string, at position) string {
	if at.line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, at.line, at.column)
}

// A report collects the mistakes of one file.
type report struct {
	file string
	errs Errors
}

// add records that the owner must change something at the place.
func (r *report) add(at position, msg, remedy string) {
	r.addKind(clarus.Misconfigured, at, msg, remedy)
}

// later records a wish that Clarus cannot fulfil yet.
func (r *report) later(at position, msg, remedy string) {
	r.addKind(clarus.Unsupported, at, msg, remedy)
}

func (r *report) addKind(kind clarus.Kind, at position, msg, remedy string) {
	r.errs = append(r.errs, &Error{r.file, at.line, at.column, msg, remedy, kind})
}

// places returns where something was recorded.
func (r *report) places() map[position]bool {
	told := map[position]bool{}
	for _, e := range r.errs {
		told[position{e.Line, e.Column}] = true
	}
	return told
}

// err returns what was recorded, by place, or nil.
func (r *report) err() error {
	if len(r.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.errs
}
