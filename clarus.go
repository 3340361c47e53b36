// Package clarus is the vocabulary that every floor of the program shares: the
// names of datasets and attributes, plain and protected values, what a
// technique preserves and leaks, and the errors that users see.
//
// It imports the standard library only. See docs/design.md for the floors.
package clarus

import "fmt"

// A DatasetID names a table for as long as Clarus remembers it. It is never
// given twice, also not after DROP and CREATE of the same name: associated
// data and key derivation depend on it.
type DatasetID uint64

// An AttributeID names a column of a dataset. Numbers are never given twice
// within the dataset.
type AttributeID struct {
	Dataset   DatasetID
	Attribute uint32
}

func (a AttributeID) String() string { return fmt.Sprintf("%d.%d", a.Dataset, a.Attribute) }

// A RowID is the 128-bit identity that the cells of one row are bound to.
type RowID [16]byte

// A Value is one plain value in PostgreSQL's binary format, or NULL. It has
// another underlying type than Sealed so that neither converts to the other.
type Value struct {
	Bytes []byte // binary (send) format; nil means NULL
}

// IsNull reports whether v is the SQL NULL.
func (v Value) IsNull() bool { return v.Bytes == nil }

// String never shows the value: a Value may be a patient's diagnosis.
func (v Value) String() string { return "clarus.Value(…)" }

// GoString is String, so that %#v does not show the value either.
func (v Value) GoString() string { return v.String() }

// Format hides the value under every verb.
func (v Value) Format(s fmt.State, _ rune) { fmt.Fprint(s, v.String()) }

// Sealed is one protected value as a provider stores it.
type Sealed []byte

// Class says what an attribute is to its owner, in the words of ISO/IEC 20889.
type Class string

// The classes of attributes.
const (
	Identifier      Class = "identifier"
	QuasiIdentifier Class = "quasi-identifier"
	Confidential    Class = "confidential"
	NonConfidential Class = "non-confidential" // stays readable at the provider
	Technical       Class = "technical"        // surrogate keys: readable at the provider
)

// Clear reports whether a provider may hold attributes of this class readable.
func (c Class) Clear() bool { return c == NonConfidential || c == Technical }

// An Operation is something that a technique can keep working at the provider.
type Operation string

// The operations that a policy can ask to preserve.
const (
	Equality Operation = "equality" // =, <>, IN, join, DISTINCT, GROUP BY, UNIQUE, foreign key
	Order    Operation = "order"
	Range    Operation = "range"
	Prefix   Operation = "prefix"
	Words    Operation = "words"
	Sum      Operation = "sum"
)

// A Leak is one entry of the leak vector (docs/threat-model.md).
type Leak int

// The levels of leak, least first.
const (
	LeakSize     Leak = iota // row count and padded size
	LeakAccess               // what was touched
	LeakAsked                // equality or order among what was asked
	LeakBucket               // bucket
	LeakEquality             // equality and co-occurrence
	LeakOrder                // order
	LeakDistance             // order and distance
	LeakPlain                // plain
)
