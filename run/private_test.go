package run

import (
	"encoding/binary"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/policy"
)

// TestSteps: numbers of every type are rounded to the nearest step and brought within
// the bounds, whatever they are.
func TestSteps(t *testing.T) {
	double := func(f float64) []byte { return binary.BigEndian.AppendUint64(nil, math.Float64bits(f)) }
	single := func(f float32) []byte { return binary.BigEndian.AppendUint32(nil, math.Float32bits(f)) }
	read := func(typ uint32, text string) []byte {
		b, ok := pgvalue.Read(typ, []byte(text))
		if !ok {
			t.Fatalf("%s is not read", text)
		}
		return b
	}
	cents := &policy.Bound{Lower: -1000, Upper: 2000, Step: big.NewRat(1, 100)}
	fives := &policy.Bound{Lower: 0, Upper: 10, Step: big.NewRat(5, 1)}
	for _, test := range []struct {
		typ   uint32
		b     []byte
		bound *policy.Bound
		want  int64
	}{
		{pgvalue.Int2OID, read(pgvalue.Int2OID, "-3"), cents, -300},
		{pgvalue.Int4OID, read(pgvalue.Int4OID, "7"), fives, 1},
		{pgvalue.Int4OID, read(pgvalue.Int4OID, "8"), fives, 2},
		{pgvalue.Int8OID, read(pgvalue.Int8OID, "9223372036854775807"), fives, 10},
		{pgvalue.Int8OID, read(pgvalue.Int8OID, "-9223372036854775808"), cents, -1000},
		{pgvalue.NumericOID, read(pgvalue.NumericOID, "1.005"), cents, 101},
		{pgvalue.NumericOID, read(pgvalue.NumericOID, "-0.0149"), cents, -1},
		{pgvalue.NumericOID, read(pgvalue.NumericOID, "1"+strings.Repeat("0", 200)), cents, 2000},
		{pgvalue.NumericOID, []byte{0, 0, 0, 0, 0xc0, 0, 0, 0}, cents, 2000},
		{pgvalue.NumericOID, []byte{0, 0, 0, 0, 0xf0, 0, 0, 0}, cents, -1000},
		{pgvalue.Float8OID, double(0.29), cents, 29},
		{pgvalue.Float8OID, double(-1e300), cents, -1000},
		{pgvalue.Float8OID, double(math.NaN()), cents, 2000},
		{pgvalue.Float8OID, double(math.Inf(-1)), cents, -1000},
		{pgvalue.Float8OID, double(math.SmallestNonzeroFloat64), cents, 0},
		{pgvalue.Float4OID, single(7.5), fives, 2},
		{pgvalue.Float4OID, single(float32(math.Inf(1))), fives, 10},
	} {
		if got, ok := steps(test.typ, test.b, test.bound); !ok || got != test.want {
			t.Errorf("type %d, %x: %d, %v, want %d", test.typ, test.b, got, ok, test.want)
		}
	}
	for _, typ := range []uint32{pgvalue.Int2OID, pgvalue.Int4OID, pgvalue.Int8OID, pgvalue.NumericOID, pgvalue.Float4OID, pgvalue.Float8OID, pgvalue.TextOID} {
		if got, ok := steps(typ, []byte{1, 2, 3}, cents); ok {
			t.Errorf("type %d: three bytes are %d", typ, got)
		}
	}
}
