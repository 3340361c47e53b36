package pgserver

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A layout is the directory of one cluster on disk:
//
//	lock       held by the process that runs the server
//	temporary  says that the rest may be removed by whoever holds the lock
//	conf/      configuration, which a server that runs as another user can read and not write
//	data/      PGDATA, the server's own
//	sock/      the Unix socket, mode 0700, the server's own
//
// Where the path of the socket would be too long, sock is a directory of its
// own under /tmp, which goes with every Stop.
type layout struct {
	root, conf, data, sock string

	lock *os.File
}

// maxSocketPath is the longest path of a Unix socket, in bytes, that Linux (107)
// and the BSDs (103) both take.
const maxSocketPath = 103

const tempPrefix = "clarus-postgres-"

// openLayout makes the directory where it is missing, refuses one that holds
// something else, and locks it.
func openLayout(c Config, a account) (_ *layout, err error) {
	root := c.Dir
	if root == "" {
		if !c.Temporary {
			return nil, misconfigured("no directory is given for the cluster", "Name one, or ask for a temporary one.")
		}
		sweep(os.TempDir())
		if root, err = os.MkdirTemp("", tempPrefix); err != nil {
			return nil, err
		}
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	l := &layout{root: root, conf: filepath.Join(root, "conf"), data: filepath.Join(root, "data"), sock: filepath.Join(root, "sock")}
	if err := l.claim(a); err != nil {
		if c.Dir == "" {
			err = errors.Join(err, os.RemoveAll(root))
		}
		return nil, err
	}
	if err := errors.Join(l.forget(c.Temporary), l.populate(a)); err != nil {
		return nil, errors.Join(err, l.release(c.Dir == ""))
	}
	return l, nil
}

// forget removes a temporary cluster whose process was killed, and refuses to
// make one temporary that was not: Stop would remove it.
func (l *layout) forget(temporary bool) error {
	mark := filepath.Join(l.root, "temporary")
	_, err := os.Lstat(mark)
	if marked := err == nil; marked {
		if pid := l.orphan(); pid != 0 {
			return misconfigured(fmt.Sprintf("the server of an earlier temporary cluster still runs in %s as process %d", l.root, pid), "Wait for its end, or stop it.")
		}
		if err := errors.Join(os.RemoveAll(l.data), os.Remove(mark)); err != nil {
			return err
		}
	}
	if !temporary {
		return nil
	}
	if _, err := os.Lstat(l.data); err == nil {
		return misconfigured(l.root+" holds a cluster that is not temporary", "It would be removed in the end: name another directory.")
	}
	return os.WriteFile(mark, nil, 0o600)
}

// claim makes root, or accepts it as it is, and locks it.
func (l *layout) claim(a account) error {
	if err := os.MkdirAll(l.root, 0o755); err != nil {
		return misconfigured("the cluster's directory cannot be made: "+err.Error(), "")
	}
	entries, err := os.ReadDir(l.root)
	if err != nil {
		return misconfigured("the cluster's directory cannot be read: "+err.Error(), "")
	}
	if _, err := os.Lstat(filepath.Join(l.root, "lock")); len(entries) > 0 && err != nil {
		return misconfigured(l.root+" is not empty and holds no cluster of this program", "Name an empty or a new directory.")
	}
	mode := os.FileMode(0o700)
	if a.drop {
		mode = 0o711 // the server must get through to what is its own
		if st, ok := stat(l.root); !ok || st.Uid != 0 {
			return misconfigured(l.root+" does not belong to root", "A user who owns it could change what root does in it: chown root it.")
		}
	}
	if err := l.acquire(); err != nil {
		return err
	}
	return os.Chmod(l.root, mode)
}

// acquire takes the lock.
func (l *layout) acquire() error {
	f, err := os.OpenFile(filepath.Join(l.root, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return misconfigured(l.root+" is in use by another process", "Two servers cannot share a cluster: stop the other, or name another directory.")
	}
	l.lock = f
	return nil
}

// populate makes the directories for configuration and socket.
func (l *layout) populate(a account) error {
	if err := os.MkdirAll(l.conf, 0o750); err != nil {
		return err
	}
	if a.drop {
		if err := os.Chown(l.conf, 0, int(a.gid)); err != nil {
			return err
		}
	}
	if len(filepath.Join(l.sock, ".s.PGSQL.65535.lock")) > maxSocketPath {
		dir, err := os.MkdirTemp("/tmp", tempPrefix+"sock-")
		if err != nil {
			return err
		}
		l.sock = dir
	} else if err := l.freshSocketDir(); err != nil {
		return err
	}
	return a.own(l.sock)
}

func (l *layout) freshSocketDir() error {
	if err := os.RemoveAll(l.sock); err != nil {
		return err
	}
	return os.Mkdir(l.sock, 0o700)
}

// release removes the socket's directory, and all the rest if the cluster is
// temporary, then gives the lock back.
func (l *layout) release(temporary bool) error {
	err := os.RemoveAll(l.sock)
	if temporary {
		err = errors.Join(err, removeAll(l.root))
	}
	return errors.Join(err, l.lock.Close())
}

// removeAll removes a tree that the last children of a killed postmaster may
// still write to.
func removeAll(root string) error {
	err := os.RemoveAll(root)
	for limit := time.Now().Add(3 * time.Second); err != nil && time.Now().Before(limit); {
		time.Sleep(20 * time.Millisecond)
		err = os.RemoveAll(root)
	}
	return err
}

// write puts a file into conf: the server can read it, not write it.
func (l *layout) write(name, text string, a account) error {
	path := filepath.Join(l.conf, name)
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		return err
	}
	if a.drop {
		return os.Chown(path, 0, int(a.gid))
	}
	return nil
}

// peek reads the beginning of a file in data, "" if there is none. The file is
// the server's: it must neither lead elsewhere nor block.
func (l *layout) peek(name string) string {
	f, err := os.OpenFile(filepath.Join(l.data, name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 4096))
	return string(text)
}

// postmaster reads a line (from 0) of postmaster.pid, "" if there is none.
func (l *layout) postmaster(line int) string {
	lines := strings.Split(l.peek("postmaster.pid"), "\n")
	if line >= len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[line])
}

