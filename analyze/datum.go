package analyze

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
)

// OIDs of the types whose constants are understood.
const (
	typeBool        = 16
	typeBytea       = 17
	typeChar        = 18
	typeName        = 19
	typeInt8        = 20
	typeInt2        = 21
	typeInt4        = 23
	typeText        = 25
	typeOID         = 26
	typeFloat4      = 700
	typeFloat8      = 701
	typeBpchar      = 1042
	typeVarchar     = 1043
	typeDate        = 1082
	typeTime        = 1083
	typeTimestamp   = 1114
	typeTimestamptz = 1184
	typeInterval    = 1186
	typeTimetz      = 1266
	typeNumeric     = 1700
	typeUUID        = 2950
)

// layout is how a type lies in memory: pg_type's typlen and typalign in bytes.
func layout(typ uint32) (size, align int, ok bool) {
	switch typ {
	case typeBool, typeChar:
		return 1, 1, true
	case typeInt2:
		return 2, 2, true
	case typeInt4, typeOID, typeFloat4, typeDate:
		return 4, 4, true
	case typeInt8, typeFloat8, typeTime, typeTimestamp, typeTimestamptz:
		return 8, 8, true
	case typeTimetz:
		return 12, 8, true
	case typeInterval:
		return 16, 8, true
	case typeUUID:
		return 16, 1, true
	case typeName:
		return 64, 1, true
	case typeText, typeVarchar, typeBpchar, typeBytea, typeNumeric:
		return -1, 4, true
	}
	return 0, 0, false
}

// raw reads "LENGTH [ BYTE ... ]", the memory of a constant. A value passed by
// value is printed as the eight bytes of a Datum.
func raw(n *node) ([]byte, bool) {
	open := strings.IndexByte(n.text, '[')
	if n.kind != datum || open < 0 {
		return nil, false
	}
	out := make([]byte, 0, (len(n.text)-open)/2)
	body := n.text[open+1 : len(n.text)-1]
	for word := range strings.FieldsSeq(body) {
		v, err := strconv.Atoi(word)
		if err != nil || v < -128 || v > 255 {
			return nil, false
		}
		out = append(out, byte(v))
	}
	return out, true
}

// constant decodes a CONST that is not NULL into its type's send format.
func constant(c *node, typ uint32) ([]byte, bool) {
	mem, ok := raw(c.field("constvalue"))
	if !ok {
		return nil, false
	}
	size, _, ok := layout(typ)
	switch {
	case !ok:
		return small(c, typ, mem)
	case size < 0:
		if mem, ok = payload(mem); !ok {
			return nil, false
		}
	case c.field("constbyval").bool():
		if len(mem) != 8 {
			return nil, false
		}
		mem = fromDatum(mem, size)
	}
	return send(typ, mem)
}

// small is the memory of a constant of a type made by a user that has the size
// of a label of an enumerated type: then it is the label's OID.
func small(c *node, typ uint32, mem []byte) ([]byte, bool) {
	if n, ok := c.field("constlen").int(); !ok || n != 4 || typ < firstUserOID || !c.field("constbyval").bool() || len(mem) != 8 {
		return nil, false
	}
	return swap(fromDatum(mem, 4), 4), true
}

// firstUserOID is the least OID of an object that a user made.
const firstUserOID = 16384

// fromDatum takes the low size bytes of a Datum, in memory order.
func fromDatum(mem []byte, size int) []byte {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return mem[:size]
	}
	return mem[len(mem)-size:]
}

// payload strips a varlena header; compressed and external values are refused.
func payload(mem []byte) ([]byte, bool) {
	size, header, ok := varsize(mem)
	if !ok || size != len(mem) {
		return nil, false
	}
	return mem[header:], true
}

// varsize reads a varlena header at the start of mem: the whole size and the
// header's share of it.
func varsize(mem []byte) (size, header int, ok bool) {
	little := binary.NativeEndian.Uint16([]byte{1, 0}) == 1
	switch {
	case len(mem) == 0:
		return 0, 0, false
	case little && mem[0]&1 == 1:
		size, header = int(mem[0]>>1), 1
	case !little && mem[0]&0x80 != 0:
		size, header = int(mem[0]&0x7f), 1
	case len(mem) < 4:
		return 0, 0, false
	case little && mem[0]&3 == 0:
		size, header = int(binary.LittleEndian.Uint32(mem)>>2), 4
	case !little && mem[0]&0xc0 == 0:
		size, header = int(binary.BigEndian.Uint32(mem)&0x3fffffff), 4
	}
	return size, header, header > 0 && size >= header && size <= len(mem)
}

// send turns the memory of a value, without varlena header, into its send
// format. For most types that is the bytes in network order.
func send(typ uint32, mem []byte) ([]byte, bool) {
	size, _, ok := layout(typ)
	if !ok || size >= 0 && len(mem) != size {
		return nil, false
	}
	switch typ {
	case typeName:
		name, _, ended := bytes.Cut(mem, []byte{0})
		return name, ended
	case typeNumeric:
		return sendNumeric(mem)
	case typeInt2:
		return swap(mem, 2), true
	case typeInt4, typeOID, typeFloat4, typeDate:
		return swap(mem, 4), true
	case typeInt8, typeFloat8, typeTime, typeTimestamp, typeTimestamptz:
		return swap(mem, 8), true
	case typeTimetz:
		return swap(mem, 8, 4), true
	case typeInterval:
		return swap(mem, 8, 4, 4), true
	}
	return bytes.Clone(mem), true // bool, "char", text, bytea, uuid
}

// swap turns consecutive native words of these sizes into network order.
func swap(mem []byte, sizes ...int) []byte {
	out := make([]byte, 0, len(mem))
	for _, n := range sizes {
		switch n {
		case 2:
			out = binary.BigEndian.AppendUint16(out, binary.NativeEndian.Uint16(mem))
		case 4:
			out = binary.BigEndian.AppendUint32(out, binary.NativeEndian.Uint32(mem))
		case 8:
			out = binary.BigEndian.AppendUint64(out, binary.NativeEndian.Uint64(mem))
		}
		mem = mem[n:]
	}
	return out
}
