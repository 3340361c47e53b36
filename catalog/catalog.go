package catalog

import (
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
)

// A Catalog is one version of a database's schema. It is never changed; a
// transaction that did DDL has a private child.
type Catalog struct {
	Version     int64
	NextDataset clarus.DatasetID
	Tables      []*Table
	Enums       []*Enum
	NextLabel   uint32   // the number that the newest label of an enumerated type has
	Logical     *Logical `json:"-"` // told by the twin, not stored

	byOID map[uint32]*Table
}

// A Table says how one logical table is protected and what a provider holds.
type Table struct {
	ID         clarus.DatasetID
	Schema     string
	Name       string
	Generation int    // goes up with every change of what the provider holds
	Provider   string // the provider that holds the fragment
	NextAttr   uint32
	Columns    []*Column
	Key        []int16 // clear primary key that the row identity derives from; empty: stored
	Release    bool    `json:",omitempty"` // only Clarus makes and writes it; the provider has it under its own name

	Relation *Relation `json:"-"`
}

// A Column says how one attribute is protected.
type Column struct {
	ID       uint32
	Num      int16
	Name     string
	Type     uint32 // of a domain: its base type; of any enumerated type: pgvalue.EnumOID
	Clear    bool
	Equality bool   // has a carrier that preserves equality: a tag
	Group    string // join group of the tag
	// Carriers are the column's carriers, the cell first, unless they are the cell
	// and, with Equality, the tag that columns have by default: see All.
	Carriers []Carrier `json:",omitempty"`

	Enum *Enum `json:"-"` // the enumerated type, if it is one
}

// Bind binds what is stored of a version to the logical schema, by name.
func (c Catalog) Bind(l *Logical) *Catalog {
	c.Logical, c.byOID = l, map[uint32]*Table{}
	for _, e := range c.Enums {
		e.bind(l)
	}
	for _, t := range c.Tables {
		for _, r := range l.Relations {
			if r.Kind == 'r' && r.Schema == t.Schema && r.Name == t.Name {
				t.Relation = r
				c.byOID[r.OID] = t
			}
		}
		for _, col := range t.Columns {
			if a := t.attribute(col.Num); a != nil && a.Enum != 0 {
				col.Enum = c.Enum(a.Enum)
			}
		}
	}
	return &c
}

// attribute is the logical column, or nil.
func (t *Table) attribute(num int16) *Attribute {
	if t.Relation == nil {
		return nil
	}
	return t.Relation.Column(num)
}

// Typed reports whether a column has a type made by a user.
func (t *Table) Typed() bool {
	return slices.ContainsFunc(t.Relation.Columns, func(a *Attribute) bool { return a.Declared != "" })
}

// Table returns the table with the given OID on the twin, or nil.
func (c *Catalog) Table(oid uint32) *Table { return c.byOID[oid] }

// Holds reports whether a table is in the catalogue as it stands at its provider.
func (c *Catalog) Holds(t *Table) bool {
	return slices.ContainsFunc(c.Tables, func(o *Table) bool { return o.ID == t.ID && o.Generation == t.Generation })
}

// Deferrable reports whether any constraint can be deferred.
func (c *Catalog) Deferrable() bool {
	for _, t := range c.Tables {
		for _, k := range t.Relation.Constraints {
			if k.Deferrable {
				return true
			}
		}
	}
	return false
}

// Protects reports whether any column is protected.
func (c *Catalog) Protects() bool {
	for _, t := range c.Tables {
		if !t.Plain() {
			return true
		}
	}
	return false
}

// Reserved begins the names of the provider's columns that are not an
// application's own.
const Reserved = "clarus_"

// RowColumn is the provider's column with the stored row identity.
const RowColumn = Reserved + "row"

// Probe is the provider's column that stands for the attribute in keys and
// comparisons, or "" if there is none.
func (c *Column) Probe() string {
	switch {
	case c.Clear:
		return c.Name
	case c.Equality:
		return c.TagColumn()
	}
	return ""
}

// Physical is the table's name at the provider. It carries the generation, so
// that a stale plan fails instead of answering. Of the dataset's number it has
// the part that counts within the database. A release has its own name there, for
// whoever reads it there; nothing that is done to it gives it another generation.
func (t *Table) Physical() string {
	if t.Release {
		return t.Name
	}
	suffix := "_" + strconv.FormatUint(uint64(uint32(t.ID)), 10) + "_" + strconv.Itoa(t.Generation)
	name := t.Name
	for len(name)+len(suffix) > 63 {
		name = strings.ToValidUTF8(name[:len(name)-1], "")
	}
	return name + suffix
}

// Derived reports whether the row identity derives from a clear key.
func (t *Table) Derived() bool { return len(t.Key) > 0 }

// Plain reports whether the provider may read the whole table.
func (t *Table) Plain() bool {
	for _, c := range t.Columns {
		if !c.Clear {
			return false
		}
	}
	return true
}

// Column returns the column with the given attribute number, or nil.
func (t *Table) Column(num int16) *Column {
	for _, c := range t.Columns {
		if c.Num == num {
			return c
		}
	}
	return nil
}

// Find is Column, also of no table.
func (t *Table) Find(num int16) *Column {
	if t == nil {
		return nil
	}
	return t.Column(num)
}

// Attribute is the immutable id of a column.
func (t *Table) Attribute(c *Column) clarus.AttributeID {
	return clarus.AttributeID{Dataset: t.ID, Attribute: c.ID}
}
