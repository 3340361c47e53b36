// Package check judges a release by the release itself. It reads the cells as
// text, as whoever receives them does, finds the classes anew and measures them
// by formulas of its own; it trusts nothing that an algorithm says it did. A
// release that it does not pass must not leave.
package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// Suppressed is the cell that says nothing.
const Suppressed = hierarchy.Root

// A Quasi is a quasi-identifier of the release.
type Quasi struct {
	Name   string
	Leaves []string             // its domain: the values that a cell may cover
	Scale  string               // numeric, date or ordinal: cells may be intervals
	Order  []string             // of an ordinal scale, least first
	Tree   *hierarchy.Hierarchy // cells may be its labels; may be nil
	// Perturbed: cells are not covers of the original values (centroids, noise), so
	// that truth is not checked.
	Perturbed bool
}

// A Confidential is an attribute that is published as it is, and what every
// class must satisfy in it.
type Confidential struct {
	Name  string
	Order []string             // the values, least first, for ordered distance
	Tree  *hierarchy.Hierarchy // for hierarchical distance
	Wants []model.Requirement
}

// A Masked attribute is published with its values changed one by one.
type Masked struct {
	Name    string
	Missing []string // values that stay
	Mask    *model.Mask
}

// A Spec is what a release promises.
type Spec struct {
	K             int
	Subject       string // attribute of the original that says whose a row is; "": each row is another's
	Quasi         []Quasi
	Confidential  []Confidential
	Kept          []string    // published as they are
	Absent        []string    // must not be published
	Masked        []Masked    // published, changed
	MaxSuppressed int         // rows
	Population    *Population // who may be in the data; nil: not known
	Synthetic     *Synthetic  // rows are drawn: all that is above but Absent says nothing; nil: they are not
}

// A Violation is a promise that the release does not keep.
type Violation struct {
	Promise string `json:"promise"`
	Found   string `json:"found"`
}

// Failed is the error of a release that does not keep its promises.
type Failed []Violation

func (f Failed) Error() string {
	lines := make([]string, len(f))
	for i, v := range f {
		lines[i] = v.Promise + ": " + v.Found
	}
	return "the release fails its check: " + strings.Join(lines, "; ")
}

// Run compares a release with its original, row by row, and measures it. The
// result is complete also where there are violations; the error is for what
// cannot be compared at all.
func Run(original, release *table.Table, s *Spec) (*Result, Failed) {
	c := &checker{original: original, release: release, spec: s, result: &Result{Rows: release.Rows}}
	if !c.shape() {
		return c.result, c.failed
	}
	for i := range s.Quasi {
		c.truth(&s.Quasi[i])
	}
	c.classes()
	c.anonymity()
	for i := range s.Confidential {
		c.confidential(&s.Confidential[i])
	}
	c.risks()
	if s.Population != nil {
		c.journalist()
	}
	return c.result, c.failed
}

type checker struct {
	original, release *table.Table
	spec              *Spec
	result            *Result
	failed            Failed
	class             []int32 // of each row; -1: in none, all its quasi-identifiers are suppressed
	size              []int   // of each class
	sample            []int32 // of each class: one of its rows
	persons           []int   // of each class
	out               int     // rows that are in no class
	rows, starts      []int32 // the rows class by class; see members
}

func (c *checker) violated(promise, format string, args ...any) {
	c.failed = append(c.failed, Violation{promise, fmt.Sprintf(format, args...)})
}

// shape checks that the release has the columns and rows that it should.
func (c *checker) shape() bool {
	s := c.spec
	if c.original.Rows != c.release.Rows {
		c.violated("every row is published", "%d rows of %d", c.release.Rows, c.original.Rows)
		return false
	}
	var wanted []string
	for _, q := range s.Quasi {
		wanted = append(wanted, q.Name)
	}
	for _, a := range s.Confidential {
		wanted = append(wanted, a.Name)
	}
	wanted = append(wanted, s.Kept...)
	for _, m := range s.Masked {
		wanted = append(wanted, m.Name)
	}
	for _, name := range wanted {
		if c.release.Column(name) == nil {
			c.violated("every attribute is published", "%s is missing", name)
		}
	}
	for _, name := range c.release.Names() {
		if slices.Contains(s.Absent, name) || name == s.Subject || !slices.Contains(wanted, name) {
			c.violated("nothing else is published", "%s is in the release", name)
		}
	}
	for _, col := range c.release.Columns {
		if len(col.Codes) != c.release.Rows {
			c.violated("every row is published", "%s has %d cells of %d", col.Name, len(col.Codes), c.release.Rows)
		}
	}
	if len(c.failed) > 0 {
		return false
	}
	for _, name := range s.Kept {
		c.same(name)
	}
	for i := range s.Masked {
		c.masked(&s.Masked[i])
	}
	return len(c.failed) == 0
}

// same checks that a column is published as it is.
func (c *checker) same(name string) {
	a, b := c.original.Column(name), c.release.Column(name)
	for r := range a.Codes {
		if a.At(r) != b.At(r) {
			c.violated(name+" is published as it is", "row %d differs", r+1)
			return
		}
	}
}

