package store

import (
	"context"
	"crypto/sha256"

	"github.com/clarus-project/clarus"
)

// stateRecord is the attribute number, among Clarus's own records, of states that
// are kept on this side and hold rows.
const stateRecord = 2

// Seal seals a state of something that is named; what is sealed under one name does
// not open under another, nor in another database.
func (d *Database) Seal(ctx context.Context, name string, state []byte) ([]byte, error) {
	codec, err := d.Records.Record(ctx, clarus.AttributeID{Dataset: d.base(), Attribute: stateRecord})
	if err != nil {
		return nil, err
	}
	sealed, err := codec.Seal([]clarus.RowID{stateOf(name)}, []clarus.Value{{Bytes: state}})
	if err != nil {
		return nil, err
	}
	return sealed[0], nil
}

// Unseal gives back what Seal sealed.
func (d *Database) Unseal(ctx context.Context, name string, sealed []byte) ([]byte, error) {
	codec, err := d.Records.Record(ctx, clarus.AttributeID{Dataset: d.base(), Attribute: stateRecord})
	if err != nil {
		return nil, err
	}
	values, err := codec.Open([]clarus.RowID{stateOf(name)}, []clarus.Sealed{sealed})
	if err != nil {
		return nil, err
	}
	return values[0].Bytes, nil
}

func stateOf(name string) (id clarus.RowID) {
	sum := sha256.Sum256([]byte(name))
	copy(id[:], sum[:])
	return id
}

// Released reports whether a table was made to be a release.
func (d *Database) Released(ctx context.Context, schema, table string) (bool, error) {
	v, err := d.Current(ctx)
	if err != nil {
		return false, err
	}
	defer v.Twin.Release()
	for _, t := range v.Catalog.Tables {
		if t.Schema == schema && t.Name == table {
			if !t.Release {
				return false, &clarus.Error{Op: "release", Attr: schema + "." + table, Kind: clarus.Misconfigured, Msg: "a table of this name is there already, and is no release",
					Hint: "Rename it, or name another schema for releases in the policy."}
			}
			return true, nil
		}
	}
	return false, nil
}
