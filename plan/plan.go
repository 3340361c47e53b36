// Package plan turns an analysed statement into a Plan. It is pure: it knows
// the schema and how attributes are protected, never a key or a connection.
//
// What it does not recognise makes a plan less clever, never less safe: the
// residual plan, in which the twin runs the user's own statement over rows
// that were fetched and opened, is right for every statement that it accepts.
package plan

import (
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
)

// A Class is how a statement is carried out, best first (docs/design.md).
type Class string

// The classes of plan.
const (
	Twin     Class = "twin"     // no row is needed: the twin answers
	Pass     Class = "pass"     // nothing protected is touched: the provider answers
	Push     Class = "push"     // rewritten for carriers: the provider answers, results are opened as they come
	Refine   Class = "refine"   // a push plan whose rows meet conditions that this side evaluates
	Direct   Class = "direct"   // a write whose values this side knows: they are sealed, the provider writes
	Residual Class = "residual" // rows are fetched, the twin answers
	Private  Class = "private"  // rows are fetched, noise is added to what they tell
)

// A Plan is plain data: what to fetch, from which provider, and who finishes.
type Plan struct {
	Class        Class
	Provider     string              // the only one, or else the one where rows may change or be locked; "" if there is none, or only its run will tell
	Providers    []string            // all that hold tables which take part
	SQL          string              // Pass: the statement as the provider gets it
	Pushed       *Pushed             // Push, Refine: what the provider is asked
	Write        *Write              // Direct: what the provider is to write
	Private      *PrivateQuery       // Private: what is asked and told
	Fetches      []Fetch             // Residual: rows to load on the twin
	Empty        []*catalog.Table    // Residual: tables that take part but whose rows do not matter
	Targets      []*catalog.Table    // tables whose rows may change
	Actions      []catalog.Action    // what foreign keys set off on the twin
	Locks        bool                // rows are locked: FOR UPDATE and the like
	Sequences    []uint32            // sequences that may be drawn from or set
	Reads        []*catalog.Sequence // sequences that are read like tables: only their provider knows where they stand
	SetsSequence bool
	Draws        bool             // asks for the session's last value of a sequence
	Opaque       bool             // runs code that the plan cannot see through: every table is loaded
	Calls        bool             // calls functions made by users, which may write: changes to every loaded table are recorded
	ReadOnly     bool             // it runs in a READ ONLY transaction: what functions write is an error on the twin
	Settings     bool             // asks for the session's settings
	Why          string           // why no better class was possible
	Tables       []*catalog.Table // all tables that take part, for the audit
}

// A Fetch asks a provider for the rows of one table that a statement may need.
type Fetch struct {
	Table *catalog.Table
	Where Cond // nil: all rows
}

// An Env is what plans depend on beside the statement.
type Env struct {
	Catalog   *catalog.Catalog
	Builtins  *Builtins
	Relations map[uint32]string // names of the twin's own relations by OID
	SetConfig bool              // what the statement sets by set_config is known to the session
}

// writes reports whether the statement changes rows.
func writes(st *analyze.Statement) bool { return st.Command != analyze.Select || st.ModifyingCTE }

// Make plans one statement from what the analyser said of it.
func Make(env Env, list []*analyze.Statement) (*Plan, error) {
	if len(list) != 1 {
		return nil, clarus.Refuse("the statement has rewrite rules", "Rules are not supported; use the table itself.")
	}
	st := list[0]
	p := &Plan{Class: Residual, Locks: st.ForUpdate}
	if st.CurrentOf {
		return nil, clarus.Refuse("WHERE CURRENT OF is not supported", "Use the primary key in the WHERE clause.")
	}
	if err := env.functions(st, p); err != nil {
		return nil, err
	}
	if err := env.relations(st, p); err != nil {
		return nil, err
	}
	if writes(st) {
		if err := flow(st, p, env.Catalog); err != nil {
			return nil, err
		}
	}
	if p.Opaque {
		env.loadAll(p)
	}
	if p.Calls {
		env.everySequence(p)
	}
	env.act(st, p)
	p.place()
	if err := p.writesAtOne(st, env.Catalog); err != nil {
		return nil, err
	}
	if len(p.Tables) == 0 && len(p.Targets) == 0 && !p.Opaque && len(p.Reads) == 0 {
		p.Class = Twin
	}
	return p, nil
}

