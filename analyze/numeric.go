package analyze

import "encoding/binary"

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
