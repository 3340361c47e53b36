package parquet

import (
	"fmt"
	"io"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"

	"github.com/clarus-project/clarus/publish/table"
)

// groupRows is how many rows a row group has.
const groupRows = 1 << 17

// An ordered is a schema whose columns stand as in the table.
type ordered struct {
	pq.Group
	names []string
}

func (o ordered) Fields() []pq.Field {
	fields := o.Group.Fields()
	slices.SortFunc(fields, func(a, b pq.Field) int {
		return slices.Index(o.names, a.Name()) - slices.Index(o.names, b.Name())
	})
	return fields
}

// Write writes a table: the columns that are kept as they were stored, all others as
// text. The empty text becomes NULL where the file that was read had NULL, and
// where the type has no such value. Types may be nil; progress, which may be nil
// too, is told of rows that were written, and ends the writing by an error.
func Write(w io.Writer, t *table.Table, types Types, kept []string, progress func(rows int) error) error {
	root := ordered{pq.Group{}, t.Names()}
	columns := make([]*column, len(t.Columns))
	for i, c := range t.Columns {
		var err error
		if columns[i], err = newColumn(c, types[c.Name], slices.Contains(kept, c.Name), i); err != nil {
			return err
		}
		node := columns[i].node
		if columns[i].optional {
			node = pq.Optional(node)
		}
		if node.Type().Kind() != pq.Boolean {
			node = pq.Encoded(node, &pq.RLEDictionary)
		}
		root.Group[c.Name] = pq.Compressed(node, &pq.Snappy)
	}
	out := pq.NewWriter(w, pq.NewSchema("release", root), pq.CreatedBy("clarus", "", ""), pq.DataPageVersion(1), pq.DictionaryMaxBytes(1<<20))
	batch := make([]pq.Value, 0, 1024)
	for lo := 0; lo < t.Rows; lo += groupRows {
		hi := min(t.Rows, lo+groupRows)
		for i, c := range columns {
			for r := lo; r < hi; r += cap(batch) {
				batch = batch[:0]
				for _, x := range c.codes[r:min(hi, r+cap(batch))] {
					batch = append(batch, c.values[x])
				}
				if _, err := out.ColumnWriters()[i].WriteRowValues(batch); err != nil {
					return err
				}
			}
			if progress != nil && i == len(columns)-1 {
				if err := progress(hi - lo); err != nil {
					return err
				}
			}
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return out.Close()
}

// A column is one as it is written.
type column struct {
	*form
	optional bool
	codes    []uint32
	values   []pq.Value // of each code
}

func newColumn(c *table.Column, t *Type, kept bool, index int) (*column, error) {
	out := &column{form: words(pq.String()), codes: c.Codes, values: make([]pq.Value, len(c.Values))}
	nulls := false
	if t != nil {
		out.optional, nulls = t.optional, t.nulls
	}
	if t != nil && kept {
		out.form = t.form
		nulls = nulls || !t.words
	}
	used := c.Count()
	for x, text := range c.Values {
		switch {
		case used[x] == 0:
			continue
		case text == "" && nulls:
			out.optional = true
			out.values[x] = pq.NullValue().Level(0, 0, index)
			continue
		}
		v, err := out.value(text)
		if err != nil {
			return nil, &table.Error{Column: c.Name, Msg: fmt.Sprintf("%q cannot be written as %s: %v", text, strings.ToLower(out.node.Type().String()), err)}
		}
		out.values[x] = v
	}
	if out.optional {
		for x, v := range out.values {
			if !v.IsNull() {
				out.values[x] = v.Level(0, 1, index)
			}
		}
		return out, nil
	}
	for x, v := range out.values {
		out.values[x] = v.Level(0, 0, index)
	}
	return out, nil
}
