package run

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
)

// Values are what a direct write's givens came to, in PostgreSQL's binary
// format. Those that are drawn from sequences are missing until it runs.
type Values struct {
	Rows [][][]byte // INSERT: by row, then by column of the table
	Key  [][]byte
	Set  [][]byte
}

// longest is the most bytes of a value in a key or an index that is surely
// below the limits of PostgreSQL's indexes.
const longest = 1000

// Given works out the values of a direct write, given the client's parameters.
// ok is false if one of them is for PostgreSQL to make, or to refuse: the
// residual plan does that.
func Given(w *plan.Write, args Args) (v *Values, ok bool) {
	k := knower{args: args, now: time.Now().UTC(), table: w.Table}
	v = &Values{}
	if w.Strict {
		for _, p := range args.Values {
			k.wrong = k.wrong || p == nil
		}
	}
	for _, given := range w.Rows {
		row := make([][]byte, len(given))
		for i, g := range given {
			row[i] = k.column(g, w.Table.Columns[i])
		}
		v.Rows = append(v.Rows, row)
	}
	for i, g := range w.Key {
		value := k.column(g, w.Table.Column(w.Table.Key[i]))
		k.wrong = k.wrong || value == nil
		v.Key = append(v.Key, value)
	}
	for _, s := range w.Set {
		v.Set = append(v.Set, k.column(s.Given, s.Column))
	}
	return v, !k.wrong
}

// A knower works values out; wrong is set by one that it cannot.
type knower struct {
	args  Args
	now   time.Time
	table *catalog.Table
	wrong bool
}

// column is a given value as it will stand in a column.
func (k *knower) column(g plan.Given, c *catalog.Column) []byte {
	if g.Source == plan.Drawn {
		return nil
	}
	v := k.value(g)
	a := k.table.Relation.Column(c.Num)
	if v == nil && a.NotNull || len(v) > longest && indexed(k.table.Relation, c.Num) {
		k.wrong = true
	}
	return v
}

func (k *knower) value(g plan.Given) []byte {
	typ, v := g.Type, g.Value
	switch g.Source {
	case plan.Time:
		typ = pgvalue.TimestamptzOID
		v = binary.BigEndian.AppendUint64(nil, uint64(k.now.Sub(epoch).Microseconds()))
	case plan.Random:
		typ = pgvalue.UUIDOID
		v = make([]byte, 16)
		_, _ = rand.Read(v)
		v[6], v[8] = v[6]&0x0f|0x40, v[8]&0x3f|0x80
	default:
		if g.Param > 0 {
			v = k.parameter(g.Param-1, typ)
		}
	}
	v, ok := plan.Convert(typ, g.Casts, v)
	k.wrong = k.wrong || !ok
	return v
}

// epoch is PostgreSQL's: microseconds of timestamps count from it.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// parameter is the client's i-th parameter in binary format.
func (k *knower) parameter(i int, typ uint32) []byte {
	if i >= len(k.args.Values) {
		k.wrong = true
		return nil
	}
	v := k.args.Values[i]
	if v == nil {
		return nil
	}
	read := pgvalue.Read
	if k.args.format(i) == 1 {
		read = pgvalue.Sent
	}
	b, ok := read(typ, v)
	k.wrong = k.wrong || !ok
	return b
}

// indexed reports whether a column belongs to a key or an index.
func indexed(r *catalog.Relation, num int16) bool {
	for _, k := range r.Constraints {
		if (k.Kind == 'p' || k.Kind == 'u') && slices.Contains(k.Columns, num) {
			return true
		}
	}
	return slices.ContainsFunc(r.Indexes, func(i *catalog.Index) bool { return slices.Contains(i.Columns, num) })
}

// A Draw is a value that was drawn from a sequence at the provider.
type Draw struct {
	Sequence uint32
	Value    int64
}

// A Writer carries out direct writes.
type Writer struct {
	Vault    *Vault
	Permit   gate.Permit
	Catalog  *catalog.Catalog
	Home     provider.Session // where the sequences are
	Provider provider.Session // where the table is
	Draws    []Draw           // the last one of each sequence, in the order of drawing
}

// job is what of a job storing rows needs.
func (w *Writer) job(t *catalog.Table) *Job {
	return &Job{Vault: w.Vault, Catalog: w.Catalog, writer: w.Provider, place: t.Provider}
}

// Write has the provider carry out a direct write, of which values are known.
// RETURNING's rows go to row, in the client's formats.
func (w *Writer) Write(ctx context.Context, pl *plan.Write, v *Values, args Args, results []int16, row func([]byte) error) (string, error) {
	switch {
	case !w.Permit.Valid():
		return "", &clarus.Error{Op: "write", Kind: clarus.Internal, Msg: "no permit"}
	case pl.Command == analyze.Insert:
		return w.insert(ctx, pl, v, args, results, row)
	}
	return w.change(ctx, pl, v, args, results, row)
}

