package equality

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/techniquetest"
)

var attribute = clarus.AttributeID{Dataset: 3, Attribute: 5}

func text(s string) clarus.Value { return clarus.Value{Bytes: []byte(s)} }

func int4(n int32) clarus.Value {
	return clarus.Value{Bytes: binary.BigEndian.AppendUint32(nil, uint32(n))}
}

func float8(f float64) clarus.Value {
	return clarus.Value{Bytes: binary.BigEndian.AppendUint64(nil, math.Float64bits(f))}
}

// numeric is digit with scale decimal places, all 0.
func numeric(digit, scale uint16) clarus.Value {
	var b []byte
	for _, n := range []uint16{1, 0, 0, scale, digit} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return clarus.Value{Bytes: b}
}

func TestConformance(t *testing.T) {
	of := func(oid uint32) technique.Params { return technique.Params{Type: oid, Attribute: attribute} }
	grouped := of(pgvalue.TextOID)
	grouped.Group = "names"
	techniquetest.Run(t, Technique{},
		techniquetest.Case{Name: "int4", Params: of(pgvalue.Int4OID), Values: []clarus.Value{int4(0), int4(1), int4(-1)}},
		techniquetest.Case{Name: "text", Params: of(pgvalue.TextOID), Values: []clarus.Value{text(""), text("a"), text("a "), text("A")}},
		techniquetest.Case{Name: "text in a group", Params: grouped, Values: []clarus.Value{text(""), text("hypertension")}},
		techniquetest.Case{Name: "bpchar", Params: of(pgvalue.BPCharOID), Values: []clarus.Value{text(""), text("a"), text(" a")},
			Same: [][2]clarus.Value{{text("a"), text("a  ")}, {text(""), text(" ")}}},
		techniquetest.Case{Name: "numeric", Params: of(pgvalue.NumericOID), Values: []clarus.Value{numeric(1, 0), numeric(2, 0)},
			Same: [][2]clarus.Value{{numeric(1, 0), numeric(1, 2)}}},
		techniquetest.Case{Name: "float8", Params: of(pgvalue.Float8OID), Values: []clarus.Value{float8(0), float8(1), float8(math.NaN())},
			Same: [][2]clarus.Value{{float8(0), float8(math.Copysign(0, -1))}, {float8(math.NaN()), float8(-math.NaN())}}},
	)
}

func prober(t testing.TB, ring *techniquetest.Ring, p technique.Params) technique.Prober {
	t.Helper()
	s, err := Technique{}.Configure(p)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Bind(t.Context(), ring)
	if err != nil {
		t.Fatal(err)
	}
	return c.(technique.Prober)
}

func tag(t *testing.T, ring *techniquetest.Ring, group string, attr uint32, oid uint32, v clarus.Value) []byte {
	t.Helper()
	p := technique.Params{Type: oid, Group: group, Attribute: clarus.AttributeID{Dataset: 1, Attribute: attr}}
	out, err := prober(t, ring, p).Probe(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestJoinGroups(t *testing.T) {
	ring := techniquetest.NewRing()
	one := tag(t, ring, "ids", 1, pgvalue.Int4OID, int4(1))
	ring.Roll() // a new start
	for _, c := range []struct {
		what  string
		other []byte
		equal bool
	}{
		{"another attribute of the group", tag(t, ring, "ids", 2, pgvalue.Int4OID, int4(1)), true},
		{"another type of the family", tag(t, ring, "ids", 2, pgvalue.NumericOID, numeric(1, 2)), true},
		{"another group", tag(t, ring, "other", 1, pgvalue.Int4OID, int4(1)), false},
		{"no group", tag(t, ring, "", 1, pgvalue.Int4OID, int4(1)), false},
		{"another keyring", tag(t, techniquetest.NewRing(), "ids", 1, pgvalue.Int4OID, int4(1)), false},
	} {
		if bytes.Equal(one, c.other) != c.equal {
			t.Errorf("%s: equal is not %v", c.what, c.equal)
		}
	}
	// Forms of two families may coincide, tags must not.
	if bytes.Equal(tag(t, ring, "ids", 1, pgvalue.TextOID, text("a")), tag(t, ring, "ids", 1, pgvalue.ByteaOID, text("a"))) {
		t.Error("text and bytea have equal tags")
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		what string
		p    technique.Params
		kind clarus.Kind
	}{
		{"json has no equality", technique.Params{Type: pgvalue.JSONOID}, clarus.Unsupported},
		{"point", technique.Params{Type: 600}, clarus.Unsupported},
		{"regclass", technique.Params{Type: 2205}, clarus.Unsupported},
		{"a non-deterministic collation", technique.Params{Type: pgvalue.TextOID, NonDeterministic: true}, clarus.Unsupported},
		{"padding", technique.Params{Type: pgvalue.TextOID, Pad: 8}, clarus.Misconfigured},
	} {
		if s, err := (Technique{}).Configure(c.p); s != nil || clarus.KindOf(err) != c.kind {
			t.Errorf("%s: %v, %v", c.what, s, err)
		}
	}
	c := prober(t, techniquetest.NewRing(), technique.Params{Type: pgvalue.Int4OID})
	if out, err := c.Probe(text("no int")); out != nil || clarus.KindOf(err) != clarus.Invalid {
		t.Errorf("malformed value: %v, %v", out, err)
	}
}

func TestConcurrent(t *testing.T) {
	c := prober(t, techniquetest.NewRing(), technique.Params{Type: pgvalue.Int4OID})
	want, _ := c.Probe(int4(7))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if got, err := c.Probe(int4(7)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%x, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkProbe(b *testing.B) {
	c := prober(b, techniquetest.NewRing(), technique.Params{Type: pgvalue.TextOID})
	v := text("hypertension")
	for b.Loop() {
		if _, err := c.Probe(v); err != nil {
			b.Fatal(err)
		}
	}
}
