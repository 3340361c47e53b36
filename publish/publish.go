// Package publish makes data that may leave: it anonymises a table as a policy
// says, checks the result by its own text, and measures risk and utility. It
// knows files and tables, nothing of SQL or of providers.
package publish

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/mask"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/recode"
	"github.com/clarus-project/clarus/publish/table"
)

// Open opens a file that a policy names.
type Open func(name string) (io.ReadCloser, error)

// Progress is told what is being done and how far it is.
type Progress func(step string, done, of int)

// A Release passed its check: the table may leave.
type Release struct {
	Table   *table.Table // what may leave
	Checked *table.Table // the same, its rows in the order of the original
	Spec    *check.Spec
	Result  *check.Result
}

// A run is one making of a release.
type run struct {
	ctx      context.Context
	policy   *model.Policy
	table    *table.Table
	files    *Files
	progress Progress
	rng      *rand.Rand
	quasi    []*domain
	secret   []*domain // confidential attributes
	masked   []*table.Column
	spec     *check.Spec
}

// Make anonymises a table. Nothing is returned unless the check passes.
func Make(ctx context.Context, p *model.Policy, t *table.Table, open Open, progress Progress) (*Release, error) {
	if progress == nil {
		progress = func(string, int, int) {}
	}
	r := &run{ctx: ctx, policy: p, table: t, files: NewFiles(open), progress: progress, rng: Random(p.Seed)}
	if p.Population != "" && (p.Method == model.Sampling || p.Method == model.Microaggregation) {
		return nil, &table.Error{Msg: fmt.Sprintf("a population says nothing under method: %s: cells cover nobody", p.Method), Hint: "leave it out, or choose method: local or global"}
	}
	if p.Method == model.Sampling {
		return r.synthetic()
	}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if err := r.enough(); err != nil {
		return nil, err
	}
	columns, err := r.columns()
	if err != nil {
		return nil, err
	}
	out := r.assemble(append(columns, r.masked...))
	if err := r.population(); err != nil {
		return nil, err
	}
	progress("check", 0, 1)
	result, failed := check.Run(t, out, r.spec)
	if failed != nil {
		return nil, failed
	}
	progress("check", 1, 1)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	release := &Release{out, out, r.spec, result}
	if !p.KeepOrder {
		release.Table = r.shuffle(out)
	}
	return release, nil
}

// Random is chance: that of the seed, or of the system.
func Random(seed *uint64) *rand.Rand {
	if seed != nil {
		return rand.New(rand.NewPCG(*seed, 0))
	}
	var b [32]byte
	crand.Read(b[:]) // never fails: it ends the program instead
	return rand.New(rand.NewChaCha8(b))
}

// named checks that policy and data speak of the same attributes.
func (r *run) named() error {
	r.spec = &check.Spec{K: r.policy.K, Subject: r.policy.Subject}
	for _, a := range r.policy.Attributes {
		if r.table.Column(a.Name) == nil {
			return &table.Error{Msg: fmt.Sprintf("the policy names the attribute %q, which the data lacks", a.Name), Hint: "it has " + strings.Join(r.table.Names(), ", ")}
		}
	}
	for _, c := range r.table.Columns {
		if r.policy.Attribute(c.Name) == nil {
			return &table.Error{Column: c.Name, Msg: "the policy does not say what this attribute is", Hint: "give it a class: identifier, quasi-identifier, confidential or non-confidential"}
		}
	}
	return nil
}

// prepare reads the columns in the terms of the policy.
func (r *run) prepare() error {
	p := r.policy
	if err := r.named(); err != nil {
		return err
	}
	for i, c := range r.table.Columns {
		r.progress("read", i, len(r.table.Columns))
		a := p.Attribute(c.Name)
		if a.Mask != nil {
			if err := r.mask(a, c); err != nil {
				return err
			}
			continue
		}
		switch a.Class {
		case clarus.Identifier:
			r.spec.Absent = append(r.spec.Absent, c.Name)
			continue
		case clarus.QuasiIdentifier, clarus.Confidential:
			d, err := r.newDomain(a, c)
			if err != nil {
				return err
			}
			if a.Class == clarus.QuasiIdentifier {
				r.quasi = append(r.quasi, d)
				r.spec.Quasi = append(r.spec.Quasi, check.Quasi{Name: c.Name, Leaves: d.leaves, Scale: string(a.Type), Order: a.Order, Tree: d.tree, Perturbed: p.Method == model.Microaggregation})
			} else {
				r.secret = append(r.secret, d)
				r.spec.Confidential = append(r.spec.Confidential, check.Confidential{Name: c.Name, Order: d.leaves, Tree: d.tree, Wants: a.Wants})
			}
		default:
			r.spec.Kept = append(r.spec.Kept, c.Name)
		}
	}
	if len(r.quasi) == 0 {
		return &table.Error{Msg: "no attribute is a quasi-identifier", Hint: "without one there is nothing to anonymise"}
	}
	r.progress("read", 1, 1)
	return nil
}

