// Package durable writes files that are whole after a crash or a loss of power.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace puts data in the place of a file's content, all at once. Once it
// returns nil, the new content survives a loss of power; after an error, or a crash
// before, there is this content or the one before. The file is its owner's alone.
func Replace(path string, data []byte) error {
	draft, err := Draft(path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Draft writes data durably to a new file beside path and returns its name.
func Draft(path string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return "", err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
