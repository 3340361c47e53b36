package analyze

import "strconv"

// A block is one Query node while its range table is being read.
type block struct {
	query   *node
	rtable  []node
	command Command
	target  int      // index of the result relation in rtable, from 1; 0: none
	uses    []rteUse // one for each entry of rtable
}

// An rteUse is what the block does with one range table entry.
type rteUse struct {
	read    bool // it stands in FROM, or is the target of a command that reads it
	locked  bool
	unknown bool // more than one place in FROM: not a tree of PostgreSQL
	filter  Filter
	exact   bool
}

// PostgreSQL's RTEKind, as far as it matters.
const (
	rteRelation = 0
	rteSubquery = 1
	rteJoin     = 2
	rteFunction = 3
	rteValues   = 5
)

// query adds the relations of one query block, with their filters.
func (w *walker) query(q *node) {
	st := w.st
	b := &block{query: q, command: Command(q.field("commandType").num()), target: q.field("resultRelation").num()}
	if b.command == Utility {
		return // its inner queries are visited by themselves
	}
	tree, rtable := q.field("jointree"), q.field("rtable")
	if !tree.is("FROMEXPR") || rtable.label == "" || rtable.present() && rtable.kind != list {
		w.err = unreadable("a query has no FROM clause or range table")
		return
	}
	b.rtable, b.uses = rtable.kids, make([]rteUse, len(rtable.kids))
	b.join(tree, nil)
	b.marks(q.field("rowMarks"))
	st.RowSecurity = st.RowSecurity || q.field("hasRowSecurity").bool()
	st.ModifyingCTE = st.ModifyingCTE || q.field("hasModifyingCTE").bool()
	st.Recursive = st.Recursive || q.field("hasRecursive").bool()
	st.SubLinks = st.SubLinks || q.field("hasSubLinks").bool()
	st.ForUpdate = st.ForUpdate || q.field("hasForUpdate").bool()
	excluded := q.field("onConflict").field("exclRelIndex").num()
	for i := range b.rtable {
		rte := &b.rtable[i]
		if kind, ok := rte.field("rtekind").int(); !rte.is("RANGETBLENTRY") || !ok {
			w.err = unreadable("a range table entry is not one of PostgreSQL 15")
		} else if kind == rteRelation {
			w.reference(b, i+1, excluded)
		}
	}
}

// reference adds the relation at index rti of the block's range table.
func (w *walker) reference(b *block, rti, excluded int) {
	rte, use := &b.rtable[rti-1], &b.uses[rti-1]
	oid, kind := rte.field("relid").oid(), rte.field("relkind")
	if oid == 0 || len(kind.text) != 1 || rte.field("selectedCols").kind != list {
		w.err = unreadable("a range table entry is not one of PostgreSQL 15")
		return
	}
	r := w.relation(oid)
	if rti != excluded { // whose kind is that of a composite type
		r.Kind = kind.text[0]
	} else if r.Kind == 0 {
		r.Kind = 'r'
	}
	r.Selected = attributes(r.Selected, rte.field("selectedCols"))
	r.Inserted = attributes(r.Inserted, rte.field("insertedCols"))
	r.Updated = attributes(r.Updated, rte.field("updatedCols"))
	r.Inherit = r.Inherit || rte.field("inh").bool()
	r.Locked = r.Locked || use.locked
	if rti == b.target {
		r.Target = true
		if b.command == Merge || b.command == Insert && b.query.field("onConflict").present() {
			use.read, use.filter = true, True{}
		}
	}
	secured := rte.field("securityQuals").present()
	sampled := rte.field("tablesample").present()
	r.Secured, r.TableSample = r.Secured || secured, r.TableSample || sampled
	if !use.read {
		if rti != b.target && rti != excluded && r.Kind != 'v' {
			r.filters = append(r.filters, True{}) // OLD or NEW of a rule
		}
		return
	}
	r.References++
	if secured || sampled || use.filter == nil || use.unknown {
		use.filter, use.exact = True{}, false
	}
	r.Exact = use.exact // finish takes it back if there are more references
	r.filters = append(r.filters, use.filter)
}

// attributes adds the members of a bitmap of columns, which PostgreSQL offsets
// by 7 so that system columns (from -6; 0 is the whole row) fit in.
func attributes(have []int16, bits *node) []int16 {
	for i := range bits.kids {
		n, err := strconv.ParseInt(bits.kids[i].text, 10, 16)
		if err != nil {
			continue // the leading b
		}
		have = insert(have, int16(n-7))
	}
	return have
}

// insert keeps a sorted list without repetition.
func insert(list []int16, v int16) []int16 {
	at := len(list)
	for at > 0 && list[at-1] >= v {
		if at--; list[at] == v {
			return list
		}
	}
	list = append(list, 0)
	copy(list[at+1:], list[at:])
	list[at] = v
	return list
}

// marks notes which entries have a locking clause.
func (b *block) marks(rowMarks *node) {
	for i := range rowMarks.kids {
		if rti := rowMarks.kids[i].field("rti").num(); rti > 0 && rti <= len(b.uses) {
			b.uses[rti-1].locked = true
		}
	}
}
