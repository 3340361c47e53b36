package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// An account is the operating system's user that a server runs as. With
// drop set, that is not the user of this process, which is root.
type account struct {
	name     string
	uid, gid uint32
	drop     bool
}

// chooseAccount finds the account for Config.User. PostgreSQL refuses root, so
// root needs another; anyone else can only be itself.
func chooseAccount(name string) (account, error) {
	if os.Geteuid() != 0 {
		me := account{name: name, uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}
		if name == "" {
			me.name = "uid " + strconv.Itoa(os.Geteuid())
			return me, nil
		}
		if u, err := lookup(name); err != nil || u.uid != me.uid {
			return me, misconfigured("the server is to run as "+name+", but only root can start it as another user",
				"Start as root or as "+name+", or leave the user out.")
		}
		return me, nil
	}
	names := []string{name}
	if name == "" {
		names = []string{"postgres", "nobody"}
	}
	for _, n := range names {
		a, err := lookup(n)
		if err != nil {
			continue
		}
		if a.uid == 0 {
			return a, misconfigured("PostgreSQL does not run as root", "Name an unprivileged user for the server.")
		}
		a.drop = true
		return a, nil
	}
	return account{}, misconfigured(fmt.Sprintf("there is no user %q to run the server as", names[0]),
		"Create an unprivileged user for it, or name one that exists.")
}

func lookup(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return account{}, err
		}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	return account{name: u.Username, uid: uint32(uid), gid: uint32(gid)}, errors.Join(err1, err2)
}

// credential is what the kernel is to switch to: no supplementary groups. nil
// keeps the user of this process.
func (a account) credential() *syscall.Credential {
	if !a.drop {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives a path to the account.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, int(a.uid), int(a.gid))
}

// barrier returns the first directory on the way to path, path included, that
// the account may not enter by its mode, or "".
func (a account) barrier(path string) string {
	blocked := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if !a.mayEnter(dir) {
			blocked = dir // go on: the outermost is the one to mend first
		}
		if dir == filepath.Dir(dir) {
			return blocked
		}
	}
}

func (a account) mayEnter(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil {
		return false
	}
	bit := os.FileMode(0o001)
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case st.Uid == a.uid:
			bit = 0o100
		case st.Gid == a.gid:
			bit = 0o010
		}
	}
	return info.Mode()&bit != 0
}
