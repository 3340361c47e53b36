package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/keys/keystest"
	"github.com/clarus-project/clarus/secret"
)

var rootA, rootB = strings.Repeat("a1", 32), strings.Repeat("b2", 32)

func unlock(t testing.TB, digits string) Unlock {
	t.Helper()
	u, err := RootHex(digits)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func phrase(t testing.TB, s string) Unlock {
	t.Helper()
	u, err := Passphrase(secret.New([]byte(s)))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func create(t testing.TB, u Unlock) (string, *Ring) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring.json")
	ring, err := Create(path, u)
	if err != nil {
		t.Fatal(err)
	}
	return path, ring
}

func reopen(t testing.TB, path string, u Unlock) *Ring {
	t.Helper()
	ring, err := Open(path, u)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

var cell = keys.Scope{Purpose: keys.PurposeCell, Dataset: 1, Attribute: 2}

func TestConformanceRoot(t *testing.T) {
	path, _ := create(t, unlock(t, rootA))
	keystest.Run(t, func(t *testing.T) keys.Keyring { return reopen(t, path, unlock(t, rootA)) })
}

func TestPassphraseSurvivesRestart(t *testing.T) {
	path, first := create(t, phrase(t, "correct horse"))
	e, k, err := first.Current(t.Context(), cell)
	if err != nil {
		t.Fatal(err)
	}
	second := reopen(t, path, phrase(t, "correct horse"))
	if got, err := second.Key(t.Context(), cell, e); err != nil || !got.Equal(k) {
		t.Errorf("the key changed: %v", err)
	}
	if first.Deployment() != second.Deployment() || first.Deployment() == [16]byte{} {
		t.Error("the deployment id changed, or is zero")
	}
	data, err := os.ReadFile(path)
	if err != nil || bytes.Contains(data, first.root.Reveal()) || bytes.Contains(data, []byte("horse")) {
		t.Errorf("the file holds the root key or the passphrase (%v)", err)
	}
}

// wants checks kind, and that the message names the file and a remedy is given.
func wants(t *testing.T, err error, kind clarus.Kind, path, part string) {
	t.Helper()
	e, ok := errors.AsType[*clarus.Error](err)
	if !ok || e.Kind != kind || e.Hint == "" || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), part) {
		t.Errorf("got %#v (%v), want kind %d, a hint, %q and %q", e, err, kind, path, part)
	}
}

func TestWrongSecret(t *testing.T) {
	path, _ := create(t, phrase(t, "right"))
	_, err := Open(path, phrase(t, "wrong"))
	wants(t, err, clarus.AuthFailed, path, "passphrase does not open")
	_, err = Open(path, unlock(t, rootA))
	wants(t, err, clarus.Misconfigured, path, "wrapped under a passphrase")

	path, _ = create(t, unlock(t, rootA))
	_, err = Open(path, unlock(t, rootB))
	wants(t, err, clarus.AuthFailed, path, "root key is not")
	_, err = Open(path, phrase(t, "right"))
	wants(t, err, clarus.Misconfigured, path, "does not hold its root key")
}

func TestBadUnlock(t *testing.T) {
	if _, err := Passphrase(secret.Bytes{}); clarus.KindOf(err) != clarus.Misconfigured {
		t.Errorf("empty passphrase: %v", err)
	}
	for _, digits := range []string{"", "12", strings.Repeat("z", 64), rootA + "00"} {
		if _, err := RootHex(digits); clarus.KindOf(err) != clarus.Misconfigured || digits != "" && strings.Contains(err.Error(), digits) {
			t.Errorf("RootHex(%q): %v", digits, err)
		}
	}
}

func TestPathErrors(t *testing.T) {
	path, _ := create(t, unlock(t, rootA))
	_, err := Create(path, unlock(t, rootA))
	wants(t, err, clarus.Misconfigured, path, "never replaced")
	missing := path + ".none"
	_, err = Open(missing, unlock(t, rootA))
	wants(t, err, clarus.Misconfigured, missing, "no keyring file")
	_, err = Create(filepath.Join(path, "below", "a", "file"), unlock(t, rootA))
	wants(t, err, clarus.Misconfigured, path, "cannot be written")
	_, err = Open(filepath.Dir(path), unlock(t, rootA))
	wants(t, err, clarus.Misconfigured, filepath.Dir(path), "not a regular file")
	os.Chmod(path, 0o640)
	_, err = Open(path, unlock(t, rootA))
	wants(t, err, clarus.Misconfigured, path, "open to other users")
}

