package ddl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/sqlast"
)

func (d *differ) run(provider, format string, args ...any) {
	d.steps = append(d.steps, Step{Provider: provider, SQL: fmt.Sprintf(format, args...)})
}

// renames follows schemas that have another name: all that they hold goes with them.
func (d *differ) renames() error {
	to := map[string]string{}
	for _, s := range d.after.Schemas {
		for _, was := range d.before.Logical.Schemas {
			if was.OID == s.OID && was.Name != s.Name {
				if slices.ContainsFunc(d.before.Tables, func(t *catalog.Table) bool { return t.Schema == was.Name && t.Provider != d.provider }) {
					return clarus.Refuse("renaming schema "+was.Name+", which has tables at another provider than the default one", "Make another schema, and move the tables there by SET SCHEMA.")
				}
				d.run(d.provider, "ALTER SCHEMA %s RENAME TO %s", sqlast.Quote(was.Name), sqlast.Quote(s.Name))
				to[was.Name] = s.Name
			}
		}
	}
	d.before = d.before.Moved(to)
	return nil
}

func (d *differ) schemas() {
	for _, s := range d.after.Schemas {
		switch {
		case hasSchema(d.before.Logical.Schemas, s.Name):
		case s.Name == public: // it may be there: it is never dropped
			d.run(d.provider, "CREATE SCHEMA IF NOT EXISTS public")
		default:
			d.run(d.provider, "CREATE SCHEMA %s", sqlast.Quote(s.Name))
		}
	}
}

// public is the schema that every database has, and that belongs to its owner.
const public = "public"

func hasSchema(list []catalog.Schema, name string) bool {
	return slices.ContainsFunc(list, func(s catalog.Schema) bool { return s.Name == name })
}

// sequences are kept at the default provider under their logical names.
func (d *differ) sequences() error {
	for _, s := range d.after.Sequences {
		if s.Cache != 1 {
			return clarus.Refuse(fmt.Sprintf("sequence %s.%s: CACHE %d is not supported", s.Schema, s.Name, s.Cache), "Leave CACHE out.")
		}
		name := sqlast.Qualify(s.Schema, s.Name)
		old := d.before.Logical.Sequence(s.OID)
		if old == nil {
			d.run(d.provider, "CREATE SEQUENCE %s %s", name, shape(s))
			continue
		}
		if old.Schema != s.Schema {
			d.run(d.provider, "ALTER SEQUENCE %s SET SCHEMA %s", sqlast.Qualify(old.Schema, old.Name), sqlast.Quote(s.Schema))
		}
		if old.Name != s.Name {
			d.run(d.provider, "ALTER SEQUENCE %s RENAME TO %s", sqlast.Qualify(s.Schema, old.Name), sqlast.Quote(s.Name))
		}
		if shape(old) != shape(s) {
			d.run(d.provider, "ALTER SEQUENCE %s %s", name, shape(s))
		}
	}
	return nil
}

// shape is how a sequence counts, as options of CREATE and ALTER SEQUENCE.
func shape(s *catalog.Sequence) string {
	cycle := "NO CYCLE"
	if s.Cycle {
		cycle = "CYCLE"
	}
	return fmt.Sprintf("AS %s INCREMENT %d MINVALUE %d MAXVALUE %d START %d CACHE 1 %s", s.Type, s.Increment, s.Min, s.Max, s.Start, cycle)
}

// Fragment is a table's name at its provider.
func Fragment(t *catalog.Table) string { return sqlast.Qualify(t.Schema, t.Physical()) }

// physical works out the steps for tables, keys and indexes.
func (d *differ) physical(next *catalog.Catalog) error {
	if err := d.replaceElsewhere(next); err != nil {
		return err
	}
	fresh := map[uint32]bool{} // tables whose constraints are made anew
	for _, t := range d.tables {
		old := d.before.Table(t.Relation.OID)
		switch {
		case old == nil:
			d.create(t)
		case old.Generation != t.Generation:
			d.create(t)
			d.steps = append(d.steps, Step{Provider: t.Provider, Rewrite: &Rewrite{From: old, To: t}})
			d.remove(old)
		default:
			d.alter(old, t)
			continue
		}
		fresh[t.Relation.OID] = true
	}
	d.drops(next)
	for _, foreign := range []bool{false, true} {
		for _, t := range d.tables {
			if err := d.constraints(next, t, fresh, foreign); err != nil {
				return err
			}
		}
	}
	for _, t := range d.tables {
		if err := d.indexes(t, fresh[t.Relation.OID]); err != nil {
			return err
		}
	}
	d.dropLast()
	return nil
}

