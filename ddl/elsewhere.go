package ddl

import (
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/sqlast"
)

// What another provider than the default one holds is not committed together
// with the catalogue. So nothing there is altered: a table that changes in any
// way gets a new generation beside the old one, which stands aside, and
// whichever the catalogue turns out to want stays.

// claim has another provider keep in mind that a table is Clarus's.
func (d *differ) claim(t *catalog.Table) {
	d.run(t.Provider, "CREATE SCHEMA IF NOT EXISTS %s", sqlast.Quote(t.Schema))
	d.run(t.Provider, "INSERT INTO clarus.fragment (schema, name) VALUES (%s, %s)", sqlast.Literal(t.Schema), sqlast.Literal(t.Physical()))
}

// replaceElsewhere gives a new generation to tables at other providers that
// would be altered, and to those that refer to one that has one: its foreign
// key is on the old table.
func (d *differ) replaceElsewhere(next *catalog.Catalog) error {
	fresh := map[uint32]bool{}
	for _, t := range d.tables {
		old := d.before.Table(t.Relation.OID)
		fresh[t.Relation.OID] = old == nil || old.Generation != t.Generation
	}
	for more := true; more; {
		more = false
		for _, t := range d.tables {
			if t.Provider == d.provider || fresh[t.Relation.OID] {
				continue
			}
			changes, err := d.altered(next, t, fresh)
			if err != nil {
				return err
			}
			if changes {
				t.Generation++
				fresh[t.Relation.OID], more = true, true
			}
		}
	}
	return nil
}

// altered reports whether anything of a table would be altered where it is.
func (d *differ) altered(next *catalog.Catalog, t *catalog.Table, fresh map[uint32]bool) (bool, error) {
	old := d.before.Table(t.Relation.OID)
	try := *d
	try.steps = nil
	try.alter(old, t)
	for _, foreign := range []bool{false, true} {
		if err := try.constraints(next, t, fresh, foreign); err != nil {
			return false, err
		}
	}
	if err := try.indexes(t, false); err != nil {
		return false, err
	}
	return len(try.steps) > 0, nil
}
