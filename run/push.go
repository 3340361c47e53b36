package run

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
)

// Push has the provider run a pushed statement, and opens its rows as they
// come, by column batch: no cell of a batch is released before all of the
// batch have opened. results are the formats of the client's columns; bodies
// of DataRow messages go to row.
func (v *Vault) Push(ctx context.Context, permit gate.Permit, p provider.Session, pl *plan.Pushed, args Args, results []int16, row func([]byte) error) (string, error) {
	if !permit.Valid() {
		return "", &clarus.Error{Op: "push", Kind: clarus.Internal, Msg: "no permit"}
	}
	st, err := v.pushed(ctx, pl, args, results)
	if err != nil {
		return "", err
	}
	o := &opener{v: v, ctx: ctx, plan: pl, results: results, row: row, outputs: slices.Concat(pl.Outputs, pl.Proofs)}
	o.cells = make([]column, len(o.outputs))
	if pl.Once {
		o.seen = map[clarus.RowID]bool{}
	}
	tag, err := p.Run(ctx, st, o.check(st.Results), o.add)
	if err == nil {
		err = o.flush()
	}
	return tag, err
}

// pushed binds the parameters of a pushed statement.
func (v *Vault) pushed(ctx context.Context, pl *plan.Pushed, args Args, results []int16) (provider.Statement, error) {
	st := provider.Statement{SQL: pl.SQL, Results: make([]int16, len(pl.Columns)), Ends: args.Ends}
	for i, c := range pl.Columns {
		if st.Results[i] = 1; c.Client >= 0 {
			st.Results[i] = results[c.Client]
		}
	}
	w := &writer{v: v, ctx: ctx, args: args, st: &st}
	for _, s := range pl.Params {
		w.table = s.Table
		m := plan.Match{Column: s.Column}
		if s.Column != nil {
			k := s.Column.Tag()
			m.By = &k
		}
		w.probe(m, s.Probe)
	}
	return st, w.err
}

// An opener takes a pushed statement's rows apart, opens cells by batch and
// hands the client's rows on.
type opener struct {
	v       *Vault
	ctx     context.Context
	plan    *plan.Pushed
	outputs []plan.PushedOutput // and proofs
	results []int16
	row     func([]byte) error
	seen    map[clarus.RowID]bool

	rows    [][][]byte // of the batch: the provider's columns
	bytes   []byte     // what rows point to
	cells   []column   // by output and proof
	scratch [][]byte
	out     []byte
}

// A column is one output's cells in the batch.
type column struct {
	ids    []clarus.RowID
	cells  []clarus.Sealed
	rows   []int // the row that each cell is of; others are NULL
	values []clarus.Value
}

// pushBatch is how many rows are opened at once: enough to open them by
// column, few enough for the first rows to come soon.
const pushBatch = 128

func (o *opener) check(formats []int16) func([]pgwire.Field) error {
	return func(fields []pgwire.Field) error {
		if len(fields) != len(o.plan.Columns) {
			return &clarus.Error{Op: "push", Kind: clarus.Integrity, Msg: "the provider returned other columns than asked for"}
		}
		for i, f := range fields {
			if f.Type != o.plan.Columns[i].Type || f.Format != formats[i] {
				return &clarus.Error{Op: "push", Kind: clarus.Integrity, Msg: "the provider returned columns of other types than asked for"}
			}
		}
		return nil
	}
}

// add keeps a row until its batch is full.
func (o *opener) add(body []byte) error {
	row, err := pgwire.Row(body, o.scratch)
	if err != nil {
		return malformed(err)
	}
	if o.scratch = row; len(row) != len(o.plan.Columns) {
		return &clarus.Error{Op: "push", Kind: clarus.Integrity, Msg: "the provider returned a row of other columns than it said"}
	}
	kept := make([][]byte, len(row))
	for i, b := range row {
		if b != nil {
			from := len(o.bytes)
			o.bytes = append(o.bytes, b...)
			kept[i] = o.bytes[from:len(o.bytes):len(o.bytes)]
		}
	}
	if o.rows = append(o.rows, kept); len(o.rows) == pushBatch {
		return o.flush()
	}
	return nil
}

// flush opens the batch and hands its rows on.
func (o *opener) flush() error {
	for i := range o.outputs {
		if o.outputs[i].Attr != nil {
			if err := o.open(i); err != nil {
				return err
			}
		}
	}
	next := make([]int, len(o.cells))
	for at, row := range o.rows {
		o.out = binary.BigEndian.AppendUint16(o.out[:0], uint16(len(o.plan.Outputs)))
		for i, out := range o.plan.Outputs {
			value := row[out.At]
			if out.Attr != nil {
				var err error
				if value, err = o.cells[i].value(at, &next[i], out, o.results[i]); err != nil {
					return err
				}
			}
			if value == nil {
				o.out = binary.BigEndian.AppendUint32(o.out, 0xffffffff)
				continue
			}
			o.out = append(binary.BigEndian.AppendUint32(o.out, uint32(len(value))), value...)
		}
		if err := o.row(o.out); err != nil {
			return err
		}
	}
	o.rows, o.bytes = o.rows[:0], nil
	return nil
}

