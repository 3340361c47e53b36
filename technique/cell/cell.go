// Package cell seals one value in one cell: AES-256-GCM with a random nonce,
// bound to deployment, dataset, attribute, row, algorithm and epoch, with a
// commitment to the key, NULL sealed and padded as a value is.
// docs/spec/cell.md is normative.
//
// It leaks the padded length, which for a type of fixed width is the same for
// every row, and the epoch, which tells roughly when a cell was written.
package cell

import (
	"context"
	"fmt"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

// Technique is the sealed cell.
type Technique struct{}

// Name is "cell".
func (Technique) Name() string { return "cell" }

// Preserves is empty: a cell tells nothing.
func (Technique) Preserves() []clarus.Operation { return nil }

// Configure accepts every type: values are bytes to a cell.
func (Technique) Configure(p technique.Params) (technique.Scheme, error) {
	if p.Pad < 0 || p.Pad > maxValue {
		return nil, &clarus.Error{Op: "configure", Attr: "attribute " + p.Attribute.String(), Kind: clarus.Misconfigured,
			Msg:  fmt.Sprintf("values cannot be padded to %d bytes", p.Pad),
			Hint: fmt.Sprintf("choose between 0 and %d", maxValue)}
	}
	return scheme{p}, nil
}

type scheme struct{ params technique.Params }

func (s scheme) Profile() technique.Profile {
	return technique.Profile{
		Leaks:      map[clarus.Operation]clarus.Leak{},
		Reversible: true,
		Carrier:    "bytea",
		Expansion:  fmt.Sprintf("padded value + %d bytes", Overhead),
	}
}

func (s scheme) Bind(ctx context.Context, source technique.KeySource) (technique.Codec, error) {
	c := &codec{
		params: s.params,
		least:  least(s.params.Type, s.params.Pad),
		source: source,
		ctx:    context.WithoutCancel(ctx),
		opened: map[secret.Epoch]*key{},
		scope: secret.Scope{Purpose: secret.PurposeCell,
			Dataset: s.params.Attribute.Dataset, Attribute: s.params.Attribute.Attribute},
	}
	return c, nil
}

// codec caches one AEAD for each epoch that it met; a keyring accepts as many
// epochs as it recorded, so the cache is bounded by that.
type codec struct {
	params technique.Params
	least  int
	source technique.KeySource
	scope  secret.Scope
	ctx    context.Context // for key look-ups: values of Bind's context, never canceled

	mu     sync.RWMutex
	opened map[secret.Epoch]*key

	lease   sync.Mutex
	sealing *key
	left    int // uses of sealing that are still granted
}

// take returns a key to seal with and how many of want cells it may seal.
func (c *codec) take(want int) (*key, int, error) {
	c.lease.Lock()
	defer c.lease.Unlock()
	if c.left == 0 {
		epoch, bytes, err := c.source.Current(c.ctx, c.scope)
		if err != nil {
			return nil, 0, err
		}
		k := c.cached(epoch)
		if k == nil {
			if k, err = c.keep(epoch, bytes); err != nil {
				return nil, 0, err
			}
		}
		c.sealing, c.left = k, secret.Grant
	}
	n := min(want, c.left)
	c.left -= n
	return c.sealing, n, nil
}

// key returns the key of an epoch that a header names.
func (c *codec) key(epoch secret.Epoch) (*key, error) {
	if k := c.cached(epoch); k != nil {
		return k, nil
	}
	bytes, err := c.source.Key(c.ctx, c.scope, epoch)
	if err != nil {
		return nil, err
	}
	return c.keep(epoch, bytes)
}

func (c *codec) cached(epoch secret.Epoch) *key {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.opened[epoch]
}

func (c *codec) keep(epoch secret.Epoch, bytes secret.Bytes) (*key, error) {
	k, err := newKey(c.params, epoch, bytes)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened[epoch] = k
	return k, nil
}
