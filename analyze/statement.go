package analyze

import (
	"cmp"
	"slices"
	"strings"
)

// A Command is what a statement does.
type Command int

// The commands, with PostgreSQL's own numbers (CmdType).
const (
	Select  Command = 1
	Update  Command = 2
	Insert  Command = 3
	Delete  Command = 4
	Merge   Command = 5
	Utility Command = 6
)

func (c Command) String() string {
	names := [...]string{Select: "SELECT", Update: "UPDATE", Insert: "INSERT", Delete: "DELETE", Merge: "MERGE", Utility: "UTILITY"}
	if c < Select || c > Utility {
		return "UNKNOWN"
	}
	return names[c]
}

// A Statement is what one Query of the rewritten list means. Lists of numbers
// are sorted and without repetition; they hold what occurs at any depth:
// sub-queries, CTEs, sublinks, views, row security, RETURNING, ON CONFLICT.
type Statement struct {
	Command    Command
	Relations  []Relation // one for each OID, by OID
	Functions  []uint32   // functions, aggregates, window functions, those of operators, TABLESAMPLE methods
	Operators  []uint32   // also those of sorting, grouping and row comparison
	Types      []uint32
	Collations []uint32
	SQLValues  []SQLValue // current_date, current_user, ...
	NextValues []uint32   // sequences of identity columns that the statement draws from
	RegConsts  []RegConst // by type, then OID
	Params     []Param    // $1, $2, ... that occur, by number
	Constants  bool       // constants other than NULL, TRUE and FALSE occur

	ModifyingCTE bool // WITH ... AS (INSERT, UPDATE or DELETE)
	ForUpdate    bool // a locking clause, FOR SHARE and the like included
	RowSecurity  bool // row-level security added conditions
	SubLinks     bool // EXISTS, IN (SELECT), scalar and ARRAY sub-queries
	Recursive    bool // WITH RECURSIVE
	CurrentOf    bool // WHERE CURRENT OF a cursor

	// What follows is about the outermost query block only.

	Targets   []Target // SELECT list; for INSERT and UPDATE the assignments
	Conflict  []Target // the assignments of ON CONFLICT DO UPDATE
	Returning []Target

	HasAggregates bool // aggregates, also in HAVING
	HasWindow     bool
	HasDistinct   bool
	HasGroup      bool // GROUP BY, grouping sets or HAVING
	HasSort       bool
	HasLimit      bool // LIMIT or OFFSET
	HasSetOps     bool // UNION, INTERSECT, EXCEPT
	HasSRF        bool // set-returning functions in the target list
	HasConflict   bool // ON CONFLICT
	JoinCount     int  // joins, the commas in FROM included
	// Simple says that the statement reads or writes one stored relation
	// (table, partitioned table, materialised view, foreign table) and nothing
	// else: no view, sub-query, sublink, CTE, set operation, function in FROM,
	// several rows of VALUES, TABLESAMPLE, row security, MERGE, CURRENT OF.
	Simple bool
	// Query or Write is the statement's whole meaning; nil if it has another.
	Query *Query
	Write *Write
}

// A RegConst is a constant that names an object of the database, such as the
// sequence in nextval('s'). Type is the reg type's OID.
type RegConst struct{ Type, OID uint32 }

// A Param is an external parameter, $ID.
type Param struct {
	ID   int
	Type uint32
}

// A Relation is a table, view, sequence or the like that a statement names,
// itself or through a view.
type Relation struct {
	OID  uint32
	Kind byte // pg_class.relkind
	// References counts the places that read the relation's rows. The target
	// of UPDATE, DELETE, MERGE and INSERT ... ON CONFLICT is read; that of a
	// plain INSERT is not. A view that was expanded has 0.
	References int
	// Columns as the privilege checks see them: 0 is the whole row, negative
	// numbers are system columns. Updated includes ON CONFLICT DO UPDATE.
	Selected, Inserted, Updated []int16
	Target                      bool // rows of it are inserted, updated, deleted or merged into
	Locked                      bool // FOR UPDATE, NO KEY UPDATE, SHARE, KEY SHARE
	TableSample                 bool
	// Inherit says that its children and partitions, if any, are read too. They
	// are not Relations unless they are named as well, and their attribute
	// numbers may differ. A row of a child is needed if it passes the child's
	// own Filter or that of an ancestor with Inherit.
	Inherit bool
	Secured bool // row security conditions were added
	Filter  Filter
	// Exact says that the relation stands alone in its block and Filter is
	// TRUE for exactly the rows that satisfy the block's whole WHERE clause.
	Exact bool
}

