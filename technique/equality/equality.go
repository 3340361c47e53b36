// Package equality makes tags: HMAC-SHA-256 cut to 128 bits over a value's
// canonical form, under the key of a join group. docs/spec/equality.md is
// normative.
//
// It leaks which values of the join group are equal, how frequent each is, and
// which attributes share values. NULL has no tag, so which rows are NULL shows.
package equality

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

// Size is the length of a tag in bytes: that of a uuid.
const Size = 16

const labelFormat = "clarus/tag/1"

// Technique is the equality tag.
type Technique struct{}

// Name is "tag".
func (Technique) Name() string { return "tag" }

// Preserves is equality.
func (Technique) Preserves() []clarus.Operation { return []clarus.Operation{clarus.Equality} }

// Configure refuses types without a canonical form, non-deterministic
// collations, and padding, which a tag has no use for.
func (Technique) Configure(p technique.Params) (technique.Scheme, error) {
	attr := "attribute " + p.Attribute.String()
	family, ok := pgvalue.Family(p.Type)
	switch {
	case !ok:
		return nil, &clarus.Error{Op: "configure", Attr: attr, Kind: clarus.Unsupported,
			Msg:  fmt.Sprintf("equality cannot be preserved for the type with OID %d", p.Type),
			Hint: "leave equality out of preserve for it; comparisons are then done on this side"}
	case p.NonDeterministic:
		return nil, &clarus.Error{Op: "configure", Attr: attr, Kind: clarus.Unsupported,
			Msg:  "equality cannot be preserved under a non-deterministic collation",
			Hint: "use a deterministic collation, or leave equality out of preserve"}
	case p.Pad != 0:
		return nil, &clarus.Error{Op: "configure", Attr: attr, Kind: clarus.Misconfigured,
			Msg: "equality tags have one length and cannot be padded", Hint: "remove the padding"}
	}
	return scheme{p, family}, nil
}

type scheme struct {
	params technique.Params
	family string
}

func (s scheme) Profile() technique.Profile {
	return technique.Profile{
		Preserves: []clarus.Operation{clarus.Equality},
		Leaks:     map[clarus.Operation]clarus.Leak{clarus.Equality: clarus.LeakEquality},
		Carrier:   "uuid",
		Expansion: fmt.Sprintf("%d bytes", Size),
	}
}

func (s scheme) Bind(ctx context.Context, source technique.KeySource) (technique.Codec, error) {
	scope := secret.Scope{Purpose: secret.PurposeTag, Group: s.params.Group}
	if s.params.Group == "" {
		scope.Dataset, scope.Attribute = s.params.Attribute.Dataset, s.params.Attribute.Attribute
	}
	_, key, err := source.Current(ctx, scope)
	if err != nil {
		return nil, err
	}
	c := &codec{params: s.params, prefix: secret.Fields([]byte(labelFormat), []byte(s.family))}
	c.macs.New = func() any { return hmac.New(sha256.New, key.Reveal()) }
	return c, nil
}

type codec struct {
	params technique.Params
	prefix []byte
	macs   sync.Pool // of hash.Hash, keyed
}

// Seal returns a tag for each value, nil for NULL. Tags do not depend on rows.
func (c *codec) Seal(rows []clarus.RowID, values []clarus.Value) ([]clarus.Sealed, error) {
	if err := technique.SameLength("seal", len(rows), len(values)); err != nil {
		return nil, err
	}
	mac := c.macs.Get().(hash.Hash)
	defer c.macs.Put(mac)
	out, slab := make([]clarus.Sealed, len(values)), make([]byte, 0, Size*len(values))
	for i, v := range values {
		if v.IsNull() {
			continue
		}
		tag, err := c.tag(mac, v)
		if err != nil {
			return nil, err
		}
		slab = append(slab, tag[:]...)
		out[i] = clarus.Sealed(slab[len(slab)-Size : len(slab) : len(slab)])
	}
	return out, nil
}

// Probe returns the tag that an equal value has; nil for NULL.
func (c *codec) Probe(v clarus.Value) (clarus.Sealed, error) {
	if v.IsNull() {
		return nil, nil
	}
	mac := c.macs.Get().(hash.Hash)
	defer c.macs.Put(mac)
	tag, err := c.tag(mac, v)
	if err != nil {
		return nil, err
	}
	return tag[:], nil
}

// Open refuses: a tag does not hold its value.
func (c *codec) Open([]clarus.RowID, []clarus.Sealed) ([]clarus.Value, error) {
	return nil, &clarus.Error{Op: "open", Attr: "attribute " + c.params.Attribute.String(), Kind: clarus.Unsupported,
		Msg: "an equality tag cannot be opened", Hint: "open the attribute's cell instead"}
}

func (c *codec) tag(mac hash.Hash, v clarus.Value) (tag [Size]byte, err error) {
	canonical, err := pgvalue.Canonical(c.params.Type, v.Bytes)
	if err != nil {
		return tag, err
	}
	mac.Reset()
	mac.Write(c.prefix)
	mac.Write(canonical)
	var sum [sha256.Size]byte
	copy(tag[:], mac.Sum(sum[:0]))
	return tag, nil
}