// orphan is the process id of a server that runs in the cluster though nobody
// holds the lock: its parent was killed and it is shutting down. 0: none.
func (l *layout) orphan() int {
	pid, err := strconv.Atoi(l.postmaster(0))
	if err != nil || pid <= 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	return pid
}

// sweep removes what temporary clusters left in dir when their process was
// killed: directories of this user that nobody has locked for a minute or more.
func sweep(dir string) {
	sockets, _ := filepath.Glob(filepath.Join("/tmp", tempPrefix+"sock-*"))
	for _, sock := range sockets {
		if info, err := os.Lstat(sock); err == nil && info.IsDir() && time.Since(info.ModTime()) > 10*time.Minute {
			_ = os.Remove(sock) // only if it is empty; a running server has its socket in it
		}
	}
	found, _ := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
	for _, root := range found {
		l := &layout{root: root, data: filepath.Join(root, "data"), sock: filepath.Join(root, "sock")}
		st, ok := stat(root)
		info, err := os.Lstat(filepath.Join(root, "lock"))
		if !ok || int(st.Uid) != os.Geteuid() || err != nil || time.Since(info.ModTime()) < time.Minute || l.acquire() != nil {
			continue
		}
		if l.orphan() == 0 {
			_ = os.RemoveAll(root)
		}
		_ = l.lock.Close()
	}
}

func stat(path string) (*syscall.Stat_t, bool) {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return nil, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return st, ok
}

// unreachable explains why a program could not be run as the account in the
// data directory: which directory is in its way.
func unreachable(data string, a account, err error) error {
	if dir := a.barrier(data); dir != "" {
		return misconfigured(fmt.Sprintf("the server runs as %s, who cannot enter %s", a.name, dir),
			fmt.Sprintf("Keep the cluster elsewhere, or let the user through: chmod o+x %s", dir))
	}
	e := misconfigured("the server's program cannot be run as "+a.name, "")
	e.Err = err
	return e
}
