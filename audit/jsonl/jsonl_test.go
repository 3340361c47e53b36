package jsonl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/audittest"
)

func TestConformance(t *testing.T) {
	audittest.Run(t, audittest.Harness{
		Open: func(t *testing.T, dir string) audit.Sink { return open(t, filepath.Join(dir, "audit.log")) },
		Read: func(t *testing.T, dir string) []audit.Event { return settled(t, filepath.Join(dir, "audit.log")) },
	})
}

func TestConformanceRotating(t *testing.T) {
	audittest.Run(t, audittest.Harness{
		Open: func(t *testing.T, dir string) audit.Sink {
			s, err := Open(filepath.Join(dir, "audit.log"), Options{MaxBytes: 2000})
			if err != nil {
				t.Fatal(err)
			}
			return s
		},
		Read: func(t *testing.T, dir string) []audit.Event {
			var all []audit.Event
			for _, path := range files(t, filepath.Join(dir, "audit.log")) {
				all = append(all, settled(t, path)...)
			}
			return all
		},
	})
}

func open(t testing.TB, path string) *Sink {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// append1 appends one event and waits for it.
func append1(t testing.TB, s *Sink, n int) {
	t.Helper()
	if err := s.Append(t.Context(), audittest.Event("s", n)).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// events reads a whole file that nobody writes to.
func events(t testing.TB, path string) []audit.Event {
	t.Helper()
	var all []audit.Event
	for e, err := range Events(path) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// settled reads the whole lines of a file that is perhaps being written.
func settled(t testing.TB, path string) []audit.Event {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	whole := b[:strings.LastIndexByte(string(b), '\n')+1]
	if err := os.WriteFile(copied, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	return events(t, copied)
}

func wantKind(t *testing.T, err error, kind clarus.Kind, text string) {
	t.Helper()
	if err == nil || clarus.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v (kind %d), want kind %d with %q", err, clarus.KindOf(err), kind, text)
	}
}

func TestOnlyOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	s := open(t, path)
	_, err := Open(path, Options{})
	wantKind(t, err, clarus.Unavailable, "another process")
	append1(t, s, 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Errorf("after Close it is free: %v", err)
	}
}

func TestBadPaths(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "missing", "audit.log"), Options{})
	wantKind(t, err, clarus.Misconfigured, "cannot be opened")
	_, err = Open(t.TempDir(), Options{})
	if err == nil {
		t.Error("a directory was opened as a log")
	}
	other := filepath.Join(t.TempDir(), "letter.txt")
	const text = "Dear Alice,\nthis is not a log"
	if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(other, Options{})
	wantKind(t, err, clarus.Integrity, "line 1")
	if b, _ := os.ReadFile(other); string(b) != text {
		t.Error("a file that is no log was changed")
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	defer open(t, path).Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestTooLong(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "audit.log"))
	defer s.Close()
	e := audittest.Event("s", 1)
	e.Attributes = []string{strings.Repeat("x", maxLine)}
	wantKind(t, s.Append(t.Context(), e).Wait(t.Context()), clarus.Limit, "too long")
	append1(t, s, 2)
}

func TestQueueIsBounded(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "audit.log"))
	defer s.Close()
	s.mu.Lock()
	s.queued = maxQueue + 1
	s.mu.Unlock()
	wantKind(t, s.Append(t.Context(), audittest.Event("s", 1)).Wait(t.Context()), clarus.Limit, "waiting")
	s.hurry()
}