func (d *differ) create(t *catalog.Table) {
	var cols []string
	if !t.Derived() && !t.Plain() {
		cols = append(cols, catalog.RowColumn+" uuid NOT NULL UNIQUE")
	}
	for _, c := range t.Columns {
		a := t.Relation.Column(c.Num)
		if c.Clear {
			def := sqlast.Quote(c.Name) + " " + a.TypeName
			if a.Collation != "" {
				def += " COLLATE pg_catalog." + sqlast.Quote(a.Collation)
			}
			if t.Plain() && d.remoteDefault(t, a) != "" {
				def += " DEFAULT " + d.remoteDefault(t, a)
			}
			if a.NotNull {
				def += " NOT NULL"
			}
			cols = append(cols, def)
			continue
		}
		for _, k := range c.All() {
			def := sqlast.Quote(c.CarrierColumn(k)) + " " + k.TypeName
			if k.Opens() {
				def += " NOT NULL"
			}
			cols = append(cols, def)
		}
	}
	if t.Provider != d.provider {
		d.claim(t)
	}
	d.run(t.Provider, "CREATE TABLE %s (%s)", Fragment(t), strings.Join(cols, ", "))
}

// remoteDefault is a column's default at the provider, which has no functions
// made by users, and no sequences unless it is the default one: the twin fills
// those in.
func (d *differ) remoteDefault(t *catalog.Table, a *catalog.Attribute) string {
	if a.OwnDefault || t.Provider != d.provider && (a.Sequence != 0 || strings.Contains(a.Default, "::regclass")) {
		return ""
	}
	return a.Default
}

// alter follows changes that leave the rows as they are.
func (d *differ) alter(old, t *catalog.Table) {
	for _, c := range t.Columns {
		was, is := old.Relation.Column(c.Num), t.Relation.Column(c.Num)
		if !c.Clear || was == nil {
			continue
		}
		column := fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s ", Fragment(t), sqlast.Quote(c.Name))
		if was.NotNull != is.NotNull {
			d.run(t.Provider, "%s%s NOT NULL", column, map[bool]string{true: "SET", false: "DROP"}[is.NotNull])
		}
		if now := d.remoteDefault(t, is); t.Plain() && d.remoteDefault(old, was) != now {
			if now == "" {
				d.run(t.Provider, "%sDROP DEFAULT", column)
			} else {
				d.run(t.Provider, "%sSET DEFAULT %s", column, now)
			}
		}
	}
}

// drops removes tables that are gone.
func (d *differ) drops(next *catalog.Catalog) {
	for _, old := range d.before.Tables {
		if next.Table(old.Relation.OID) == nil {
			d.remove(old)
		}
	}
}

// remove drops a table at the default provider; at another it is put aside,
// unless the same transaction has made it.
func (d *differ) remove(old *catalog.Table) {
	if old.Provider != d.provider && d.base.Holds(old) {
		d.run(old.Provider, "ALTER TABLE %s SET SCHEMA %s", Fragment(old), Aside)
		return
	}
	d.run(old.Provider, "DROP TABLE %s CASCADE", Fragment(old))
	if old.Provider != d.provider {
		d.run(old.Provider, "DELETE FROM clarus.fragment WHERE schema = %s AND name = %s", sqlast.Literal(old.Schema), sqlast.Literal(old.Physical()))
	}
}

