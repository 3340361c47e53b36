package analyze

import "encoding/binary"

// elements decodes an array constant of any number of dimensions, which to
// ANY is a plain list, into its members in send format.
func elements(c *node) ([]Operand, bool) {
	mem, ok := raw(c.field("constvalue"))
	if !ok {
		return nil, false
	}
	a, ok := openArray(mem)
	if !ok || regMember(a.typ) != 0 {
		return nil, false
	}
	var out []Operand
	for i := range a.count {
		o := Operand{Type: a.typ, Null: a.null(i)}
		if !o.Null {
			if o.Value, ok = a.next(); !ok {
				return nil, false
			}
		}
		out = append(out, o)
	}
	return out, true
}

// An array is the memory of an ArrayType: varlena header, number of
// dimensions, offset of the data (0: no null bitmap), element type, the
// lengths, the lower bounds, the bitmap, the data.
type array struct {
	mem     []byte
	typ     uint32
	stored  uint32 // typ, or oid for the reg types
	count   int
	nulls   []byte // bitmap, a set bit is a value; nil: no nulls
	at      int    // where the next element is, before alignment
	size    int
	alignTo int
}

func openArray(mem []byte) (*array, bool) {
	size, header, ok := varsize(mem)
	if !ok || header != 4 || size != len(mem) || len(mem) < 16 {
		return nil, false
	}
	word := func(i int) int { return int(int32(binary.NativeEndian.Uint32(mem[4*i:]))) }
	dims, offset := word(1), word(2)
	a := &array{mem: mem, typ: uint32(word(3)), at: 16}
	if a.stored = a.typ; regMember(a.typ) != 0 {
		a.stored = typeOID
	}
	if a.size, a.alignTo, ok = layout(a.stored); !ok {
		return nil, false
	}
	if dims == 0 {
		return a, true
	}
	if dims < 0 || dims > 6 || len(mem) < 16+8*dims {
		return nil, false
	}
	a.count = 1
	for i := range dims {
		n := word(4 + i)
		if n < 0 || n > len(mem)*8 {
			return nil, false
		}
		if a.count *= n; a.count > len(mem)*8 {
			return nil, false
		}
	}
	bitmap := 16 + 8*dims
	if a.at = (bitmap + 7) &^ 7; offset == 0 {
		return a, true
	}
	if offset < bitmap+(a.count+7)/8 || offset > len(mem) {
		return nil, false
	}
	a.nulls, a.at = mem[bitmap:offset], offset
	return a, true
}

func (a *array) null(i int) bool { return a.nulls != nil && a.nulls[i/8]&(1<<(i%8)) == 0 }

// next decodes the element at a.at.
func (a *array) next() ([]byte, bool) {
	short := a.size < 0 && a.at < len(a.mem) && a.mem[a.at] != 0 // a one-byte header is not aligned
	if _, header, ok := varsize(a.mem[min(a.at, len(a.mem)):]); !short || !ok || header != 1 {
		a.at = (a.at + a.alignTo - 1) / a.alignTo * a.alignTo
	}
	if a.at > len(a.mem) {
		return nil, false
	}
	size, header := a.size, 0
	if size < 0 {
		var ok bool
		if size, header, ok = varsize(a.mem[a.at:]); !ok {
			return nil, false
		}
	}
	if a.at+size > len(a.mem) {
		return nil, false
	}
	value := a.mem[a.at+header : a.at+size]
	a.at += size
	return send(a.stored, value)
}