// truth checks that every cell covers its original, and measures its loss.
func (c *checker) truth(q *Quasi) {
	before, after := c.original.Column(q.Name), c.release.Column(q.Name)
	if q.Perturbed {
		c.result.Attributes = append(c.result.Attributes, perturbed(q, before, after))
		return
	}
	d := newDomain(q)
	covers := make([]Cover, len(after.Values))
	used := after.Count()
	for i, label := range after.Values {
		if used[i] == 0 {
			continue
		}
		var err error
		if covers[i], err = d.read(label); err != nil {
			c.violated("every cell of "+q.Name+" can be read", "%v", err)
			return
		}
	}
	leaf := make([]int, len(before.Values))
	for i, v := range before.Values {
		leaf[i] = d.leaf(v)
	}
	lost := 0.0
	for r, x := range after.Codes {
		cv := &covers[x]
		lost += cv.loss
		if o := before.Codes[r]; !cv.covers(leaf[o]) {
			c.violated("every cell of "+q.Name+" covers its original", "row %d: %q does not cover its value", r+1, after.Values[x])
			return
		}
	}
	c.result.Attributes = append(c.result.Attributes, Attribute{Name: q.Name, Loss: lost / float64(max(1, len(after.Codes))), Values: distinct(after)})
}

func distinct(c *table.Column) int {
	n := 0
	for _, x := range c.Count() {
		if x > 0 {
			n++
		}
	}
	return n
}

// classes groups the rows whose cells in every quasi-identifier read the same.
func (c *checker) classes() {
	n := c.release.Rows
	c.class = make([]int32, n)
	stars := make([]int, n)
	for _, q := range c.spec.Quasi {
		col := c.release.Column(q.Name)
		text := unify(col)
		next := map[uint64]int32{}
		for r, x := range col.Codes {
			key := uint64(c.class[r])<<32 | uint64(text[x])
			id, ok := next[key]
			if !ok {
				id = int32(len(next))
				next[key] = id
			}
			c.class[r] = id
			if col.Values[x] == Suppressed {
				stars[r]++
			}
		}
	}
	c.result.Suppressed = 0
	for _, n := range stars {
		if n == len(c.spec.Quasi) {
			c.result.Suppressed++
		}
	}
	withheld := c.withheld(stars)
	number := map[int32]int32{}
	for r, id := range c.class {
		if withheld && stars[r] == len(c.spec.Quasi) {
			c.class[r] = -1
			c.out++
			continue
		}
		k, ok := number[id]
		if !ok {
			k = int32(len(c.size))
			number[id] = k
			c.size, c.sample = append(c.size, 0), append(c.sample, int32(r))
		}
		c.class[r] = k
		c.size[k]++
	}
}

// withheld reports whether the rows without any quasi-identifier are outside
// every class: suppressed as the promise allows, showing nothing, or too few to
// be a class. Otherwise they are a class like any other.
func (c *checker) withheld(stars []int) bool {
	if c.result.Suppressed < c.spec.K {
		return true
	}
	if c.result.Suppressed > c.spec.MaxSuppressed {
		return false
	}
	for _, a := range c.spec.Confidential {
		col := c.release.Column(a.Name)
		for r, n := range stars {
			if n == len(c.spec.Quasi) && col.At(r) != Suppressed {
				return false
			}
		}
	}
	return true
}

// unify numbers a column's values by text, should a value be there twice.
func unify(col *table.Column) []uint32 {
	first := map[string]uint32{}
	out := make([]uint32, len(col.Values))
	for i, v := range col.Values {
		if _, ok := first[v]; !ok {
			first[v] = uint32(i)
		}
		out[i] = first[v]
	}
	return out
}

// anonymity checks k and what was suppressed. Suppressed rows show nothing that
// tells them apart; nor may they show a confidential value, for who is in no
// class is known to be among them.
func (c *checker) anonymity() {
	c.persons = c.size
	promise := fmt.Sprintf("%d-anonymity", c.spec.K)
	if c.spec.Subject != "" {
		promise += " by " + c.spec.Subject
		c.countPersons()
	}
	for k, n := range c.persons {
		if n < c.spec.K {
			c.violated(promise, "a class of %d: %s", n, c.describe(k))
			break
		}
	}
	if c.out > c.spec.MaxSuppressed {
		c.violated("at most "+fmt.Sprint(c.spec.MaxSuppressed)+" rows are suppressed", "%d are", c.out)
	}
}

func (c *checker) countPersons() {
	col := c.original.Column(c.spec.Subject)
	if col == nil {
		c.violated("persons are counted by "+c.spec.Subject, "the original has no such attribute")
		return
	}
	seen := make(map[uint64]struct{}, len(c.class))
	c.persons = make([]int, len(c.size))
	for r, k := range c.class {
		if k < 0 {
			continue
		}
		key := uint64(k)<<32 | uint64(col.Codes[r])
		if _, ok := seen[key]; !ok {
			seen[key] = struct{}{}
			c.persons[k]++
		}
	}
}

// describe shows a class as the release does.
func (c *checker) describe(k int) string {
	var cells []string
	for _, q := range c.spec.Quasi {
		cells = append(cells, q.Name+"="+c.release.Column(q.Name).At(int(c.sample[k])))
	}
	return strings.Join(cells, ", ")
}
