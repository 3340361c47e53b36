package catalog

import (
	"encoding/binary"
	"slices"

	"github.com/clarus-project/clarus/pgvalue"
)

// An Enum is an enumerated type made by a user. In cells, tags and clear
// columns a number stands for a label. It never changes and is never given
// twice in a database, so that a label can be renamed, and no label is ever at
// a provider.
type Enum struct {
	Schema string
	Name   string
	Labels []Label

	logical *LogicalEnum // nil where the twin does not know it
	numbers map[string][]byte
	labels  map[uint32][]byte
}

// A Label is one value of an enumerated type.
type Label struct {
	Number uint32
	Name   string
}

// A LogicalEnum is an enumerated type as the twin tells it.
type LogicalEnum struct {
	OID    uint32
	Schema string
	Name   string
	Labels []LogicalLabel // in their order
}

// A LogicalLabel is a row of pg_enum: its OID outlives a renaming.
type LogicalLabel struct {
	OID  uint32
	Name string
}

// bind finds the type on the twin, by name.
func (e *Enum) bind(l *Logical) {
	e.numbers, e.labels = map[string][]byte{}, map[uint32][]byte{}
	for _, label := range e.Labels {
		e.numbers[label.Name] = binary.BigEndian.AppendUint32(nil, label.Number)
		e.labels[label.Number] = []byte(label.Name)
	}
	if i := slices.IndexFunc(l.Enums, func(x *LogicalEnum) bool { return x.Schema == e.Schema && x.Name == e.Name }); i >= 0 {
		e.logical = l.Enums[i]
	}
}

// OID is the type's OID on the twin.
func (e *Enum) OID() uint32 { return e.logical.OID }

// Stored turns a value of the type in PostgreSQL's binary format, its label,
// into the number that stands for it. It shares memory with e.
func (e *Enum) Stored(label []byte) (number []byte, ok bool) {
	if label == nil {
		return nil, true
	}
	number, ok = e.numbers[string(label)]
	return number, ok
}

// Value is the inverse of Stored.
func (e *Enum) Value(number []byte) (label []byte, ok bool) {
	if number == nil {
		return nil, true
	}
	if len(number) != 4 {
		return nil, false
	}
	label, ok = e.labels[binary.BigEndian.Uint32(number)]
	return label, ok
}

// Number is the number of the label with an OID on the twin, or 0.
func (e *Enum) Number(label uint32) uint32 {
	for _, l := range e.logical.Labels {
		if l.OID == label {
			if n := e.numbers[l.Name]; n != nil {
				return binary.BigEndian.Uint32(n)
			}
		}
	}
	return 0
}

// Enum returns the enumerated type with the given OID on the twin, or nil.
func (c *Catalog) Enum(oid uint32) *Enum {
	for _, e := range c.Enums {
		if e.logical != nil && e.logical.OID == oid {
			return e
		}
	}
	return nil
}

// StoredType is the type at the provider of a clear column.
func (c *Column) StoredType() uint32 {
	if c.Enum != nil {
		return pgvalue.Int4OID
	}
	return c.Type
}
