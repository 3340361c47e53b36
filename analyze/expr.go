package analyze

import "encoding/binary"

// expr reads an expression; what it does not understand makes the query odd.
func (r *queryReader) expr(n *node) *Expr {
	if r.depth++; r.depth > maxDepth {
		r.odd = true
	}
	defer func() { r.depth-- }()
	if r.odd || n.kind != object {
		r.odd = true
		return &Expr{}
	}
	switch n.text {
	case "VAR":
		return r.variable(n)
	case "CONST", "PARAM":
		v, ok := operand(n)
		if !ok {
			break
		}
		return &Expr{Kind: Literal, Type: v.Type, Operand: v, Location: n.field("location").num()}
	case "FUNCEXPR":
		if v, ok := widened(n); ok {
			return &Expr{Kind: Literal, Type: v.Type, Operand: v, Location: n.field("args").kids[0].field("location").num()}
		}
		if n.field("funcretset").bool() || n.field("funcvariadic").bool() {
			break
		}
		if seq := r.drawn(n); seq != 0 {
			return &Expr{Kind: NextValue, Type: typeInt8, Sequence: seq, Checked: true}
		}
		return &Expr{Kind: Call, Type: n.field("funcresulttype").oid(), Func: n.field("funcid").oid(), Args: r.list(n.field("args"))}
	case "OPEXPR":
		if n.field("opretset").bool() {
			break
		}
		return &Expr{Kind: Operation, Type: n.field("opresulttype").oid(), Op: n.field("opno").oid(), Func: n.field("opfuncid").oid(), Args: r.list(n.field("args"))}
	case "SCALARARRAYOPEXPR":
		return r.member(n)
	case "BOOLEXPR":
		kinds := map[string]ExprKind{"and": Conjunction, "or": Disjunction, "not": Negation}
		if kind, ok := kinds[n.field("boolop").text]; ok {
			return &Expr{Kind: kind, Type: typeBool, Args: r.list(n.field("args"))}
		}
	case "NULLTEST":
		if n.field("argisrow").text != "false" {
			break
		}
		kind := IsNull
		if n.field("nulltesttype").num() == 1 {
			kind = IsNotNull
		}
		return &Expr{Kind: kind, Type: typeBool, Args: []*Expr{r.expr(n.field("arg"))}}
	case "RELABELTYPE":
		if arg := n.field("arg"); arg.is("CONST") || arg.is("PARAM") {
			return r.expr(arg)
		}
		return &Expr{Kind: Relabel, Type: n.field("resulttype").oid(), Args: []*Expr{r.expr(n.field("arg"))}}
	case "AGGREF":
		return r.aggregate(n)
	case "NEXTVALUEEXPR":
		if r.writes {
			return &Expr{Kind: NextValue, Type: n.field("typeId").oid(), Sequence: n.field("seqid").oid()}
		}
	case "SQLVALUEFUNCTION":
		if r.writes && SQLValue(n.field("op").num()) == CurrentTimestamp {
			return &Expr{Kind: Timestamp, Type: typeTimestamptz}
		}
	}
	r.odd = true
	return &Expr{}
}

const funcNextval = 1574

// drawn returns the sequence of a nextval('constant'), or 0.
func (r *queryReader) drawn(n *node) uint32 {
	args := n.field("args").kids
	if !r.writes || n.field("funcid").oid() != funcNextval || len(args) != 1 || !args[0].is("CONST") || args[0].field("constisnull").text != "false" {
		return 0
	}
	mem, ok := raw(args[0].field("constvalue"))
	if !ok || len(mem) != 8 {
		return 0
	}
	return binary.NativeEndian.Uint32(fromDatum(mem, 4))
}

func (r *queryReader) list(n *node) []*Expr {
	var out []*Expr
	for i := range n.kids {
		out = append(out, r.expr(&n.kids[i]))
	}
	return out
}

// variable reads a column of a table of this block, also through the merged
// columns of joins.
func (r *queryReader) variable(n *node) *Expr {
	rti, attr := n.field("varno").num(), n.field("varattno").num()
	if n.field("varlevelsup").text != "0" || rti < 1 || rti > len(r.rtable) || attr < 1 {
		r.odd = true // also system columns and whole rows
		return &Expr{}
	}
	if rte := &r.rtable[rti-1]; r.given != nil && rte.field("rtekind").num() == rteValues && attr <= len(r.given) {
		return r.expr(&r.given[attr-1])
	}
	if r.Tables[rti] != 0 {
		return &Expr{Kind: Column, Type: n.field("vartype").oid(), Table: rti, Attr: int16(attr)}
	}
	merged := r.rtable[rti-1].field("joinaliasvars").kids
	if attr > len(merged) {
		r.odd = true
		return &Expr{}
	}
	return r.expr(&merged[attr-1])
}

// member reads column op ANY (list) and ALL (list).
func (r *queryReader) member(n *node) *Expr {
	args := n.field("args").kids
	if len(args) != 2 {
		r.odd = true
		return &Expr{}
	}
	members, ok := condition{}.members(&args[1])
	for _, m := range members {
		ok = ok && !m.Array
	}
	if !ok {
		r.odd = true
		return &Expr{}
	}
	kind := AllOf
	if n.field("useOr").bool() {
		kind = AnyOf
	}
	return &Expr{Kind: kind, Type: typeBool, Op: n.field("opno").oid(), Func: n.field("opfuncid").oid(), Args: []*Expr{r.expr(&args[0])}, List: members}
}

func (r *queryReader) aggregate(n *node) *Expr {
	kind, order := n.field("aggkind").text, n.field("aggorder").kids
	plain := kind == "n" && len(order) == 0 && !n.field("aggdirectargs").present()
	ordered := kind == "o" && len(order) == 1 && len(n.field("args").kids) == 1
	if !plain && !ordered || n.field("agglevelsup").text != "0" || n.field("aggvariadic").bool() {
		r.odd = true
		return &Expr{}
	}
	e := &Expr{Kind: Aggregate, Type: n.field("aggtype").oid(), Func: n.field("aggfnoid").oid(), Distinct: n.field("aggdistinct").present(),
		Filter: r.optional(n.field("aggfilter")), Direct: r.list(n.field("aggdirectargs"))}
	if ordered {
		e.Within = order[0].field("sortop").oid()
	}
	for i := range n.field("args").kids {
		entry := &n.field("args").kids[i]
		e.Args = append(e.Args, r.expr(entry.field("expr")))
	}
	return e
}
