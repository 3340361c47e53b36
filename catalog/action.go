package catalog

import "slices"

// An Action is what a foreign key does to the rows that refer to a changed
// one, where the twin does it: a provider would move a tag, or the key that
// cells are bound to, and leave the cells behind.
type Action struct {
	Key    *Constraint
	Child  *Table // the table that refers
	Delete bool   // on DELETE, else on UPDATE
}

// Moves reports whether a foreign key changes values of the rows that refer.
func (k *Constraint) Moves() bool {
	return k.Kind == 'f' && (changes(k.OnUpdate) || changes(k.OnDelete) && k.OnDelete != 'c')
}

func changes(action byte) bool { return action == 'c' || action == 'n' || action == 'd' }

// Actions lists what the twin does when rows of t are deleted, or columns of
// theirs updated for which updated holds. The tables that it changes must be
// loaded.
func (c *Catalog) Actions(t *Table, deleted bool, updated func(num int16) bool) []Action {
	a := actions{catalog: c}
	a.follow(t, deleted, updated)
	return a.list
}

type actions struct {
	catalog *Catalog
	list    []Action
}

// follow adds the actions of t's referrers and reports whether there are any.
func (a *actions) follow(t *Table, deleted bool, updated func(int16) bool) bool {
	any := false
	for _, child := range a.catalog.Tables {
		for _, k := range child.Relation.Constraints {
			if k.Kind != 'f' || k.Ref != t.Relation.OID {
				continue
			}
			if deleted && changes(k.OnDelete) && a.act(Action{Key: k, Child: child, Delete: true}) {
				any = true
			}
			if changes(k.OnUpdate) && slices.ContainsFunc(k.RefColumns, updated) && a.act(Action{Key: k, Child: child}) {
				any = true
			}
		}
	}
	return any
}

// act adds one action and what follows from it, and reports whether the twin
// has to do it.
func (a *actions) act(x Action) bool {
	if slices.Contains(a.list, x) {
		return true
	}
	at := len(a.list)
	a.list = append(a.list, x)
	var further bool
	cascade := x.Delete && x.Key.OnDelete == 'c'
	if cascade {
		further = a.follow(x.Child, true, func(int16) bool { return false })
	} else {
		further = a.follow(x.Child, false, func(num int16) bool { return slices.Contains(x.Key.Columns, num) })
	}
	if further || !x.Child.Plain() && !cascade {
		return true
	}
	a.list = slices.Delete(a.list, at, at+1) // the provider does it
	return false
}
