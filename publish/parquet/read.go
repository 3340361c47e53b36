// Package parquet reads and writes tables as Apache Parquet files. It takes flat
// tables: columns of text, numbers, truth values, dates and times. Each value
// becomes the one text that a CSV file would have for it, NULL the empty text. A
// column that is published as it was is written with the type that it had.
package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/clarus-project/clarus/publish/table"
)

// What Parquet files begin with; those whose schema is encrypted have the second.
const (
	magic     = "PAR1"
	encrypted = "PARE"
)

// Is reports whether a file that begins so is Parquet.
func Is(head []byte) bool { return string(head) == magic || string(head) == encrypted }

// The limits are those of CSV; see package table.
const (
	maxField   = 1 << 20
	maxColumns = 4096
	maxRows    = 1 << 30
)

// A Type is how a column was stored.
type Type struct {
	*form
	optional bool
	nulls    bool // some value was NULL
}

// Types are how columns were stored, by name.
type Types map[string]*Type

// Read reads a file. Progress, which may be nil, is told how many columns' parts are
// read. A file that is damaged is refused, whatever is wrong with it.
func Read(r io.ReaderAt, size int64, progress func(done, of int)) (t *table.Table, types Types, err error) {
	defer func(was bool) { debug.SetPanicOnFault(was) }(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil { // the library's decoders believe what a file says of itself
			t, types, err = nil, nil, damaged(fmt.Errorf("%v", p))
		}
	}()
	if progress == nil {
		progress = func(int, int) {}
	}
	f, err := open(r, size)
	if err != nil {
		return nil, nil, err
	}
	p := &reader{file: f, table: &table.Table{Delimiter: ','}, types: Types{}, progress: progress}
	if err := p.schema(); err != nil {
		return nil, nil, err
	}
	for i := range p.columns {
		if err := p.column(i); err != nil {
			return nil, nil, err
		}
	}
	return p.table, p.types, nil
}

func damaged(err error) error {
	return &table.Error{Msg: "the Parquet file is damaged: " + err.Error(), Hint: "write it anew"}
}

// open reads what the file says of itself.
func open(r io.ReaderAt, size int64) (*pq.File, error) {
	var head [4]byte
	if _, err := r.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	sealed := &table.Error{Msg: "the Parquet file is encrypted", Hint: "write it without encryption where the anonymisation runs"}
	switch {
	case string(head[:]) == encrypted:
		return nil, sealed
	case string(head[:]) != magic || size < 12:
		return nil, damaged(errors.New("it does not begin and end as such a file does"))
	}
	var tail [4]byte
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return nil, err
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > size-12 {
		return nil, damaged(fmt.Errorf("it says that %d of its %d bytes describe it", n, size))
	}
	f, err := pq.OpenFile(&bounded{r, size}, size, pq.SkipPageIndex(true), pq.SkipBloomFilters(true), pq.ReadBufferSize(1<<16))
	if err != nil {
		if strings.Contains(err.Error(), "DecryptionConfig") {
			return nil, sealed
		}
		return nil, damaged(err)
	}
	if f.Metadata().EncryptionAlgorithm.Value != nil {
		return nil, sealed
	}
	return f, nil
}

// bounded refuses what a file says is beyond its end before memory is taken for it.
type bounded struct {
	io.ReaderAt
	size int64
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > b.size || int64(len(p)) > b.size {
		return 0, io.ErrUnexpectedEOF
	}
	return b.ReaderAt.ReadAt(p, off)
}

// A reader reads one file, column by column.
type reader struct {
	file     *pq.File
	table    *table.Table
	types    Types
	columns  []*Type
	progress func(done, of int)
}

// schema checks that the table is flat and every type known.
func (p *reader) schema() error {
	m := p.file.Metadata()
	elements := m.Schema[1:]
	if len(elements) > maxColumns {
		return &table.Error{Msg: fmt.Sprintf("the file has more than %d columns", maxColumns)}
	}
	for i := range elements {
		e := &elements[i]
		refuse := func(msg, hint string) error { return &table.Error{Column: e.Name, Msg: msg, Hint: hint} }
		switch {
		case e.NumChildren.V > 0 || !e.Type.Valid:
			return refuse("the column has columns inside", "write each of them as a column of its own")
		case e.RepetitionType.V == format.Repeated:
			return refuse("the column holds several values a row", "write one row for each, or several columns")
		case e.Name == "" || !utf8.ValidString(e.Name) || strings.ContainsRune(e.Name, 0):
			return &table.Error{Column: fmt.Sprint(i + 1), Msg: "the column's name is empty or not UTF-8", Hint: "name it"}
		case p.types[e.Name] != nil:
			return refuse("the name stands there twice", "columns need different names")
		}
		f, err := formOf(e)
		if err != nil {
			return refuse(err.Error(), "write it as text, a number, a date or a timestamp, or leave the column out")
		}
		t := &Type{form: f, optional: e.RepetitionType.V == format.Optional}
		p.types[e.Name] = t
		p.columns = append(p.columns, t)
	}
	rows := int64(0)
	for i := range m.RowGroups {
		g := &m.RowGroups[i]
		if len(g.Columns) != len(elements) || g.NumRows < 0 || g.NumRows > maxRows {
			return damaged(errors.New("a row group does not fit the schema"))
		}
		for j := range g.Columns {
			if g.Columns[j].CryptoMetadata.Value != nil {
				return &table.Error{Column: elements[j].Name, Msg: "the column is encrypted", Hint: "write it without encryption where the anonymisation runs"}
			}
		}
		if rows += g.NumRows; rows > maxRows {
			return &table.Error{Msg: "there are too many rows"}
		}
	}
	if len(elements) == 0 {
		return &table.Error{Msg: "the file has no columns"}
	}
	p.table.Rows = int(rows)
	return nil
}

