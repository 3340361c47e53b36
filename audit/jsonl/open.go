package jsonl

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/clarus-project/clarus"
)

// openLog locks, creates or repairs, and positions the log at its end.
func openLog(path string, maxBytes int64) (_ *log, err error) {
	l := &log{path: path, maxBytes: maxBytes}
	defer func() {
		if err == nil {
			return
		}
		if l.f != nil {
			l.f.Close()
		}
		if l.lock != nil {
			l.lock.Close()
		}
	}()
	if l.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		if err = noneBefore(path); err != nil {
			return nil, err
		}
		l.id = rand.Text()
		if err = l.create(); err != nil {
			return nil, pathError(path, err)
		}
	} else if err != nil {
		return nil, pathError(path, err)
	} else if err = l.resume(); err != nil {
		return nil, err
	}
	if err = l.tellTorn(); err != nil {
		return nil, pathError(path, err)
	}
	return l, nil
}

// noneBefore refuses to begin a log beside the older files of another: whoever
// took the newest file away would have started a new chain unseen.
func noneBefore(path string) error {
	all, err := Files(path)
	if err != nil || len(all) == 1 {
		return err
	}
	return &clarus.Error{
		Op: "audit", Attr: path, Kind: clarus.Integrity, Msg: "the newest file of this audit log is missing or empty",
		Hint: "bring it back; to begin a new log, move the older files (" + filepath.Base(all[0]) + " …) away too",
	}
}

// lockFile keeps other processes out until it is closed, also by a crash.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, pathError(path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, &clarus.Error{
			Op: "audit", Attr: path, Kind: clarus.Unavailable, Msg: "another process writes this audit log",
			Hint: "give each Clarus an audit log of its own", Err: err,
		}
	}
	return f, nil
}

// create makes a file that goes on after l.head and puts it at path in one
// step, so that no file ever lacks its first line.
func (l *log) create() error {
	next := l.path + ".new"
	f, err := os.OpenFile(next, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	body, err := json.Marshal(start{Format, l.id})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	fresh := log{f: osFile{f}, head: l.head}
	err = fresh.writeLine("start", body)
	if err == nil {
		err = os.Rename(next, l.path)
	}
	if err == nil {
		err = syncDir(l.path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.f, l.size, l.head, l.first = osFile{f}, fresh.size, fresh.head, fresh.head.Seq
	return nil
}

// rotate puts the file away and goes on in a new one. A crash on the way leaves
// the old file under both names; then the next rotation does it again.
func (l *log) rotate() error {
	away := fmt.Sprintf("%s.%d", l.path, l.first)
	if err := os.Link(l.path, away); err != nil && !sameFile(l.path, away) {
		return err
	}
	old := l.f
	if err := l.create(); err != nil {
		return err
	}
	return old.Close()
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// resume walks the file, sets a torn tail aside and stands at the end.
func (l *log) resume() error {
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		return pathError(l.path, err)
	}
	l.f = osFile{f}
	w := walker{r: f}
	werr := w.all(func(n *line) error {
		if n.Start != nil {
			l.id, l.first = n.Start.Log, n.Seq
		}
		return nil
	})
	l.head, l.size = w.head, w.offset
	if werr == nil {
		return nil
	}
	var bad *badLine
	if !errors.As(werr, &bad) {
		return pathError(l.path, werr)
	}
	tail, err := readTail(f, w.offset)
	if err != nil {
		return pathError(l.path, err)
	}
	if l.first == 0 || !isTorn(tail) {
		return altered(l.path, bad)
	}
	return l.setAside(f, tail)
}

// maxTorn is more than one unfinished write can leave behind.
const maxTorn = maxBatch + maxLine

func readTail(f *os.File, from int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(f, from, maxTorn+1))
}

// isTorn reports whether bytes behind the last good line are what an unfinished
// write leaves: the beginning of a line, or, after loss of power, blocks of
// zeros. Anything else that does not fit the chain was put there by somebody.
func isTorn(tail []byte) bool {
	if len(tail) > maxTorn {
		return false
	}
	breaks := false
	for _, c := range tail {
		if c == 0 {
			return true
		}
		breaks = breaks || c == '\n'
	}
	return !breaks
}

// setAside moves the torn tail to a file of its own. Its name has the number
// of the line to come, where tellTorn looks for it: a crash between the steps
// forgets nothing.
func (l *log) setAside(f *os.File, tail []byte) error {
	sum := sha256.Sum256(tail)
	name := fmt.Sprintf("%s.torn-%d-%s", l.path, l.head.Seq+1, hex.EncodeToString(sum[:8]))
	t, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return pathError(name, err)
	}
	_, err = t.Write(tail)
	err = errors.Join(err, t.Sync(), t.Close(), syncDir(name))
	if err == nil {
		err = errors.Join(f.Truncate(l.size), f.Sync())
	}
	if err != nil {
		return pathError(name, err)
	}
	return nil
}

// tellTorn records, in one line, every torn tail that was set aside here.
func (l *log) tellTorn() error {
	names, err := filepath.Glob(fmt.Sprintf("%s.torn-%d-*", globEscape(l.path), l.head.Seq+1))
	if err != nil || len(names) == 0 {
		return err
	}
	var all []torn
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		all = append(all, torn{filepath.Base(name), int64(len(b)), sha256.Sum256(b)})
	}
	body, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return l.writeLine("torn", body)
}

// globEscape makes every character of a path stand for itself.
func globEscape(path string) string {
	var out []byte
	for _, c := range []byte(path) {
		if c == '*' || c == '?' || c == '[' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out)
}

// syncDir makes the names in path's directory durable.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
