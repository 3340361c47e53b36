package pgvalue

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
)

// Text returns PostgreSQL's text format of a value that is not NULL, given in its
// binary (send) format, for the types whose text depends on no setting, or is
// asked for under the defaults: DateStyle ISO, bytea_output hex,
// extra_float_digits 1. Otherwise, and for bytes that the type does not send, ok
// is false. Not covered since they depend on a setting or a catalogue:
// timestamptz (TimeZone), interval (IntervalStyle), enums, arrays, composites. The
// result may share memory with b.
func Text(oid uint32, b []byte) (text []byte, ok bool) {
	if n, fixed := Width(oid); fixed && oid != NameOID && len(b) != n {
		return nil, false
	}
	switch oid {
	case TextOID, VarcharOID, BPCharOID, NameOID, JSONOID:
		return b, true
	case JSONBOID:
		if len(b) < 1 || b[0] != 1 {
			return nil, false
		}
		return b[1:], true
	case BoolOID:
		if b[0] != 0 {
			return []byte("t"), true
		}
		return []byte("f"), true
	case CharOID:
		return charText(b[0])
	case Int2OID, Int4OID, Int8OID:
		return strconv.AppendInt(nil, signed(b), 10), true
	case OIDOID:
		return strconv.AppendUint(nil, uint64(binary.BigEndian.Uint32(b)), 10), true
	case NumericOID:
		d, ok := parseNumeric(b)
		return d.text(), ok
	case Float4OID:
		return floatText(float64(math.Float32frombits(binary.BigEndian.Uint32(b))), 32), true
	case Float8OID:
		return floatText(math.Float64frombits(binary.BigEndian.Uint64(b)), 64), true
	case ByteaOID:
		return hex.AppendEncode([]byte(`\x`), b), true
	case UUIDOID:
		return uuidText(b), true
	}
	return momentText(oid, b)
}

// Written reports whether Text covers a type, and names the setting whose
// default it assumes: datestyle, bytea_output, extra_float_digits, or none ("").
func Written(oid uint32) (setting string, ok bool) {
	switch oid {
	case DateOID, TimestampOID:
		return "datestyle", true
	case ByteaOID:
		return "bytea_output", true
	case Float4OID, Float8OID:
		return "extra_float_digits", true
	case TextOID, VarcharOID, BPCharOID, NameOID, JSONOID, JSONBOID, BoolOID, CharOID, Int2OID, Int4OID, Int8OID, OIDOID, NumericOID, UUIDOID,
		TimeOID, TimetzOID:
		return "", true
	}
	return "", false
}

// momentText is Text for the types of date and time.
func momentText(oid uint32, b []byte) ([]byte, bool) {
	switch oid {
	case DateOID:
		return dateTimeText(signed(b), math.MinInt32, math.MaxInt32, validDate(int32(signed(b))), false)
	case TimestampOID:
		return dateTimeText(signed(b), math.MinInt64, math.MaxInt64, validTimestamp(signed(b)), true)
	case TimeOID:
		return timeText(nil, signed(b)), validTime(signed(b))
	case TimetzOID:
		micros, west := signed(b[:8]), int32(signed(b[8:]))
		return zoneText(timeText(nil, micros), int(west)), validTime(micros) && validZone(west)
	}
	return nil, false
}

// dateTimeText writes v, which counts days or, with clock, microseconds.
func dateTimeText(v, first, last int64, valid, clock bool) ([]byte, bool) {
	switch {
	case v == first:
		return []byte("-infinity"), true
	case v == last:
		return []byte("infinity"), true
	case !valid:
		return nil, false
	case !clock:
		out, era := dateText(nil, v)
		return append(out, era...), true
	}
	days, micros := v/day, v%day
	if micros < 0 {
		days, micros = days-1, micros+day
	}
	out, era := dateText(nil, days)
	return append(timeText(append(out, ' '), micros), era...), true
}

// charText is the byte itself. PostgreSQL 15 and 16 write bytes beyond ASCII
// differently, so these are not covered.
func charText(c byte) ([]byte, bool) {
	if c == 0 {
		return []byte{}, true
	}
	return []byte{c}, c < 0x80
}

func uuidText(b []byte) []byte {
	out := make([]byte, 0, 36)
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			out = append(out, '-')
		}
		out = hex.AppendEncode(out, part)
	}
	return out
}