// dropLast removes sequences and schemas that are gone, after what used them.
func (d *differ) dropLast() {
	for _, s := range d.before.Logical.Sequences {
		if d.after.Sequence(s.OID) == nil {
			d.run(d.provider, "DROP SEQUENCE %s CASCADE", sqlast.Qualify(s.Schema, s.Name))
		}
	}
	for _, s := range d.before.Logical.Schemas {
		if s.Name != public && !hasSchema(d.after.Schemas, s.Name) {
			d.run(d.provider, "DROP SCHEMA %s", sqlast.Quote(s.Name))
		}
	}
}

// constraints follows the constraints of one table: foreign keys, or all others.
func (d *differ) constraints(next *catalog.Catalog, t *catalog.Table, fresh map[uint32]bool, foreign bool) error {
	var before []*catalog.Constraint
	if old := d.before.Table(t.Relation.OID); old != nil {
		before = old.Relation.Constraints
	}
	has := func(list []*catalog.Constraint, k *catalog.Constraint) bool {
		return slices.ContainsFunc(list, func(o *catalog.Constraint) bool {
			return o.OID == k.OID && o.Name == k.Name && o.Definition == k.Definition
		})
	}
	if !fresh[t.Relation.OID] {
		for _, k := range before {
			if !has(t.Relation.Constraints, k) && (k.Kind == 'f') == foreign {
				d.run(t.Provider, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s CASCADE", Fragment(t), sqlast.Quote(k.Name))
			}
		}
	}
	for _, k := range t.Relation.Constraints {
		if (k.Kind == 'f') != foreign || (!fresh[t.Relation.OID] && !fresh[k.Ref] && has(before, k)) {
			continue
		}
		def, err := d.constraint(next, t, k)
		if err != nil {
			return err
		}
		if def != "" {
			d.run(t.Provider, "ALTER TABLE %s ADD CONSTRAINT %s %s", Fragment(t), sqlast.Quote(k.Name), def)
		}
	}
	return nil
}

// constraint is the definition of a constraint on what the provider holds; ""
// if the twin alone upholds it.
func (d *differ) constraint(next *catalog.Catalog, t *catalog.Table, k *catalog.Constraint) (string, error) {
	name := "constraint " + k.Name + " of " + t.Schema + "." + t.Name
	deferring := ""
	if k.Deferrable {
		deferring = " DEFERRABLE"
		if k.Deferred {
			deferring += " INITIALLY DEFERRED"
		}
	}
	switch k.Kind {
	case 'p', 'u':
		cols, err := probes(t, k.Columns, name)
		if err != nil {
			return "", err
		}
		if strings.Contains(k.Definition, "NULLS NOT DISTINCT") && !t.Plain() {
			return "", clarus.Refuse(name+": NULLS NOT DISTINCT on protected columns", "NULL has no tag; leave it out.")
		}
		if t.Plain() {
			return k.Definition, nil
		}
		kind := map[byte]string{'p': "PRIMARY KEY", 'u': "UNIQUE"}[k.Kind]
		return fmt.Sprintf("%s (%s)%s", kind, cols, deferring), nil
	case 'f':
		return foreignKey(t, next.Table(k.Ref), k, name, deferring)
	case 'c':
		if t.Plain() && !k.Own {
			return k.Definition, nil
		}
		return "", nil // the twin checks every row before it is sealed
	}
	if t.Plain() && !k.Own {
		return k.Definition, nil
	}
	return "", clarus.Refuse(name+": exclusion constraints on tables with protected columns or enumerated types", "Leave it out.")
}

var actions = map[byte]string{'a': "NO ACTION", 'r': "RESTRICT", 'c': "CASCADE", 'n': "SET NULL", 'd': "SET DEFAULT"}

func foreignKey(t, ref *catalog.Table, k *catalog.Constraint, name, deferring string) (string, error) {
	cols, err := probes(t, k.Columns, name)
	if err != nil {
		return "", err
	}
	refs, err := probes(ref, k.RefColumns, name)
	if err != nil {
		return "", err
	}
	onUpdate, onDelete := k.OnUpdate, k.OnDelete
	if k.Moves() && !t.Plain() {
		// The twin changes the rows that refer, in whatever order; the provider checks at the end.
		if onUpdate != 'r' {
			onUpdate = 'a'
		}
		if onDelete == 'n' || onDelete == 'd' {
			onDelete = 'a'
		}
		if deferring == "" {
			deferring = " DEFERRABLE"
		}
	} else if strings.Contains(k.Definition, "SET NULL (") || strings.Contains(k.Definition, "SET DEFAULT (") {
		return "", clarus.Refuse(name+": a column list of SET NULL or SET DEFAULT", "Leave the list out.")
	}
	match := ""
	if k.Match == 'f' {
		match = " MATCH FULL"
	}
	valid := ""
	if !k.Valid {
		valid = " NOT VALID"
	}
	return fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s)%s ON UPDATE %s ON DELETE %s%s%s", cols, Fragment(ref), refs, match,
		actions[onUpdate], actions[onDelete], deferring, valid), nil
}

