package pgvalue

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"
)

// Read returns the binary (send) format of a value given as text, for texts
// that mean the same to PostgreSQL under all settings. With ok false it is for
// PostgreSQL to read the text, or to say what is wrong with it: so it is of
// every type and spelling that is not known here. The result may share memory
// with text.
func Read(oid uint32, text []byte) (value []byte, ok bool) {
	switch oid {
	case TextOID, VarcharOID, BPCharOID:
		return text, validText(text)
	case BoolOID:
		switch string(text) {
		case "t", "true", "1":
			return []byte{1}, true
		case "f", "false", "0":
			return []byte{0}, true
		}
		return nil, false
	case Int2OID:
		v, ok := readInt(text, math.MinInt16, math.MaxInt16)
		return binary.BigEndian.AppendUint16(nil, uint16(v)), ok
	case Int4OID:
		v, ok := readInt(text, math.MinInt32, math.MaxInt32)
		return binary.BigEndian.AppendUint32(nil, uint32(v)), ok
	case Int8OID:
		v, ok := readInt(text, math.MinInt64, math.MaxInt64)
		return binary.BigEndian.AppendUint64(nil, uint64(v)), ok
	case OIDOID:
		v, ok := readInt(text, 0, math.MaxUint32)
		return binary.BigEndian.AppendUint32(nil, uint32(v)), ok
	case NumericOID:
		return readNumeric(text)
	case Float4OID, Float8OID:
		return readFloat(oid, text)
	case UUIDOID:
		return readUUID(text)
	case ByteaOID:
		digits, ok := bytes.CutPrefix(text, []byte(`\x`))
		if !ok {
			return nil, false
		}
		b, err := hex.AppendDecode([]byte{}, digits)
		return b, err == nil
	}
	return readMoment(oid, text)
}

// Sent returns a value as PostgreSQL's send function gives it, from one that a
// client put into binary format. With ok false it is for PostgreSQL to take or
// to refuse. The result may share memory with b.
func Sent(oid uint32, b []byte) (value []byte, ok bool) {
	if n, fixed := Width(oid); fixed && len(b) != n {
		return nil, false
	}
	switch oid {
	case TextOID, VarcharOID, BPCharOID:
		return b, validText(b)
	case BoolOID:
		if b[0] != 0 {
			return []byte{1}, true
		}
		return []byte{0}, true
	case Int2OID, Int4OID, Int8OID, OIDOID, Float4OID, Float8OID, UUIDOID, ByteaOID:
		return b, true
	case NumericOID:
		d, ok := parseNumeric(b)
		if !ok || len(d.digits) > mostDigits || d.sign != positive && d.sign != negative {
			return nil, false
		}
		return d.send(), true
	case DateOID:
		return b, validDate(int32(signed(b)))
	case TimestampOID, TimestamptzOID:
		return b, validTimestamp(signed(b))
	case TimeOID:
		return b, validTime(signed(b))
	}
	return nil, false
}

// Fit returns a value, in the format that Read and Sent give, as a column with
// a type modifier holds it. With ok false it does not fit as it is: PostgreSQL
// would round it, cut it or refuse it.
func Fit(oid uint32, typmod int32, b []byte) (value []byte, ok bool) {
	if typmod < 0 {
		return b, true
	}
	const header = 4 // of varlena types, which their modifiers count
	switch oid {
	case VarcharOID:
		return b, utf8.RuneCount(b) <= int(typmod)-header
	case BPCharOID:
		missing := int(typmod) - header - utf8.RuneCount(b)
		if missing < 0 {
			return nil, false
		}
		return append(bytes.Clone(b), bytes.Repeat([]byte{' '}, missing)...), true
	case NumericOID:
		d, ok := parseNumeric(b)
		precision, scale := int(typmod-header)>>16&0xffff, int(typmod-header)&0x7ff
		if !ok || scale > precision || d.sign != positive && d.sign != negative || d.scale > scale || d.whole() > precision-scale {
			return nil, false
		}
		d.scale = scale
		return d.send(), true
	case TimeOID, TimestampOID, TimestamptzOID:
		v := signed(b)
		unit := int64(1)
		for p := typmod; p < 6; p++ {
			unit *= 10
		}
		return b, v == math.MinInt64 || v == math.MaxInt64 || v%unit == 0
	}
	return nil, false
}

