package run

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/technique"
)

// Rows are opened rows of one table, and what the provider held for them.
type Rows struct {
	Table *catalog.Table
	Rows  []Row
}

// A Row is one row of a table. Values are in PostgreSQL's binary format, one
// per column of the table; nil is NULL.
type Row struct {
	ID     clarus.RowID
	Values [][]byte
	stored [][]byte // as the provider returned them: identity, then columns
}

// layout is how a table's row comes from its provider: where the row is, then
// its columns. Rows with a stored identity have that first, rows without
// protected columns their ctid; where the identity derives from a clear key,
// nothing stands before the columns.
type layout struct {
	table *catalog.Table
	names []string
	types []uint32
	sql   []string     // the types' names
	tags  []plan.Proof // carriers that stand at the end, to be compared with the cells
}

const (
	typeTID     = 27
	typeBytea   = 17
	typeUUID    = 2950
	typeTSQuery = 3615

	emptyTSQuery = "\x00\x00\x00\x00"
)

func (l *layout) add(name string, typ uint32, sql string) {
	l.names, l.types, l.sql = append(l.names, name), append(l.types, typ), append(l.sql, sql)
}

func layoutOf(t *catalog.Table) layout {
	l := layout{table: t}
	switch {
	case t.Plain():
		l.add("ctid", typeTID, "tid")
	case !t.Derived():
		l.add(catalog.RowColumn, typeUUID, "uuid")
	}
	for _, c := range t.Columns {
		if c.Clear {
			l.add(c.Name, c.StoredType(), t.Relation.Column(c.Num).TypeName)
		} else {
			k := c.Cell()
			l.add(c.CarrierColumn(k), k.Type, k.TypeName)
		}
	}
	return l
}

// first is the index of the first column's value in a stored row.
func (l layout) first() int { return l.tag() - len(l.table.Columns) }

// tag is the index of the first tag in a stored row.
func (l layout) tag() int { return len(l.names) - len(l.tags) }

// prove adds carriers to a layout.
func (l *layout) prove(tags []plan.Proof) {
	l.tags = tags
	for _, p := range tags {
		l.add(p.Column.CarrierColumn(p.Carrier), p.Carrier.Type, p.Carrier.TypeName)
	}
}

// open opens stored rows by column, all or nothing.
func (v *Vault) open(ctx context.Context, l layout, stored [][][]byte) ([]Row, error) {
	rows := make([]Row, len(stored))
	ids := make([]clarus.RowID, len(stored))
	if err := v.identify(ctx, l, stored, ids); err != nil {
		return nil, err
	}
	first, width := l.first(), len(l.table.Columns)
	all := make([][]byte, len(stored)*width)
	for i := range rows {
		rows[i] = Row{ID: ids[i], stored: stored[i][:l.tag()], Values: all[i*width : (i+1)*width : (i+1)*width]}
	}
	cells := make([]clarus.Sealed, len(stored))
	for j, c := range l.table.Columns {
		if c.Clear {
			for i := range rows {
				rows[i].Values[j] = stored[i][first+j]
			}
			continue
		}
		codec, err := v.Cell(ctx, l.table, c)
		if err != nil {
			return nil, err
		}
		for i := range stored {
			cells[i] = stored[i][first+j]
		}
		values, err := codec.Open(ids, cells)
		if err != nil {
			return nil, broken(l.table, c, err)
		}
		for i := range rows {
			rows[i].Values[j] = values[i].Bytes
		}
		for at, p := range l.tags {
			if p.Column != c {
				continue
			}
			for i := range stored {
				cells[i] = stored[i][l.tag()+at]
			}
			if err := v.compare(ctx, l.table, c, p.Carrier, ids, values, cells); err != nil {
				return nil, err
			}
		}
	}
	return rows, readLabels(l.table, rows)
}

// compare refuses tags that are not those of the opened values.
func (v *Vault) compare(ctx context.Context, t *catalog.Table, c *catalog.Column, k catalog.Carrier, ids []clarus.RowID, values []clarus.Value, tags []clarus.Sealed) error {
	codec, err := v.Carrier(ctx, t, c, k)
	if err != nil {
		return err
	}
	want, err := codec.Seal(ids, values)
	if err != nil {
		return err
	}
	for i := range want {
		if (want[i] == nil) != (tags[i] == nil) || subtle.ConstantTimeCompare(want[i], tags[i]) != 1 {
			return altered(t, c)
		}
	}
	return nil
}

// altered names the column of a tag that is not its value's.
func altered(t *catalog.Table, c *catalog.Column) error {
	return &clarus.Error{Op: "open", Attr: t.Schema + "." + t.Name + "." + c.Name, Kind: clarus.Integrity, Msg: "a stored tag is not that of its value",
		Hint: "The provider altered or moved it. Compare with a backup and audit the provider."}
}

// malformed is the error for a row that cannot be taken apart.
func malformed(err error) error {
	return &clarus.Error{Op: "fetch", Kind: clarus.Integrity, Msg: "the provider returned a row that is malformed", Err: err}
}

