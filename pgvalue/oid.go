// Package pgvalue knows PostgreSQL's value formats: the canonical form that
// makes equal values equal bytes, and text made from the binary format.
// docs/spec/equality.md is normative for the canonical forms.
package pgvalue

// OIDs of built-in types; PostgreSQL never changes them.
const (
	BoolOID        uint32 = 16
	ByteaOID       uint32 = 17
	CharOID        uint32 = 18 // "char", one byte
	NameOID        uint32 = 19
	Int8OID        uint32 = 20
	Int2OID        uint32 = 21
	Int4OID        uint32 = 23
	TextOID        uint32 = 25
	OIDOID         uint32 = 26
	JSONOID        uint32 = 114
	Float4OID      uint32 = 700
	Float8OID      uint32 = 701
	BPCharOID      uint32 = 1042 // character(n)
	VarcharOID     uint32 = 1043
	DateOID        uint32 = 1082
	TimeOID        uint32 = 1083
	TimestampOID   uint32 = 1114
	TimestamptzOID uint32 = 1184
	IntervalOID    uint32 = 1186
	TimetzOID      uint32 = 1266
	NumericOID     uint32 = 1700
	UUIDOID        uint32 = 2950
	EnumOID        uint32 = 3500 // anyenum: stands for any enumerated type, whose values are given by number
	JSONBOID       uint32 = 3802
)

// Width returns the length in bytes of a type's binary format where all values
// have the same; for name it is the greatest length.
func Width(oid uint32) (int, bool) {
	switch oid {
	case BoolOID, CharOID:
		return 1, true
	case Int2OID:
		return 2, true
	case Int4OID, OIDOID, Float4OID, DateOID, EnumOID:
		return 4, true
	case Int8OID, Float8OID, TimeOID, TimestampOID, TimestamptzOID:
		return 8, true
	case TimetzOID:
		return 12, true
	case IntervalOID, UUIDOID:
		return 16, true
	case NameOID:
		return 64, true
	}
	return 0, false
}

// Family names the operator family of a type: values of two types can be equal
// by tag only within one family. Types without one have no canonical form.
//
// date and timestamp are one family since date = timestamp is built in and
// immutable. timestamptz is its own: comparing it with either depends on the
// session's time zone. float8 = numeric compares rounded values and bpchar = text
// cuts blanks of one side only, so these are apart, too.
func Family(oid uint32) (string, bool) {
	switch oid {
	case Int2OID, Int4OID, Int8OID, NumericOID:
		return "number", true
	case Float4OID, Float8OID:
		return "float", true
	case TextOID, VarcharOID, NameOID:
		return "text", true
	case BPCharOID:
		return "bpchar", true
	case BoolOID:
		return "bool", true
	case ByteaOID:
		return "bytea", true
	case DateOID, TimestampOID:
		return "timestamp", true
	case TimestamptzOID:
		return "timestamptz", true
	case IntervalOID:
		return "interval", true
	case TimeOID:
		return "time", true
	case TimetzOID:
		return "timetz", true
	case UUIDOID:
		return "uuid", true
	case OIDOID:
		return "oid", true
	case CharOID:
		return "char", true
	case EnumOID:
		return "enum", true
	}
	return "", false
}
