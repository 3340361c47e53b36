package plan

import (
	"slices"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/sqlast"
)

// TryPass makes p a pass plan if nothing protected is touched and the
// statement means the same at the provider. st is the statement's form.
func (p *Plan) TryPass(env Env, list []*analyze.Statement, st *sqlast.Statement, results []uint32) {
	if p.Class != Residual || p.Opaque || len(p.Actions) > 0 {
		return
	}
	if len(p.Providers) > 1 {
		p.Why = "its tables are at several providers"
		return
	}
	why, ok := env.passable(p, list[0], results)
	if ok {
		p.SQL, ok = rename(p, list[0], st)
		why = "its names cannot be carried over safely"
	}
	if !ok {
		p.Why = why
		return
	}
	p.Class, p.Why = Pass, ""
}

func (env Env) passable(p *Plan, st *analyze.Statement, results []uint32) (string, bool) {
	if p.SetsSequence || len(st.NextValues) > 0 {
		return "it needs what only this side has", false
	}
	if why, ok := env.movable(st, results); !ok {
		return why, false
	}
	if len(p.Reads) > 0 && (len(p.Tables) > 0 || st.Constants || len(st.Params) > 0) {
		return "a sequence stands beside tables or values", false
	}
	mixed := false
	for i := range st.Relations {
		r := &st.Relations[i]
		t := env.Catalog.Table(r.OID)
		if env.Catalog.Logical.Sequence(r.OID) != nil {
			continue
		}
		if t == nil {
			return "it uses a view or a system relation", false
		}
		if t.Relation.RowSecurity {
			return "row security is applied on this side", false
		}
		if why, ok := clearColumns(t, r); !ok {
			return why, false
		}
		mixed = mixed || !t.Plain()
	}
	// Of a table with protected columns the provider gets to see only values that
	// stand beside a clear column, as in a push plan: others may be of a protected one.
	if mixed && (st.Constants || len(st.Params) > 0) {
		if pushed, why := env.push(st, results, false); pushed == nil {
			return why, false
		}
	}
	return "", true
}

// movable reports whether what the statement computes means the same at the
// provider as here, whatever it computes on.
func (env Env) movable(st *analyze.Statement, results []uint32) (string, bool) {
	for _, t := range append(slices.Clone(results), st.Types...) {
		if t >= firstUserOID {
			return "it uses a type made by a user", false
		}
	}
	switch {
	case st.RowSecurity:
		return "row security is applied on this side", false
	case len(st.RegConsts) > 0 || len(st.SQLValues) > 0:
		return "it asks for what depends on the session", false
	}
	return env.portable(st)
}

// clearColumns reports whether all that is used of a table is clear, and
// whether the provider can uphold the table's rules when rows are written.
func clearColumns(t *catalog.Table, r *analyze.Relation) (string, bool) {
	if r.Target {
		if !t.Plain() {
			return "the target has protected columns", false
		}
		if t.Relation.OwnCheck() {
			return "the target has a constraint that needs a function or a type made by a user", false
		}
		if t.Typed() {
			return "the target has a column of a type made by a user", false
		}
		for _, a := range t.Relation.Columns {
			if a.Generated || a.Identity != 0 {
				return "the target has generated columns", false
			}
		}
	}
	for _, num := range slices.Concat(r.Selected, r.Inserted, r.Updated) {
		c := t.Column(num)
		if num == 0 && t.Plain() {
			continue
		}
		if c == nil || !c.Clear {
			return "a protected attribute takes part", false
		}
	}
	if !t.Plain() && r.Locked {
		return "rows with protected columns are locked", false
	}
	return "", true
}

// rename puts the provider's names in place of the logical ones.
func rename(p *Plan, a *analyze.Statement, st *sqlast.Statement) (string, bool) {
	c, err := st.Clone()
	if err != nil {
		return "", false
	}
	byName := map[string]*catalog.Table{}
	for _, t := range p.Tables {
		if byName[t.Name] != nil {
			return "", false // one name in two schemas
		}
		byName[t.Name] = t
		if !t.Plain() && wholeRow(a, t) {
			return "", false
		}
	}
	names, ctes := c.Relations()
	sequence := func(n sqlast.Name) *catalog.Sequence {
		at := slices.IndexFunc(p.Reads, func(s *catalog.Sequence) bool {
			return s.Name == n.Relation && (n.Schema == "" || n.Schema == s.Schema)
		})
		if at < 0 {
			return nil
		}
		return p.Reads[at]
	}
	if slices.ContainsFunc(p.Reads, func(s *catalog.Sequence) bool { return s != p.Reads[0] || slices.Contains(ctes, s.Name) }) {
		return "", false
	}
	for _, cte := range ctes {
		if byName[cte] != nil {
			return "", false
		}
	}
	for _, n := range names {
		t := byName[n.Relation]
		if sequence(n) != nil {
			continue
		}
		if t == nil && (n.Schema != "" || !slices.Contains(ctes, n.Relation)) {
			return "", false
		}
		if t != nil && n.Schema != "" && n.Schema != t.Schema {
			return "", false
		}
	}
	ok := c.Rename(func(n sqlast.Name) (sqlast.Name, bool) {
		t := byName[n.Relation]
		if seq := sequence(n); seq != nil {
			return sqlast.Name{Schema: seq.Schema, Relation: seq.Name}, true
		}
		if t == nil {
			return n, false
		}
		return sqlast.Name{Schema: t.Schema, Relation: t.Physical()}, true
	})
	if !ok {
		return "", false
	}
	text, err := c.Print()
	return text, err == nil
}

// wholeRow reports whether the statement may name all columns of a table at
// once, which at the provider are others.
func wholeRow(a *analyze.Statement, t *catalog.Table) bool {
	for i := range a.Relations {
		if r := &a.Relations[i]; r.OID == t.Relation.OID {
			return slices.Contains(r.Selected, 0)
		}
	}
	return true
}
