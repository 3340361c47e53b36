package run

import "slices"

// arranged is an order of the changed tables in which the provider, which
// checks foreign keys after each table, meets no row before the one that it refers to.
// PostgreSQL checks at the end of the statement. There is one where all rows are new,
// or all are deleted; else the tables keep the order in which they were changed.
func (j *Job) arranged(order []uint32, effects map[uint32][]*effect) []uint32 {
	kinds := map[byte]bool{}
	for _, list := range effects {
		for _, e := range list {
			kinds[kindOf(e)] = true
		}
	}
	if len(order) < 2 || len(kinds) != 1 || kinds['U'] {
		return order
	}
	var sorted []uint32
	seen := map[uint32]bool{}
	var visit func(oid uint32)
	visit = func(oid uint32) {
		if seen[oid] || !slices.Contains(order, oid) {
			return
		}
		seen[oid] = true
		for _, k := range j.Catalog.Table(oid).Relation.Constraints {
			if k.Kind == 'f' {
				visit(k.Ref)
			}
		}
		sorted = append(sorted, oid)
	}
	for _, oid := range order {
		visit(oid)
	}
	if kinds['D'] {
		slices.Reverse(sorted)
	}
	return sorted
}
