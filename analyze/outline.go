package analyze

// outline fills in what is said about the outermost block.
func (st *Statement) outline(q *node) {
	if st.Command == Utility {
		return
	}
	st.HasAggregates = q.field("hasAggs").bool()
	st.HasWindow = q.field("hasWindowFuncs").bool()
	st.HasSRF = q.field("hasTargetSRFs").bool()
	st.HasDistinct = q.field("distinctClause").present()
	st.HasGroup = q.field("groupClause").present() || q.field("groupingSets").present() || q.field("havingQual").present()
	st.HasSort = q.field("sortClause").present()
	st.HasLimit = q.field("limitCount").present() || q.field("limitOffset").present()
	st.HasSetOps = q.field("setOperations").present()
	st.HasConflict = q.field("onConflict").present()
	st.Query, st.Write = queryOf(q), writeOf(q)
	st.Targets = targets(q, q.field("targetList"))
	st.Conflict = targets(q, q.field("onConflict").field("onConflictSet"))
	st.Returning = targets(q, q.field("returningList"))
	from := q.field("jointree").field("fromlist")
	if n := len(from.kids); n > 0 {
		st.JoinCount = n - 1
	}
	relations := 0
	rtable := q.field("rtable")
	for i := range rtable.kids {
		rte := &rtable.kids[i]
		switch rte.field("rtekind").num() {
		case rteRelation:
			if rte.field("relkind").text != "c" { // EXCLUDED
				relations++
			}
		case rteJoin:
			st.JoinCount++
		}
	}
	st.Simple = relations == 1 && st.JoinCount == 0 && !q.field("cteList").present() && !st.HasSetOps &&
		st.Command != Merge && !st.CurrentOf && onlyRelations(rtable)
}

func onlyRelations(rtable *node) bool {
	for i := range rtable.kids {
		if rtable.kids[i].field("rtekind").text != "0" {
			return false
		}
	}
	return true
}

// targets reads a target list of the block q.
func targets(q, entries *node) []Target {
	if len(entries.kids) == 0 {
		return nil
	}
	rtable := q.field("rtable").kids
	out := make([]Target, 0, len(entries.kids))
	for i := range entries.kids {
		e := &entries.kids[i]
		t := Target{Name: e.field("resname").name(), Column: int16(e.field("resno").num()), Junk: e.field("resjunk").bool()}
		expr := e.field("expr")
		if rte := source(rtable, expr); rte != nil {
			t.Plain, t.Table, t.Attr = true, rte.field("relid").oid(), int16(expr.field("varattno").num())
		} else if expr.is("CONST") || expr.is("PARAM") {
			if v, ok := operand(expr); ok {
				t.Value = &v
			}
		}
		t.Traced = (&scope{q: q}).trace(expr, &t.Sources)
		out = append(out, t)
	}
	return out
}

// source returns the relation that a column of this block comes from, or nil.
func source(rtable []node, expr *node) *node {
	rti := expr.field("varno").num()
	if !expr.is("VAR") || expr.field("varlevelsup").text != "0" || rti < 1 || rti > len(rtable) {
		return nil
	}
	if rte := &rtable[rti-1]; rte.field("rtekind").text == "0" {
		return rte
	}
	return nil
}
