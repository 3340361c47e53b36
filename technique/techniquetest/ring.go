// Package techniquetest is the conformance suite of techniques.
package techniquetest

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/secret"
)

// A Ring is a keyring in memory.
type Ring struct {
	root       secret.Bytes
	deployment [16]byte
	fixed      keys.Epoch

	mu     sync.Mutex
	epochs []keys.Epoch // the last one is current
	grants int
}

// NewRing returns a keyring with a root key by chance and one epoch.
func NewRing() *Ring {
	var root [keys.RootSize]byte
	rand.Read(root[:])
	r := &Ring{root: secret.New(root[:])}
	rand.Read(r.deployment[:])
	rand.Read(r.fixed[:])
	r.Roll()
	return r
}

// Deployment is the ring's deployment id.
func (r *Ring) Deployment() [16]byte { return r.deployment }

// Roll begins a new epoch, as a new start of the program does.
func (r *Ring) Roll() {
	var e keys.Epoch
	rand.Read(e[:])
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epochs = append(r.epochs, e)
	r.grants = 0
}

// Current implements keys.Keyring.
func (r *Ring) Current(_ context.Context, s keys.Scope) (keys.Epoch, secret.Bytes, error) {
	r.mu.Lock()
	if r.grants++; r.grants*secret.Grant > secret.RollAfter {
		r.mu.Unlock()
		r.Roll()
		r.mu.Lock()
	}
	e := r.epochs[len(r.epochs)-1]
	r.mu.Unlock()
	if s.Stable() {
		e = r.fixed
	}
	k, err := keys.Derive(r.root, r.deployment, s, e)
	return e, k, err
}

// Key implements keys.Keyring.
func (r *Ring) Key(_ context.Context, s keys.Scope, e keys.Epoch) (secret.Bytes, error) {
	if err := s.Check(); err != nil {
		return secret.Bytes{}, err
	}
	if !r.accepts(s, e) {
		return secret.Bytes{}, keys.UnknownEpoch(e)
	}
	return keys.Derive(r.root, r.deployment, s, e)
}

func (r *Ring) accepts(s keys.Scope, e keys.Epoch) bool {
	if s.Stable() {
		return e == r.fixed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.epochs {
		if e == known {
			return true
		}
	}
	return false
}
