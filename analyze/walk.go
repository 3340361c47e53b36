package analyze

import (
	"encoding/binary"
	"strings"
)

// A walker collects a Statement from a tree. Every node is visited, known or
// not: what it names is recognised by the labels of its fields.
type walker struct {
	st    *Statement
	rels  []*reference
	err   error
	depth int
}

// A reference is a relation with the filters of all its references so far.
type reference struct {
	Relation
	filters []Filter
}

func (w *walker) walk(n *node) {
	if n.kind == object {
		w.object(n)
	}
	for i := range n.kids {
		kid := &n.kids[i]
		switch {
		case kid.kind == object:
			w.walk(kid)
		case kid.kind == list:
			w.oids(kid)
			w.walk(kid)
		case kid.kind == atom && kid.label != "":
			w.oids(kid)
		}
	}
}

// oids files the OID, or list of OIDs, under what the field's label says it is.
func (w *walker) oids(n *node) {
	var into *[]uint32
	switch what(n.label) {
	case aFunction:
		into = &w.st.Functions
	case anOperator:
		into = &w.st.Operators
	case aType:
		into = &w.st.Types
	case aCollation:
		into = &w.st.Collations
	default:
		return
	}
	if n.kind == atom {
		add(into, n)
	}
	for i := range n.kids { // (o 23 25): the o is no number
		add(into, &n.kids[i])
	}
}

func add(into *[]uint32, n *node) {
	if v := n.oid(); v != 0 {
		*into = append(*into, v)
	}
}

type labelMeaning uint8

const (
	somethingElse labelMeaning = iota
	aFunction
	anOperator
	aType
	aCollation
)

// what says which catalogue the OIDs in a field with this label belong to.
func what(label string) labelMeaning {
	if len(label) < 4 {
		return somethingElse
	}
	switch label {
	case "opno", "opnos", "eqop", "sortop", "cycle_mark_neop":
		return anOperator
	case "funcid", "opfuncid", "aggfnoid", "winfnoid", "tsmhandler", "startInRangeFunc", "endInRangeFunc",
		"hashfuncid", "negfuncid", "elemfuncid":
		return aFunction
	case "type", "typeId", "vartype", "consttype", "paramtype", "funcresulttype", "opresulttype", "resulttype",
		"aggtype", "aggtranstype", "aggargtypes", "wintype", "array_typeid", "element_typeid", "casetype",
		"row_typeid", "coalescetype", "minmaxtype", "refcontainertype", "refelemtype", "refrestype",
		"ctecoltypes", "coltypes", "colTypes", "funccoltypes", "cycle_mark_type", "firstColType":
		return aType
	case "collation", "collOid", "firstColCollation", "cycle_mark_collation", "inRangeColl":
		return aCollation
	}
	switch {
	case strings.HasSuffix(label, "collid"), strings.HasSuffix(label, "collids"), strings.HasSuffix(label, "ollations"):
		return aCollation
	case strings.HasSuffix(label, "funcid"), strings.HasSuffix(label, "fnoid"):
		return aFunction
	}
	return somethingElse
}

// object handles the nodes that mean more than the OIDs in their fields.
func (w *walker) object(n *node) {
	st := w.st
	switch n.text {
	case "QUERY":
		w.query(n)
	case "CONST":
		st.Constants = st.Constants || !n.field("constisnull").bool() && n.field("consttype").oid() != typeBool
		w.regConst(n)
	case "PARAM":
		if n.field("paramkind").num() == 0 {
			st.Params = append(st.Params, Param{n.field("paramid").num(), n.field("paramtype").oid()})
		}
	case "SQLVALUEFUNCTION":
		st.SQLValues = append(st.SQLValues, SQLValue(n.field("op").num()))
	case "NEXTVALUEEXPR":
		add(&st.NextValues, n.field("seqid"))
	case "SUBLINK":
		st.SubLinks = true
	case "CURRENTOFEXPR":
		st.CurrentOf = true
	case "ROWMARKCLAUSE":
		st.ForUpdate = true
	}
}

// regConst reports constants of the reg types and of arrays of them.
func (w *walker) regConst(c *node) {
	typ := c.field("consttype").oid()
	member := regMember(typ)
	if member == 0 || c.field("constisnull").bool() {
		return
	}
	mem, ok := raw(c.field("constvalue"))
	switch {
	case !ok:
		w.err = unreadable("a constant is broken")
	case member == typ && len(mem) == 8:
		oid := binary.NativeEndian.Uint32(fromDatum(mem, 4))
		w.st.RegConsts = append(w.st.RegConsts, RegConst{typ, oid})
	case member == typ:
		w.err = unreadable("a constant is broken")
	default:
		a, ok := openArray(mem)
		if !ok {
			w.err = unreadable("an array constant is broken")
			return
		}
		for i := range a.count {
			if a.null(i) {
				continue
			}
			v, ok := a.next()
			if !ok {
				w.err = unreadable("an array constant is broken")
				return
			}
			w.st.RegConsts = append(w.st.RegConsts, RegConst{member, binary.BigEndian.Uint32(v)})
		}
	}
}

// relation returns the entry for an OID, made if need be.
func (w *walker) relation(oid uint32) *reference {
	for _, r := range w.rels {
		if r.OID == oid {
			return r
		}
	}
	r := &reference{Relation: Relation{OID: oid}}
	w.rels = append(w.rels, r)
	return r
}
