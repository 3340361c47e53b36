package run

import (
	"context"
	"fmt"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/technique"
)

// Args are the client's parameters.
type Args struct {
	Types   []uint32
	Formats []int16 // none: all text; one: for all
	Values  [][]byte
	Binary  [][]byte // the values in binary format, where a probe needs them
	Ends    bool     // as in provider.Statement
	Commit  bool     // so, of a write
}

func (a Args) format(i int) int16 {
	switch len(a.Formats) {
	case 0:
		return 0
	case 1:
		return a.Formats[0]
	}
	return a.Formats[i]
}

// where writes a fetch's condition. Constants and probes become parameters of
// st: no value stands in the provider's SQL text.
func (v *Vault) where(ctx context.Context, f plan.Fetch, args Args, st *provider.Statement) (string, error) {
	if f.Where == nil {
		return "", nil
	}
	w := &writer{v: v, ctx: ctx, table: f.Table, args: args, st: st}
	w.cond(f.Where)
	return " WHERE " + w.sql.String(), w.err
}

type writer struct {
	v     *Vault
	ctx   context.Context
	table *catalog.Table
	args  Args
	st    *provider.Statement
	sql   strings.Builder
	err   error
}

func (w *writer) cond(c plan.Cond) {
	switch c := c.(type) {
	case plan.All:
		w.join(c, " AND ")
	case plan.Any:
		w.join(c, " OR ")
	case plan.Null:
		w.sql.WriteString(sqlast.Quote(c.Column.Name) + " IS ")
		if c.Not {
			w.sql.WriteString("NOT ")
		}
		w.sql.WriteString("NULL")
	case plan.Match:
		w.match(c)
	}
}

func (w *writer) join(parts []plan.Cond, sep string) {
	w.sql.WriteByte('(')
	for i, p := range parts {
		if i > 0 {
			w.sql.WriteString(sep)
		}
		w.cond(p)
	}
	w.sql.WriteByte(')')
}

func (w *writer) match(m plan.Match) {
	name := m.Column.Name
	if m.By != nil {
		name = m.Column.CarrierColumn(*m.By)
	}
	column := sqlast.Quote(name)
	if m.AsText {
		column += "::text"
	}
	probes := make([]string, len(m.Probes))
	for i, p := range m.Probes {
		probes[i] = w.probe(m, p)
	}
	op := " OPERATOR(pg_catalog." + m.Op + ") "
	switch {
	case len(probes) > 1:
		w.sql.WriteString(column + op + "ANY (ARRAY[" + strings.Join(probes, ", ") + "])")
	case m.Flip:
		w.sql.WriteString(probes[0] + op + column)
	default:
		w.sql.WriteString(column + op + probes[0])
	}
}

// probe adds a parameter for a probe and returns its symbol.
func (w *writer) probe(m plan.Match, p plan.Probe) string {
	typ, format, value := p.Type, int16(1), p.Value
	if p.Param > 0 {
		if p.Param > len(w.args.Values) {
			w.err = &clarus.Error{Op: "bind", Kind: clarus.Protocol, Msg: "too few parameters were bound"}
			return ""
		}
		format, value = w.args.format(p.Param-1), w.args.Values[p.Param-1]
		switch {
		case m.Column != nil && m.Column.Enum != nil:
			// A label in either format. One that the type does not have equals nothing, and the twin will say so.
			format = 1
			value, _ = m.Column.Enum.Stored(value)
		case m.By != nil && format == 0 && value != nil:
			format, value = 1, w.args.Binary[p.Param-1]
		}
	}
	if m.By != nil {
		typ, value = m.By.Type, w.seal(m.Column, *m.By, p.Type, value)
	}
	if m.By == nil && m.Column != nil && m.Column.Enum != nil {
		typ = m.Column.StoredType()
	}
	w.st.Types = append(w.st.Types, typ)
	w.st.Formats = append(w.st.Formats, format)
	w.st.Params = append(w.st.Params, value)
	return fmt.Sprintf("$%d", len(w.st.Params))
}

// seal makes what one of the column's carriers would be for a value of type typ.
func (w *writer) seal(c *catalog.Column, k catalog.Carrier, typ uint32, value []byte) []byte {
	as := *c
	as.Type = typ
	codec, err := w.v.Carrier(w.ctx, w.table, &as, k)
	if err == nil {
		prober, ok := codec.(technique.Prober)
		if !ok {
			err = &clarus.Error{Op: "probe", Kind: clarus.Internal, Msg: "the technique " + k.Technique + " cannot be probed"}
		} else {
			var tag clarus.Sealed
			if tag, err = prober.Probe(clarus.Value{Bytes: value}); err == nil {
				return tag
			}
		}
	}
	if w.err == nil {
		w.err = err
	}
	return nil
}

// Preview is the SQL that a provider would see of a fetch, with symbols in
// place of values.
func (v *Vault) Preview(ctx context.Context, f plan.Fetch) string {
	var st provider.Statement
	where, err := v.where(ctx, f, Args{Values: make([][]byte, 1<<16), Binary: make([][]byte, 1<<16)}, &st)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return "SELECT " + quoted(layoutOf(f.Table).names) + " FROM " + fragment(f.Table) + where
}
