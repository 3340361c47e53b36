package analyze

import (
	"encoding/binary"
	"slices"
)

// The bits of a numeric's first header word (numeric.c).
const (
	numericKind    = 0xC000 // 0: positive, 0x4000: negative, 0x8000: short, 0xC000: special
	numericNeg     = 0x4000
	numericShort   = 0x8000
	numericSpecial = 0xC000
)

// sendNumeric turns the memory of a numeric into what numeric_send gives:
// number of digits, weight, sign and display scale, then base-10000 digits.
func sendNumeric(mem []byte) ([]byte, bool) {
	if len(mem) < 2 || len(mem)%2 != 0 {
		return nil, false
	}
	head := binary.NativeEndian.Uint16(mem)
	var weight int16
	var sign, scale uint16
	digits := mem[2:]
	if head&numericShort != 0 { // also special values, whose other bits mean nothing
		scale = head >> 7 & 0x3F
		weight = int16(head & 0x3F)
		if head&0x40 != 0 {
			weight |= ^0x3F
		}
		if head&0x2000 != 0 {
			sign = numericNeg
		}
		if head&numericKind == numericSpecial {
			sign = head & 0xF000
		}
	} else {
		if len(digits) < 2 {
			return nil, false
		}
		scale, sign = head&0x3FFF, head&numericKind
		weight = int16(binary.NativeEndian.Uint16(digits))
		digits = digits[2:]
	}
	out := make([]byte, 0, 8+len(digits))
	out = binary.BigEndian.AppendUint16(out, uint16(len(digits)/2))
	out = binary.BigEndian.AppendUint16(out, uint16(weight))
	out = binary.BigEndian.AppendUint16(out, sign)
	out = binary.BigEndian.AppendUint16(out, scale)
	for ; len(digits) > 0; digits = digits[2:] {
		out = binary.BigEndian.AppendUint16(out, binary.NativeEndian.Uint16(digits))
	}
	return out, true
}

// numericOf is an integer in numeric's send format: the number of digits of
// base 10,000, the weight of the first, the sign, no decimals, the digits.
func numericOf(n int64) []byte {
	sign, rest := uint16(0), uint64(n)
	if n < 0 {
		sign, rest = 0x4000, -rest
	}
	var digits []uint16
	for ; rest > 0; rest /= 10000 {
		digits = append(digits, uint16(rest%10000))
	}
	weight := max(len(digits)-1, 0)
	for len(digits) > 0 && digits[0] == 0 {
		digits = digits[1:]
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(len(digits)))
	out = binary.BigEndian.AppendUint16(out, uint16(weight))
	out = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(out, sign), 0)
	for _, d := range slices.Backward(digits) {
		out = binary.BigEndian.AppendUint16(out, d)
	}
	return out
}
