package analyze

// A Write is an INSERT of rows that the statement gives, an UPDATE or a DELETE
// of one stored table, of which every part is understood. It is the whole
// meaning of the statement. Its Query has the table, the condition, and as
// Outputs what RETURNING asks for; nothing else of it is set.
type Write struct {
	Query
	Target   int            // the table's index
	Rows     [][]Assignment // INSERT: defaults are filled in; columns that are left out become NULL
	Set      []Assignment   // UPDATE
	Conflict *Conflict      // INSERT: ON CONFLICT; nil: none
}

// An Assignment gives a column its value.
type Assignment struct {
	Column int16
	Value  *Expr
}

// A Conflict is what ON CONFLICT says.
type Conflict struct {
	Columns    []int16      // that the index is inferred from; empty: any, or Constraint
	Constraint uint32       // ON CONSTRAINT
	Set        []Assignment // DO UPDATE; empty: DO NOTHING
	Excluded   int          // index of the row proposed for insertion; 0: none
}

// writeOf returns the Write of a block, or nil.
func writeOf(q *node) *Write {
	for _, label := range []string{"cteList", "groupingSets", "windowClause", "setOperations", "rowMarks", "withCheckOptions", "mergeActionList", "utilityStmt",
		"groupClause", "distinctClause", "sortClause", "havingQual", "limitCount", "limitOffset"} {
		if q.field(label).present() {
			return nil
		}
	}
	for _, label := range []string{"hasAggs", "hasWindowFuncs", "hasTargetSRFs", "hasSubLinks", "hasDistinctOn", "hasRecursive", "hasModifyingCTE", "hasForUpdate", "hasRowSecurity"} {
		if q.field(label).text != "false" {
			return nil
		}
	}
	w := &writeReader{queryReader: queryReader{rtable: q.field("rtable").kids, writes: true, Query: Query{Tables: map[int]uint32{}}}}
	w.out.Target = q.field("resultRelation").num()
	w.relations(q.field("onConflict").field("exclRelIndex").num())
	switch Command(q.field("commandType").num()) {
	case Insert:
		w.insert(q)
	case Update:
		w.onlyTarget(q)
		w.out.Set = w.assignments(q.field("targetList").kids)
	case Delete:
		w.onlyTarget(q)
	default:
		return nil
	}
	w.outputs(q.field("returningList").kids)
	if w.odd || w.Tables[w.out.Target] == 0 {
		return nil
	}
	w.From = []*Join{{Table: w.out.Target}}
	w.out.Query = w.Query
	return &w.out
}

// A writeReader builds a Write.
type writeReader struct {
	queryReader
	out    Write
	values int // index of the VALUES lists; 0: none
}

// relations reads the range table: the target, the row proposed for insertion
// and lists of values may stand there.
func (w *writeReader) relations(excluded int) {
	for i := range w.rtable {
		rte := &w.rtable[i]
		kind, ok := rte.field("rtekind").int()
		switch {
		case ok && kind == rteRelation && i+1 == w.out.Target:
			if rte.field("relkind").text != "r" || rte.field("tablesample").present() || rte.field("securityQuals").present() {
				w.odd = true
			}
			w.Tables[i+1] = rte.field("relid").oid()
		case ok && kind == rteRelation && i+1 == excluded:
			w.Tables[i+1] = rte.field("relid").oid()
		case ok && kind == rteValues && w.values == 0:
			w.values = i + 1
		default:
			w.odd = true
		}
	}
}

// onlyTarget reads the condition of a command without FROM or USING.
func (w *writeReader) onlyTarget(q *node) {
	tree := q.field("jointree")
	from := tree.field("fromlist").kids
	if len(from) != 1 || !from[0].is("RANGETBLREF") || from[0].field("rtindex").num() != w.out.Target || w.values != 0 || len(w.rtable) != 1 {
		w.odd = true
		return
	}
	w.Where = w.optional(tree.field("quals"))
}

func (w *writeReader) insert(q *node) {
	from := q.field("jointree").field("fromlist").kids
	list := q.field("targetList").kids
	switch {
	case q.field("jointree").field("quals").present():
		w.odd = true
	case len(from) == 0 && w.values == 0:
		w.out.Rows = [][]Assignment{w.assignments(list)}
	case len(from) == 1 && from[0].is("RANGETBLREF") && from[0].field("rtindex").num() == w.values:
		rows := w.rtable[w.values-1].field("values_lists").kids
		for i := range rows {
			if w.given = rows[i].kids; !w.odd {
				w.out.Rows = append(w.out.Rows, w.assignments(list))
			}
		}
		w.given = nil
	default:
		w.odd = true
	}
	w.conflict(q.field("onConflict"))
}

func (w *writeReader) assignments(entries []node) []Assignment {
	list := make([]Assignment, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.field("resjunk").text != "false" || w.odd {
			w.odd = true
			return nil
		}
		list = append(list, Assignment{int16(e.field("resno").num()), w.expr(e.field("expr"))})
	}
	return list
}

func (w *writeReader) conflict(n *node) {
	if !n.present() {
		return
	}
	c := &Conflict{Constraint: n.field("constraint").oid(), Excluded: n.field("exclRelIndex").num()}
	if n.field("arbiterWhere").present() || n.field("onConflictWhere").present() {
		w.odd = true
	}
	elems := n.field("arbiterElems").kids
	for i := range elems {
		e := &elems[i]
		col := e.field("expr")
		if e.field("infercollid").oid() != 0 || e.field("inferopclass").oid() != 0 || !col.is("VAR") || col.field("varno").num() != w.out.Target {
			w.odd = true
			return
		}
		c.Columns = append(c.Columns, int16(col.field("varattno").num()))
	}
	c.Set = w.assignments(n.field("onConflictSet").kids)
	if update := n.field("action").text == "2"; update != (len(c.Set) > 0) {
		w.odd = true
	}
	w.out.Conflict = c
}
