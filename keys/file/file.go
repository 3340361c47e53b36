// Package file is a keyring in a file: the root key wrapped under a passphrase,
// or kept elsewhere and given at start, and every epoch that this side drew.
// docs/spec/keyring.md is normative.
//
// The file must be kept as carefully as the root key, and its newest copy: what
// was sealed in an epoch that the file does not name does not open.
package file

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/secret"
)

// A Ring is an open keyring file. Several processes may have one file open.
type Ring struct {
	path       string
	root       secret.Bytes
	deployment [16]byte
	fixed      keys.Epoch

	mu       sync.Mutex
	version  fs.FileInfo // of the file as last read
	accepted map[keys.Epoch]bool
	current  keys.Epoch // of this start; zero: none drawn yet
	uses     map[keys.Scope]int
	derived  map[version]secret.Bytes
}

// A version is one key: a scope in an epoch.
type version struct {
	scope keys.Scope
	epoch keys.Epoch
}

var _ keys.Keyring = (*Ring)(nil)

// Create makes a new file, mode 0600, with a new deployment id and, for a
// passphrase, a new root key. A file that exists is never replaced.
func Create(path string, u Unlock) (*Ring, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, unwritable(path, err)
	}
	d := &document{Format: format, Deployment: random16(), Fixed: random16(), Epochs: []entry{}}
	var root secret.Bytes
	if d.Root, root, err = u.newWrap(d.Deployment); err != nil {
		return nil, err
	}
	if d.Check, err = checkValue(root, d.Deployment); err != nil {
		return nil, err
	}
	err = locked(path, func() error {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return misconfigured(path, "there is a keyring file already, and it is never replaced", "open it, or choose another path", err)
		}
		return save(path, d, root)
	})
	if err != nil {
		return nil, err
	}
	return Open(path, u)
}

func random16() octets {
	b := make(octets, 16)
	rand.Read(b)
	return b
}

// Open reads a file. A wrong passphrase or root key is an error of kind
// AuthFailed, a damaged file one of kind Misconfigured; both name file and remedy.
func Open(path string, u Unlock) (*Ring, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, misconfigured(path, "the path cannot be resolved", "give an absolute path", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // else a change would replace the link
	}
	data, info, err := read(path)
	if err != nil {
		return nil, err
	}
	d, err := parse(data)
	if err != nil {
		return nil, damaged(path, err)
	}
	if d.Root.By != u.by {
		return nil, wrongKind(path, d.Root.By)
	}
	root, ok, err := d.Root.open(u, d.Deployment)
	if err != nil {
		return nil, err
	}
	if check, err := checkValue(root, d.Deployment); err != nil || !ok || subtle.ConstantTimeCompare(check, d.Check) != 1 {
		return nil, wrongSecret(path, d.Root.By)
	}
	r := &Ring{path: path, root: root, deployment: [16]byte(d.Deployment), fixed: keys.Epoch(d.Fixed),
		uses: map[keys.Scope]int{}, derived: map[version]secret.Bytes{}}
	if err := r.verify(d); err != nil {
		return nil, err
	}
	r.adopt(d, info)
	return r, nil
}

func damaged(path string, err error) error {
	return misconfigured(path, "the keyring file is damaged or was altered", "restore its newest copy", err)
}

func wrongKind(path, by string) error {
	if by == environment {
		return misconfigured(path, "this keyring file does not hold its root key", "give the root key as 64 hexadecimal digits instead of a passphrase", nil)
	}
	return misconfigured(path, "this keyring file's root key is wrapped under a passphrase", "give the passphrase instead of a root key", nil)
}

func wrongSecret(path, by string) error {
	e := &clarus.Error{Op: "keys", Attr: path, Kind: clarus.AuthFailed,
		Msg:  "the passphrase does not open this keyring file",
		Hint: "give the passphrase that this file was created with"}
	if by == environment {
		e.Msg, e.Hint = "the root key is not this keyring file's", "give the root key that this file was created with"
	}
	return e
}

// Deployment is the random id of this keyring, part of all associated data.
func (r *Ring) Deployment() [16]byte { return r.deployment }