// A Target is an entry of a target list.
type Target struct {
	Name   string
	Column int16 // its number; for INSERT and UPDATE the column that is assigned
	Junk   bool  // only there for ORDER BY and the like, or a row's identity
	// Plain says that the expression is a column, without cast or function:
	// column Attr (0: the whole row) of relation Table in the same block. A
	// column of a view, sub-query or CTE is not plain.
	Plain bool
	Table uint32
	Attr  int16
	// Value is the constant or parameter that the expression consists of; nil
	// if it is anything else, or a constant of a type that is not decoded.
	Value *Operand
	// Sources are the columns whose values flow into the expression, if Traced.
	Sources []Source
	Traced  bool
}

// Parse reads the text of a rewritten parse tree as it came over the wire (the
// DETAIL of the notice "rewritten parse tree:", made with debug_pretty_print
// off by PostgreSQL 15): one Statement for each query that the rewriter left,
// none where a rule does nothing instead. Text that is anything else is an
// error of kind clarus.Unsupported that does not quote it.
func Parse(tree string) ([]*Statement, error) {
	if strings.HasPrefix(tree, "(\n") {
		return nil, unreadable("it was printed with debug_pretty_print")
	}
	text, err := unwrap(tree)
	if err != nil {
		return nil, err
	}
	root, err := readTree(text)
	if err != nil {
		return nil, err
	}
	if !root.present() {
		return nil, nil
	}
	if root.kind != list {
		return nil, unreadable("it is not a list of queries")
	}
	out := make([]*Statement, 0, len(root.kids))
	for i := range root.kids {
		st, err := statement(&root.kids[i])
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

func statement(q *node) (*Statement, error) {
	cmd, ok := q.field("commandType").int()
	if !q.is("QUERY") || !ok || Command(cmd) < Select || Command(cmd) > Utility {
		return nil, unreadable("a query is not one of PostgreSQL 15")
	}
	st := &Statement{Command: Command(cmd)}
	w := walker{st: st}
	w.walk(q)
	if w.err != nil {
		return nil, w.err
	}
	st.outline(q)
	w.finish()
	return st, nil
}

// finish sorts and compacts the lists.
func (w *walker) finish() {
	st := w.st
	for _, l := range []*[]uint32{&st.Functions, &st.Operators, &st.Types, &st.Collations, &st.NextValues} {
		slices.Sort(*l)
		*l = slices.Compact(*l)
	}
	slices.Sort(st.SQLValues)
	st.SQLValues = slices.Compact(st.SQLValues)
	slices.SortFunc(st.RegConsts, func(a, b RegConst) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.OID, b.OID))
	})
	st.RegConsts = slices.Compact(st.RegConsts)
	slices.SortFunc(st.Params, func(a, b Param) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Type, b.Type)) })
	st.Params = slices.Compact(st.Params)
	slices.SortFunc(w.rels, func(a, b *reference) int { return cmp.Compare(a.OID, b.OID) })
	for _, r := range w.rels {
		r.Filter = anyOf(r.filters)
		r.Exact = r.Exact && len(r.filters) == 1
		st.Relations = append(st.Relations, r.Relation)
	}
	st.Simple = st.Simple && len(st.Relations) == 1 && st.Relations[0].stored() &&
		!st.SubLinks && !st.RowSecurity && !st.Relations[0].TableSample && !st.Relations[0].Secured
}

// stored reports whether the relation has rows of its own (or its partitions').
func (r *Relation) stored() bool { return strings.IndexByte("rpmf", r.Kind) >= 0 }
