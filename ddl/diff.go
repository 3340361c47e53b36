// Package ddl turns a change of the logical schema into the steps that change
// what a provider holds. It is pure: the twin has run the statement already,
// so whatever form it had, the difference between the twin's catalogue before
// and after is what it meant.
package ddl

import (
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/policy"
)

// A Step is one thing to do, in order, within the transaction at the provider.
type Step struct {
	Provider string
	SQL      string   // a statement for the provider, or
	Rewrite  *Rewrite // rows to carry over
}

// A Rewrite says that the rows of a table are to be sealed anew for another
// physical table, which exists already.
type Rewrite struct {
	From *catalog.Table
	To   *catalog.Table
}

// A Change is a schema change worked out.
type Change struct {
	Catalog *catalog.Catalog // the next version
	Steps   []Step
}

// A differ works one change out.
type differ struct {
	rows     Rows
	base     *catalog.Catalog
	before   *catalog.Catalog
	after    *catalog.Logical
	policy   *policy.Policy
	provider string // the default provider
	tables   []*catalog.Table
	next     clarus.DatasetID
	steps    []Step
}

// Rows is what is known of the rows of tables, by OID on the twin.
type Rows struct {
	Rewritten map[uint32]bool // the twin wrote them anew
	Empty     map[uint32]bool // there are none
}

// Aside is the schema at another provider where a schema's change puts the
// tables that it replaces or drops, until the default provider has committed.
// A plan that still names one fails.
const Aside = "clarus"

// Diff works out how the provider's tables follow the logical schema from
// before to after. base is the schema that the transaction began with, before
// what it has made of it so far. Impossible wishes are errors; then nothing
// must change.
func Diff(base, before *catalog.Catalog, after *catalog.Logical, p *policy.Policy, provider string, rows Rows) (*Change, error) {
	d := &differ{rows: rows, base: base, before: before, after: after, policy: p, provider: provider, next: before.NextDataset}
	if err := d.renames(); err != nil {
		return nil, err
	}
	if err := d.decide(); err != nil {
		return nil, err
	}
	next := catalog.Catalog{Version: before.Version + 1, NextDataset: d.next, Tables: d.tables, NextLabel: before.NextLabel}
	d.enums(&next)
	bound := next.Bind(after)
	d.schemas()
	if err := d.sequences(); err != nil {
		return nil, err
	}
	if err := d.physical(bound); err != nil {
		return nil, err
	}
	return &Change{Catalog: bound, Steps: d.steps}, nil
}

// enums numbers the labels of enumerated types: one that was renamed keeps its
// number.
func (d *differ) enums(next *catalog.Catalog) {
	for _, l := range d.after.Enums {
		e := &catalog.Enum{Schema: l.Schema, Name: l.Name}
		old := d.before.Enum(l.OID)
		for _, label := range l.Labels {
			number := uint32(0)
			if old != nil {
				number = old.Number(label.OID)
			}
			if number == 0 {
				next.NextLabel++
				number = next.NextLabel
			}
			e.Labels = append(e.Labels, catalog.Label{Number: number, Name: label.Name})
		}
		next.Enums = append(next.Enums, e)
	}
}

// decide works out the protection of every table.
func (d *differ) decide() error {
	for _, f := range d.after.Functions {
		if f.Domain && !f.Pure {
			return clarus.Refuse("a domain's constraint that calls function "+f.Name+", which may need rows or other functions", "Use a constraint of the table.")
		}
		if f.Acts {
			return clarus.Refuse("function "+f.Name+" has a statement that is not about rows (SET, LOCK, NOTIFY and the like)", "Leave it to the application.")
		}
	}
	for _, r := range d.after.Relations {
		switch r.Kind {
		case 'v':
			continue
		case 'r':
		default:
			return clarus.Refuse("relation "+r.Qualified()+" is of a kind that is not supported", "Use plain tables and views.")
		}
		t, err := d.table(r)
		if err != nil {
			return err
		}
		d.tables = append(d.tables, t)
	}
	if err := d.groups(); err != nil {
		return err
	}
	for _, t := range d.tables {
		d.identity(t)
		d.generation(t)
	}
	return nil
}