// Current implements keys.Keyring. It writes the file when a new epoch begins.
func (r *Ring) Current(ctx context.Context, s keys.Scope) (keys.Epoch, secret.Bytes, error) {
	if err := s.Check(); err != nil {
		return keys.Epoch{}, secret.Bytes{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Stable() {
		k, err := r.derive(s, r.fixed)
		return r.fixed, k, err
	}
	if r.current == (keys.Epoch{}) || r.uses[s]+secret.Grant > secret.RollAfter {
		if err := ctx.Err(); err != nil {
			return keys.Epoch{}, secret.Bytes{}, err
		}
		if err := r.draw(); err != nil {
			return keys.Epoch{}, secret.Bytes{}, err
		}
	}
	r.uses[s] += secret.Grant
	k, err := r.derive(s, r.current)
	return r.current, k, err
}

// Key implements keys.Keyring. An epoch that another process has recorded since
// is found by reading the file again, once for each version of the file.
func (r *Ring) Key(_ context.Context, s keys.Scope, e keys.Epoch) (secret.Bytes, error) {
	if err := s.Check(); err != nil {
		return secret.Bytes{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Stable() {
		if e != r.fixed {
			return secret.Bytes{}, keys.UnknownEpoch(e)
		}
		return r.derive(s, e)
	}
	if !r.accepted[e] {
		if err := r.refresh(); err != nil {
			return secret.Bytes{}, err
		}
	}
	if !r.accepted[e] {
		return secret.Bytes{}, keys.UnknownEpoch(e)
	}
	return r.derive(s, e)
}

// derive is keys.Derive, remembered.
func (r *Ring) derive(s keys.Scope, e keys.Epoch) (secret.Bytes, error) {
	v := version{s, e}
	if k, ok := r.derived[v]; ok {
		return k, nil
	}
	k, err := keys.Derive(r.root, r.deployment, s, e)
	if err == nil {
		r.derived[v] = k
	}
	return k, err
}

// draw begins a new epoch: drawn at random, recorded on disk, then used.
func (r *Ring) draw() error {
	var fresh keys.Epoch
	rand.Read(fresh[:])
	err := locked(r.path, func() error {
		d, _, err := r.load()
		if err != nil {
			return err
		}
		d.Epochs = append(d.Epochs, entry{fresh[:], time.Now().UTC().Truncate(time.Second)})
		return save(r.path, d, r.root)
	})
	if err != nil {
		return err
	}
	if err := r.refresh(); err != nil {
		return err
	}
	if !r.accepted[fresh] {
		return damaged(r.path, errors.New("an epoch that was recorded is not there"))
	}
	r.current, r.uses = fresh, map[keys.Scope]int{}
	return nil
}

// refresh reads the file again if it is another version than the last one read.
func (r *Ring) refresh() error {
	if info, err := os.Stat(r.path); err == nil && os.SameFile(info, r.version) &&
		info.ModTime().Equal(r.version.ModTime()) && info.Size() == r.version.Size() {
		return nil
	}
	d, info, err := r.load()
	if err != nil {
		return err
	}
	r.adopt(d, info)
	return nil
}

// load reads the file as a later version of the one that was opened.
func (r *Ring) load() (*document, fs.FileInfo, error) {
	data, info, err := read(r.path)
	if err != nil {
		return nil, nil, err
	}
	d, err := parse(data)
	if err != nil {
		return nil, nil, damaged(r.path, err)
	}
	return d, info, r.verify(d)
}

// adopt takes over a document that was verified.
func (r *Ring) adopt(d *document, info fs.FileInfo) {
	r.accepted, r.version = d.accepted(), info
}

// verify returns an error unless the document was written under this root key
// and names every epoch that this process has seen in it.
func (r *Ring) verify(d *document) error {
	if [16]byte(d.Deployment) != r.deployment || keys.Epoch(d.Fixed) != r.fixed {
		return damaged(r.path, errors.New("it belongs to another deployment now"))
	}
	mac, err := d.mac(r.root)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(mac, d.MAC) != 1 {
		return damaged(r.path, errors.New("its authentication code is wrong"))
	}
	now := d.accepted()
	for e := range r.accepted {
		if !now[e] {
			return damaged(r.path, errors.New("it was replaced by an older copy"))
		}
	}
	return nil
}

// save authenticates and writes a document.
func save(path string, d *document, root secret.Bytes) error {
	mac, err := d.mac(root)
	if err != nil {
		return err
	}
	d.MAC = mac
	data, err := d.marshal()
	if err != nil {
		return err
	}
	return write(path, data)
}
