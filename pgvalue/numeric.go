package pgvalue

import (
	"encoding/binary"
	"strconv"
)

// The signs of a numeric, as on the wire.
const (
	positive = 0x0000
	negative = 0x4000
	notANum  = 0xC000
	posInf   = 0xD000
	negInf   = 0xF000
)

// A decimal is the sum of digits[i] * 10000^(weight-i), each digit 0..9999,
// with neither the first nor the last of them 0. Zero has no digits, weight 0 and
// sign positive; so have NaN and the infinities, with their own sign.
type decimal struct {
	sign   uint16
	weight int
	digits []uint16
	scale  int // decimal places to print; not part of the value
}

// parseNumeric reads numeric's binary format. It refuses digits beyond the
// scale, which PostgreSQL never sends.
func parseNumeric(b []byte) (decimal, bool) {
	if len(b) < 8 {
		return decimal{}, false
	}
	n := int(binary.BigEndian.Uint16(b))
	d := decimal{
		weight: int(int16(binary.BigEndian.Uint16(b[2:]))),
		sign:   binary.BigEndian.Uint16(b[4:]),
		scale:  int(binary.BigEndian.Uint16(b[6:])),
	}
	if b = b[8:]; len(b) != 2*n || d.scale > 0x3FFF {
		return decimal{}, false
	}
	switch d.sign {
	case positive, negative:
	case notANum, posInf, negInf:
		return decimal{sign: d.sign}, n == 0
	default:
		return decimal{}, false
	}
	d.digits = make([]uint16, n)
	for i := range d.digits {
		d.digits[i] = binary.BigEndian.Uint16(b[2*i:])
		if d.digits[i] > 9999 || beyond(d.digits[i], 4*(i-d.weight)-d.scale) {
			return decimal{}, false
		}
	}
	return d.trimmed(), true
}

// beyond reports whether one of a digit's last n decimal places is not 0.
func beyond(digit uint16, n int) bool {
	power := uint16(1)
	for range min(n, 4) {
		power *= 10
	}
	return digit%power != 0
}

// trimmed cuts zeros at both ends and gives zero its one form.
func (d decimal) trimmed() decimal {
	for len(d.digits) > 0 && d.digits[0] == 0 {
		d.digits, d.weight = d.digits[1:], d.weight-1
	}
	for len(d.digits) > 0 && d.digits[len(d.digits)-1] == 0 {
		d.digits = d.digits[:len(d.digits)-1]
	}
	if len(d.digits) == 0 {
		return decimal{scale: d.scale}
	}
	return d
}

func fromInt(v int64) decimal {
	d, u := decimal{}, uint64(v)
	if v < 0 {
		d.sign, u = negative, -u
	}
	var groups [5]uint16 // 2^64 < 10000^5
	for i := len(groups) - 1; i >= 0; i-- {
		groups[i], u = uint16(u%10000), u/10000
	}
	d.weight, d.digits = len(groups)-1, groups[:]
	return d.trimmed()
}

// number is the canonical form: sign (16 bits), weight (32 bits), digits (16
// bits each), all big endian.
func number(d decimal) []byte {
	out := make([]byte, 0, 6+2*len(d.digits))
	out = binary.BigEndian.AppendUint16(out, d.sign)
	out = binary.BigEndian.AppendUint32(out, uint32(int32(d.weight)))
	for _, g := range d.digits {
		out = binary.BigEndian.AppendUint16(out, g)
	}
	return out
}

// digit returns the base-10000 digit of weight w.
func (d decimal) digit(w int) uint16 {
	if i := d.weight - w; i >= 0 && i < len(d.digits) {
		return d.digits[i]
	}
	return 0
}

// text writes d as numeric_out does.
func (d decimal) text() []byte {
	switch d.sign {
	case notANum:
		return []byte("NaN")
	case posInf:
		return []byte("Infinity")
	case negInf:
		return []byte("-Infinity")
	}
	var out []byte
	if d.sign == negative {
		out = append(out, '-')
	}
	top := max(d.weight, 0)
	out = strconv.AppendUint(out, uint64(d.digit(top)), 10)
	for w := top - 1; w >= 0; w-- {
		out = zeroPadded(out, int(d.digit(w)), 4)
	}
	if d.scale == 0 {
		return out
	}
	out = append(out, '.')
	end := len(out) + d.scale
	for w := -1; len(out) < end; w-- {
		out = zeroPadded(out, int(d.digit(w)), 4)
	}
	return out[:end]
}

// zeroPadded appends v in decimal, with zeros before it up to width places.
func zeroPadded(out []byte, v, width int) []byte {
	var buf [20]byte
	s := strconv.AppendInt(buf[:0], int64(v), 10)
	for n := len(s); n < width; n++ {
		out = append(out, '0')
	}
	return append(out, s...)
}