// column reads one column of all row groups.
func (p *reader) column(i int) error {
	name := p.file.Metadata().Schema[i+1].Name
	groups := p.file.RowGroups()
	c := &columnReader{name: name, kind: p.columns[i], out: table.NewBuilder(name, min(p.table.Rows, 1<<20)), numbers: map[uint64]uint32{}, bytes: map[string]uint32{}}
	for j, g := range groups {
		p.progress(i*len(groups)+j, len(p.columns)*len(groups))
		before := len(c.out.Column().Codes)
		if err := c.chunk(g.ColumnChunks()[i]); err != nil {
			var known *table.Error
			if errors.As(err, &known) {
				return err
			}
			return &table.Error{Column: name, Msg: "the Parquet file is damaged: " + err.Error(), Hint: "write it anew"}
		}
		if n := int64(len(c.out.Column().Codes) - before); n != g.NumRows() {
			return &table.Error{Column: name, Msg: fmt.Sprintf("the Parquet file is damaged: %d values where there are %d rows", n, g.NumRows()), Hint: "write it anew"}
		}
	}
	p.table.Columns = append(p.table.Columns, c.out.Column())
	return nil
}

// A columnReader makes texts of the values of one column, of each value once.
type columnReader struct {
	name    string
	kind    *Type
	out     *table.Builder
	numbers map[uint64]uint32 // code of what is stored as a number
	bytes   map[string]uint32 // and of other bytes than text
	buf     [1024]pq.Value
}

func (c *columnReader) chunk(chunk pq.ColumnChunk) error {
	pages := chunk.Pages()
	defer pages.Close()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = c.page(page)
		pq.Release(page)
		if err != nil {
			return err
		}
	}
}

func (c *columnReader) page(page pq.Page) error {
	values := page.Values()
	for {
		n, err := values.ReadValues(c.buf[:])
		for _, v := range c.buf[:n] {
			code, err := c.code(v)
			if err != nil {
				return &table.Error{Row: len(c.out.Column().Codes) + 1, Column: c.name, Msg: err.Error(), Hint: "correct it"}
			}
			column := c.out.Column()
			if column.Codes = append(column.Codes, code); len(column.Codes) > maxRows {
				return errors.New("it has more values than rows")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrNoProgress
		}
	}
}

// code is the code of a value's text.
func (c *columnReader) code(v pq.Value) (uint32, error) {
	if v.IsNull() {
		c.kind.nulls = true
		return c.out.Code(""), nil
	}
	var number uint64
	switch v.Kind() {
	case pq.Boolean:
		if v.Boolean() {
			number = 1
		}
	case pq.Int32, pq.Float:
		number = uint64(v.Uint32())
	case pq.Int64, pq.Double:
		number = v.Uint64()
	case pq.Int96:
		return c.first(v)
	default:
		return c.stored(v)
	}
	code, ok := c.numbers[number]
	if !ok {
		var err error
		if code, err = c.first(v); err != nil {
			return 0, err
		}
		c.numbers[number] = code
	}
	return code, nil
}

// stored is code for bytes.
func (c *columnReader) stored(v pq.Value) (uint32, error) {
	b := v.ByteArray()
	code, ok := c.bytes[string(b)]
	if ok {
		return code, nil
	}
	if len(b) > maxField {
		return 0, errors.New("the value is longer than 1 MiB")
	}
	if c.kind.words && (!utf8.Valid(b) || slices.Contains(b, 0)) {
		return 0, errors.New("the value is not text in UTF-8")
	}
	code, err := c.first(v)
	if err != nil {
		return 0, err
	}
	if c.kind.words {
		c.bytes[c.out.Column().Values[code]] = code // the text is kept once
	} else {
		c.bytes[string(b)] = code
	}
	return code, nil
}

func (c *columnReader) first(v pq.Value) (uint32, error) {
	text, err := c.kind.text(v)
	if err != nil {
		return 0, err
	}
	return c.out.Code(text), nil
}
