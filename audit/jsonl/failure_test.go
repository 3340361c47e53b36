package jsonl

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit/audittest"
)

// A faultyFile fails as told; before a write fails it writes half.
type faultyFile struct {
	file
	write, sync, truncate error
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if f.write != nil {
		n, _ := f.file.WriteAt(b[:len(b)/2], off)
		return n, f.write
	}
	return f.file.WriteAt(b, off)
}

func (f *faultyFile) Datasync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.file.Datasync()
}

func (f *faultyFile) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.file.Truncate(size)
}

// faulty opens a log over a file that fails on demand. Faults are set between
// appends, while the writer is at rest.
func faulty(t *testing.T) (*Sink, *faultyFile, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := openLog(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := &faultyFile{file: l.f}
	l.f = f
	return newSink(l), f, path
}

func fails(t *testing.T, s *Sink) error {
	t.Helper()
	err := s.Append(t.Context(), audittest.Event("s", 666)).Wait(t.Context())
	wantKind(t, err, clarus.Unavailable, "cannot be written")
	return err
}

func TestFullDiskThenRoom(t *testing.T) {
	s, f, path := faulty(t)
	append1(t, s, 1)
	f.write = syscall.ENOSPC
	if err := fails(t, s); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the cause is hidden: %v", err)
	}
	f.write = nil
	append1(t, s, 2)
	if err := s.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close forgot the failure: %v", err)
	}
	if err := Verify(path); err != nil {
		t.Error(err)
	}
	got := events(t, path)
	if len(got) != 2 || got[0].Rows != 1 || got[1].Rows != 2 {
		t.Errorf("%v", got)
	}
}

// TestFinalFailures: after these nothing is written until the log is opened anew.
func TestFinalFailures(t *testing.T) {
	cases := map[string]func(f *faultyFile, path string) error{
		"fdatasync": func(f *faultyFile, _ string) error { f.sync = syscall.EIO; return nil },
		"taking back": func(f *faultyFile, _ string) error {
			f.write, f.truncate = syscall.ENOSPC, syscall.EIO
			return nil
		},
		"file removed":  func(_ *faultyFile, path string) error { return os.Remove(path) },
		"file moved":    func(_ *faultyFile, path string) error { return os.Rename(path, path+".old") },
		"file emptied":  func(_ *faultyFile, path string) error { return os.Truncate(path, 0) },
		"file appended": func(_ *faultyFile, path string) error { return appendText(path, "x") },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			s, f, path := faulty(t)
			append1(t, s, 1)
			if err := spoil(f, path); err != nil {
				t.Fatal(err)
			}
			fails(t, s)
			f.write, f.sync, f.truncate = nil, nil, nil
			fails(t, s)
			if s.Close() == nil {
				t.Error("Close is silent")
			}
		})
	}
}

func appendText(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// TestFullTmpfs fills a real file system of 64 KiB.
func TestFullTmpfs(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no right to mount a file system (%v); TestFullDiskThenRoom stands in", err)
	}
	defer syscall.Unmount(dir, 0)
	path := filepath.Join(dir, "audit.log")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, []byte(strings.Repeat("x", 16<<10)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	var kept int
	var err error
	for kept = 0; kept < 1000; kept++ {
		if err = s.Append(t.Context(), audittest.Event("s", kept)).Wait(t.Context()); err != nil {
			break
		}
	}
	wantKind(t, err, clarus.Unavailable, "no space")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	append1(t, s, kept)
	s.Close()
	if err := Verify(path); err != nil {
		t.Error(err)
	}
	got := events(t, path)
	if len(got) != kept+1 {
		t.Errorf("%d events, %d were durable", len(got), kept+1)
	}
}
