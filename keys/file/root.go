package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/secret"
)

// The cost of a passphrase: the second recommended option of RFC 9106.
const (
	argonTime    = 3
	argonMemory  = 64 << 10 // KiB
	argonThreads = 4
)

const (
	labelWrap  = "clarus/keyring/1/wrap"
	labelCheck = "clarus/keyring/1/check"
	labelMAC   = "clarus/keyring/1/mac"
)

// An Unlock is what opens a keyring file: a passphrase, or the root key.
type Unlock struct {
	by     string
	secret secret.Bytes
}

// Passphrase unlocks a file whose root key is wrapped under p.
func Passphrase(p secret.Bytes) (Unlock, error) {
	if p.Len() == 0 {
		return Unlock{}, &clarus.Error{Op: "keys", Kind: clarus.Misconfigured,
			Msg: "the keyring's passphrase is empty", Hint: "set a passphrase of several words"}
	}
	return Unlock{passphrase, p}, nil
}

// RootHex unlocks a file whose root key is kept elsewhere and given as 64
// hexadecimal digits, usually in an environment variable.
func RootHex(digits string) (Unlock, error) {
	root, err := hex.DecodeString(digits)
	if err != nil || len(root) != keys.RootSize {
		return Unlock{}, &clarus.Error{Op: "keys", Kind: clarus.Misconfigured,
			Msg: "the root key is not 64 hexadecimal digits", Hint: "make one with: openssl rand -hex 32"}
	}
	return Unlock{environment, secret.New(root)}, nil
}

// newWrap draws or takes the root key of a new file.
func (u Unlock) newWrap(deployment []byte) (wrap, secret.Bytes, error) {
	if u.by == environment {
		return wrap{By: environment}, u.secret, nil
	}
	root, salt := make([]byte, keys.RootSize), make([]byte, saltSize)
	rand.Read(root)
	rand.Read(salt)
	w := wrap{By: passphrase, Salt: salt, Time: argonTime, MemoryKiB: argonMemory, Threads: argonThreads}
	aead, err := w.aead(u.secret)
	if err != nil {
		return wrap{}, secret.Bytes{}, err
	}
	w.Sealed = aead.Seal(nil, nil, root, w.bound(deployment))
	return w, secret.New(root), nil
}

// open gives back the root key; ok is false for a wrong passphrase.
func (w wrap) open(u Unlock, deployment []byte) (root secret.Bytes, ok bool, err error) {
	if w.By == environment {
		return u.secret, true, nil
	}
	aead, err := w.aead(u.secret)
	if err != nil {
		return secret.Bytes{}, false, err
	}
	plain, err := aead.Open(nil, nil, w.Sealed, w.bound(deployment))
	return secret.New(plain), err == nil, nil
}

func (w wrap) aead(p secret.Bytes) (cipher.AEAD, error) {
	kek := argon2.IDKey(p.Reveal(), w.Salt, w.Time, w.MemoryKiB, w.Threads, 32)
	defer clear(kek)
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// bound is the associated data of the wrapped root key.
func (w wrap) bound(deployment []byte) []byte {
	return secret.Fields([]byte(labelWrap), deployment, []byte(w.By), w.Salt,
		number(uint64(w.Time)), number(uint64(w.MemoryKiB)), number(uint64(w.Threads)))
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// checkValue tells whether a root key is the file's.
func checkValue(root secret.Bytes, deployment []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, root.Reveal(), deployment, labelCheck, 16)
}

// mac authenticates the whole document under the root key.
func (d *document) mac(root secret.Bytes) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, root.Reveal(), d.Deployment, labelMAC, 32)
	if err != nil {
		return nil, err
	}
	fields := [][]byte{[]byte(d.Format), d.Root.bound(d.Deployment), d.Root.Sealed, d.Check, d.Fixed}
	for _, e := range d.Epochs {
		fields = append(fields, e.ID, []byte(e.Drawn.UTC().Format(time.RFC3339)))
	}
	h := hmac.New(sha256.New, key)
	h.Write(secret.Fields(fields...))
	return h.Sum(nil), nil
}
