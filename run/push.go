package run

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
)

// Push has the provider run a pushed statement, and opens its rows as they
// come, by column batch: no cell of a batch is released before all of the
// batch have opened. results are the formats of the client's columns; bodies
// of DataRow messages go to row. refinement is that of a refine plan, else nil.
func (v *Vault) Push(ctx context.Context, permit gate.Permit, p provider.Session, pl *plan.Pushed, refinement *Refinement, args Args, results []int16, row func([]byte) error) (string, error) {
	if !permit.Valid() {
		return "", &clarus.Error{Op: "push", Kind: clarus.Internal, Msg: "no permit"}
	}
	st, err := v.pushed(ctx, pl, args, results)
	if err != nil {
		return "", err
	}
	return v.stream(ctx, p, pl, refinement, st, results, row)
}

// stream runs a pushed statement whose parameters are bound.
func (v *Vault) stream(ctx context.Context, p provider.Session, pl *plan.Pushed, refinement *Refinement, st provider.Statement, results []int16, row func([]byte) error) (string, error) {
	if len(pl.Columns) == 0 {
		return p.Run(ctx, st, nil, nil)
	}
	b, _ := v.buffers.Get().(*buffers)
	if b == nil {
		b = &buffers{bytes: []byte{}}
	}
	defer v.release(b)
	o := v.opener(ctx, pl, refinement, b, results, row)
	tag, err := p.Run(ctx, st, o.check(st.Results), o.add)
	if err == nil {
		err = o.flush()
	}
	if err == nil && o.collector != nil {
		err = o.collector.each(o.hand)
	}
	return o.tag(tag), err
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

	refinement *Refinement
	opened     [][]byte // the values of the row at hand, by output and proof
	met        int64    // rows that met the conditions
	returned   int64
	collector  collector // nil: rows go on as they come

	*buffers
	cells   []column   // by output and proof
	located []*located // the same; shared by those of one row
}

func (v *Vault) opener(ctx context.Context, pl *plan.Pushed, refinement *Refinement, b *buffers, results []int16, row func([]byte) error) *opener {
	o := &opener{v: v, buffers: b, ctx: ctx, plan: pl, refinement: refinement, results: results, row: row, outputs: slices.Concat(pl.Outputs, pl.Proofs)}
	o.cells, o.opened, o.located = make([]column, len(o.outputs)), make([][]byte, len(o.outputs)), places(o.outputs)
	switch {
	case refinement == nil:
	case refinement.order != nil:
		o.collector = newSorter(refinement)
	case refinement.folds != nil:
		o.collector = newFolder(refinement, results)
	}
	if pl.Once {
		o.seen = map[clarus.RowID]bool{}
	}
	return o
}

// A collector takes a result's rows and gives them back at its end, in another
// form.
type collector interface {
	// add takes a row's values by output and proof, and the row for the client. It
	// keeps neither.
	add(values [][]byte, body []byte) error
	each(hand func([]byte) error) error
}

// buffers hold a batch; statements use them one after the other.
type buffers struct {
	rows    [][][]byte // the provider's columns
	slab    [][]byte   // what rows are parts of
	bytes   []byte     // what they point to; never nil, or an empty value would become NULL
	scratch [][]byte
	out     []byte // one row for the client
}

// most bytes that buffers keep from one statement to the next.
const mostBuffered = 1 << 20

func (v *Vault) release(b *buffers) {
	if cap(b.bytes) > mostBuffered || cap(b.out) > mostBuffered {
		return
	}
	b.rows, b.slab, b.bytes = b.rows[:0], b.slab[:0], b.bytes[:0]
	clear(b.out[:cap(b.out)]) // the last row, in plain
	v.buffers.Put(b)
}

// A column is one output's cells in the batch.
type column struct {
	ids    []clarus.RowID
	cells  []clarus.Sealed
	rows   []int // the row that each cell is of; others are NULL
	values []clarus.Value
}

// located are the identities of one table's rows in the batch.
type located struct {
	of    plan.PushedOutput
	ready bool
	ids   []clarus.RowID
	gaps  []int // parts of the identity that are missing, for each row
	parts int   // of an identity

	packed []clarus.Sealed // cells that came with the identity
}

