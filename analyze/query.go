package analyze

// A Query is a SELECT of one block of which every part is understood: stored
// tables that are joined, a condition, grouping, ordering, a limit. It is the
// whole meaning of the statement, so that it can be written anew in another
// form. Everything else has none: sub-queries, CTEs, set operations, windows,
// set-returning functions, grouping sets, DISTINCT ON, locking clauses,
// TABLESAMPLE, row security.
type Query struct {
	Tables   map[int]uint32 // OIDs of relations by their index in the range table
	From     []*Join        // cross-joined; empty: one row without columns
	Where    *Expr          // nil: none
	Outputs  []Output
	Group    []Key
	Having   *Expr
	Distinct []Key
	Sort     []Key
	Limit    *Expr
	Offset   *Expr
}

// A Join is a table, or two of them joined.
type Join struct {
	Table       int // its index; 0: a join
	Kind        JoinKind
	Left, Right *Join
	On          *Expr // nil: always TRUE
}

// A JoinKind says which sides of a join are extended by NULLs.
type JoinKind int

// The kinds, with PostgreSQL's own numbers.
const (
	Inner JoinKind = joinInner
	Left  JoinKind = joinLeft
	Full  JoinKind = joinFull
	Right JoinKind = joinRight
)

// An Output is an entry of the target list.
type Output struct {
	Name string
	Expr *Expr
	Junk bool // only there for ORDER BY and GROUP BY
}

// A Key is an entry of GROUP BY, DISTINCT or ORDER BY.
type Key struct {
	Output     int    // index in Outputs
	Equal      uint32 // the operator that says what is equal
	Less       uint32 // the operator that orders; 0: none
	NullsFirst bool
}

// An ExprKind says what an Expr is.
type ExprKind int

// The kinds of Expr.
const (
	Column    ExprKind = iota // Table, Attr
	Literal                   // Operand: a constant or a parameter
	Call                      // Func over Args
	Operation                 // Op, Func over one or two Args
	AnyOf                     // Args[0] Op ANY (List), with All: Op ALL
	AllOf
	Conjunction // AND over Args
	Disjunction // OR over Args
	Negation    // NOT Args[0]
	IsNull      // Args[0] IS NULL
	IsNotNull
	Relabel   // Args[0] as binary-compatible Type
	Aggregate // Func over Args, none: count(*)
	NextValue // a draw from Sequence; of a Write only
	Timestamp // CURRENT_TIMESTAMP; of a Write only
)

// An Expr is an expression that is understood. Type is its type.
type Expr struct {
	Kind     ExprKind
	Type     uint32
	Table    int
	Attr     int16
	Operand  Operand
	Location int // of a Literal in the statement's text, in bytes; -1: unknown
	Func, Op uint32
	Args     []*Expr
	List     []Operand
	Distinct bool  // Aggregate: over different values
	Filter   *Expr // Aggregate: FILTER (WHERE ...)
	Direct   []*Expr
	Within   uint32 // Aggregate of Direct: the operator that orders the values, of WITHIN GROUP (ORDER BY Args[0])
	Sequence uint32
	Checked  bool // NextValue: PostgreSQL asks whether the user may use the sequence
}

// queryOf returns the Query of a block, or nil.
func queryOf(q *node) *Query {
	for _, label := range []string{"cteList", "groupingSets", "windowClause", "setOperations", "rowMarks", "onConflict", "returningList",
		"withCheckOptions", "mergeActionList", "utilityStmt"} {
		if q.field(label).present() {
			return nil
		}
	}
	for _, label := range []string{"hasWindowFuncs", "hasTargetSRFs", "hasSubLinks", "hasDistinctOn", "hasRecursive", "hasModifyingCTE",
		"hasForUpdate", "hasRowSecurity", "groupDistinct"} {
		if q.field(label).text != "false" {
			return nil
		}
	}
	limit := q.field("limitOption").text
	if Command(q.field("commandType").num()) != Select || q.field("limitCount").present() && limit != "0" {
		return nil
	}
	r := &queryReader{rtable: q.field("rtable").kids, Query: Query{Tables: map[int]uint32{}}}
	r.tables()
	tree := q.field("jointree")
	from := tree.field("fromlist").kids
	for i := range from {
		r.From = append(r.From, r.join(&from[i]))
	}
	r.Where = r.optional(tree.field("quals"))
	refs := r.outputs(q.field("targetList").kids)
	r.Group = r.keys(q.field("groupClause").kids, refs)
	r.Distinct = r.keys(q.field("distinctClause").kids, refs)
	r.Sort = r.keys(q.field("sortClause").kids, refs)
	r.Having = r.optional(q.field("havingQual"))
	r.Limit, r.Offset = r.optional(q.field("limitCount")), r.optional(q.field("limitOffset"))
	if r.odd {
		return nil
	}
	return &r.Query
}

// A queryReader builds a Query; odd is set by what it does not understand.
type queryReader struct {
	Query
	rtable []node
	depth  int
	odd    bool
	writes bool   // it is a Write
	given  []node // the row of VALUES that columns of it stand for
}

func (r *queryReader) tables() {
	for i := range r.rtable {
		rte := &r.rtable[i]
		switch kind, ok := rte.field("rtekind").int(); {
		case ok && kind == rteRelation:
			if rte.field("relkind").text != "r" || rte.field("tablesample").present() || rte.field("securityQuals").present() {
				r.odd = true
			}
			r.Tables[i+1] = rte.field("relid").oid()
		case !ok || kind != rteJoin:
			r.odd = true
		}
	}
}

func (r *queryReader) join(n *node) *Join {
	switch {
	case n.is("RANGETBLREF"):
		i := n.field("rtindex").num()
		if r.Tables[i] == 0 {
			r.odd = true
		}
		return &Join{Table: i}
	case n.is("JOINEXPR"):
		kind, ok := n.field("jointype").int()
		if !ok || kind < joinInner || kind > joinRight {
			r.odd = true
		}
		return &Join{Kind: JoinKind(kind), Left: r.join(n.field("larg")), Right: r.join(n.field("rarg")), On: r.optional(n.field("quals"))}
	}
	r.odd = true
	return &Join{}
}

// outputs reads the target list and returns the index of each entry that a
// clause refers to, by its reference number.
func (r *queryReader) outputs(entries []node) map[int]int {
	refs := map[int]int{}
	for i := range entries {
		e := &entries[i]
		r.Outputs = append(r.Outputs, Output{Name: e.field("resname").name(), Expr: r.expr(e.field("expr")), Junk: e.field("resjunk").bool()})
		if ref := e.field("ressortgroupref").num(); ref > 0 {
			refs[ref] = i
		}
	}
	return refs
}

func (r *queryReader) keys(clauses []node, refs map[int]int) []Key {
	var keys []Key
	for i := range clauses {
		c := &clauses[i]
		at, ok := refs[c.field("tleSortGroupRef").num()]
		if !ok {
			r.odd = true
		}
		keys = append(keys, Key{Output: at, Equal: c.field("eqop").oid(), Less: c.field("sortop").oid(), NullsFirst: c.field("nulls_first").bool()})
	}
	return keys
}

func (r *queryReader) optional(n *node) *Expr {
	if !n.present() {
		return nil
	}
	return r.expr(n)
}