// TestEveryFieldIsAuthentic alters each field of the file, and each bit of a
// stretch of it.
func TestEveryFieldIsAuthentic(t *testing.T) {
	path, ring := create(t, phrase(t, "right"))
	if _, _, err := ring.Current(t.Context(), cell); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(path)
	for name, alter := range map[string]func(*document){
		"format":      func(d *document) { d.Format = "clarus-keyring-2" },
		"deployment":  func(d *document) { d.Deployment[0] ^= 1 },
		"salt":        func(d *document) { d.Root.Salt[0] ^= 1 },
		"sealed":      func(d *document) { d.Root.Sealed[20] ^= 1 },
		"time":        func(d *document) { d.Root.Time = 1 },
		"check":       func(d *document) { d.Check[0] ^= 1 },
		"fixed":       func(d *document) { d.Fixed[0] ^= 1 },
		"epoch":       func(d *document) { d.Epochs[0].ID[0] ^= 1 },
		"drawn":       func(d *document) { d.Epochs[0].Drawn = d.Epochs[0].Drawn.AddDate(1, 0, 0) },
		"epoch gone":  func(d *document) { d.Epochs = d.Epochs[:0] },
		"epoch twice": func(d *document) { d.Epochs = append(d.Epochs, d.Epochs[0]) },
		"epoch new":   func(d *document) { d.Epochs = append(d.Epochs, entry{random16(), d.Epochs[0].Drawn}) },
		"mac":         func(d *document) { d.MAC[31] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			var d document
			if err := json.Unmarshal(data, &d); err != nil {
				t.Fatal(err)
			}
			alter(&d)
			altered, err := d.marshal()
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(path, altered, 0o600)
			if _, err := Open(path, phrase(t, "right")); err == nil {
				t.Error("the altered file opens")
			}
		})
	}
	os.WriteFile(path, data, 0o600)
	reopen(t, path, phrase(t, "right"))
}

func TestOlderCopyIsNoticed(t *testing.T) {
	path, ring := create(t, unlock(t, rootA))
	old, _ := os.ReadFile(path)
	e, _, err := ring.Current(t.Context(), cell)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path, old, 0o600)
	_, err = ring.Key(t.Context(), cell, keys.Epoch{9})
	wants(t, err, clarus.Misconfigured, path, "older copy")
	_, err = reopen(t, path, unlock(t, rootA)).Key(t.Context(), cell, e)
	if clarus.KindOf(err) != clarus.Integrity || !strings.Contains(err.Error(), e.String()) {
		t.Errorf("an epoch that the older copy does not name: %v", err)
	}
}

// TestNoEpochWithoutRecord shows that nothing is sealed when the file cannot be
// written.
func TestNoEpochWithoutRecord(t *testing.T) {
	path, ring := create(t, unlock(t, rootA))
	if err := os.Rename(filepath.Dir(path), filepath.Dir(path)+".away"); err != nil {
		t.Fatal(err)
	}
	_, k, err := ring.Current(t.Context(), cell)
	wants(t, err, clarus.Misconfigured, path, "no epoch is used that is not recorded")
	if k.Len() != 0 {
		t.Error("a key was given all the same")
	}
}

// TestOpenAtOnce has many starts draw epochs of one file at the same time; flock
// excludes them as it excludes processes, since each opens the lock for itself.
func TestOpenAtOnce(t *testing.T) {
	path, _ := create(t, unlock(t, rootA))
	var wg sync.WaitGroup
	var mu sync.Mutex
	drawn := map[keys.Epoch]bool{}
	for range 40 {
		ring := reopen(t, path, unlock(t, rootA))
		wg.Go(func() {
			e, _, err := ring.Current(t.Context(), cell)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			drawn[e] = true
		})
	}
	wg.Wait()
	ring := reopen(t, path, unlock(t, rootA))
	if len(drawn) != 40 || len(ring.accepted) != 40 {
		t.Fatalf("%d epochs drawn, %d recorded, not 40", len(drawn), len(ring.accepted))
	}
	for e := range drawn {
		if _, err := ring.Key(t.Context(), cell, e); err != nil {
			t.Error(err)
		}
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestLinkStays(t *testing.T) {
	path, _ := create(t, unlock(t, rootA))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := reopen(t, link, unlock(t, rootA)).Current(t.Context(), cell); err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Lstat(link); info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	if n := len(reopen(t, path, unlock(t, rootA)).accepted); n != 1 {
		t.Errorf("%d epochs recorded, not 1", n)
	}
}

// FuzzParse looks for a file that crashes the parser, or that it does not write
// back as it understood it.
func FuzzParse(f *testing.F) {
	path, ring := create(f, unlock(f, rootA))
	ring.Current(f.Context(), cell)
	data, _ := os.ReadFile(path)
	f.Add(data)
	f.Add([]byte(`{"format":"clarus-keyring-1"}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parse(data)
		if err != nil {
			return
		}
		again, err := d.marshal()
		if err != nil {
			return // a year beyond 9999
		}
		if _, err := parse(again); err != nil {
			t.Errorf("does not parse what it wrote: %v", err)
		}
	})
}
