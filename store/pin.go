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
)

// A Pin remembers on this side which version of each database's schema was
// reached.
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

func (p Pin) read() (map[string]int64, error) {
	m := map[string]int64{}
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

// check refuses a schema that is older than what was reached.
func (p Pin) check(db string, version int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.read()
	if err != nil {
		return err
	}
	if version < m[db] {
		return &clarus.Error{Op: "open", Attr: db, Kind: clarus.Integrity,
			Msg:  fmt.Sprintf("the provider shows version %d of the schema, but version %d was reached", version, m[db]),
			Hint: "The provider rolled the database back, or it is another one. Restore it, or remove the entry from the state directory if this is what you want."}
	}
	return nil
}

// set records a version durably.
func (p Pin) set(db string, version int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := p.read()
	if err != nil {
		return err
	}
	m[db] = version
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

func (p Pin) write(m map[string]int64) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return replace(p.path, text)
}

// replace puts text in the place of a file's content, durably and all at once.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
