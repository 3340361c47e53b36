package pgserver

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// attributes makes a child run as the account and die with its parent: SIGQUIT
// is PostgreSQL's immediate shutdown, which takes all backends along.
func (a account) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: a.credential(), Setpgid: true, Pdeathsig: syscall.SIGQUIT}
}

// noCore forbids a process and those it will fork to dump core: its memory
// holds what its clients send. It changes nothing else, so failure is harmless
// where the limit is 0 already and not worth ending a server for elsewhere.
func noCore(pid int) {
	var none syscall.Rlimit
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_CORE, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
}

// children lists the processes whose parent is pid.
func children(pid int) []int {
	entries, _ := os.ReadDir("/proc")
	var list []int
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent := status(child); parent == pid {
			list = append(list, child)
		}
	}
	return list
}

// running reports whether a process still does something: one that only waits
// to be reaped does not.
func running(pid int) bool {
	state, _ := status(pid)
	return state != 0 && state != 'Z' && state != 'X'
}

// status reads a process's state and parent, zeros if there is no such process.
func status(pid int) (state byte, parent int) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0
	}
	// "pid (name) state ppid ...", and the name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, 0
	}
	parent, _ = strconv.Atoi(string(fields[1]))
	return fields[0][0], parent
}