// relations sorts what the statement names into fetches and targets.
func (env Env) relations(st *analyze.Statement, p *Plan) error {
	for i := range st.Relations {
		r := &st.Relations[i]
		if r.OID < firstUserOID {
			if err := env.system(r.OID); err != nil {
				return err
			}
			continue
		}
		rel := env.Catalog.Logical.Relation(r.OID)
		if rel != nil && rel.Kind == 'v' {
			continue // its tables are named too
		}
		t := env.Catalog.Table(r.OID)
		if seq := env.Catalog.Logical.Sequence(r.OID); seq != nil && !r.Locked {
			if slices.ContainsFunc(r.Selected, func(num int16) bool { return num < 0 }) {
				return clarus.Refuse("system columns of "+seq.Schema+"."+seq.Name+" are not supported", "They would be the provider's.")
			}
			p.Reads = append(p.Reads, seq)
			continue
		}
		if t == nil {
			return clarus.Refuse("the statement reads a relation that is not a table or a view", "Use tables and views.")
		}
		for _, list := range [][]int16{r.Selected, r.Inserted, r.Updated} {
			for _, num := range list {
				if num < 0 && num != tableOID {
					return clarus.Refuse("system columns of "+rel.Qualified()+" are not supported", "Use a key column.")
				}
			}
		}
		p.Tables = append(p.Tables, t)
		if r.Target {
			p.Targets = append(p.Targets, t)
			if rel.Calls {
				p.Opaque, p.Calls = true, true
			}
		}
		if r.References > 0 {
			p.Fetches = append(p.Fetches, Fetch{Table: t, Where: env.where(t, r)})
		} else {
			p.Empty = append(p.Empty, t)
		}
	}
	return nil
}

const (
	firstUserOID = 16384
	tableOID     = -6
)

// loadAll has every table loaded whole.
func (env Env) loadAll(p *Plan) {
	p.Fetches, p.Empty = nil, nil
	p.Tables = slices.Clone(env.Catalog.Tables)
	for _, t := range env.Catalog.Tables {
		p.Fetches = append(p.Fetches, Fetch{Table: t})
	}
	p.Why = "it calls functions made by users, which may read any table"
}

// everySequence has the twin follow all sequences: a function may draw from any.
func (env Env) everySequence(p *Plan) {
	p.Sequences = nil
	for _, s := range env.Catalog.Logical.Sequences {
		p.Sequences = append(p.Sequences, s.OID)
	}
}

// act adds what foreign keys set off on the twin: the tables that refer take
// part with all their rows.
func (env Env) act(st *analyze.Statement, p *Plan) {
	p.Actions = nil
	add := func(t *catalog.Table, deleted bool, updated func(int16) bool) {
		for _, a := range env.Catalog.Actions(t, deleted, updated) {
			if !slices.Contains(p.Actions, a) {
				p.Actions = append(p.Actions, a)
			}
		}
	}
	if p.Calls {
		for _, t := range env.Catalog.Tables {
			add(t, true, func(int16) bool { return true })
		}
		return
	}
	for i := range st.Relations {
		r := &st.Relations[i]
		if t := env.Catalog.Table(r.OID); t != nil && r.Target {
			deleted := st.Command == analyze.Delete || st.Command == analyze.Merge || st.ModifyingCTE
			add(t, deleted, func(num int16) bool { return slices.Contains(r.Updated, num) })
		}
	}
	for _, a := range p.Actions {
		p.include(a.Child)
	}
}

// include has a table take part as a target, with all its rows.
func (p *Plan) include(t *catalog.Table) {
	if !slices.Contains(p.Targets, t) {
		p.Targets = append(p.Targets, t)
	}
	if !slices.Contains(p.Tables, t) {
		p.Tables = append(p.Tables, t)
	}
	p.Empty = slices.DeleteFunc(p.Empty, func(e *catalog.Table) bool { return e == t })
	p.Fetches = slices.DeleteFunc(p.Fetches, func(f Fetch) bool { return f.Table == t })
	p.Fetches = append(p.Fetches, Fetch{Table: t})
}

// Recorded are the tables whose changes on the twin are carried over.
func (p *Plan) Recorded() []*catalog.Table {
	if p.ReadOnly {
		return nil
	}
	if !p.Calls {
		return p.Targets
	}
	list := make([]*catalog.Table, len(p.Fetches))
	for i, f := range p.Fetches {
		list[i] = f.Table
	}
	return list
}

// Effects reports whether the statement may do more at the provider than read.
func (p *Plan) Effects() bool {
	return !p.ReadOnly && (len(p.Targets) > 0 || p.Locks || p.Calls || len(p.Sequences) > 0 || p.SetsSequence)
}

// Whole is the plan that loads every table whole: for code that turned out to
// read more than the analyser said.
func (p *Plan) Whole(env Env) *Plan {
	q := *p
	env.loadAll(&q)
	env.everySequence(&q)
	q.Opaque, q.Calls = true, true
	env.act(nil, &q)
	q.place()
	return &q
}

// Followed is the plan that has the twin answer, with the sequences that are read
// standing there where they stand at the provider.
func (p *Plan) Followed() *Plan {
	q := *p
	q.Class = Residual
	if len(q.Reads) > 0 {
		q.ReadOnly = true
	}
	for _, s := range q.Reads {
		q.Sequences = append(q.Sequences, s.OID)
	}
	return &q
}

// Unpushed is the residual plan of a push, refine or direct plan.
func (p *Plan) Unpushed() *Plan {
	q := *p
	q.Class, q.Pushed, q.Write = Residual, nil, nil
	return &q
}
