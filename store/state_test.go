package store_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys/file"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/store"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/cell"
)

// TestSeal: a state opens under its own name, in its own database, as it was.
func TestSeal(t *testing.T) {
	unlock, err := file.RootHex(strings.Repeat("0123456789abcdef", 4))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := file.Create(filepath.Join(t.TempDir(), "keyring.json"), unlock)
	if err != nil {
		t.Fatal(err)
	}
	vault := run.NewVault(ring, ring.Deployment(), technique.List{cell.Technique{}})
	one, other := &store.Database{Name: "app", Records: vault}, &store.Database{Name: "app", Number: 1, Records: vault}
	state := []byte("the rows of a table")
	sealed, err := one.Seal(t.Context(), "a", state)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, state) {
		t.Error("the state is readable")
	}
	if got, err := one.Unseal(t.Context(), "a", sealed); err != nil || !bytes.Equal(got, state) {
		t.Errorf("it opens as %q, %v", got, err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	for what, try := range map[string]func() ([]byte, error){
		"another name":     func() ([]byte, error) { return one.Unseal(t.Context(), "b", sealed) },
		"another database": func() ([]byte, error) { return other.Unseal(t.Context(), "a", sealed) },
		"an altered file":  func() ([]byte, error) { return one.Unseal(t.Context(), "a", altered) },
	} {
		if got, err := try(); clarus.KindOf(err) != clarus.Integrity || got != nil {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}
