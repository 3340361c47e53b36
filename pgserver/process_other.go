//go:build unix && !linux

package pgserver

import "syscall"

// attributes makes a child run as the account. Only Linux can tie a child's
// life to its parent's: elsewhere a server outlives a parent that is killed,
// and the next Start in its directory says so.
func (a account) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential(), Setpgid: true}
}

// children lists nothing: a postmaster's children notice its death by themselves.
func children(int) []int { return nil }

// running is asked about children only.
func running(int) bool { return false }
