package equality

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

// A vectorSet is docs/spec/vectors/equality.json.
type vectorSet struct {
	Root, Deployment, Epoch, Group string
	Tags                           []struct {
		Name                           string
		Type                           uint32
		Binary, Family, Canonical, Tag string
	}
	Refused []struct {
		Name           string
		Type           uint32
		Binary, Expect string
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fixed is a keyring with a known root key and one epoch.
type fixed struct {
	root       secret.Bytes
	deployment [16]byte
	epoch      secret.Epoch
}

func (f fixed) Current(_ context.Context, s secret.Scope) (secret.Epoch, secret.Bytes, error) {
	k, err := keys.Derive(f.root, f.deployment, s, f.epoch)
	return f.epoch, k, err
}

func (f fixed) Key(_ context.Context, s secret.Scope, e secret.Epoch) (secret.Bytes, error) {
	return keys.Derive(f.root, f.deployment, s, e)
}

func TestVectors(t *testing.T) {
	data, err := os.ReadFile("../../docs/spec/vectors/equality.json")
	if err != nil {
		t.Fatal(err)
	}
	var set vectorSet
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Tags) == 0 || len(set.Refused) == 0 {
		t.Fatal("no vectors")
	}
	ring := fixed{secret.New(unhex(t, set.Root)), [16]byte(unhex(t, set.Deployment)), secret.Epoch(unhex(t, set.Epoch))}
	for _, v := range set.Tags {
		t.Run(v.Name, func(t *testing.T) {
			binary := unhex(t, v.Binary)
			if family, _ := pgvalue.Family(v.Type); family != v.Family {
				t.Errorf("family %s, want %s", family, v.Family)
			}
			if form, err := pgvalue.Canonical(v.Type, binary); err != nil || hex.EncodeToString(form) != v.Canonical {
				t.Errorf("canonical %x (%v), want %s", form, err, v.Canonical)
			}
			s, err := Technique{}.Configure(technique.Params{Type: v.Type, Group: set.Group})
			if err != nil {
				t.Fatal(err)
			}
			c, err := s.Bind(t.Context(), ring)
			if err != nil {
				t.Fatal(err)
			}
			if tag, err := c.(technique.Prober).Probe(clarus.Value{Bytes: binary}); err != nil || hex.EncodeToString(tag) != v.Tag {
				t.Errorf("tag %x (%v), want %s", []byte(tag), err, v.Tag)
			}
		})
	}
	for _, v := range set.Refused {
		want := map[string]clarus.Kind{"invalid": clarus.Invalid, "unsupported": clarus.Unsupported}[v.Expect]
		if form, err := pgvalue.Canonical(v.Type, unhex(t, v.Binary)); form != nil || want == 0 || clarus.KindOf(err) != want {
			t.Errorf("%s: %x, %v, want %s", v.Name, form, err, v.Expect)
		}
	}
}
