package plan

import (
	"fmt"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
)

// place says which providers take part.
func (p *Plan) place() {
	p.Provider, p.Providers = "", Providers(p.Tables)
	if len(p.Providers) == 1 {
		p.Provider = p.Providers[0]
	}
}

// Providers are the providers that hold tables, each once, in order.
func Providers(tables []*catalog.Table) []string {
	var list []string
	for _, t := range tables {
		list = append(list, t.Provider)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// writesAtOne refuses a statement that may change or lock rows at more than
// one provider: they would not be committed together. What a function made by
// a user does is known only when it has run.
func (p *Plan) writesAtOne(st *analyze.Statement, c *catalog.Catalog) error {
	if len(p.Providers) < 2 {
		return nil
	}
	tables := slices.Clone(p.Targets)
	for i := range st.Relations {
		if r := &st.Relations[i]; r.Locked {
			if t := c.Table(r.OID); t != nil {
				tables = append(tables, t)
			}
		}
	}
	at := Providers(tables)
	if len(at) > 1 {
		return clarus.Refuse(fmt.Sprintf("the statement changes or locks rows at %s and at %s, which cannot be committed together", at[0], at[1]),
			"Change the tables of each provider in a transaction of its own.")
	}
	if len(at) == 1 && !p.Calls {
		p.Provider = at[0]
	}
	return nil
}
