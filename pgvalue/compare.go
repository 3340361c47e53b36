package pgvalue

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
)

// A Comparison tells how two values compare that are neither NULL, in binary
// format: negative, 0, positive. Of types without an order it tells only whether
// they are equal, as 0.
type Comparison func(a, b []byte) int

// Compare returns how PostgreSQL's own operators =, < and so on compare values of
// types a and b. ok is false where that depends on more than the values, such as
// settings or a collation, or is not known here; ordered is false where only
// equality does not. Values are valid (Canonical accepts them).
func Compare(a, b uint32) (c Comparison, ordered, ok bool) {
	if c, ok = orders[[2]uint32{class(a), class(b)}]; ok {
		return c, true, true
	}
	_, known := Family(a)
	switch {
	case text(a) && text(b):
		return bytes.Compare, false, true
	case !known || a != b:
		return nil, false, false
	}
	return func(x, y []byte) int {
		cx, errX := Canonical(a, x)
		cy, errY := Canonical(b, y)
		if errX != nil || errY != nil {
			return 1
		}
		return bytes.Compare(cx, cy)
	}, false, true
}

// text types are compared for equality by their bytes under every deterministic
// collation.
func text(oid uint32) bool { return oid == TextOID || oid == VarcharOID }

// class is a type that orders as oid does.
func class(oid uint32) uint32 {
	switch oid {
	case Int2OID, Int4OID:
		return Int8OID
	case Float4OID:
		return Float8OID
	}
	return oid
}

// orders are the comparisons of ordered classes.
var orders = func() map[[2]uint32]Comparison {
	m := map[[2]uint32]Comparison{}
	for oid, c := range map[uint32]Comparison{Int8OID: signedOrder, DateOID: signedOrder, TimestampOID: signedOrder, TimestamptzOID: signedOrder, TimeOID: signedOrder,
		OIDOID: bytes.Compare, BoolOID: bytes.Compare, UUIDOID: bytes.Compare, ByteaOID: bytes.Compare, Float8OID: floatOrder, NumericOID: numericOrder} {
		m[[2]uint32{class(oid), class(oid)}] = c
	}
	return m
}()

func signedOrder(a, b []byte) int { return cmp.Compare(signed(a), signed(b)) }

// floatOrder has NaN equal to itself and greater than all else.
func floatOrder(a, b []byte) int {
	x, y := widened(a), widened(b)
	switch {
	case x != x && y != y:
		return 0
	case x != x:
		return 1
	case y != y:
		return -1
	}
	return cmp.Compare(x, y)
}

func widened(b []byte) float64 {
	if len(b) == 4 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}

// numericOrder orders -Infinity, numbers, Infinity, NaN.
func numericOrder(a, b []byte) int {
	x, _ := parseNumeric(a)
	y, _ := parseNumeric(b)
	return x.compare(y)
}

func (d decimal) compare(o decimal) int {
	if c := cmp.Compare(d.rank(), o.rank()); c != 0 || d.rank() == 0 || d.sign != positive && d.sign != negative {
		return c
	}
	c := d.magnitude(o)
	if d.sign == negative {
		return -c
	}
	return c
}

// rank orders signs: -Infinity, negative, zero, positive, Infinity, NaN.
func (d decimal) rank() int {
	switch {
	case d.sign == negInf:
		return -2
	case d.sign == posInf:
		return 2
	case d.sign == notANum:
		return 3
	case d.sign == negative:
		return -1
	case len(d.digits) > 0:
		return 1
	}
	return 0
}

func (d decimal) magnitude(o decimal) int {
	if c := cmp.Compare(d.weight, o.weight); c != 0 {
		return c
	}
	for i := range max(len(d.digits), len(o.digits)) {
		if c := cmp.Compare(d.digit(d.weight-i), o.digit(o.weight-i)); c != 0 {
			return c
		}
	}
	return 0
}
