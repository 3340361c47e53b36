package file

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys"
)

// A vector is a keyring file of docs/spec/vectors/keyring.json and what opening
// it must give: "opens", "wrong secret" or "damaged".
type vector struct {
	Name       string
	Passphrase string // or Root
	Root       string
	Expect     string
	Epoch      string // where it opens: an accepted epoch,
	Key        string // and the key of the scope cell, dataset 1, attribute 2
	File       json.RawMessage
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile("../../docs/spec/vectors/keyring.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keyring.json")
			if err := os.WriteFile(path, v.File, 0o600); err != nil {
				t.Fatal(err)
			}
			var u Unlock
			if v.Root != "" {
				u = unlock(t, v.Root)
			} else {
				u = phrase(t, v.Passphrase)
			}
			ring, err := Open(path, u)
			got := "opens"
			if err != nil {
				got = map[clarus.Kind]string{clarus.AuthFailed: "wrong secret", clarus.Misconfigured: "damaged"}[clarus.KindOf(err)]
			}
			if got != v.Expect {
				t.Fatalf("%s (%v), want %s", got, err, v.Expect)
			}
			if err == nil {
				v.mustGive(t, ring)
			}
		})
	}
}

func (v vector) mustGive(t *testing.T, ring *Ring) {
	t.Helper()
	epoch, err := hex.DecodeString(v.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ring.Key(t.Context(), cell, keys.Epoch(epoch))
	if err != nil || hex.EncodeToString(k.Reveal()) != v.Key {
		t.Errorf("key %x, %v", k.Reveal(), err)
	}
}