func (w *Writer) insert(ctx context.Context, pl *plan.Write, v *Values, args Args, results []int16, row func([]byte) error) (string, error) {
	if err := w.draw(ctx, pl, v); err != nil {
		return "", err
	}
	rows := make([]Row, len(v.Rows))
	for i := range rows {
		if rows[i].Values = v.Rows[i]; pl.Table.StoresIdentity() {
			_, _ = rand.Read(rows[i].ID[:])
		}
	}
	sealed, err := w.Vault.seal(ctx, pl.Table, rows)
	if err != nil {
		return "", err
	}
	j := w.job(pl.Table)
	tag := fmt.Sprintf("INSERT 0 %d", len(rows))
	if names, _ := pl.Table.Stored(); pl.Conflict == "" && (len(rows) >= copyFrom || len(rows)*len(names) > plan.MostParameters) {
		err = w.Vault.copyIn(ctx, j, pl.Table, rows, sealed)
	} else {
		tag, err = w.send(ctx, j, pl, rows, sealed, args.Commit)
	}
	if err != nil || len(pl.Returns) == 0 || tag == "INSERT 0 0" {
		return tag, err
	}
	return tag, w.returned(pl, v, results, row)
}

// send stores rows by one INSERT.
func (w *Writer) send(ctx context.Context, j *Job, pl *plan.Write, rows []Row, sealed [][][]byte, commit bool) (string, error) {
	_, types := pl.Table.Stored()
	tag, err := j.put(ctx, pl.Table, plan.Insert(pl.Table, len(rows))+pl.Conflict, types, rows, sealed, commit)
	if err != nil {
		return "", err
	}
	var n int
	if _, e := fmt.Sscanf(tag, "INSERT 0 %d", &n); e != nil || n > len(rows) || n < len(rows) && pl.Conflict == "" {
		return "", repeated(pl.Table, "the provider stored other rows than it was given")
	}
	return tag, nil
}

// draw fills in what is drawn from sequences, in the client's session at the
// provider. The sequence that PostgreSQL would draw from last is the last.
func (w *Writer) draw(ctx context.Context, pl *plan.Write, v *Values) error {
	var order []uint32
	places := map[uint32][][]byte{} // what is drawn, in PostgreSQL's order
	for _, row := range pl.Rows {
		for _, g := range row {
			if g.Source == plan.Drawn {
				order = append(slices.DeleteFunc(order, func(s uint32) bool { return s == g.Draw }), g.Draw)
				places[g.Draw] = append(places[g.Draw], nil)
			}
		}
	}
	for _, s := range order {
		if err := w.next(ctx, s, places[s]); err != nil {
			return err
		}
	}
	for r, row := range pl.Rows {
		for i, g := range row {
			if g.Source != plan.Drawn {
				continue
			}
			value, ok := plan.Convert(pgvalue.Int8OID, g.Casts, places[g.Draw][0])
			if !ok {
				return outOfRange(pl.Table.Columns[i].Type)
			}
			v.Rows[r][i], places[g.Draw] = value, places[g.Draw][1:]
		}
	}
	return nil
}

// next draws as many values from a sequence as into has room for.
func (w *Writer) next(ctx context.Context, oid uint32, into [][]byte) error {
	s := w.Catalog.Logical.Sequence(oid)
	if s == nil {
		return &clarus.Error{Op: "write", Kind: clarus.Internal, Msg: "the statement uses an unknown sequence"}
	}
	sql := "SELECT pg_catalog.nextval('" + strings.ReplaceAll(sqlast.Qualify(s.Schema, s.Name), "'", "''") + "'::pg_catalog.regclass)"
	if len(into) > 1 {
		sql += fmt.Sprintf(" FROM pg_catalog.generate_series(1, %d)", len(into))
	}
	n := 0
	_, err := w.Home.Run(ctx, provider.Statement{SQL: sql, Results: []int16{1}}, nil, func(body []byte) error {
		row, err := pgwire.Row(body, nil)
		if err != nil {
			return malformed(err)
		}
		if len(row) != 1 || len(row[0]) != 8 || n == len(into) {
			return &clarus.Error{Op: "sequence", Kind: clarus.Integrity, Msg: "a sequence gave no number"}
		}
		into[n] = bytes.Clone(row[0])
		n++
		return nil
	})
	switch {
	case err != nil:
		return exhausted(w.Catalog, s, err)
	case n != len(into):
		return &clarus.Error{Op: "sequence", Kind: clarus.Integrity, Msg: "a sequence gave too few numbers"}
	}
	w.Draws = append(w.Draws, Draw{oid, int64(binary.BigEndian.Uint64(into[n-1]))})
	return nil
}

