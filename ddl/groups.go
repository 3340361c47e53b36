package ddl

import (
	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
)

// groups gives columns that foreign keys join one tag key. Both sides of a
// foreign key must have the same form at the provider: both clear, or both
// tagged under one key.
func (d *differ) groups() error {
	byOID := map[uint32]*catalog.Table{}
	parent := map[*catalog.Column]*catalog.Column{}
	own := map[*catalog.Column]string{}
	for _, t := range d.tables {
		byOID[t.Relation.OID] = t
		for _, c := range t.Columns {
			own[c] = t.Attribute(c).String()
		}
	}
	root := func(c *catalog.Column) *catalog.Column {
		for parent[c] != nil {
			c = parent[c]
		}
		return c
	}
	for _, t := range d.tables {
		for _, k := range t.Relation.Constraints {
			if k.Kind != 'f' {
				continue
			}
			for i, num := range k.Columns {
				child, ref := t.Column(num), byOID[k.Ref].Column(k.RefColumns[i])
				if err := joinable(t, k, child, byOID[k.Ref], ref); err != nil {
					return err
				}
				if a, b := root(child), root(ref); a != b && child.Equality {
					parent[a] = b
				}
			}
		}
	}
	for _, t := range d.tables {
		for _, c := range t.Columns {
			c.Group = ""
			if c.Equality {
				c.Group = own[root(c)]
			}
		}
	}
	return nil
}

func joinable(t *catalog.Table, k *catalog.Constraint, child *catalog.Column, rt *catalog.Table, ref *catalog.Column) error {
	name := "foreign key " + k.Name + " of " + t.Schema + "." + t.Name
	switch {
	case t.Provider != rt.Provider:
		return clarus.Refuse(name+" refers to a table at another provider", "Place both tables at one provider.")
	case child.Clear && ref.Clear:
		return nil
	case child.Clear != ref.Clear:
		return clarus.Refuse(name+" joins a protected column with a clear one", "Give both columns the same class in the policy.")
	case !child.Equality || !ref.Equality:
		return clarus.Refuse(name+" needs equality, which a column's type does not allow", "Leave the foreign key out.")
	}
	if child.Tag().Technique != ref.Tag().Technique {
		return clarus.Refuse(name+" joins columns whose equality is preserved by different techniques", "Pin the same technique for both columns.")
	}
	if t.Relation.Column(child.Num).Enum != rt.Relation.Column(ref.Num).Enum {
		return clarus.Refuse(name+" compares different enumerated types", "Give both columns the same type.")
	}
	a, okA := pgvalue.Family(child.Type)
	b, okB := pgvalue.Family(ref.Type)
	if !okA || !okB || a != b {
		return clarus.Refuse(name+" compares types of different families", "Give both columns the same type.")
	}
	return nil
}
