package catalog

import "slices"

const typeUUID = 2950 // of a stored identity

// StoresIdentity reports whether rows have a random identity beside them.
func (t *Table) StoresIdentity() bool { return !t.Plain() && !t.Derived() }

// RefersToItself reports whether a foreign key of the table leads to it.
func (t *Table) RefersToItself() bool {
	return slices.ContainsFunc(t.Relation.Constraints, func(k *Constraint) bool { return k.Kind == 'f' && k.Ref == t.Relation.OID })
}

// Stored are a table's columns at its provider in the order in which rows
// are sealed, with their types: the stored identity if there is one, then for
// each column its value, or its cell and its tag.
func (t *Table) Stored() (names []string, types []uint32) {
	if t.StoresIdentity() {
		names, types = append(names, RowColumn), append(types, typeUUID)
	}
	for _, c := range t.Columns {
		n, y := c.Stored()
		names, types = append(names, n...), append(types, y...)
	}
	return names, types
}

// Stored are a column's columns at the provider, with their types.
func (c *Column) Stored() (names []string, types []uint32) {
	if c.Clear {
		return []string{c.Name}, []uint32{c.StoredType()}
	}
	for _, k := range c.All() {
		names, types = append(names, c.CarrierColumn(k)), append(types, k.Type)
	}
	return names, types
}
