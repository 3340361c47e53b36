package pgvalue

import (
	"bytes"
	"testing"
)

// readable are the types that Read, Sent and Text know.
var readable = []uint32{BoolOID, ByteaOID, Int8OID, Int2OID, Int4OID, TextOID, OIDOID, Float4OID, Float8OID, BPCharOID, VarcharOID, DateOID, TimeOID,
	TimestampOID, TimestamptzOID, NumericOID, UUIDOID}

// FuzzRead reads any bytes as text and as binary values of every type: what is
// taken is taken again, unchanged, and written as a text that reads the same.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"", "t", "-0", "1.00", "NaN", "Infinity", "1e-300", "9223372036854775807", "2020-02-29", "0044-03-15 BC", "infinity", "23:59:60.5",
		"2020-02-29 12:00:00.000001+05:30", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", `\x00ff`, "a\x00b", "\xff", "00000000000000000000000000000000", "\x00\x01\x00\x00\x00\x00\x00\x02\x00\x01"} {
		f.Add([]byte(s), int32(-1))
		f.Add([]byte(s), int32(8))
	}
	f.Fuzz(func(t *testing.T, data []byte, typmod int32) {
		for _, oid := range readable {
			for name, take := range map[string]func(uint32, []byte) ([]byte, bool){"Read": Read, "Sent": Sent} {
				value, ok := take(oid, bytes.Clone(data))
				if !ok {
					continue
				}
				if again, ok := Sent(oid, value); !ok || !bytes.Equal(again, value) {
					t.Errorf("%s(%d, %q) = %x, which Sent gives back as %x, %v", name, oid, data, value, again, ok)
				}
				if _, err := Canonical(oid, value); err != nil {
					t.Errorf("%s(%d, %q) = %x, which has no canonical form: %v", name, oid, data, value, err)
				}
				if text, ok := Text(oid, value); ok {
					if again, ok := Read(oid, text); ok && !sameValue(oid, again, value) {
						t.Errorf("%s(%d, %q) = %x, written %q, read %x", name, oid, data, value, text, again)
					}
				}
				Fit(oid, typmod, value)
			}
		}
	})
}

// sameValue compares bytes, or for floating point what they stand for: there
// are many NaN.
func sameValue(oid uint32, a, b []byte) bool {
	if oid == Float4OID || oid == Float8OID {
		ca, _ := Canonical(oid, a)
		cb, _ := Canonical(oid, b)
		return bytes.Equal(ca, cb)
	}
	return bytes.Equal(a, b)
}
