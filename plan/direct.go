package plan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/sqlast"
)

// A Write is a statement that the provider carries out without the twin: this
// side knows every value that is to be sealed, and nothing has to be checked
// but what the provider checks. Some of it shows only when parameters are
// bound; for what then turns out not to be so, the residual plan stays beside
// it.
type Write struct {
	Table   *catalog.Table
	Command analyze.Command

	// INSERT
	Rows     [][]Given // one value for each column of the table
	Conflict string    // ON CONFLICT as the provider gets it
	Returns  []int     // RETURNING: indexes of columns

	// UPDATE and DELETE
	Change Pushed  // parameters for Set follow those of its own
	Key    []Given // what the condition says of the key that the row identity derives from; empty: the statement may meet many rows
	Set    []Assigned
	Strict bool // no parameter may be NULL: a column that must not be NULL is computed from them

	Use   []uint32 // sequences that the user must be allowed to use
	Timed bool     // a value is the time at which the transaction began
}

// note keeps what a given value asks for beside the provider's statement.
func (w *Write) note(g Given, e *analyze.Expr) {
	w.Timed = w.Timed || g.Source == Time
	for ; len(e.Args) > 0; e = e.Args[0] {
	}
	if e.Kind == analyze.NextValue && e.Checked && !slices.Contains(w.Use, e.Sequence) {
		w.Use = append(w.Use, e.Sequence)
	}
}

// An Assigned is a column that gets a Given.
type Assigned struct {
	Column *catalog.Column
	Given  Given
}

// MostParameters is how many parameters a statement of a provider may have.
const MostParameters = 65535

// TryWrite makes p a direct write if it is proven to need no twin.
func (p *Plan) TryWrite(env Env, list []*analyze.Statement, results []uint32) {
	if p.Class != Residual || p.Opaque || p.Calls || p.Locks || p.SetsSequence || p.Draws || len(p.Actions) > 0 || len(p.Targets) != 1 || len(p.Tables) != 1 {
		return
	}
	for _, t := range slices.Concat(results, list[0].Types) {
		if t >= firstUserOID {
			return
		}
	}
	w, why := env.write(list[0], p.Targets[0])
	if w == nil {
		p.Why += "; not direct because " + why
		return
	}
	p.Class, p.Write = Direct, w
}

func (env Env) write(st *analyze.Statement, t *catalog.Table) (*Write, string) {
	if st.Write == nil {
		return nil, "it is more than a plain write"
	}
	if why := guarded(t); why != "" {
		return nil, why
	}
	w := &Write{Table: t, Command: st.Command}
	why := ""
	if st.Command == analyze.Insert {
		why = env.insert(w, st.Write)
	} else {
		why = env.change(w, st.Write)
	}
	if why != "" {
		return nil, why
	}
	return w, ""
}

// guarded says what of a table only the twin can uphold; "" is nothing.
func guarded(t *catalog.Table) string {
	r := t.Relation
	switch {
	case r.RowSecurity:
		return "row security is applied on this side"
	case r.Calls:
		return "a function made by a user belongs to the table"
	}
	for _, k := range r.Constraints {
		if k.Kind == 'c' || k.Kind == 'x' {
			return "constraint " + k.Name + " is checked on this side"
		}
	}
	for _, i := range r.Indexes {
		if i.Partial || i.Own || slices.Contains(i.Columns, 0) {
			return "index " + i.Name + " is computed on this side"
		}
	}
	for _, a := range r.Columns {
		switch {
		case a.Generated:
			return "column " + a.Name + " is computed on this side"
		case a.Declared != "":
			return "column " + a.Name + " is of a type made by a user"
		}
	}
	return ""
}

// insert plans an INSERT of given rows; it returns why it cannot.
func (env Env) insert(w *Write, st *analyze.Write) string {
	names, _ := w.Table.Stored()
	for _, assigned := range st.Rows {
		row := make([]Given, len(w.Table.Columns))
		for i, c := range w.Table.Columns {
			at := slices.IndexFunc(assigned, func(a analyze.Assignment) bool { return a.Column == c.Num })
			if at < 0 {
				row[i] = Given{Probe: Probe{Type: c.Type}}
				continue
			}
			var ok bool
			if row[i], ok = env.given(assigned[at].Value, w.Table, c); !ok {
				return "the value of " + c.Name + " is computed on this side"
			}
			w.note(row[i], assigned[at].Value)
		}
		w.Rows = append(w.Rows, row)
	}
	if len(w.Rows) == 0 || len(names) == 0 || st.Conflict != nil && len(w.Rows)*len(names) > MostParameters {
		return "it has too few values, or too many"
	}
	for _, o := range st.Outputs {
		at := slices.IndexFunc(w.Table.Columns, func(c *catalog.Column) bool {
			return o.Expr.Kind == analyze.Column && o.Expr.Table == st.Target && o.Expr.Attr == c.Num
		})
		if at < 0 {
			return "RETURNING computes"
		}
		w.Returns = append(w.Returns, at)
	}
	return w.onConflict(st.Conflict)
}

// onConflict writes ON CONFLICT DO NOTHING for the provider, whose unique
// constraints are the logical ones.
func (w *Write) onConflict(c *analyze.Conflict) string {
	switch {
	case c == nil:
		return ""
	case len(c.Set) > 0:
		return "a conflict changes a row"
	case len(w.Returns) > 0 && len(w.Rows) > 1:
		return "RETURNING tells which rows had no conflict"
	case c.Constraint != 0:
		return "its conflict is with a constraint by name"
	}
	w.Conflict = " ON CONFLICT DO NOTHING"
	if len(c.Columns) == 0 {
		return ""
	}
	list := make([]string, len(c.Columns))
	for i, num := range c.Columns {
		col := w.Table.Column(num)
		if col == nil || col.Probe() == "" {
			return "its conflict is on a column without a tag"
		}
		list[i] = sqlast.Quote(col.Probe())
	}
	w.Conflict = " ON CONFLICT (" + strings.Join(list, ", ") + ") DO NOTHING"
	return ""
}

// Insert is the provider's statement that stores n rows of a table.
func Insert(t *catalog.Table, n int) string {
	names, _ := t.Stored()
	fragment := sqlast.Qualify(t.Schema, t.Physical())
	if len(names) == 0 {
		return "INSERT INTO " + fragment + " DEFAULT VALUES"
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = sqlast.Quote(name)
	}
	b := []byte("INSERT INTO " + fragment + " (" + strings.Join(quoted, ", ") + ") VALUES ")
	for i := range n * len(names) {
		switch {
		case i == 0:
			b = append(b, "($"...)
		case i%len(names) == 0:
			b = append(b, "), ($"...)
		default:
			b = append(b, ", $"...)
		}
		b = strconv.AppendInt(b, int64(i+1), 10)
	}
	return string(append(b, ')'))
}
