// Package technique is the contract of techniques: ways to protect one
// attribute so that a provider can store it, and perhaps compute on it.
package technique

import (
	"context"
	"fmt"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/secret"
)

// Params say for which attribute a technique is configured.
type Params struct {
	Type       uint32             // PostgreSQL type OID of the logical column
	Typmod     int32              // its type modifier; -1: none
	Attribute  clarus.AttributeID // immutable, part of key and associated data
	Deployment [16]byte           // of the keyring, part of associated data

	// Group names the join group of an equality tag: attributes of one group
	// share a key, so their tags can be joined. "": the attribute alone.
	Group string

	// Pad is the least length in bytes that a value is padded to, for example
	// an enum's longest label. 0: what the type asks for.
	Pad int

	// NonDeterministic says that the column's collation calls different byte
	// strings equal.
	NonDeterministic bool
}

// A Technique is one way to protect a value.
type Technique interface {
	// Name is the word that a policy pins the technique by.
	Name() string
	// Preserves lists what the technique preserves, for some type at least. One
	// that preserves nothing makes cells, which open.
	Preserves() []clarus.Operation
	// Configure checks the parameters: what the technique cannot do for them is
	// an error of kind Unsupported or Misconfigured with a hint.
	Configure(Params) (Scheme, error)
}

// A Scheme is a technique with checked parameters.
type Scheme interface {
	Profile() Profile
	// Bind fetches keys. The context ends with Bind; its values, not its
	// cancellation, serve the key look-ups of the Codec.
	Bind(context.Context, KeySource) (Codec, error)
}

// A KeySource hands out keys; every keys.Keyring is one. Its contract is there.
type KeySource interface {
	Current(context.Context, secret.Scope) (secret.Epoch, secret.Bytes, error)
	Key(context.Context, secret.Scope, secret.Epoch) (secret.Bytes, error)
}

// A Profile is what the planner and the leak report know of a scheme.
type Profile struct {
	// Preserves are operations that the provider does on carriers as PostgreSQL
	// does them on values: equality by the carrier type's =, order by its <. The
	// Codec is then a Prober, and what it seals depends on nothing but the value.
	Preserves []clarus.Operation
	// Leaks says what a provider that also watches queries learns; an operation
	// that is not listed leaks LeakAccess.
	Leaks      map[clarus.Operation]clarus.Leak
	Reversible bool   // Open gives the values back
	Carrier    string // physical type at the provider: "bytea", "uuid", "bigint", "numeric" or "text"
	Expansion  string // for people: what a stored value costs
}

// A Codec seals and opens by column batch. It is safe for concurrent use. Both
// methods ask for one row identity for each value.
type Codec interface {
	// Seal returns one Sealed for each value, all or nothing. The Sealed may
	// share memory with each other, not with values. A scheme that is not
	// reversible gives nil for NULL.
	Seal(rows []clarus.RowID, values []clarus.Value) ([]clarus.Sealed, error)
	// Open is all or nothing: one cell that does not open is an error of kind
	// Integrity that wraps a *Fault, and no value. A scheme that is not
	// reversible returns an error of kind Unsupported.
	Open(rows []clarus.RowID, cells []clarus.Sealed) ([]clarus.Value, error)
}

// A Prober is a Codec whose carrier can be asked for a value: what Probe
// returns compares, at the provider, with what Seal stored as the values do, by
// the operations that the profile preserves. The probe of NULL is nil: it is
// equal to nothing.
type Prober interface {
	Probe(clarus.Value) (clarus.Sealed, error)
}

// A Reason says which check an opened cell failed.
type Reason string

// The checks, in the order in which they are made.
const (
	Missing        Reason = "missing"        // SQL NULL where a cell must be
	Truncated      Reason = "truncated"      // shorter than the least cell
	Version        Reason = "version"        // unknown format version
	Algorithm      Reason = "algorithm"      // unknown algorithm
	UnknownEpoch   Reason = "epoch"          // never drawn by this side
	WrongKey       Reason = "commitment"     // made under another key
	Authentication Reason = "authentication" // altered, or moved from another row, attribute or deployment
	Encoding       Reason = "encoding"       // authentic but not well formed
)

// A Fault says which cell of a batch did not open, and why.
type Fault struct {
	Index  int // in the batch, from 0
	Reason Reason
}

func (f *Fault) Error() string { return fmt.Sprintf("cell %d of the batch: %s", f.Index, f.Reason) }

// Broken makes the error of kind Integrity for a cell that does not open.
func Broken(index int, r Reason, attr clarus.AttributeID) error {
	return &clarus.Error{Op: "open", Attr: "attribute " + attr.String(), Kind: clarus.Integrity,
		Msg:  "a stored value does not open",
		Hint: "the provider altered, moved or lost it: compare with a backup and audit the provider",
		Err:  &Fault{Index: index, Reason: r}}
}

// SameLength returns an error unless there is one row identity for each item.
func SameLength(op string, rows, items int) error {
	if rows == items {
		return nil
	}
	return &clarus.Error{Op: op, Kind: clarus.Internal, Msg: fmt.Sprintf("%d row identities for %d values", rows, items)}
}
