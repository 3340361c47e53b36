package analyze

import (
	"encoding/binary"
	"math"
)

// A column is a plain column of the relation that a condition is about.
type column struct {
	attr     int16
	declared uint32 // vartype
	typ      uint32 // after relabelling
}

// column recognises a column of the relation, bare, relabelled to a
// binary-compatible type, with a COLLATE clause (the operator's input
// collation says what it does), or as the merged column of JOIN ... USING.
func (c condition) column(e *node) (column, bool) {
	typ := uint32(0)
	for range 100 { // join over join over join; bounded against a tree that loops
		for e.is("RELABELTYPE") || e.is("COLLATEEXPR") {
			if typ == 0 {
				typ = e.field("resulttype").oid()
			}
			e = e.field("arg")
		}
		if !e.is("VAR") || e.field("varlevelsup").text != "0" {
			return column{}, false
		}
		attr, ok := e.field("varattno").int()
		rti := e.field("varno").num()
		if !ok || attr < 1 || attr > 1600 || rti < 1 || rti > len(c.rtable) {
			return column{}, false // also system columns and whole rows
		}
		if rti == c.rti {
			col := column{attr: int16(attr), declared: e.field("vartype").oid(), typ: typ}
			if typ == 0 {
				col.typ = col.declared
			}
			return col, col.declared != 0
		}
		rte := &c.rtable[rti-1]
		merged := rte.field("joinaliasvars").kids
		if kind, ok := rte.field("rtekind").int(); !ok || kind != rteJoin || attr > len(merged) {
			return column{}, false
		}
		e = &merged[attr-1]
	}
	return column{}, false
}

// compare starts a leaf from an operator node.
func (col column) compare(e *node) Compare {
	return Compare{Attr: col.attr, Type: col.typ, ColumnType: col.declared, Op: e.field("opno").oid(),
		Func: e.field("opfuncid").oid(), Collation: e.field("inputcollid").oid()}
}

// equals is the column itself, or NOT the column, as a condition.
func (col column) equals(v bool) (Filter, bool) {
	if col.typ != typeBool {
		return True{}, false
	}
	value := []byte{0}
	if v {
		value[0] = 1
	}
	return Compare{Attr: col.attr, Type: typeBool, ColumnType: col.declared, Op: opBoolEq, Func: funcBoolEq,
		Right: []Operand{{Type: typeBool, Value: value}}}, true
}

func (col column) booleanTest(test *node) (Filter, bool) {
	kind, ok := test.int()
	if !ok || col.typ != typeBool {
		return True{}, false
	}
	yes, _ := col.equals(true)
	no, _ := col.equals(false)
	null := NullTest{Attr: col.attr}
	switch kind {
	case isTrue:
		return yes, true
	case isNotTrue:
		return Or{no, null}, true
	case isFalse:
		return no, true
	case isNotFalse:
		return Or{yes, null}, true
	case isUnknown:
		return null, true
	case isNotUnknown:
		return NullTest{Attr: col.attr, Not: true}, true
	}
	return True{}, false
}

// unrelabel strips what changes a value's type or collation but not its bytes.
func unrelabel(e *node) *node {
	for e.is("RELABELTYPE") || e.is("COLLATEEXPR") {
		e = e.field("arg")
	}
	return e
}

// unrelabelArray is unrelabel for arrays, whose members are relabelled by an
// expression over a placeholder: varchar IN (...) compares as text this way.
func unrelabelArray(e *node) *node {
	for {
		e = unrelabel(e)
		member := e.field("elemexpr")
		if !e.is("ARRAYCOERCEEXPR") || !member.is("RELABELTYPE") || !member.field("arg").is("CASETESTEXPR") {
			return e
		}
		e = e.field("arg")
	}
}

// operand recognises an external parameter or a constant of a known type.
func (c condition) operand(e *node) (Operand, bool) { return operand(e) }

func operand(e *node) (Operand, bool) {
	e = unrelabel(e)
	switch {
	case e.is("PARAM"):
		id := e.field("paramid").num()
		if e.field("paramkind").text != "0" || id < 1 {
			return Operand{}, false
		}
		return Operand{Param: id, Type: e.field("paramtype").oid()}, true
	case e.is("CONST"):
		typ := e.field("consttype").oid()
		if e.field("constisnull").bool() {
			return Operand{Type: typ, Null: true}, true
		}
		value, ok := constant(e, typ)
		return Operand{Type: typ, Value: value}, ok
	case e.is("FUNCEXPR"):
		return widened(e)
	}
	return Operand{}, false
}

// widened evaluates PostgreSQL's exact casts of an integer constant, which it
// puts around a constant that is compared with a column of a wider type.
func widened(e *node) (Operand, bool) {
	args := e.field("args").kids
	if len(args) != 1 || !args[0].is("CONST") {
		return Operand{}, false
	}
	v, ok := operand(&args[0])
	if !ok || v.Null {
		return Operand{}, false
	}
	n, isInt := integer(v)
	typ, isCast := widenings[e.field("funcid").oid()]
	if !isInt || !isCast || typ != e.field("funcresulttype").oid() {
		return Operand{}, false
	}
	w := Operand{Type: typ}
	switch typ {
	case typeInt4:
		w.Value = binary.BigEndian.AppendUint32(nil, uint32(int32(n)))
	case typeInt8:
		w.Value = binary.BigEndian.AppendUint64(nil, uint64(n))
	case typeFloat8:
		w.Value = binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(n)))
	case typeNumeric:
		w.Value = numericOf(n)
	}
	return w, true
}

// widenings are the functions that cast an integer without loss, by OID, and
// the type that they return.
var widenings = map[uint32]uint32{313: typeInt4, 754: typeInt8, 481: typeInt8, 1740: typeNumeric, 1781: typeNumeric, 1782: typeNumeric,
	235: typeFloat8, 316: typeFloat8}

// integer reads a constant of an integer type.
func integer(v Operand) (int64, bool) {
	switch {
	case v.Type == typeInt2 && len(v.Value) == 2:
		return int64(int16(binary.BigEndian.Uint16(v.Value))), true
	case v.Type == typeInt4 && len(v.Value) == 4:
		return int64(int32(binary.BigEndian.Uint32(v.Value))), true
	case v.Type == typeInt8 && len(v.Value) == 8:
		return int64(binary.BigEndian.Uint64(v.Value)), true
	}
	return 0, false
}
