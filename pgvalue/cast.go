package pgvalue

import (
	"encoding/binary"
	"math"
)

// Cast converts a value that is not NULL, in the format that Read and Sent
// give, as PostgreSQL's cast does, between integers, from integers and
// numeric to wider numbers and among strings without type modifiers. With ok false it does not know the
// cast, or PostgreSQL would refuse the value. The result may share memory with b.
func Cast(from, to uint32, b []byte) (value []byte, ok bool) {
	if from == to {
		return b, true
	}
	switch from {
	case Int2OID, Int4OID, Int8OID:
		v := signed(b)
		switch to {
		case Int2OID:
			return binary.BigEndian.AppendUint16(nil, uint16(v)), v >= math.MinInt16 && v <= math.MaxInt16
		case Int4OID:
			return binary.BigEndian.AppendUint32(nil, uint32(v)), v >= math.MinInt32 && v <= math.MaxInt32
		case Int8OID:
			return binary.BigEndian.AppendUint64(nil, uint64(v)), true
		case NumericOID:
			return fromInt(v).send(), true
		case Float8OID:
			return binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(v))), true
		case Float4OID:
			return binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(v))), true
		}
	case NumericOID:
		if d, ok := parseNumeric(b); ok && (to == Float4OID || to == Float8OID) {
			return readFloat(to, d.text()) // as PostgreSQL does
		}
	case TextOID, VarcharOID:
		return b, to == TextOID || to == VarcharOID || to == BPCharOID
	}
	return nil, false
}

// Known reports whether Sent takes values of a type.
func Known(oid uint32) bool {
	switch oid {
	case BoolOID, Int2OID, Int4OID, Int8OID, OIDOID, NumericOID, Float4OID, Float8OID, TextOID, VarcharOID, BPCharOID, ByteaOID, UUIDOID,
		DateOID, TimeOID, TimestampOID, TimestamptzOID:
		return true
	}
	return false
}
