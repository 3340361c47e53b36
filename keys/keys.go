// Package keys is the contract of keyrings, and the derivation that they share.
// docs/spec/keyring.md is normative.
package keys

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/secret"
)

// An Epoch names one version of the keys.
type Epoch = secret.Epoch

// A Scope names what a key is for.
type Scope = secret.Scope

// The purposes that keys serve.
const (
	PurposeCell  = secret.PurposeCell
	PurposeTag   = secret.PurposeTag
	PurposeRowID = secret.PurposeRowID
)

// RootSize is the length of a root key in bytes.
const RootSize = 32

// A Keyring hands out keys of 32 bytes. It is safe for concurrent use.
type Keyring interface {
	// Current returns the key to seal with, and its epoch. The key may be used
	// secret.Grant times; then Current is asked again. The epoch was recorded
	// durably before Current returns it the first time, was drawn at random by
	// this start of the program, and ends after secret.RollAfter uses. For a
	// stable scope it is the keyring's fixed epoch, with no limit of uses.
	Current(ctx context.Context, s Scope) (Epoch, secret.Bytes, error)

	// Key returns the key to open with. An epoch that this keyring never
	// recorded is an error of kind Integrity: whoever wrote it is not this side.
	Key(ctx context.Context, s Scope, e Epoch) (secret.Bytes, error)
}

const (
	labelScope = "clarus/key/1/scope"
	labelEpoch = "clarus/key/1/epoch"
)

// Derive computes the 32-byte key of (scope, epoch) from a root key:
//
//	k1 = HKDF-SHA-256(root, salt: deployment, info: Fields("clarus/key/1/scope", purpose, dataset, attribute, group))
//	k2 = HKDF-SHA-256(k1, no salt, info: Fields("clarus/key/1/epoch", epoch))
func Derive(root secret.Bytes, deployment [16]byte, s Scope, e Epoch) (secret.Bytes, error) {
	if err := s.Check(); err != nil {
		return secret.Bytes{}, err
	}
	if root.Len() != RootSize {
		return secret.Bytes{}, &clarus.Error{Op: "keys", Kind: clarus.Internal, Msg: "the root key must be 32 bytes"}
	}
	scope := secret.Fields([]byte(labelScope), []byte(s.Purpose),
		binary.BigEndian.AppendUint64(nil, uint64(s.Dataset)),
		binary.BigEndian.AppendUint32(nil, s.Attribute), []byte(s.Group))
	k1, err := hkdf.Key(sha256.New, root.Reveal(), deployment[:], string(scope), sha256.Size)
	if err != nil {
		return secret.Bytes{}, derivation(err)
	}
	k2, err := hkdf.Key(sha256.New, k1, nil, string(secret.Fields([]byte(labelEpoch), e[:])), sha256.Size)
	if err != nil {
		return secret.Bytes{}, derivation(err)
	}
	return secret.New(k2), nil
}

func derivation(err error) error {
	return &clarus.Error{Op: "keys", Kind: clarus.Internal, Msg: "key derivation failed", Err: err}
}

// UnknownEpoch is the error for an epoch that a keyring never recorded.
func UnknownEpoch(e Epoch) error {
	return &clarus.Error{Op: "keys", Kind: clarus.Integrity,
		Msg:  "epoch " + e.String() + " was never drawn by this side",
		Hint: "a provider altered the data, or the keyring is an old copy: restore the newest one"}
}
