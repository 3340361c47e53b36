package analyze

// A Source is a column of a stored relation that a value is computed from.
type Source struct {
	Table uint32
	Attr  int16 // 0: the whole row
}

// A scope is a query block, and the blocks around it.
type scope struct {
	q     *node
	outer *scope
}

// trace collects the columns whose values flow into an expression: those that
// it reads, through sub-queries, VALUES and joins. Which row it reads does not
// count as a value. It reports false if it cannot tell, and of what depends on
// many rows: aggregates and window functions.
func (s *scope) trace(e *node, into *[]Source) bool {
	switch {
	case e.is("VAR"):
		return s.column(e, into)
	case e.is("SUBLINK"):
		const scalar = "4"
		if e.field("subLinkType").text != scalar {
			return false
		}
		return (&scope{e.field("subselect"), s}).output(1, into)
	case e.is("PARAM") && e.field("paramkind").text != "0", e.is("QUERY"), e.is("AGGREF"), e.is("WINDOWFUNC"), e.is("GROUPINGFUNC"):
		return false
	}
	for i := range e.kids {
		if !s.trace(&e.kids[i], into) {
			return false
		}
	}
	return true
}

// output traces the n-th entry of the block's target list.
func (s *scope) output(n int, into *[]Source) bool {
	if s.q.field("setOperations").present() {
		arms := s.q.field("rtable").kids
		for i := range arms {
			if arms[i].field("rtekind").num() != rteSubquery || !(&scope{arms[i].field("subquery"), s}).output(n, into) {
				return false
			}
		}
		return len(arms) > 0
	}
	list := s.q.field("targetList").kids
	for i := range list {
		if list[i].field("resno").num() == n {
			return s.trace(list[i].field("expr"), into)
		}
	}
	return false
}

// column traces a column of one of the block's range table entries.
func (s *scope) column(e *node, into *[]Source) bool {
	for range e.field("varlevelsup").num() {
		if s = s.outer; s == nil {
			return false
		}
	}
	rtable, rti, attr := s.q.field("rtable").kids, e.field("varno").num(), e.field("varattno").num()
	if rti < 1 || rti > (len(rtable)) {
		return false
	}
	rte := &rtable[rti-1]
	kind, ok := rte.field("rtekind").int()
	switch {
	case !ok:
	case kind == rteRelation && rte.field("relkind").text == "c": // EXCLUDED: what the INSERT proposed
		return s.output(attr, into)
	case kind == rteRelation:
		*into = append(*into, Source{rte.field("relid").oid(), int16(attr)})
		return true
	case kind == rteSubquery:
		return attr > 0 && (&scope{rte.field("subquery"), s}).output(attr, into)
	case kind == rteJoin:
		merged := rte.field("joinaliasvars").kids
		return attr > 0 && attr <= (len(merged)) && s.trace(&merged[attr-1], into)
	case kind == rteFunction:
		return s.trace(rte.field("functions"), into)
	case kind == rteValues:
		rows := rte.field("values_lists").kids
		for i := range rows {
			if attr < 1 || attr > (len(rows[i].kids)) || !s.trace(&rows[i].kids[attr-1], into) {
				return false
			}
		}
		return true
	}
	return false
}
