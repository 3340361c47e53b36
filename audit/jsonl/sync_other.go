//go:build !linux

package jsonl

// Datasync makes the file durable. On macOS, os.File.Sync also empties the
// disk's own cache, which a plain fsync there does not.
func (f osFile) Datasync() error { return f.Sync() }
