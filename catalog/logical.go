// Package catalog holds immutable snapshots of a database's schema: the
// logical one that applications believe in, as the twin's own catalogue tells
// it, and for each table how it is protected and what the provider holds.
package catalog

import "slices"

// A Logical is the schema of one database as the twin tells it.
type Logical struct {
	Schemas   []Schema
	Relations []*Relation
	Sequences []*Sequence
	Functions []Function // made by users
	Enums     []*LogicalEnum

	byOID map[uint32]*Relation
}

// A Schema is a row of pg_namespace.
type Schema struct {
	OID  uint32
	Name string
}

// A Function is a function made by a user.
type Function struct {
	OID    uint32
	Name   string
	Pure   bool // its text names no relation and no other such function, so it needs and changes no rows
	Acts   bool // it has a statement that acts on the session or the server, such as NOTIFY or LOCK TABLE
	Domain bool // a domain's constraint calls it
}

// A Relation is a table or view of the logical schema.
type Relation struct {
	OID         uint32
	Schema      string
	Name        string
	Kind        byte // pg_class.relkind: 'r' table, 'v' view
	RowSecurity bool
	Calls       bool         // a constraint, a default or an index calls a user's function that may need rows
	Columns     []*Attribute // by attribute number, without dropped ones
	Constraints []*Constraint
	Indexes     []*Index
}

// An Attribute is a column of the logical schema.
type Attribute struct {
	Num        int16
	Name       string
	Type       uint32 // as Column.Type
	Typmod     int32  // of a domain: its base type's
	TypeName   string // at a provider: as format_type prints it; of an enumerated type, its numbers' type
	Declared   string // the type's name on the twin, if a user made it
	OnTwin     string // the type's name on the twin, which no search path changes
	Enum       uint32 // OID of the enumerated type, 0 if it is none
	Collation  string // its name if it is not the type's own, else ""
	NotNull    bool
	Identity   byte // 0, 'a' always, 'd' by default
	Generated  bool
	Default    string // as pg_get_expr prints it, names qualified; "" if none
	OwnDefault bool   // the default needs what only the twin has: functions and types made by users
	Sequence   uint32 // OID of the sequence that the default draws from, 0 if none
}

// A Constraint is a row of pg_constraint.
type Constraint struct {
	OID        uint32
	Name       string
	Kind       byte // 'p' primary key, 'u' unique, 'f' foreign key, 'c' check, 'x' exclusion
	Columns    []int16
	Ref        uint32 // the referenced table
	RefColumns []int16
	OnUpdate   byte // 'a' no action, 'r' restrict, 'c' cascade, 'n' set null, 'd' set default
	OnDelete   byte
	Match      byte // 's' simple, 'f' full
	Deferrable bool
	Deferred   bool
	Valid      bool
	Own        bool   // needs what only the twin has: functions and types made by users
	Definition string // as pg_get_constraintdef prints it
}

// An Index is a row of pg_index that no constraint made.
type Index struct {
	OID        uint32
	Name       string
	Unique     bool
	Columns    []int16 // 0 for an expression
	Partial    bool
	Predicate  string  // as pg_get_expr prints it
	Condition  []int16 // the columns of the predicate
	Own        bool    // needs what only the twin has: functions and types made by users
	Definition string
}

// A Sequence is a sequence of the logical schema.
type Sequence struct {
	OID        uint32
	Schema     string
	Name       string
	Type       string
	Start      int64
	Increment  int64
	Min, Max   int64
	Cycle      bool
	Cache      int64
	OwnerTable uint32 // 0 if no column owns it
	OwnerAttr  int16
	Internal   bool // belongs to an identity column
}

// Index prepares look-ups; it is called once, when the snapshot is complete.
func (l *Logical) Index() *Logical {
	l.byOID = make(map[uint32]*Relation, len(l.Relations))
	for _, r := range l.Relations {
		l.byOID[r.OID] = r
	}
	return l
}

// Relation returns the relation with the given OID, or nil.
func (l *Logical) Relation(oid uint32) *Relation { return l.byOID[oid] }

// ShowsSettings reports whether a function is the one that stands behind the
// view pg_settings.
func (l *Logical) ShowsSettings(oid uint32) bool {
	return slices.ContainsFunc(l.Functions, func(f Function) bool { return f.OID == oid && f.Name == "show_all_settings" })
}

// Pure reports whether a user's function needs and changes no rows.
func (l *Logical) Pure(oid uint32) bool {
	return slices.ContainsFunc(l.Functions, func(f Function) bool { return f.OID == oid && f.Pure })
}

// Sequence returns the sequence with the given OID, or nil.
func (l *Logical) Sequence(oid uint32) *Sequence {
	for _, s := range l.Sequences {
		if s.OID == oid {
			return s
		}
	}
	return nil
}

// Column returns the attribute with the given number, or nil.
func (r *Relation) Column(num int16) *Attribute {
	for _, a := range r.Columns {
		if a.Num == num {
			return a
		}
	}
	return nil
}

// PrimaryKey returns the primary key, or nil.
func (r *Relation) PrimaryKey() *Constraint {
	for _, c := range r.Constraints {
		if c.Kind == 'p' {
			return c
		}
	}
	return nil
}

// Qualified is the name as messages show it.
func (r *Relation) Qualified() string { return r.Schema + "." + r.Name }

// OwnCheck reports whether a check constraint needs what only the twin has.
func (r *Relation) OwnCheck() bool {
	return slices.ContainsFunc(r.Constraints, func(k *Constraint) bool { return k.Kind == 'c' && k.Own })
}