// broken names the column of a cell that did not open.
func broken(t *catalog.Table, c *catalog.Column, err error) error {
	reason := ""
	if f, ok := errors.AsType[*technique.Fault](err); ok {
		reason = " (" + string(f.Reason) + ")"
	} else if clarus.KindOf(err) != clarus.Integrity {
		return err
	}
	return &clarus.Error{Op: "open", Attr: t.Schema + "." + t.Name + "." + c.Name, Kind: clarus.Integrity,
		Msg: "a stored value does not open" + reason, Hint: "The provider altered, moved or lost it. Compare with a backup and audit the provider."}
}

// identify works out the identity of each stored row.
func (v *Vault) identify(ctx context.Context, l layout, stored [][][]byte, ids []clarus.RowID) error {
	switch {
	case l.table.Plain():
	case !l.table.Derived():
		for i, s := range stored {
			if len(s[0]) != len(ids[i]) {
				return repeated(l.table, "a row has no identity")
			}
			copy(ids[i][:], s[0])
		}
	default:
		k, free, err := v.rowKey(ctx, l.table)
		if err != nil {
			return err
		}
		defer free()
		for i, s := range stored {
			ids[i] = k.id(keyOf(l.table, s))
		}
	}
	return nil
}

// keyOf picks the clear key's values out of a row without stored identity.
func keyOf(t *catalog.Table, values [][]byte) [][]byte {
	key := make([][]byte, len(t.Key))
	for i, num := range t.Key {
		for j, c := range t.Columns {
			if c.Num == num {
				key[i] = values[j]
			}
		}
	}
	return key
}

func repeated(t *catalog.Table, msg string) error {
	return &clarus.Error{Op: "open", Attr: t.Schema + "." + t.Name, Kind: clarus.Integrity, Msg: msg,
		Hint: "The provider altered the table. Compare with a backup and audit the provider."}
}

// distinct refuses rows that come twice in one fetch of a table.
func distinct(r *Rows, seen map[clarus.RowID]bool, rows []Row) error {
	if r.Table.Plain() {
		return nil
	}
	for i := range rows {
		if seen[rows[i].ID] {
			return repeated(r.Table, "a row came twice")
		}
		seen[rows[i].ID] = true
	}
	return nil
}

// seal makes what the provider holds for rows: for each row the stored
// identity if there is one, and for each column its carriers.
func (v *Vault) seal(ctx context.Context, t *catalog.Table, rows []Row) ([][][]byte, error) {
	sealed := make([][][]byte, len(rows))
	ids := make([]clarus.RowID, len(rows))
	stored, err := storedValues(t, rows)
	if err != nil {
		return nil, err
	}
	if t.Derived() {
		k, free, err := v.rowKey(ctx, t)
		if err != nil {
			return nil, err
		}
		defer free()
		for i := range rows {
			rows[i].ID = k.id(keyOf(t, stored[i]))
		}
	}
	for i := range rows {
		ids[i] = rows[i].ID
		if t.StoresIdentity() {
			sealed[i] = append(sealed[i], append([]byte(nil), ids[i][:]...))
		}
	}
	values := make([]clarus.Value, len(rows))
	for j, c := range t.Columns {
		for i := range rows {
			if c.Type == typeTSQuery && string(stored[i][j]) == emptyTSQuery {
				return nil, clarus.Refuse(t.Name+"."+c.Name+": an empty tsquery", "Store NULL: PostgreSQL cannot read an empty one back in binary format.")
			}
			values[i] = clarus.Value{Bytes: stored[i][j]}
		}
		if c.Clear {
			for i := range rows {
				sealed[i] = append(sealed[i], stored[i][j])
			}
			continue
		}
		if err := v.carriers(ctx, t, c, ids, values, sealed); err != nil {
			return nil, err
		}
	}
	return sealed, nil
}

// carriers appends a column's carriers to each row.
func (v *Vault) carriers(ctx context.Context, t *catalog.Table, c *catalog.Column, ids []clarus.RowID, values []clarus.Value, rows [][][]byte) error {
	for _, k := range c.All() {
		codec, err := v.Carrier(ctx, t, c, k)
		if err != nil {
			return err
		}
		cells, err := codec.Seal(ids, values)
		if err != nil {
			return fmt.Errorf("seal %s.%s: %w", t.Name, c.Name, err)
		}
		for i := range rows {
			rows[i] = append(rows[i], cells[i])
		}
	}
	return nil
}

var (
	copyHeader  = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)
	copyTrailer = []byte{0xff, 0xff}
)

// appendCopy appends one row in PostgreSQL's binary COPY format.
func appendCopy(dst []byte, row [][]byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(row)))
	for _, v := range row {
		dst = appendDatum(dst, v)
	}
	return dst
}

// appendDatum appends a value with its length before it, as rows have it; nil
// is NULL.
func appendDatum(dst, v []byte) []byte {
	if v == nil {
		return binary.BigEndian.AppendUint32(dst, 0xffffffff)
	}
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(v))), v...)
}