// value is the column's value in row at, in the client's format. next walks
// along the cells.
func (c *column) value(at int, next *int, out plan.PushedOutput, format int16) ([]byte, error) {
	if *next == len(c.rows) || c.rows[*next] != at {
		return nil, nil
	}
	v := c.values[*next].Bytes
	*next++
	if format == 1 || v == nil {
		return v, nil
	}
	text, ok := pgvalue.Text(out.Attr.Type, v)
	if !ok {
		return nil, &clarus.Error{Op: "push", Attr: out.Table.Name + "." + out.Attr.Name, Kind: clarus.Internal, Msg: "a value has no text form"}
	}
	return text, nil
}

// open opens one output's cells of the batch.
func (o *opener) open(i int) error {
	out, c := o.outputs[i], &o.cells[i]
	c.ids, c.cells, c.rows = c.ids[:0], c.cells[:0], c.rows[:0]
	var key rowKey
	if out.Table.Derived() {
		var err error
		if key, err = o.v.rowKey(o.ctx, out.Table); err != nil {
			return err
		}
	}
	for at, row := range o.rows {
		id, cell, absent, err := o.located(out, row, key)
		if err != nil {
			return err
		}
		if absent {
			if out.Tag >= 0 && row[out.Tag] != nil {
				return altered(out.Table, out.Attr)
			}
			continue
		}
		c.ids, c.cells, c.rows = append(c.ids, id), append(c.cells, cell), append(c.rows, at)
	}
	if o.seen != nil {
		if err := o.once(out, c); err != nil {
			return err
		}
	}
	codec, err := o.v.Cell(o.ctx, out.Table, out.Attr)
	if err != nil {
		return err
	}
	if c.values, err = codec.Open(c.ids, c.cells); err != nil {
		return broken(out.Table, out.Attr, err)
	}
	if out.Tag < 0 {
		return nil
	}
	tags := make([]clarus.Sealed, len(c.rows))
	for i, at := range c.rows {
		tags[i] = o.rows[at][out.Tag]
	}
	return o.v.compare(o.ctx, out.Table, out.Attr, out.Attr.Tag(), c.ids, c.values, tags)
}

// once refuses a row that comes twice. All outputs are of the same rows, so
// the first one's are looked at.
func (o *opener) once(out plan.PushedOutput, c *column) error {
	first := slices.IndexFunc(o.outputs, func(o plan.PushedOutput) bool { return o.Attr != nil })
	if o.outputs[first].At != out.At {
		return nil
	}
	for _, id := range c.ids {
		if o.seen[id] {
			return repeated(out.Table, "a row came twice")
		}
		o.seen[id] = true
	}
	return nil
}

// located finds identity and cell in a row; absent says that the row's table
// was extended by NULLs.
func (o *opener) located(out plan.PushedOutput, row [][]byte, key rowKey) (id clarus.RowID, cell clarus.Sealed, absent bool, err error) {
	var parts [][]byte
	if out.Packed {
		if row[out.At] == nil && out.Nullable {
			return id, nil, true, nil
		}
		if parts, cell, err = unpack(row[out.At], len(identityOf(out))); err != nil {
			return id, nil, false, repeated(out.Table, "a group's cell is not as asked for")
		}
	} else {
		cell = row[out.At]
		missing := 0
		for _, at := range out.Identity {
			parts = append(parts, row[at])
			if row[at] == nil {
				missing++
			}
		}
		if missing == len(parts) && cell == nil && out.Nullable {
			return id, nil, true, nil
		}
		if missing > 0 {
			return id, nil, false, repeated(out.Table, "a row has no identity")
		}
	}
	if out.Table.Derived() {
		return key.id(parts), cell, false, nil
	}
	if len(parts[0]) != len(id) {
		return id, nil, false, repeated(out.Table, "a row has no identity")
	}
	copy(id[:], parts[0])
	return id, cell, false, nil
}

// identityOf counts the parts of a packed identity.
func identityOf(out plan.PushedOutput) []int16 {
	if out.Table.Derived() {
		return out.Table.Key
	}
	return []int16{0}
}

// unpack is the inverse of what the provider packed: each of n parts with its
// length before it, then the cell; all in hexadecimal.
func unpack(text []byte, n int) (parts [][]byte, cell []byte, err error) {
	b := make([]byte, hex.DecodedLen(len(text)))
	if _, err := hex.Decode(b, text); err != nil {
		return nil, nil, err
	}
	for range n {
		if len(b) < 4 || int(binary.BigEndian.Uint32(b)) > len(b)-4 {
			return nil, nil, hex.ErrLength
		}
		size := int(binary.BigEndian.Uint32(b))
		parts, b = append(parts, b[4:4+size]), b[4+size:]
	}
	return parts, b, nil
}
