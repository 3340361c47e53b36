package pgvalue

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/clarus-project/clarus"
)

// all are the types that this package knows.
var all = []uint32{BoolOID, ByteaOID, CharOID, NameOID, Int8OID, Int2OID, Int4OID, TextOID, OIDOID, JSONOID, Float4OID,
	Float8OID, BPCharOID, VarcharOID, DateOID, TimeOID, TimestampOID, TimestamptzOID, IntervalOID, TimetzOID, NumericOID, UUIDOID, JSONBOID}

// TestMalformed gives bytes that the types never send.
func TestMalformed(t *testing.T) {
	for _, c := range []struct {
		what string
		oid  uint32
		hex  string
	}{
		{"an int4 of 3 bytes", Int4OID, "000000"},
		{"an int4 of 8 bytes", Int4OID, "0000000000000000"},
		{"a bool of no bytes", BoolOID, ""},
		{"a uuid of 15 bytes", UUIDOID, "000000000000000000000000000000"},
		{"a numeric without its head", NumericOID, "00000000000000"},
		{"a numeric with a digit too few", NumericOID, "0002000000000000" + "0001"},
		{"a numeric with a digit too many", NumericOID, "0000000000000000" + "0001"},
		{"a numeric with a digit of 10000", NumericOID, "0001000000000000" + "2710"},
		{"a numeric with an unknown sign", NumericOID, "0001000080000000" + "0001"},
		{"a numeric NaN with digits", NumericOID, "00010000c0000000" + "0001"},
		{"a numeric with decimals beyond its scale", NumericOID, "0002000000000001" + "0001" + "04d2"},
		{"a numeric with a scale beyond the limit", NumericOID, "0001000000004000" + "0001"},
		{"a date before the calendar", DateOID, "ffda9786"},
		{"a date after the calendar", DateOID, "7fffffef"},
		{"a timestamp after the calendar", TimestampOID, "7ffffffffffffffe"},
		{"a timestamptz before the calendar", TimestamptzOID, "8000000000000001"},
		{"a time of day below 0", TimeOID, "ffffffffffffffff"},
		{"a time of day after 24:00", TimeOID, "000000141dd76001"},
		{"a zone of 16 hours", TimetzOID, "0000000000000000" + "0000e100"},
	} {
		b, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		if form, err := Canonical(c.oid, b); form != nil || clarus.KindOf(err) != clarus.Invalid {
			t.Errorf("%s: %x, %v", c.what, form, err)
		}
		if text, ok := Text(c.oid, b); ok {
			t.Errorf("%s: has text %q", c.what, text)
		}
	}
	if text, ok := Text(JSONBOID, []byte("\x02{}")); ok {
		t.Errorf("jsonb version 2 has text %q", text)
	}
}

func TestUnknownTypes(t *testing.T) {
	for _, oid := range []uint32{0, JSONOID, JSONBOID, 600 /* point */, 2205 /* regclass */, 1007 /* int4[] */, 16384} {
		if _, ok := Family(oid); ok {
			t.Errorf("type %d has a family", oid)
		}
		if form, err := Canonical(oid, []byte{1}); form != nil || clarus.KindOf(err) != clarus.Unsupported {
			t.Errorf("type %d: %x, %v", oid, form, err)
		}
	}
}

// TestNumericSpellings: numeric's receive function takes digits that its send
// function would have cut.
func TestNumericSpellings(t *testing.T) {
	one, _ := hex.DecodeString("0001000000000000" + "0001")
	want, err := Canonical(NumericOID, one)
	if err != nil {
		t.Fatal(err)
	}
	for _, spelling := range []string{
		"0002000000000004" + "0001" + "0000", "0002000100000000" + "0000" + "0001", "0004000200000000" + "0000" + "0000" + "0001" + "0000"} {
		b, _ := hex.DecodeString(spelling)
		if got, err := Canonical(NumericOID, b); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v", spelling, got, err)
		}
	}
	zero, _ := Canonical(Int2OID, []byte{0, 0})
	for _, spelling := range []string{"0000000000000000", "0000000040000000", "0001000500000000" + "0000", "0000ffff00000004"} {
		b, _ := hex.DecodeString(spelling)
		if got, err := Canonical(NumericOID, b); err != nil || !bytes.Equal(got, zero) {
			t.Errorf("%s: %x, %v", spelling, got, err)
		}
	}
}

// FuzzCanonical looks for bytes that crash a decoder, that are changed by it, or
// whose integer and numeric forms disagree.
func FuzzCanonical(f *testing.F) {
	for i := range all {
		f.Add(uint8(i), make([]byte, 8))
		f.Add(uint8(i), make([]byte, 16))
	}
	f.Add(uint8(20), []byte{0, 1, 0, 0, 0x40, 0, 0, 2, 0, 1})
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		oid := all[int(which)%len(all)]
		before := bytes.Clone(b)
		form, err := Canonical(oid, b)
		if !bytes.Equal(before, b) {
			t.Fatal("the value was changed")
		}
		if kind := clarus.KindOf(err); err != nil && (form != nil || kind != clarus.Invalid && kind != clarus.Unsupported) {
			t.Errorf("%x, %v", form, err)
		}
		_, ok := Text(oid, b)
		if _, known := Family(oid); known && ok && err != nil {
			t.Errorf("has text, but no canonical form: %v", err)
		}
		if oid == Int8OID && err == nil {
			narrow := binary.BigEndian.AppendUint32(nil, uint32(signed(b)))
			same := int64(int32(signed(b))) == signed(b)
			if got, _ := Canonical(Int4OID, narrow); bytes.Equal(got, form) != same {
				t.Errorf("int8 %x and int4 %x: equal forms are not %v", b, narrow, same)
			}
		}
	})
}
