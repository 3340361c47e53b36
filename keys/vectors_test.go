package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/secret"
)

var update = flag.Bool("update", false, "write the vectors anew, by the specification's words, not by the package")

const vectors = "../docs/spec/vectors/"

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(vectors + name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPrimitives holds the library's primitives against their RFCs.
func TestPrimitives(t *testing.T) {
	var v struct {
		HKDF []struct{ Name, IKM, Salt, Info, OKM string } `json:"hkdf-sha-256"`
		HMAC []struct{ Name, Key, Data, MAC string }       `json:"hmac-sha-256"`
	}
	readVectors(t, "rfc.json", &v)
	if len(v.HKDF) == 0 || len(v.HMAC) == 0 {
		t.Fatal("no vectors")
	}
	for _, c := range v.HKDF {
		okm := unhex(t, c.OKM)
		got, err := hkdf.Key(sha256.New, unhex(t, c.IKM), unhex(t, c.Salt), string(unhex(t, c.Info)), len(okm))
		if err != nil || hex.EncodeToString(got) != c.OKM {
			t.Errorf("%s: %x, %v", c.Name, got, err)
		}
	}
	for _, c := range v.HMAC {
		h := hmac.New(sha256.New, unhex(t, c.Key))
		h.Write(unhex(t, c.Data))
		if got := hex.EncodeToString(h.Sum(nil)); got != c.MAC {
			t.Errorf("%s: %s", c.Name, got)
		}
	}
}

// A vector is one vector of Derive.
type vector struct {
	Purpose    string `json:"purpose"`
	Dataset    uint64 `json:"dataset"`
	Attribute  uint32 `json:"attribute"`
	Group      string `json:"group"`
	Root       string `json:"root"`
	Deployment string `json:"deployment"`
	Epoch      string `json:"epoch"`
	Key        string `json:"key"`
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// spelled is HKDF-SHA-256 for 32 bytes as RFC 5869 spells it: one block.
func spelled(ikm, salt []byte, info ...[]byte) []byte {
	var joined []byte
	for _, f := range info {
		joined = append(binary.BigEndian.AppendUint32(joined, uint32(len(f))), f...)
	}
	return mac(mac(salt, ikm), joined, []byte{1})
}

// byTheWords derives a vector's key as docs/spec/keyring.md says it, with HMAC alone.
func (d vector) byTheWords(t *testing.T) string {
	k1 := spelled(unhex(t, d.Root), unhex(t, d.Deployment), []byte("clarus/key/1/scope"), []byte(d.Purpose),
		binary.BigEndian.AppendUint64(nil, d.Dataset), binary.BigEndian.AppendUint32(nil, d.Attribute), []byte(d.Group))
	return hex.EncodeToString(spelled(k1, nil, []byte("clarus/key/1/epoch"), unhex(t, d.Epoch)))
}

func TestDerivationVectors(t *testing.T) {
	var v []vector
	readVectors(t, "derivation.json", &v)
	if *update {
		for i := range v {
			v[i].Key = v[i].byTheWords(t)
		}
		data, err := json.MarshalIndent(v, "", "  ")
		if err == nil {
			err = os.WriteFile(vectors+"derivation.json", append(data, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(v) == 0 {
		t.Fatal("no vectors")
	}
	for i, d := range v {
		s := Scope{Purpose: d.Purpose, Dataset: clarus.DatasetID(d.Dataset), Attribute: d.Attribute, Group: d.Group}
		k, err := Derive(secret.New(unhex(t, d.Root)), [16]byte(unhex(t, d.Deployment)), s, Epoch(unhex(t, d.Epoch)))
		if err != nil || hex.EncodeToString(k.Reveal()) != d.Key {
			t.Errorf("vector %d: %x, %v", i, k.Reveal(), err)
		}
		if words := d.byTheWords(t); words != d.Key {
			t.Errorf("vector %d: the words of the specification give %s", i, words)
		}
	}
}

func TestDeriveRefuses(t *testing.T) {
	if k, err := Derive(secret.New(make([]byte, 31)), [16]byte{}, Scope{Purpose: "cell"}, Epoch{}); err == nil || k.Len() != 0 {
		t.Error("a root key of 31 bytes is taken")
	}
	if k, err := Derive(secret.New(make([]byte, 32)), [16]byte{}, Scope{}, Epoch{}); err == nil || k.Len() != 0 {
		t.Error("no purpose is taken")
	}
}
