package store

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
)

// text makes the entry that follows on h.
func text(t *testing.T, h *history, sql string) []byte {
	t.Helper()
	last := h.digest()
	b, err := json.Marshal(entry{Statements: []Statement{{User: "app", SQL: sql}}, Previous: last[:]})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// log makes a history of one statement for each version.
func log(t *testing.T, statements ...string) *history {
	t.Helper()
	h := newHistory()
	for _, sql := range statements {
		if wrong := h.add(text(t, h, sql)); wrong != "" {
			t.Fatal(wrong)
		}
	}
	return h
}

func TestEntriesFollowOneAnother(t *testing.T) {
	a, b := log(t, "one", "two"), log(t, "another", "two")
	if a.digest() == b.digest() || a.digest() == a.digests[1] {
		t.Errorf("different logs have one digest, %s", a.digest())
	}
	if same := log(t, "one", "two"); same.digest() != a.digest() {
		t.Errorf("one log has digests %s and %s", a.digest(), same.digest())
	}
	for name, next := range map[string][]byte{
		"an entry of another log":   text(t, b, "three"),
		"an entry of a later place": text(t, log(t, "one", "two", "three"), "four"),
		"the same entry again":      text(t, log(t, "one"), "two"),
		"an entry without a chain":  []byte(`{"Statements": []}`),
	} {
		if wrong := a.add(next); wrong != "does not follow the one before it" {
			t.Errorf("%s: %q", name, wrong)
		}
	}
	if wrong := a.add([]byte(`{"Statements": 1}`)); wrong != "is not well formed" {
		t.Errorf("nonsense: %q", wrong)
	}
	if a.version() != 2 {
		t.Errorf("refused entries were kept: version %d", a.version())
	}
}

// TestOldEntries reads a log that began before entries were chained.
func TestOldEntries(t *testing.T) {
	h := newHistory()
	for range 2 {
		if wrong := h.add([]byte(`{"Statements": [{"User": "app", "SQL": "old"}], "NextDataset": 2}`)); wrong != "" {
			t.Fatal(wrong)
		}
	}
	if h.digests[1] == h.digests[2] || h.digests[1] == (Digest{}) {
		t.Error("versions without a chain have no digests of their own")
	}
	if wrong := h.add(text(t, h, "new")); wrong != "" {
		t.Error(wrong)
	}
}

func TestPin(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	pin, err := NewPin(dir)
	if err != nil {
		t.Fatal(err)
	}
	three := log(t, "one", "two", "three")
	two, other := log(t, "one", "two"), log(t, "one", "other", "three")
	check := func(name string, h *history, want string) {
		t.Helper()
		err := pin.check("app", h)
		if want == "" && err == nil {
			return
		}
		if want == "" || err == nil || !strings.Contains(err.Error(), want) || clarus.KindOf(err) != clarus.Integrity {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	check("nothing anywhere", newHistory(), "")
	check("a lost state directory", two, two.digest().String())
	if err := pin.check("app", two); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("a lost state directory: %v", err)
	}
	if err := pin.set("app", 2, two.digest()); err != nil {
		t.Fatal(err)
	}
	if err := pin.set("another", 7, three.digest()); err != nil {
		t.Fatal(err)
	}
	check("what was reached", two, "")
	check("what follows on it", three, "")
	check("an older version", log(t, "one"), "version 2 was reached")
	check("a wiped provider", newHistory(), "version 2 was reached")
	check("a fork", other, "not the one that was reached")

	// A file of an older Clarus has numbers only.
	if err := os.WriteFile(filepath.Join(dir, "versions.json"), []byte(`{"app":2,"another":7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	check("an old file", other, "")
	check("an older version by an old file", log(t, "one"), "version 2 was reached")
	if err := pin.set("app", 3, three.digest()); err != nil {
		t.Fatal(err)
	}
	check("a fork of what an old file let pass", other, "not the one that was reached")
	if v, known, err := (&Database{Name: "another", Pin: pin}).Pinned(); v != 7 || !known || err != nil {
		t.Errorf("the other database: %d, %t, %v", v, known, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "versions.json"), []byte(`{"app":"two"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pin.check("app", three); clarus.KindOf(err) != clarus.Misconfigured {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestDigests(t *testing.T) {
	d := log(t, "one").digest()
	if got, ok := ParseDigest(d.String()); !ok || got != d {
		t.Errorf("%s was read as %s, %t", d, got, ok)
	}
	for _, bad := range []string{"", "ab", d.String() + "00", d.String()[:62], "g" + d.String()[1:]} {
		if _, ok := ParseDigest(bad); ok {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
}