// table makes the next version of one table, before join groups are known.
func (d *differ) table(r *catalog.Relation) (*catalog.Table, error) {
	old := d.before.Table(r.OID)
	t := &catalog.Table{Schema: r.Schema, Name: r.Name, Relation: r}
	if old != nil {
		t.ID, t.Generation, t.Provider, t.NextAttr, t.Release = old.ID, old.Generation, old.Provider, old.NextAttr, old.Release
	} else {
		d.next++
		t.ID, t.Generation, t.Release = d.next, 1, d.policy.IsRelease(r.Schema, r.Name)
	}
	wishes := make([]policy.Column, len(r.Columns))
	for i, a := range r.Columns {
		if err := d.supported(r, a); err != nil {
			return nil, err
		}
		wishes[i] = d.wish(r, a)
		if was := old.Find(a.Num); was != nil && !was.Clear && d.makes(r, a) && !d.rows.Empty[r.OID] {
			wishes[i].Surrogate = false // its values may be an application's
		}
	}
	if old == nil {
		if err := d.policy.CheckTable(r.Schema, r.Name, wishes); err != nil {
			return nil, err
		}
	}
	for i, a := range r.Columns {
		p, err := d.policy.Protect(wishes[i])
		if err != nil {
			return nil, err
		}
		if old == nil && p.Provider != "" {
			t.Provider = p.Provider
		}
		t.Columns = append(t.Columns, column(t, old, a, p, wishes[i]))
	}
	if t.Provider == "" {
		t.Provider = d.provider
	}
	return t, nil
}

// column makes the next version of one column. What was sealed stays sealed
// whatever the policy's defaults say later, except a foreign key to a clear
// surrogate key, and a surrogate key of an empty table; what was clear stays so.
func column(t, old *catalog.Table, a *catalog.Attribute, p policy.Protection, w policy.Column) *catalog.Column {
	c := &catalog.Column{Num: a.Num, Name: a.Name, Type: a.Type, Clear: p.Clear}
	c.Carry(carriers(p))
	was := old.Find(a.Num)
	if was == nil {
		t.NextAttr++
		c.ID = t.NextAttr
	} else {
		c.ID = was.ID
		c.Clear = was.Clear || (p.Clear && w.Surrogate)
		c.Carry(kept(was, c))
	}
	if c.Clear {
		c.Carry(nil)
	}
	return c
}

// carriers are those that the policy chose, with the types of their columns.
func carriers(p policy.Protection) []catalog.Carrier {
	list := make([]catalog.Carrier, len(p.Carriers))
	for i, k := range p.Carriers {
		list[i] = catalog.Carrier{Technique: k.Technique, Preserves: k.Preserves, Type: carrierTypes[k.Type], TypeName: k.Type}
	}
	return list
}

// carrierTypes are the types that carriers have at the provider.
var carrierTypes = map[string]uint32{"bytea": pgvalue.ByteaOID, "uuid": pgvalue.UUIDOID, "bigint": pgvalue.Int8OID, "numeric": pgvalue.NumericOID, "text": pgvalue.TextOID}

// kept are the carriers that a column had, then those that it gets for what no
// old one preserves.
func kept(was, is *catalog.Column) []catalog.Carrier {
	list := slices.Clone(was.All())
	if was.Type != is.Type { // a carrier's type may depend on the column's
		list = slices.DeleteFunc(list, func(k catalog.Carrier) bool { return !k.Default() })
	}
	if len(list) == 0 || !list[0].Opens() {
		list = append(list, is.Cell())
		slices.Reverse(list)
	}
	for _, k := range is.All() {
		if slices.ContainsFunc(k.Preserves, func(op clarus.Operation) bool {
			return !slices.ContainsFunc(list, func(o catalog.Carrier) bool { return o.Is(op) })
		}) {
			list = append(list, k)
		}
	}
	return list
}

func (d *differ) supported(r *catalog.Relation, a *catalog.Attribute) error {
	name := r.Qualified() + "." + a.Name
	switch {
	case a.Type >= 16384:
		return clarus.Refuse("column "+name+" has type "+a.Declared+", which is neither an enumerated type nor a domain, but made by a user", "Use a built-in type.")
	case len(a.Name) >= len(catalog.Reserved) && a.Name[:len(catalog.Reserved)] == catalog.Reserved:
		return clarus.Refuse("column "+name+": names that begin with "+catalog.Reserved+" are reserved", "Choose another name.")
	}
	return nil
}

