// Package plan turns an analysed statement into a Plan. It is pure: it knows
// the schema and how attributes are protected, never a key or a connection.
//
// What it does not recognise makes a plan less clever, never less safe: the
// residual plan, in which the twin runs the user's own statement over rows
// that were fetched and opened, is right for every statement that it accepts.
package plan

import (
	"fmt"
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
	Residual Class = "residual" // rows are fetched, the twin answers
)

// A Plan is plain data: what to fetch, from which provider, and who finishes.
type Plan struct {
	Class        Class
	Provider     string           // of the fetches and writes; "" if none is asked
	SQL          string           // Pass: the statement as the provider gets it
	Pushed       *Pushed          // Push: what the provider is asked
	Fetches      []Fetch          // Residual: rows to load on the twin
	Empty        []*catalog.Table // Residual: tables that take part but whose rows do not matter
	Targets      []*catalog.Table // tables whose rows may change
	Locks        bool             // rows are locked: FOR UPDATE and the like
	Sequences    []uint32         // sequences that may be drawn from or set
	SetsSequence bool
	Draws        bool             // asks for the session's last value of a sequence
	Opaque       bool             // runs code that the plan cannot see through: every table is loaded
	Calls        bool             // calls functions made by users, which may write: changes to every loaded table are recorded
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
	if err := oneProvider(p); err != nil {
		return nil, err
	}
	if len(p.Tables) == 0 && len(p.Targets) == 0 && !p.Opaque {
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

// Recorded are the tables whose changes on the twin are carried over.
func (p *Plan) Recorded() []*catalog.Table {
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
	return len(p.Targets) > 0 || p.Locks || p.Calls || len(p.Sequences) > 0 || p.SetsSequence
}

// Whole is the plan that loads every table whole: for code that turned out to
// read more than the analyser said.
func (p *Plan) Whole(env Env) *Plan {
	q := *p
	env.loadAll(&q)
	env.everySequence(&q)
	q.Opaque, q.Calls = true, true
	return &q
}

// Unpushed is a push plan's residual plan.
func (p *Plan) Unpushed() *Plan {
	q := *p
	q.Class, q.Pushed = Residual, nil
	return &q
}

func oneProvider(p *Plan) error {
	for _, t := range p.Tables {
		switch {
		case p.Provider == "":
			p.Provider = t.Provider
		case p.Provider != t.Provider:
			return clarus.Refuse(fmt.Sprintf("the statement needs tables at %s and at %s, which have no common snapshot", p.Provider, t.Provider),
				"Place the tables at one provider, or ask for each alone.")
		}
	}
	return nil
}

// flow refuses values that are computed from protected attributes and go into
// clear columns.
func flow(st *analyze.Statement, p *Plan, c *catalog.Catalog) error {
	if !readsProtected(st, c) && !(p.Opaque && c.Protects()) {
		return nil
	}
	for i := range st.Relations {
		r := &st.Relations[i]
		t := c.Table(r.OID)
		if !r.Target || t == nil {
			continue
		}
		for _, num := range slices.Concat(r.Inserted, r.Updated) {
			col := t.Column(num)
			if col == nil || !col.Clear || harmless(st, c, num) {
				continue
			}
			return &clarus.Error{Op: "plan", Attr: t.Schema + "." + t.Name + "." + col.Name, Kind: clarus.Denied,
				Msg:  "a value that may be computed from protected attributes would be stored in a clear column",
				Hint: "Assign a constant or a parameter, or protect the column in the policy."}
		}
	}
	return nil
}

// harmless reports whether what the statement assigns to a column is a
// constant, a parameter, or computed from clear columns alone. Which rows get it
// may depend on protected attributes: docs/threat-model.md says what that tells.
func harmless(st *analyze.Statement, c *catalog.Catalog, num int16) bool {
	if st.ModifyingCTE || st.HasConflict || (st.Command != analyze.Insert && st.Command != analyze.Update) {
		return false
	}
	for _, t := range st.Targets {
		if t.Column != num || t.Junk {
			continue
		}
		if t.Value != nil {
			return true
		}
		return t.Known && !slices.ContainsFunc(t.Sources, func(s analyze.Source) bool {
			from := c.Table(s.Table)
			if from == nil {
				return true
			}
			col := from.Column(s.Attr)
			return col == nil || !col.Clear
		})
	}
	return false
}

// readsProtected reports whether the statement reads a protected attribute.
func readsProtected(st *analyze.Statement, c *catalog.Catalog) bool {
	for i := range st.Relations {
		r := &st.Relations[i]
		t := c.Table(r.OID)
		if t == nil || t.Plain() || r.References == 0 {
			continue // RETURNING of an INSERT reads what the statement itself wrote
		}
		for _, num := range r.Selected {
			col := t.Column(num)
			if col == nil || !col.Clear {
				return true
			}
		}
	}
	return false
}
