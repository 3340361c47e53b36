package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/durable"
)

// A Pin remembers on this side which version of each database's schema was
// reached, and its digest.
type Pin struct {
	path string
	mu   *sync.Mutex
}

// NewPin returns the pin kept in a directory, which is made if it is missing.
func NewPin(dir string) (Pin, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Pin{}, err
	}
	return Pin{path: filepath.Join(dir, "versions.json"), mu: &sync.Mutex{}}, nil
}

// A reached is what is pinned of one database.
type reached struct {
	Version int64  `json:"version"`
	Digest  string `json:"digest,omitempty"` // "" where an older Clarus wrote it
}

// UnmarshalJSON also takes a bare number, as older Claruses wrote it.
func (r *reached) UnmarshalJSON(text []byte) error {
	if json.Unmarshal(text, &r.Version) == nil {
		return nil
	}
	type plain reached
	return json.Unmarshal(text, (*plain)(r))
}

func (p Pin) read() (map[string]reached, error) {
	m := map[string]reached{}
	text, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return nil, unreadable(p.path, "the record of schema versions", err)
	}
	return m, nil
}

func unreadable(path, what string, err error) error {
	return &clarus.Error{Op: "state", Attr: path, Kind: clarus.Misconfigured, Msg: what + " cannot be read",
		Hint: "Restore the state directory from its backup.", Err: err}
}

// get returns what is pinned of a database.
func (p Pin) get(db string) (r reached, known bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.read()
	r, known = m[db]
	return r, known, err
}

// ErrUnconfirmed says that the provider shows a schema of which this side
// knows nothing, and that the owner has not confirmed it.
var ErrUnconfirmed = errors.New("the owner has not confirmed that")

// check refuses a log that is not the one that was reached, or what follows on it.
func (p Pin) check(db string, h *history) error {
	at, known, err := p.get(db)
	switch {
	case err != nil:
		return err
	case !known && h.version() > 0:
		return &clarus.Error{Op: "open", Attr: db, Kind: clarus.Integrity, Err: ErrUnconfirmed,
			Msg: fmt.Sprintf("the provider shows version %d of the schema with digest %s, but the state directory does not know this database", h.version(), h.digest()),
			Hint: "Restore the state directory from its backup. If there is none, compare the digest with the one that you noted, and confirm it: " +
				"clarus recover --database " + db + " --digest DIGEST."}
	case h.version() < at.Version:
		return &clarus.Error{Op: "open", Attr: db, Kind: clarus.Integrity,
			Msg:  fmt.Sprintf("the provider shows version %d of the schema, but version %d was reached", h.version(), at.Version),
			Hint: "The provider rolled the database back, or it is another one. Restore it. If going back is what you want, confirm the older version with clarus recover."}
	case at.Digest != "" && at.Digest != h.digests[at.Version].String():
		return &clarus.Error{Op: "open", Attr: db, Kind: clarus.Integrity,
			Msg: fmt.Sprintf("version %d of the schema at the provider is not the one that was reached", at.Version),
			Hint: "The provider shows the history of another database or of another Clarus with the same keyring, or the state directory is older than a restored provider. " +
				"Restore what belongs together. If the provider's history is what you want, confirm it with clarus recover."}
	}
	return nil
}

// reach records a version durably, unless a newer one was reached.
func (p Pin) reach(db string, version int64, digest Digest) error {
	if at, known, err := p.get(db); err != nil || known && at.Version > version {
		return err
	}
	return p.set(db, version, digest)
}

// set records a version durably.
func (p Pin) set(db string, version int64, digest Digest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.read()
	if err != nil {
		return err
	}
	r := reached{Version: version, Digest: digest.String()}
	if m[db] == r {
		return nil
	}
	m[db] = r
	return p.write(m)
}

// forget forgets a database that is gone.
func (p Pin) forget(db string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.read()
	if err != nil {
		return err
	}
	delete(m, db)
	return p.write(m)
}

func (p Pin) write(m map[string]reached) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return durable.Replace(p.path, text)
}

// room reports what would keep set from recording the next version. It is asked
// before a version is committed at the provider: after that it is too late to refuse.
func (p Pin) room() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := os.ReadFile(p.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unwritable(p.path, err)
	}
	f, err := durable.Draft(p.path, append(text, make([]byte, 4096)...))
	if err != nil {
		return unwritable(p.path, err)
	}
	return os.Remove(f)
}

func unwritable(path string, err error) error {
	return &clarus.Error{Op: "state", Kind: clarus.Unavailable, Msg: "the state directory cannot be written, so the schema was not changed",
		Hint: "The owner of this Clarus must make room on the disk of its state directory, or mend its rights. Then try again.",
		Err:  fmt.Errorf("%s: %w", path, err)}
}