// wish describes a column to the policy.
func (d *differ) wish(r *catalog.Relation, a *catalog.Attribute) policy.Column {
	w := policy.Column{Schema: r.Schema, Table: r.Name, Name: a.Name, TypeName: a.TypeName, TypeOID: a.Type}
	w.Surrogate = d.surrogate(r, a.Num, 0)
	for _, k := range r.Constraints {
		if (k.Kind == 'p' || k.Kind == 'u' || k.Kind == 'f') && slices.Contains(k.Columns, a.Num) {
			w.Key = true
		}
	}
	for _, i := range r.Indexes {
		if i.Unique && slices.Contains(i.Columns, a.Num) {
			w.Key = true
		}
	}
	for _, other := range d.after.Relations {
		for _, k := range other.Constraints {
			if k.Kind == 'f' && k.Ref == r.OID && slices.Contains(k.RefColumns, a.Num) {
				w.Key = true
			}
		}
	}
	return w
}

// surrogate reports whether a column's values are made by identity, serial or
// a uuid default and so say nothing, or refer to such a column.
func (d *differ) surrogate(r *catalog.Relation, num int16, depth int) bool {
	a := r.Column(num)
	if a == nil || depth > 8 {
		return false
	}
	if d.makes(r, a) {
		return true
	}
	for _, k := range r.Constraints {
		if k.Kind != 'f' || len(k.Columns) != 1 || k.Columns[0] != num || !k.Valid {
			continue
		}
		if k.Ref == r.OID && k.RefColumns[0] == num {
			continue
		}
		if ref := d.after.Relation(k.Ref); ref != nil && d.surrogate(ref, k.RefColumns[0], depth+1) && d.isClear(ref, k.RefColumns[0]) {
			return true
		}
	}
	return false
}

// makes reports whether a column's own values are made by identity, serial or
// a uuid default.
func (d *differ) makes(r *catalog.Relation, a *catalog.Attribute) bool {
	return a.Identity != 0 || (a.Sequence != 0 && ownedBy(d.after.Sequence(a.Sequence), r.OID, a.Num)) ||
		(a.TypeName == "uuid" && a.Default == "gen_random_uuid()")
}

// isClear asks whether a referenced column is, or will be, clear.
func (d *differ) isClear(r *catalog.Relation, num int16) bool {
	if t := d.before.Table(r.OID); t != nil {
		if c := t.Column(num); c != nil {
			return c.Clear
		}
	}
	a := r.Column(num)
	p, err := d.policy.Protect(policy.Column{Schema: r.Schema, Table: r.Name, Name: a.Name, TypeName: a.TypeName, TypeOID: a.Type, Surrogate: true, Key: true})
	return err == nil && p.Clear
}

func ownedBy(s *catalog.Sequence, table uint32, num int16) bool {
	return s != nil && s.OwnerTable == table && s.OwnerAttr == num
}

// identity has the row identity derive from a clear primary key, where there
// is one and anything is sealed.
func (d *differ) identity(t *catalog.Table) {
	t.Key = nil
	pk := t.Relation.PrimaryKey()
	if pk == nil || t.Plain() || pk.Deferrable {
		return
	}
	for _, num := range pk.Columns {
		if c := t.Column(num); !c.Clear {
			return
		}
	}
	t.Key = slices.Clone(pk.Columns)
}

// generation gives a table whose physical form changes its next generation.
func (d *differ) generation(t *catalog.Table) {
	old := d.before.Table(t.Relation.OID)
	if old != nil && (!sameForm(old, t) || d.rows.Rewritten[t.Relation.OID]) {
		t.Generation = old.Generation + 1
	}
}

// sameForm reports whether rows of old can stay where they are.
func sameForm(old, t *catalog.Table) bool {
	if old.Name != t.Name || old.Schema != t.Schema || !slices.Equal(old.Key, t.Key) || len(old.Columns) != len(t.Columns) {
		return false
	}
	for i, c := range t.Columns {
		o := old.Columns[i]
		if old.Relation.Column(o.Num).Enum != t.Relation.Column(c.Num).Enum {
			return false
		}
		same := o.ID == c.ID && o.Clear == c.Clear && catalog.SameCarriers(o.All(), c.All()) && o.Group == c.Group && o.Type == c.Type
		if same && c.Clear {
			was, is := old.Relation.Column(o.Num), t.Relation.Column(c.Num)
			same = o.Name == c.Name && was.Typmod == is.Typmod && was.Collation == is.Collation
		}
		if !same {
			return false
		}
	}
	return true
}
