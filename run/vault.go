// Package run carries plans out: it fetches from providers, opens and seals by
// column batch, lets the twin finish, and writes back by row identity.
package run

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

// A Vault has the codecs of attributes. It is safe for concurrent use.
type Vault struct {
	ring       keys.Keyring
	deployment [16]byte
	list       technique.List

	mu     sync.Mutex
	codecs map[codecKey]technique.Codec
	rows   rowKeys

	buffers sync.Pool // of *buffers
}

type codecKey struct {
	attr  clarus.AttributeID
	typ   uint32
	group string // of a tag; "" for others
	by    string // technique
}

// NewVault returns a Vault over a keyring and the techniques that catalogues name.
func NewVault(ring keys.Keyring, deployment [16]byte, list technique.List) *Vault {
	return &Vault{ring: ring, deployment: deployment, list: list, codecs: map[codecKey]technique.Codec{}}
}

// Cell returns the codec of a column's sealed cell.
func (v *Vault) Cell(ctx context.Context, t *catalog.Table, c *catalog.Column) (technique.Codec, error) {
	return v.Carrier(ctx, t, c, c.Cell())
}

// Tag returns the codec of a column's equality tag; it is a Prober.
func (v *Vault) Tag(ctx context.Context, t *catalog.Table, c *catalog.Column) (technique.Codec, error) {
	return v.Carrier(ctx, t, c, c.Tag())
}

// Carrier returns the codec of one of a column's carriers.
func (v *Vault) Carrier(ctx context.Context, t *catalog.Table, c *catalog.Column, k catalog.Carrier) (technique.Codec, error) {
	key := codecKey{attr: t.Attribute(c), typ: c.Type, by: k.Technique}
	if k.Is(clarus.Equality) {
		key.group = c.Group
	}
	return v.codec(ctx, key)
}

// Record returns the codec of Clarus's own records, such as the sealed
// catalogue. Their datasets have the number 0 within their database.
func (v *Vault) Record(ctx context.Context, a clarus.AttributeID) (technique.Codec, error) {
	return v.codec(ctx, codecKey{attr: a, typ: typeBytea, by: catalog.DefaultCell})
}

func (v *Vault) codec(ctx context.Context, k codecKey) (technique.Codec, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c, ok := v.codecs[k]; ok {
		return c, nil
	}
	tech := v.list.Find(k.by)
	if tech == nil {
		return nil, &clarus.Error{Op: "configure", Attr: "attribute " + k.attr.String(), Kind: clarus.Misconfigured,
			Msg: "it was sealed by the technique " + k.by + ", which this program does not have", Hint: "Use a program that has it."}
	}
	s, err := tech.Configure(technique.Params{Type: k.typ, Typmod: -1, Attribute: k.attr, Deployment: v.deployment, Group: k.group})
	if err != nil {
		return nil, err
	}
	c, err := s.Bind(context.WithoutCancel(ctx), v.ring)
	if err == nil {
		v.codecs[k] = c
	}
	return c, err
}

// rowKey derives row identities from clear keys: the first 128 bits of
// HMAC-SHA-256 under the dataset's own key over the length-prefixed key
// values. A clear key that is swapped between rows changes the identity, so
// the cells beside it do not open.
//
// It is not safe for concurrent use.
type rowKey struct {
	mac    hash.Hash
	fields []byte
	sum    [sha256.Size]byte
}

// rowKey returns a dataset's key; free gives it back.
func (v *Vault) rowKey(ctx context.Context, t *catalog.Table) (k *rowKey, free func(), err error) {
	pool := v.rows.of(t.ID)
	k, _ = pool.Get().(*rowKey)
	if k == nil {
		_, key, err := v.ring.Current(ctx, keys.Scope{Purpose: keys.PurposeRowID, Dataset: t.ID})
		if err != nil {
			return nil, nil, err
		}
		k = newRowKey(key)
	}
	return k, func() { pool.Put(k) }, nil
}

func newRowKey(key secret.Bytes) *rowKey { return &rowKey{mac: hmac.New(sha256.New, key.Reveal())} }

func (k *rowKey) id(values [][]byte) (id clarus.RowID) {
	k.fields = secret.AppendFields(k.fields[:0], values...)
	k.mac.Reset()
	k.mac.Write(k.fields)
	copy(id[:], k.mac.Sum(k.sum[:0]))
	return id
}

// rowKeys are the row keys that are not in use, by dataset: they never change.
type rowKeys struct {
	mu    sync.Mutex
	pools map[clarus.DatasetID]*sync.Pool
}

func (r *rowKeys) of(dataset clarus.DatasetID) *sync.Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pools[dataset]
	if p == nil {
		p = &sync.Pool{}
		if r.pools == nil {
			r.pools = map[clarus.DatasetID]*sync.Pool{}
		}
		r.pools[dataset] = p
	}
	return p
}

// LockKey is the advisory lock that stands at a provider for the client's own
// lock of these numbers: one, or two, which never meet. It says nothing of them.
func (v *Vault) LockKey(ctx context.Context, numbers ...int64) (int64, error) {
	_, k, err := v.ring.Current(ctx, keys.Scope{Purpose: keys.PurposeRowID})
	if err != nil {
		return 0, err
	}
	fields := [][]byte{[]byte("advisory lock")}
	for _, n := range numbers {
		fields = append(fields, binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	id := newRowKey(k).id(fields)
	return int64(binary.BigEndian.Uint64(id[:8])), nil
}

// Mark is a UUID that stands for a text and says nothing of it.
func (v *Vault) Mark(ctx context.Context, text string) (string, error) {
	_, k, err := v.ring.Current(ctx, keys.Scope{Purpose: keys.PurposeRowID})
	if err != nil {
		return "", err
	}
	id := newRowKey(k).id([][]byte{[]byte("mark"), []byte(text)})
	is, _ := pgvalue.Text(pgvalue.UUIDOID, id[:])
	return string(is), nil
}
