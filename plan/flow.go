package plan

import (
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
)

// flow refuses values that are computed from protected attributes and go into
// clear columns.
func flow(st *analyze.Statement, p *Plan, c *catalog.Catalog) error {
	if !readsProtected(st, c) && !(p.Opaque && c.Protects()) {
		return nil
	}
	for i := range st.Relations {
		r := &st.Relations[i]
		t := c.Table(r.OID)
		if !r.Target || t == nil {
			continue
		}
		for _, num := range slices.Concat(r.Inserted, r.Updated) {
			col := t.Column(num)
			if col == nil || !col.Clear || harmless(st, p, c, num) {
				continue
			}
			return &clarus.Error{Op: "plan", Attr: t.Schema + "." + t.Name + "." + col.Name, Kind: clarus.Denied,
				Msg:  "a value that may be computed from protected attributes would be stored in a clear column",
				Hint: "Assign what does not come from protected attributes, or protect the column in the policy."}
		}
	}
	return nil
}

// harmless reports whether all that the statement assigns to a column is
// computed from constants, parameters and clear columns. Which rows it assigns
// it to may depend on protected ones (docs/threat-model.md).
func harmless(st *analyze.Statement, p *Plan, c *catalog.Catalog, num int16) bool {
	if st.ModifyingCTE || (st.Command != analyze.Insert && st.Command != analyze.Update) {
		return false
	}
	assigned := false
	for _, t := range slices.Concat(st.Targets, st.Conflict) {
		if t.Column != num || t.Junk {
			continue
		}
		assigned = true
		if !t.Traced || p.Opaque && t.Value == nil && !t.Plain {
			return false
		}
		for _, from := range t.Sources {
			if readable := c.Table(from.Table); readable != nil && !readable.Plain() {
				if col := readable.Column(from.Attr); col == nil || !col.Clear {
					return false
				}
			}
		}
	}
	return assigned
}

// readsProtected reports whether the statement reads a protected attribute.
func readsProtected(st *analyze.Statement, c *catalog.Catalog) bool {
	for i := range st.Relations {
		r := &st.Relations[i]
		t := c.Table(r.OID)
		if t == nil || t.Plain() || r.References == 0 {
			continue // RETURNING of an INSERT reads what the statement itself wrote
		}
		for _, num := range r.Selected {
			col := t.Column(num)
			if col == nil || !col.Clear {
				return true
			}
		}
	}
	return false
}