// validText reports whether PostgreSQL takes bytes as text in UTF-8.
func validText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

func readInt(text []byte, least, most int64) (int64, bool) {
	if len(text) == 0 || text[0] == '+' {
		return 0, false
	}
	v, err := strconv.ParseInt(string(text), 10, 64)
	return v, err == nil && v >= least && v <= most
}

// mostDigits bounds the numerics that are taken apart here, in digits to base
// 10000: far below the limits that PostgreSQL would have to enforce.
const mostDigits = 250

// readNumeric reads digits with a sign and a point, without an exponent.
func readNumeric(text []byte) ([]byte, bool) {
	d := decimal{}
	body, minus := bytes.CutPrefix(text, []byte{'-'})
	whole, fraction, point := bytes.Cut(body, []byte{'.'})
	if len(whole) == 0 || point && len(fraction) == 0 || len(body) > 4*mostDigits {
		return nil, false
	}
	for _, c := range body {
		if c != '.' && (c < '0' || c > '9') {
			return nil, false
		}
	}
	if bytes.IndexByte(fraction, '.') >= 0 {
		return nil, false
	}
	d.scale = len(fraction)
	groups := (len(whole) + 3) / 4
	d.weight = groups - 1
	for i := range groups + (len(fraction)+3)/4 {
		var g uint16
		for j := range 4 {
			g *= 10
			// Places before the point are counted from its left, those behind it from its right.
			at := len(whole) - 4*(groups-i) + j
			if i >= groups {
				at = 4*(i-groups) + j
				if at < len(fraction) {
					g += uint16(fraction[at] - '0')
				}
			} else if at >= 0 {
				g += uint16(whole[at] - '0')
			}
		}
		d.digits = append(d.digits, g)
	}
	if d = d.trimmed(); minus && len(d.digits) > 0 {
		d.sign = negative
	}
	return d.send(), true
}

// whole is how many decimal digits stand before the point.
func (d decimal) whole() int {
	if len(d.digits) == 0 || d.weight < 0 {
		return 0
	}
	return 4*d.weight + len(strconv.Itoa(int(d.digits[0])))
}

// send is numeric's binary format.
func (d decimal) send() []byte {
	out := make([]byte, 0, 8+2*len(d.digits))
	out = binary.BigEndian.AppendUint16(out, uint16(len(d.digits)))
	out = binary.BigEndian.AppendUint16(out, uint16(int16(d.weight)))
	out = binary.BigEndian.AppendUint16(out, d.sign)
	out = binary.BigEndian.AppendUint16(out, uint16(d.scale))
	for _, g := range d.digits {
		out = binary.BigEndian.AppendUint16(out, g)
	}
	return out
}

// readFloat reads what both languages read alike, well inside the range.
func readFloat(oid uint32, text []byte) ([]byte, bool) {
	for i, c := range text {
		if (c < '0' || c > '9') && c != '.' && c != 'e' && c != 'E' && c != '-' && (c != '+' || i == 0) {
			return nil, false
		}
	}
	if len(text) == 0 || text[len(text)-1] == '.' || bytes.HasPrefix(bytes.TrimPrefix(text, []byte{'-'}), []byte{'.'}) {
		return nil, false
	}
	bits, least := 64, 1e-300
	if oid == Float4OID {
		bits, least = 32, 1e-37
	}
	v, err := strconv.ParseFloat(string(text), bits)
	if err != nil || math.Abs(v) < least && bytes.ContainsAny(text, "123456789") {
		return nil, false
	}
	if bits == 32 {
		return binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(v))), true
	}
	return binary.BigEndian.AppendUint64(nil, math.Float64bits(v)), true
}

// readUUID reads the form that PostgreSQL writes, in either case.
func readUUID(text []byte) ([]byte, bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return nil, false
	}
	out := make([]byte, 0, 16)
	for _, part := range [][]byte{text[:8], text[9:13], text[14:18], text[19:23], text[24:]} {
		var err error
		if out, err = hex.AppendDecode(out, part); err != nil {
			return nil, false
		}
	}
	return out, true
}
