package jsonl

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

// written makes a closed log of n events and returns its path and lines.
func written(t testing.TB, n int) (path string, lines []string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	s := open(t, path)
	for i := range n {
		append1(t, s, i)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, slices.Collect(strings.Lines(string(b)))
}

// TestAlteration spoils a log of ten events (eleven lines) in every way; the
// first bad line must be named, by Verify and by Open, and the file left alone.
func TestAlteration(t *testing.T) {
	cases := []struct {
		name  string
		bad   int
		spoil func(l []string) []string
	}{
		{"a word changed", 6, func(l []string) []string { l[4] = strings.Replace(l[4], `"ward"`, `"wart"`, 1); return l }},
		{"a blank added", 6, func(l []string) []string { l[4] = strings.Replace(l[4], `,"action"`, `, "action"`, 1); return l }},
		{"line removed", 5, func(l []string) []string { return slices.Delete(l, 4, 5) }},
		{"line repeated", 6, func(l []string) []string { return slices.Insert(l, 5, l[4]) }},
		{"lines swapped", 5, func(l []string) []string { l[4], l[5] = l[5], l[4]; return l }},
		{"number changed", 5, func(l []string) []string { l[4] = strings.Replace(l[4], `"seq":5`, `"seq":6`, 1); return l }},
		{"first line removed", 1, func(l []string) []string { return l[1:] }},
		{"first line changed", 2, func(l []string) []string { l[0] = strings.Replace(l[0], `"log":"`, `"log":"X`, 1); return l }},
		{"other format", 1, func(l []string) []string { l[0] = strings.Replace(l[0], Format, "clarus-audit/9", 1); return l }},
		{"second start", 12, func(l []string) []string { return append(l, l[0]) }},
		{"unknown field", 5, func(l []string) []string { l[4] = strings.Replace(l[4], `"rows"`, `"raws"`, 1); return l }},
		{"unknown action", 5, func(l []string) []string { l[4] = strings.Replace(l[4], `"select"`, `"peek"`, 1); return l }},
		{"two values in a line", 5, func(l []string) []string { l[4] = strings.TrimSuffix(l[4], "\n") + "{}\n"; return l }},
		{"two kinds in a line", 5, func(l []string) []string { l[4] = strings.Replace(l[4], `"event"`, `"torn":[],"event"`, 1); return l }},
		{"empty line", 5, func(l []string) []string { l[4] = "\n"; return l }},
		{"noise at the end", 12, func(l []string) []string { return append(l, "noise\nnoise") }},
		{"last line changed to another event", 11, func(l []string) []string { l[10] = strings.Replace(l[10], `"prev":"`, `"prev":"0`, 1); return l }},
		{"pretends to be first", 1, func(l []string) []string { l[0] = strings.Replace(l[0], `"prev":"0`, `"prev":"1`, 1); return l }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path, lines := written(t, 10)
			if err := Verify(path); err != nil {
				t.Fatalf("before: %v", err)
			}
			spoilt := []byte(strings.Join(c.spoil(lines), ""))
			if err := os.WriteFile(path, spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("line %d is bad", c.bad)
			wantKind(t, Verify(path), clarus.Integrity, line)
			_, err := Open(path, Options{})
			wantKind(t, err, clarus.Integrity, line)
			if now, _ := os.ReadFile(path); !bytes.Equal(now, spoilt) {
				t.Error("Open changed the evidence")
			}
		})
	}
}

// TestCutAndRewritten is what the chain alone does not show, and a Head kept
// elsewhere does.
func TestCutAndRewritten(t *testing.T) {
	path, lines := written(t, 10)
	kept, err := HeadOf(path)
	if err != nil || kept.Seq != 11 {
		t.Fatalf("%v, %v", kept, err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines[:8], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	now, err := HeadOf(path)
	if err != nil {
		t.Fatalf("a cut tail is not seen by the chain: %v", err)
	}
	if now == kept {
		t.Error("the head did not change")
	}
}

func TestHead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	s := open(t, path)
	append1(t, s, 1)
	want := s.Head()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := HeadOf(path); err != nil || got != want || got.Seq != 2 {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// files lists a log's files, oldest first.
func files(t testing.TB, path string) []string {
	t.Helper()
	all, err := Files(path)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 3 { // also over restarts
		s, err := Open(path, Options{MaxBytes: 3000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			append1(t, s, i)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all := files(t, path)
	if len(all) < 5 {
		t.Fatalf("only %d files", len(all))
	}
	if err := Verify(all...); err != nil {
		t.Error(err)
	}
	for _, p := range all {
		if err := Verify(p); err != nil {
			t.Errorf("alone: %v", err)
		}
	}
	wantKind(t, Verify(append(slices.Clone(all[:2]), all[3:]...)...), clarus.Integrity, "line 1 is bad")
	var n int
	for _, p := range all {
		n += len(events(t, p))
	}
	if n != 60 {
		t.Errorf("%d of 60 events", n)
	}
}

// TestRotationInterrupted stands where a crash between the two steps of a
// rotation leaves a log: the old file has both names.
func TestRotationInterrupted(t *testing.T) {
	path, _ := written(t, 10)
	if err := os.Link(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte("half a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all := files(t, path); len(all) != 1 || Verify(all...) != nil {
		t.Errorf("one file under two names is listed as %v", all)
	}
	s, err := Open(path, Options{MaxBytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	append1(t, s, 99)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := files(t, path)
	if err := Verify(all...); err != nil || len(all) != 2 {
		t.Errorf("%v: %v", all, err)
	}
}

// TestNewestFileGone: a log whose newest file is missing is not begun anew.
func TestNewestFileGone(t *testing.T) {
	path, _ := written(t, 3)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, Options{})
	wantKind(t, err, clarus.Integrity, "missing")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, Options{})
	wantKind(t, err, clarus.Integrity, "missing")
}

func TestEventsStopsEarly(t *testing.T) {
	path, _ := written(t, 10)
	n := 0
	for _, err := range Events(path) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d events", n)
	}
	for _, err := range Events(path + ".missing") {
		wantKind(t, err, clarus.Misconfigured, "cannot be opened")
	}
}

// FuzzVerify feeds the reader hostile files: it must not panic, and what it
// accepts must be a chain.
func FuzzVerify(f *testing.F) {
	_, lines := written(f, 3)
	f.Add([]byte(strings.Join(lines, "")))
	f.Add([]byte(strings.Join(lines[:2], "")))
	f.Add([]byte(`{"seq":1,"prev":"00","time":"","start":{}}` + "\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		w := walker{r: bytes.NewReader(b)}
		var all []audit.Event
		err := w.all(func(l *line) error {
			if l.Event != nil {
				all = append(all, *l.Event)
			}
			return nil
		})
		if w.offset > int64(len(b)) || w.number < int64(len(all)) {
			t.Errorf("offset %d of %d, %d lines, %d events", w.offset, len(b), w.number, len(all))
		}
		if err == nil && w.offset != int64(len(b)) {
			t.Errorf("accepted, but %d bytes were not read", int64(len(b))-w.offset)
		}
	})
}