// mask changes an attribute that is published otherwise as it is.
func (r *run) mask(a *model.Attribute, c *table.Column) error {
	masked, err := mask.Apply(c, a.Mask, func(v string) bool { return slices.Contains(r.policy.Missing, v) }, r.rng)
	if err != nil {
		return err
	}
	r.masked = append(r.masked, masked)
	r.spec.Masked = append(r.spec.Masked, check.Masked{Name: c.Name, Missing: r.policy.Missing, Mask: a.Mask})
	return nil
}

// enough refuses tables that no release can be made of.
func (r *run) enough() error {
	p := r.policy
	if r.table.Rows < p.K {
		return &table.Error{Msg: fmt.Sprintf("the data has %d rows, fewer than k = %d", r.table.Rows, p.K), Hint: "no release of it is safe"}
	}
	if p.Subject != "" {
		if n := len(slices.Compact(slices.Sorted(slices.Values(r.table.Column(p.Subject).Codes)))); n < p.K {
			return &table.Error{Column: p.Subject, Msg: fmt.Sprintf("the data has %d persons, fewer than k = %d", n, p.K), Hint: "no release of it is safe"}
		}
	}
	return nil
}

// sensitive lists what guards classes: what is wanted in confidential attributes,
// and k persons where rows are not persons.
func (r *run) sensitive() ([]model.Sensitive, error) {
	var out []model.Sensitive
	for _, d := range r.secret {
		if len(d.Wants) == 0 {
			continue
		}
		var all model.All
		for _, want := range d.Wants {
			g, err := want.Guard(d.count(), d.tree)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", d.Name, err)
			}
			all = append(all, g)
			if err := r.possible(d, want, g); err != nil {
				return nil, err
			}
		}
		out = append(out, model.Sensitive{Codes: d.codes, Values: len(d.leaves), Guard: all})
	}
	if r.policy.Subject != "" {
		c := r.table.Column(r.policy.Subject)
		out = append(out, model.Sensitive{Codes: c.Codes, Values: len(c.Values), Guard: model.Distinct(r.policy.K)})
	}
	return out, nil
}

// possible refuses what not even all rows in one class satisfy.
func (r *run) possible(d *domain, want model.Requirement, g model.Guard) error {
	var values []uint32
	var count []int32
	for v, n := range d.count() {
		if n > 0 {
			values, count = append(values, uint32(v)), append(count, int32(n))
		}
	}
	if g.Fits(values, count, r.table.Rows) {
		return nil
	}
	return &table.Error{Column: d.Name, Msg: fmt.Sprintf("all rows in one class do not have %s: the attribute has %d different values", want, len(values)), Hint: "ask for less, or publish the attribute as an identifier, which is left out"}
}

// columns makes the quasi-identifiers' cells by the policy's method.
func (r *run) columns() ([]*table.Column, error) {
	switch r.policy.Method {
	case model.Microaggregation:
		return r.aggregate()
	case model.Global:
		return r.global()
	}
	return r.local()
}

// local makes the quasi-identifiers' cells by cell-local generalisation.
func (r *run) local() ([]*table.Column, error) {
	problem := &recode.Problem{K: r.policy.K, Columns: r.recoded(), Sweeps: r.policy.Effort, Seed: r.rng.Uint64(),
		Progress: func(done, of int) { r.progress("anonymise", done, of) }}
	var err error
	if problem.Sensitive, err = r.sensitive(); err != nil {
		return nil, err
	}
	classes, err := recode.Partition(r.ctx, problem)
	if errors.Is(err, recode.ErrUnsafe) {
		return nil, &table.Error{Msg: "all rows in one class do not satisfy the model", Hint: "ask for less"}
	}
	if err != nil {
		return nil, err
	}
	return render(r.quasi, classes), nil
}

// assemble puts the release's columns in the order of the file.
func (r *run) assemble(columns []*table.Column) *table.Table {
	out := &table.Table{Rows: r.table.Rows, Delimiter: r.table.Delimiter}
	for _, c := range r.table.Columns {
		i := slices.IndexFunc(columns, func(made *table.Column) bool { return made.Name == c.Name })
		switch {
		case i >= 0:
			out.Columns = append(out.Columns, columns[i])
		case !slices.Contains(r.spec.Absent, c.Name):
			out.Columns = append(out.Columns, c)
		}
	}
	return out
}

// shuffle puts the rows in a random order: that of the file may tell who is who.
func (r *run) shuffle(t *table.Table) *table.Table {
	out := &table.Table{Rows: t.Rows, Delimiter: t.Delimiter}
	order := r.rng.Perm(t.Rows)
	for _, c := range t.Columns {
		codes := make([]uint32, len(c.Codes))
		for to, from := range order {
			codes[to] = c.Codes[from]
		}
		out.Columns = append(out.Columns, &table.Column{Name: c.Name, Values: c.Values, Codes: codes})
	}
	return out
}
