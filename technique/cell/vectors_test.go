package cell

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

var update = flag.Bool("update", false, "write the vectors anew, by the specification's words, not by the package")

const vectorFile = "../../docs/spec/vectors/cell.json"

// A vectorSet is docs/spec/vectors/cell.json.
type vectorSet struct {
	Root       string   `json:"root"`
	Deployment string   `json:"deployment"`
	Dataset    uint64   `json:"dataset"`
	Attribute  uint32   `json:"attribute"`
	Accepted   []string `json:"accepted_epochs"`
	Cells      []vector `json:"cells"`
}

// A vector is one cell and what opening it must give: "value" with Value, "null", or
// the reason of failure.
type vector struct {
	Name   string `json:"name"`
	Row    string `json:"row"`
	Cell   string `json:"cell"`
	Expect string `json:"expect"`
	Value  string `json:"value,omitempty"`
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	vRoot       = unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	vDeployment = [16]byte(unhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"))
	vEpoch      = secret.Epoch(unhex("e0e1e2e3e4e5e6e7e8e9eaebecedeeef"))
	vOther      = secret.Epoch(unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")) // accepted, too
	vStranger   = secret.Epoch(unhex("ffffffffffffffffffffffffffffffff")) // never drawn
	vRow        = clarus.RowID(unhex("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"))
	vNonce      = unhex("b0b1b2b3b4b5b6b7b8b9babb")
)

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// byTheWords makes the cell of a plain encoding as docs/spec/cell.md says it,
// with none of the package's code.
func byTheWords(e secret.Epoch, a clarus.AttributeID, row clarus.RowID, plain []byte) []byte {
	derived, err := keys.Derive(secret.New(vRoot), vDeployment,
		keys.Scope{Purpose: "cell", Dataset: a.Dataset, Attribute: a.Attribute}, e)
	if err != nil {
		panic(err)
	}
	k := derived.Reveal()
	block, err := aes.NewCipher(mac(k, []byte("clarus/cell/1/encrypt"), []byte{1}))
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	var bound []byte
	for _, f := range [][]byte{[]byte("clarus/cell/1"), vDeployment[:], binary.BigEndian.AppendUint64(nil, uint64(a.Dataset)),
		binary.BigEndian.AppendUint32(nil, a.Attribute), {1}, e[:], row[:]} {
		bound = append(binary.BigEndian.AppendUint32(bound, uint32(len(f))), f...)
	}
	header := slices.Concat([]byte{1, 1}, e[:], mac(k, []byte("clarus/cell/1/commit"), []byte{1})[:16])
	return gcm.Seal(slices.Concat(header, vNonce), vNonce, plain, bound)
}

// with returns a copy of cell with the byte at i changed to b.
func with(cell []byte, i int, b byte) []byte {
	cell = slices.Clone(cell)
	cell[i] = b
	return cell
}

// specified are the published vectors.
func specified() vectorSet {
	own := func(plain string) []byte { return byTheWords(vEpoch, attribute, vRow, unhex(plain)) }
	good := own("00000004" + "0000002a")
	other := clarus.AttributeID{Dataset: attribute.Dataset, Attribute: attribute.Attribute + 1}
	otherRow := clarus.RowID(unhex("00000000000000000000000000000000"))
	later := byTheWords(vOther, attribute, vRow, unhex("00000004"+"0000002a"))
	set := vectorSet{Root: hex.EncodeToString(vRoot), Deployment: hex.EncodeToString(vDeployment[:]),
		Dataset: uint64(attribute.Dataset), Attribute: attribute.Attribute, Accepted: []string{vEpoch.String(), vOther.String()}}
	add := func(name string, cell []byte, expect, value string) {
		set.Cells = append(set.Cells, vector{name, hex.EncodeToString(vRow[:]), hex.EncodeToString(cell), expect, value})
	}
	add("int4 42", good, "value", "0000002a")
	add("int4 42, in another accepted epoch", later, "value", "0000002a")
	add("NULL, padded as an int4", own("ffffffff"+"00000000"), "null", "")
	add("empty text, padded to 16", own("00000000"+"00000000000000000000000000000000"), "value", "")
	add("text, padded to 16", own("00000002"+"68690000000000000000000000000000"), "value", "6869")
	add("padding of another length than this version writes", own("00000002"+"6869000000"), "value", "6869")
	add("SQL NULL in place of a cell", nil, "missing", "")
	add("one byte short of the least cell", good[:Overhead-1], "truncated", "")
	add("last byte cut", good[:len(good)-1], "authentication", "")
	add("a byte more", append(slices.Clone(good), 0), "authentication", "")
	add("version 2", with(good, 0, 2), "version", "")
	add("algorithm 2", with(good, 1, 2), "algorithm", "")
	add("an epoch never drawn", byTheWords(vStranger, attribute, vRow, unhex("000000040000002a")), "epoch", "")
	add("the cell of another attribute", byTheWords(vEpoch, other, vRow, unhex("000000040000002a")), "commitment", "")
	add("header naming another accepted epoch", slices.Concat(good[:2], vOther[:], good[18:]), "commitment", "")
	add("a commitment altered", with(good, 18, good[18]^1), "commitment", "")
	add("the body of another accepted epoch", slices.Concat(good[:34], later[34:]), "authentication", "")
	add("the cell of another row", byTheWords(vEpoch, attribute, otherRow, unhex("000000040000002a")), "authentication", "")
	add("the nonce altered", with(good, 34, good[34]^1), "authentication", "")
	add("the tag altered", with(good, len(good)-1, good[len(good)-1]^1), "authentication", "")
	add("a length beyond the end", own("00000005"+"0000002a"), "encoding", "")
	add("a negative length that is not NULL's", own("fffffffe"+"00000000"), "encoding", "")
	add("padding that is not zero", own("00000002"+"68690001"), "encoding", "")
	add("a NULL with a value", own("ffffffff"+"0000002a"), "encoding", "")
	return set
}

// accepting is a keyring with a known root key.
type accepting struct {
	root       secret.Bytes
	deployment [16]byte
	epochs     []string
}

func (a accepting) Current(context.Context, secret.Scope) (secret.Epoch, secret.Bytes, error) {
	return secret.Epoch{}, secret.Bytes{}, errors.New("only for opening")
}

func (a accepting) Key(_ context.Context, s secret.Scope, e secret.Epoch) (secret.Bytes, error) {
	if !slices.Contains(a.epochs, e.String()) {
		return secret.Bytes{}, keys.UnknownEpoch(e)
	}
	return keys.Derive(a.root, a.deployment, s, e)
}

func TestVectors(t *testing.T) {
	want := specified()
	if *update {
		data, err := json.MarshalIndent(want, "", "  ")
		if err == nil {
			err = os.WriteFile(vectorFile, append(data, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var set vectorSet
	if err := json.Unmarshal(data, &set); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(set, want) {
		t.Error("the published vectors are not what the words of the specification give")
	}
	deployment := [16]byte(unhex(set.Deployment))
	c := bound(t, technique.Params{Deployment: deployment,
		Attribute: clarus.AttributeID{Dataset: clarus.DatasetID(set.Dataset), Attribute: set.Attribute}},
		accepting{secret.New(unhex(set.Root)), deployment, set.Accepted})
	for _, v := range set.Cells {
		t.Run(v.Name, func(t *testing.T) {
			cell := clarus.Sealed(unhex(v.Cell))
			if v.Cell == "" {
				cell = nil
			}
			got, value := outcome(c.Open([]clarus.RowID{clarus.RowID(unhex(v.Row))}, []clarus.Sealed{cell}))
			if got != v.Expect || value != v.Value {
				t.Errorf("opens as %s %s, want %s %s", got, value, v.Expect, v.Value)
			}
		})
	}
}

func outcome(values []clarus.Value, err error) (expect, value string) {
	switch fault, ok := errors.AsType[*technique.Fault](err); {
	case ok:
		return string(fault.Reason), ""
	case err != nil:
		return err.Error(), ""
	case values[0].IsNull():
		return "null", ""
	}
	return "value", hex.EncodeToString(values[0].Bytes)
}
