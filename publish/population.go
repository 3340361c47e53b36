package publish

import (
	"fmt"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// population reads the register that the policy names, in the terms of the release.
func (r *run) population() error {
	if r.policy.Population == "" {
		return nil
	}
	f, err := r.files.open(r.policy.Population)
	if err != nil {
		return fmt.Errorf("population: %w", err)
	}
	defer f.Close()
	t, err := table.Read(f, table.Options{})
	if err != nil {
		return fmt.Errorf("population: %w", err)
	}
	p := &check.Population{Rows: t.Rows}
	for i, d := range r.quasi {
		c := t.Column(d.Name)
		if c == nil {
			return &table.Error{Msg: fmt.Sprintf("the population lacks the quasi-identifier %q", d.Name), Hint: "it is a CSV file with the quasi-identifiers' columns, one row for each person"}
		}
		both := &table.Column{Name: d.Name, Values: append([]string(nil), d.column.Values...), Codes: append([]uint32(nil), d.column.Codes...)}
		index := map[string]uint32{}
		for x, v := range both.Values {
			index[v] = uint32(x)
		}
		code := make([]uint32, len(c.Values))
		for x, v := range c.Values {
			y, ok := index[v]
			if !ok {
				y = uint32(len(both.Values))
				both.Values = append(both.Values, v)
			}
			code[x] = y
		}
		for _, x := range c.Codes {
			both.Codes = append(both.Codes, code[x])
		}
		wide, err := r.widened(d, both)
		if err != nil {
			return fmt.Errorf("population, rows counted on from the data's: %w", err)
		}
		q := r.spec.Quasi[i]
		q.Leaves, q.Tree = wide.leaves, wide.tree
		p.Quasi, p.Codes = append(p.Quasi, q), append(p.Codes, wide.codes[r.table.Rows:])
	}
	r.spec.Population = p
	return nil
}

// widened is a domain with the values of a population too. What its hierarchy lacks is covered by
// the root only, and nothing of a population is refused for missing. A hierarchy that was built
// from the data is read from its labels where these are intervals.
func (r *run) widened(d *domain, both *table.Column) (*domain, error) {
	p := *r.policy
	p.MissingRefused = false
	a := *d.Attribute
	a.HolesRoot = true
	built := a.Hierarchy != nil && a.Hierarchy.Build
	if built {
		a.Hierarchy = nil
	}
	if a.Cover == model.CoverNode && a.Hierarchy == nil {
		a.Cover = model.CoverSet
	}
	wide, err := (&run{ctx: r.ctx, policy: &p, files: r.files}).newDomain(&a, both)
	if err == nil && built && wide.unordered() {
		wide.tree = d.tree
	}
	return wide, err
}