// exhausted is PostgreSQL's own error of a sequence that has no more values.
func exhausted(c *catalog.Catalog, s *catalog.Sequence, err error) error {
	se, ok := errors.AsType[*pgwire.ServerError](err)
	if !ok || se.Code != "2200H" {
		return Explain(c, err, nil, Row{})
	}
	word, end := "maximum", s.Max
	if s.Increment < 0 {
		word, end = "minimum", s.Min
	}
	return &pgwire.ServerError{Severity: "ERROR", Code: se.Code, Message: fmt.Sprintf("nextval: reached %s value of sequence %q (%d)", word, s.Name, end)}
}

func outOfRange(typ uint32) error {
	name := "integer"
	if typ == pgvalue.Int2OID {
		name = "smallint"
	}
	return &pgwire.ServerError{Severity: "ERROR", Code: "22003", Message: name + " out of range"}
}

// returned hands on the rows of an INSERT's RETURNING.
func (w *Writer) returned(pl *plan.Write, v *Values, results []int16, row func([]byte) error) error {
	var body []byte
	for _, values := range v.Rows {
		body = binary.BigEndian.AppendUint16(body[:0], uint16(len(pl.Returns)))
		for i, at := range pl.Returns {
			value := values[at]
			if value != nil && results[i] == 0 {
				text, ok := pgvalue.Text(pl.Table.Columns[at].Type, value)
				if !ok {
					return &clarus.Error{Op: "write", Attr: pl.Table.Name + "." + pl.Table.Columns[at].Name, Kind: clarus.Internal, Msg: "a value has no text form"}
				}
				value = text
			}
			body = appendDatum(body, value)
		}
		if err := row(body); err != nil {
			return err
		}
	}
	return nil
}

// change carries out an UPDATE or a DELETE.
func (w *Writer) change(ctx context.Context, pl *plan.Write, v *Values, args Args, results []int16, row func([]byte) error) (string, error) {
	st, err := w.Vault.pushed(ctx, &pl.Change, args, results)
	if err != nil {
		return "", err
	}
	known := Row{Values: make([][]byte, len(pl.Table.Columns))}
	for i, c := range pl.Table.Columns {
		for at, num := range pl.Table.Key {
			if len(v.Key) > 0 && c.Num == num {
				known.Values[i] = v.Key[at]
			}
		}
		for at, s := range pl.Set {
			if s.Column == c {
				known.Values[i] = v.Set[at]
			}
		}
	}
	if len(v.Key) > 0 {
		k, free, err := w.Vault.rowKey(ctx, pl.Table)
		if err != nil {
			return "", err
		}
		known.ID = k.id(v.Key)
		free()
	}
	if err := w.set(ctx, pl, v, known.ID, &st); err != nil {
		return "", err
	}
	st.Commit = args.Commit && len(pl.Change.Proofs) == 0 && !slices.ContainsFunc(pl.Change.Outputs, func(o plan.PushedOutput) bool { return o.Attr != nil })
	if len(pl.Change.Outputs) == 0 {
		row = func([]byte) error { return nil } // what comes back is compared only
	}
	tag, err := w.Vault.stream(ctx, w.Provider, &pl.Change, nil, st, results, row)
	switch {
	case err != nil:
		return "", w.explainChange(err, pl.Table, known)
	case len(v.Key) > 0 && !strings.HasSuffix(tag, " 0") && !strings.HasSuffix(tag, " 1"):
		return "", repeated(pl.Table, "the provider has several rows of one key")
	}
	return tag, nil
}

// explainChange keeps the provider's words about what it computes on clear data.
func (w *Writer) explainChange(err error, t *catalog.Table, known Row) error {
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok && (strings.HasPrefix(se.Code, "22") || strings.HasPrefix(se.Code, "21")) {
		return &pgwire.ServerError{Severity: "ERROR", Code: se.Code, Message: se.Message}
	}
	return Explain(w.Catalog, err, t, known)
}

// set adds the carriers of the values that columns are set to.
func (w *Writer) set(ctx context.Context, pl *plan.Write, v *Values, id clarus.RowID, st *provider.Statement) error {
	for i, s := range pl.Set {
		_, types := s.Column.Stored()
		sealed := [][][]byte{nil}
		if s.Column.Clear {
			sealed[0] = [][]byte{v.Set[i]}
		} else if err := w.Vault.carriers(ctx, pl.Table, s.Column, []clarus.RowID{id}, []clarus.Value{{Bytes: v.Set[i]}}, sealed); err != nil {
			return err
		}
		for j := range types {
			st.Types, st.Formats, st.Params = append(st.Types, types[j]), append(st.Formats, 1), append(st.Params, sealed[0][j])
		}
	}
	return nil
}
