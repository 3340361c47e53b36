// Package toy is a technique that a stranger might add, for docs/adding.md to
// be tried on: it preserves the order of small integers, and gives away
// nearly everything. It is in no program but the one that a test builds.
package toy

import (
	"context"
	"encoding/binary"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

// Technique multiplies a value by a number and adds another, both by key.
type Technique struct{}

// Name is "toy".
func (Technique) Name() string { return "toy" }

// Preserves is order.
func (Technique) Preserves() []clarus.Operation { return []clarus.Operation{clarus.Order} }

// Configure takes integers of two and four bytes.
func (Technique) Configure(p technique.Params) (technique.Scheme, error) {
	if p.Type != pgvalue.Int2OID && p.Type != pgvalue.Int4OID {
		return nil, &clarus.Error{Op: "configure", Attr: "attribute " + p.Attribute.String(), Kind: clarus.Unsupported,
			Msg: "toy orders smallint and integer only", Hint: "Leave order out of preserve."}
	}
	return scheme{p}, nil
}

type scheme struct{ params technique.Params }

func (s scheme) Profile() technique.Profile {
	return technique.Profile{
		Preserves: []clarus.Operation{clarus.Order},
		Leaks:     map[clarus.Operation]clarus.Leak{clarus.Order: clarus.LeakDistance, clarus.Equality: clarus.LeakEquality},
		Carrier:   "bigint",
		Expansion: "8 bytes",
	}
}

func (s scheme) Bind(ctx context.Context, source technique.KeySource) (technique.Codec, error) {
	_, key, err := source.Current(ctx, secret.Scope{Purpose: secret.PurposeTag, Dataset: s.params.Attribute.Dataset, Attribute: s.params.Attribute.Attribute})
	if err != nil {
		return nil, err
	}
	k := key.Reveal()
	return codec{s.params, 1<<20 + int64(binary.BigEndian.Uint32(k)>>12), int64(binary.BigEndian.Uint32(k[4:]))}, nil
}

type codec struct {
	params         technique.Params
	factor, offset int64
}

// Probe is where a value stands among those that were sealed.
func (c codec) Probe(v clarus.Value) (clarus.Sealed, error) {
	var n int64
	switch len(v.Bytes) {
	case 0:
		return nil, nil
	case 2:
		n = int64(int16(binary.BigEndian.Uint16(v.Bytes)))
	default:
		n = int64(int32(binary.BigEndian.Uint32(v.Bytes)))
	}
	return binary.BigEndian.AppendUint64(nil, uint64(n*c.factor+c.offset)), nil
}

// Seal probes every value.
func (c codec) Seal(rows []clarus.RowID, values []clarus.Value) ([]clarus.Sealed, error) {
	if err := technique.SameLength("seal", len(rows), len(values)); err != nil {
		return nil, err
	}
	out := make([]clarus.Sealed, len(values))
	for i, v := range values {
		out[i], _ = c.Probe(v)
	}
	return out, nil
}

// Open refuses: the cell beside it opens.
func (c codec) Open([]clarus.RowID, []clarus.Sealed) ([]clarus.Value, error) {
	return nil, &clarus.Error{Op: "open", Attr: "attribute " + c.params.Attribute.String(), Kind: clarus.Unsupported, Msg: "a toy carrier is not opened", Hint: "Open the cell."}
}