// probes lists the provider's columns that stand for attributes in a key.
func probes(t *catalog.Table, nums []int16, name string) (string, error) {
	list := make([]string, len(nums))
	for i, num := range nums {
		c := t.Column(num)
		if c == nil || c.Probe() == "" {
			return "", clarus.Refuse(name+" needs equality of a protected column whose type does not allow it", "Leave the constraint out.")
		}
		list[i] = sqlast.Quote(c.Probe())
	}
	return strings.Join(list, ", "), nil
}

// indexes follows the indexes that no constraint made.
func (d *differ) indexes(t *catalog.Table, fresh bool) error {
	var before []*catalog.Index
	if old := d.before.Table(t.Relation.OID); old != nil && !fresh {
		before = old.Relation.Indexes
	}
	find := func(list []*catalog.Index, i *catalog.Index) bool {
		return slices.ContainsFunc(list, func(o *catalog.Index) bool { return o.OID == i.OID && o.Name == i.Name })
	}
	for _, i := range before {
		if !find(t.Relation.Indexes, i) {
			d.run(t.Provider, "DROP INDEX IF EXISTS %s", sqlast.Qualify(t.Schema, i.Name))
		}
	}
	for _, i := range t.Relation.Indexes {
		if find(before, i) {
			continue
		}
		def, err := indexDefinition(t, i)
		if err != nil {
			return err
		}
		if def != "" {
			d.run(t.Provider, "%s", def)
		}
	}
	return nil
}

// indexDefinition is the index at the provider; "" where the provider could
// not use one. A unique index must exist there, or be refused.
func indexDefinition(t *catalog.Table, i *catalog.Index) (string, error) {
	unique := ""
	if i.Unique {
		unique = "UNIQUE "
	}
	if t.Plain() && i.Unique && !i.Own {
		return renamedIndex(t, i)
	}
	var cols []string
	for _, num := range i.Columns {
		c := t.Column(num)
		if num == 0 || c == nil || c.Probe() == "" {
			cols = nil
			break
		}
		cols = append(cols, sqlast.Quote(c.Probe()))
	}
	readable := !i.Own && !slices.ContainsFunc(i.Condition, func(num int16) bool { c := t.Column(num); return c == nil || !c.Clear })
	switch {
	case i.Unique && (len(cols) == 0 || !readable):
		return "", clarus.Refuse("unique index "+i.Name+" with an expression, or with a predicate on protected columns", "Use a unique constraint on columns.")
	case len(cols) == 0 || !readable:
		return "", nil
	}
	where := ""
	if i.Partial {
		where = " WHERE " + i.Predicate
	}
	return fmt.Sprintf("CREATE %sINDEX %s ON %s (%s)%s", unique, sqlast.Quote(i.Name), Fragment(t), strings.Join(cols, ", "), where), nil
}

// renamedIndex is an index of a table that the provider holds as it is.
func renamedIndex(t *catalog.Table, i *catalog.Index) (string, error) {
	head, rest, ok := strings.Cut(i.Definition, " ON "+sqlast.Qualify(t.Schema, t.Name)+" ")
	if !ok {
		head, rest, ok = strings.Cut(i.Definition, " ON "+t.Schema+"."+t.Name+" ")
	}
	if !ok {
		return "", clarus.Refuse("unique index "+i.Name+" on a table of this name", "Use a unique constraint on columns.")
	}
	return head + " ON " + Fragment(t) + " " + rest, nil
}
