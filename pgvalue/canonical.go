package pgvalue

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/clarus-project/clarus"
)

// Canonical returns the canonical form of a value that is not NULL, given in
// PostgreSQL's binary (send) format. Within one Family two values have the same
// canonical form if, and only if, PostgreSQL's = calls them equal (under a
// deterministic collation). Forms of different families may coincide: whoever
// compares them must compare the families, too.
//
// A type without a family is an error of kind Unsupported, bytes that the type
// does not send are one of kind Invalid. The result may share memory with b.
func Canonical(oid uint32, b []byte) ([]byte, error) {
	if _, ok := Family(oid); !ok {
		return nil, &clarus.Error{Op: "canonical", Kind: clarus.Unsupported,
			Msg:  fmt.Sprintf("the type with OID %d has no canonical form", oid),
			Hint: "equality cannot be preserved for it"}
	}
	if n, fixed := Width(oid); fixed && oid != NameOID && len(b) != n {
		return nil, malformed(oid)
	}
	form, ok := canonical(oid, b)
	if !ok {
		return nil, malformed(oid)
	}
	return form, nil
}

func malformed(oid uint32) error {
	return &clarus.Error{Op: "canonical", Kind: clarus.Invalid,
		Msg:  fmt.Sprintf("the bytes are not the binary format of the type with OID %d", oid),
		Hint: "send the value in text format, or as PostgreSQL's send function writes it"}
}

// canonical expects b to have the type's width, where it has one.
func canonical(oid uint32, b []byte) ([]byte, bool) {
	switch oid {
	case Int2OID, Int4OID, Int8OID:
		return number(fromInt(signed(b))), true
	case NumericOID:
		n, ok := parseNumeric(b)
		return number(n), ok
	case Float4OID:
		return float(float64(math.Float32frombits(binary.BigEndian.Uint32(b)))), true
	case Float8OID:
		return float(math.Float64frombits(binary.BigEndian.Uint64(b))), true
	case BPCharOID:
		return bytes.TrimRight(b, " "), true
	case BoolOID:
		if b[0] != 0 {
			return []byte{1}, true
		}
		return []byte{0}, true
	case DateOID:
		return dateForm(int32(signed(b)))
	case TimestampOID:
		return timestampForm(signed(b))
	case TimestamptzOID:
		return b, validTimestamp(signed(b))
	case IntervalOID:
		return intervalForm(b), true
	case TimeOID:
		return b, validTime(signed(b))
	case TimetzOID:
		return b, validTime(signed(b[:8])) && validZone(int32(signed(b[8:])))
	}
	return b, true // Text, Varchar, Name, Bytea, UUID, OID, Char, Enum
}

// signed reads a big-endian integer of 2, 4 or 8 bytes.
func signed(b []byte) int64 {
	switch len(b) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	}
	return int64(binary.BigEndian.Uint64(b))
}

// float is the IEEE 754 form, with one zero and one NaN.
func float(f float64) []byte {
	bits := math.Float64bits(f)
	switch {
	case f == 0:
		bits = 0
	case f != f:
		bits = 0x7ff8 << 48
	}
	return binary.BigEndian.AppendUint64(nil, bits)
}
