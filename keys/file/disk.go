package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/durable"
)

// locked runs change while no other process changes the file. The lock is on a
// file beside it, since a change replaces the file itself.
func locked(path string, change func() error) (err error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return unwritable(path, err)
	}
	defer lock.Close() // ends the lock
	for {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return unwritable(path, err)
	}
	return change()
}

// write replaces the file by data, wholly or not at all; when it returns nil,
// the new content survives a loss of power.
func write(path string, data []byte) error {
	if err := durable.Replace(path, data); err != nil {
		return unwritable(path, err)
	}
	return nil
}

// read returns the file's content and what identifies this version of it.
func read(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, misconfigured(path, "there is no keyring file", "create it, or correct the path", nil)
	}
	if err != nil {
		return nil, nil, misconfigured(path, "the keyring file cannot be read", "make it readable for the user that runs Clarus", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, misconfigured(path, "the keyring file cannot be read", "check the disk", err)
	case !info.Mode().IsRegular():
		return nil, nil, misconfigured(path, "the keyring is not a regular file", "correct the path", nil)
	case info.Mode().Perm()&0o077 != 0:
		return nil, nil, misconfigured(path, fmt.Sprintf("the keyring file is open to other users (mode %04o)", info.Mode().Perm()), "chmod 600 "+path, nil)
	case info.Size() > maxSize:
		return nil, nil, misconfigured(path, "the file is too large for a keyring", "correct the path", nil)
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, nil, misconfigured(path, "the keyring file cannot be read", "check the disk", err)
	}
	return data, info, nil
}

func misconfigured(path, msg, hint string, err error) error {
	return &clarus.Error{Op: "keys", Attr: path, Kind: clarus.Misconfigured, Msg: msg, Hint: hint, Err: err}
}

func unwritable(path string, err error) error {
	return misconfigured(path, "the keyring file cannot be written, and no epoch is used that is not recorded",
		"make file and directory writable for the user that runs Clarus, and see that the disk is not full", err)
}