// places makes the located of all outputs.
func places(outputs []plan.PushedOutput) []*located {
	list := make([]*located, len(outputs))
	for i, out := range outputs {
		if out.Attr == nil {
			continue
		}
		for j := range i {
			if same := list[j]; same != nil && !out.Packed && !same.of.Packed && same.of.Table == out.Table && slices.Equal(same.of.Identity, out.Identity) {
				list[i] = same
			}
		}
		if list[i] == nil {
			list[i] = &located{of: out, parts: len(identityOf(out))}
		}
	}
	return list
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
	if o.full() {
		return nil
	}
	row, err := pgwire.Row(body, o.scratch)
	if err != nil {
		return malformed(err)
	}
	if o.scratch = row; len(row) != len(o.plan.Columns) {
		return &clarus.Error{Op: "push", Kind: clarus.Integrity, Msg: "the provider returned a row of other columns than it said"}
	}
	at := len(o.slab)
	o.slab = append(o.slab, row...)
	kept := o.slab[at:len(o.slab):len(o.slab)]
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

// flush opens the batch and hands its rows on. What conditions look at is opened
// first, the rest of those rows only that meet them.
func (o *opener) flush() error {
	if o.refinement != nil {
		if err := o.choose(); err != nil {
			return err
		}
	}
	if err := o.openAll(func(i int) bool { return o.refinement == nil || !slices.Contains(o.refinement.columns, i) }); err != nil {
		return err
	}
	next := make([]int, len(o.cells))
	for at, row := range o.rows {
		o.look(at, row, next)
		if err := o.release(row); err != nil {
			return err
		}
	}
	o.rows, o.slab, o.bytes = o.rows[:0], o.slab[:0], o.bytes[:0]
	return nil
}

// openAll opens the columns of the batch that are wanted.
func (o *opener) openAll(wanted func(i int) bool) error {
	for _, l := range o.located {
		if l != nil {
			l.ready = false
		}
	}
	for i := range o.outputs {
		if o.outputs[i].Attr != nil && wanted(i) {
			if err := o.open(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// look has the values of row at, as far as they were opened, stand in opened. next
// walks along the cells.
func (o *opener) look(at int, row [][]byte, next []int) {
	for i, out := range o.outputs {
		if out.Attr == nil {
			o.opened[i] = row[out.At]
		} else {
			o.opened[i] = o.cells[i].value(at, &next[i])
		}
	}
}

// release hands the row at hand on.
func (o *opener) release(row [][]byte) error {
	o.out = binary.BigEndian.AppendUint16(o.out[:0], uint16(len(o.plan.Outputs)))
	for i, out := range o.plan.Outputs {
		value := row[out.At]
		if out.Attr != nil {
			var ok bool
			if value, ok = formatted(o.opened[i], out.Attr.Type, o.results[i]); !ok {
				return &clarus.Error{Op: "push", Attr: out.Table.Name + "." + out.Attr.Name, Kind: clarus.Internal, Msg: "a value has no text form"}
			}
		}
		o.out = appendDatum(o.out, value)
	}
	if o.collector != nil {
		return o.collector.add(o.opened, o.out)
	}
	return o.hand(o.out)
}

func (o *opener) hand(row []byte) error {
	o.returned++
	return o.row(row)
}

// value is the column's value in row at, nil for NULL. next walks along the cells.
func (c *column) value(at int, next *int) []byte {
	if *next == len(c.rows) || c.rows[*next] != at {
		return nil
	}
	v := c.values[*next].Bytes
	*next++
	return v
}

// formatted is a value in the client's format, if this side can write it so.
func formatted(v []byte, typ uint32, format int16) ([]byte, bool) {
	if format == 1 || v == nil {
		return v, true
	}
	return pgvalue.Text(typ, v)
}

// open opens one output's cells of the batch.
func (o *opener) open(i int) error {
	out, c := o.outputs[i], &o.cells[i]
	n := len(o.rows)
	c.ids, c.cells, c.rows = slices.Grow(c.ids[:0], n), slices.Grow(c.cells[:0], n), slices.Grow(c.rows[:0], n)
	where, err := o.locate(i)
	if err != nil {
		return err
	}
	for at, row := range o.rows {
		var cell clarus.Sealed
		switch {
		case out.Packed:
			cell = where.packed[at]
		default:
			cell = row[out.At]
		}
		absent := where.gaps[at] == where.parts && cell == nil && out.Nullable
		if !absent && where.gaps[at] > 0 {
			return repeated(out.Table, "a row has no identity")
		}
		if absent {
			if out.Tag >= 0 && row[out.Tag] != nil {
				return altered(out.Table, out.Attr)
			}
			continue
		}
		c.ids, c.cells, c.rows = append(c.ids, where.ids[at]), append(c.cells, cell), append(c.rows, at)
	}
	if o.seen != nil {
		if err := o.once(i, c); err != nil {
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
func (o *opener) once(i int, c *column) error {
	if i != slices.IndexFunc(o.outputs, func(o plan.PushedOutput) bool { return o.Attr != nil }) {
		return nil
	}
	for _, id := range c.ids {
		if o.seen[id] {
			return repeated(o.outputs[i].Table, "a row came twice")
		}
		o.seen[id] = true
	}
	return nil
}

// locate finds the identities of an output's rows, once for all outputs of one
// table. A packed output has its own.
func (o *opener) locate(i int) (*located, error) {
	l := o.located[i]
	if l.ready {
		return l, nil
	}
	l.ids, l.gaps, l.packed, l.ready = slices.Grow(l.ids[:0], len(o.rows)), slices.Grow(l.gaps[:0], len(o.rows)), l.packed[:0], true
	var key *rowKey
	if l.of.Table.Derived() {
		var free func()
		var err error
		if key, free, err = o.v.rowKey(o.ctx, l.of.Table); err != nil {
			return nil, err
		}
		defer free()
	}
	var parts [][]byte
	for _, row := range o.rows {
		parts = parts[:0]
		if l.of.Packed {
			var cell clarus.Sealed
			if packed := row[l.of.At]; packed != nil || !l.of.Nullable {
				var err error
				if parts, cell, err = unpack(packed, l.parts); err != nil {
					return nil, repeated(l.of.Table, "a group's cell is not as asked for")
				}
			}
			l.packed = append(l.packed, cell)
		} else {
			for _, at := range l.of.Identity {
				parts = append(parts, row[at])
			}
		}
		id, gaps, err := identified(l.of.Table, key, parts)
		if err != nil {
			return nil, err
		}
		if len(parts) == 0 {
			gaps = l.parts // NULLs extended the table
		}
		l.ids, l.gaps = append(l.ids, id), append(l.gaps, gaps)
	}
	return l, nil
}

// identified makes a row's identity of its parts, or tells how many are missing.
func identified(t *catalog.Table, key *rowKey, parts [][]byte) (id clarus.RowID, gaps int, err error) {
	for _, p := range parts {
		if p == nil {
			gaps++
		}
	}
	switch {
	case gaps > 0 || len(parts) == 0:
	case t.Derived():
		id = key.id(parts)
	case len(parts[0]) != len(id):
		err = repeated(t, "a row has no identity")
	default:
		copy(id[:], parts[0])
	}
	return id, gaps, err
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
