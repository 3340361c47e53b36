package run

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/ddl"
	"github.com/clarus-project/clarus/sqlast"
)

// fragment is a table's name at its provider.
func fragment(t *catalog.Table) string { return ddl.Fragment(t) }

func quoted(names []string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = sqlast.Quote(n)
	}
	return strings.Join(list, ", ")
}

// quotedColumns are a table's columns on the twin with their types.
func quotedColumns(t *catalog.Table) (columns, types []string) {
	for _, c := range t.Columns {
		a := t.Relation.Column(c.Num)
		columns = append(columns, sqlast.Quote(c.Name))
		types = append(types, a.OnTwin)
	}
	return columns, types
}

func assignments(names []string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = fmt.Sprintf("%s = $%d", sqlast.Quote(n), i+1)
	}
	return strings.Join(list, ", ")
}

// conjunction is a condition that names equal the parameters after shift.
func conjunction(names []string, shift int) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = fmt.Sprintf("%s = $%d", sqlast.Quote(n), shift+i+1)
	}
	return strings.Join(list, " AND ")
}

// placeColumns are the provider's columns that a row is found by, with types.
func placeColumns(t *catalog.Table) (names []string, types []uint32) {
	switch {
	case t.Plain():
		return []string{"ctid"}, []uint32{typeTID}
	case !t.Derived():
		return []string{catalog.RowColumn}, []uint32{typeUUID}
	}
	for _, num := range t.Key {
		c := t.Column(num)
		names, types = append(names, c.Name), append(types, c.StoredType())
	}
	return names, types
}

func placeValues(t *catalog.Table, r Row) [][]byte {
	if t.Derived() {
		return keyOf(t, r.stored)
	}
	return r.stored[:1]
}

// copyIn stores sealed rows by COPY.
func (v *Vault) copyIn(ctx context.Context, j *Job, t *catalog.Table, rows []Row, sealed [][][]byte) error {
	names, _ := t.Stored()
	next, started := 0, false
	_, err := j.writer.CopyIn(ctx, fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT binary)", fragment(t), quoted(names)), func() ([]byte, error) {
		var buf []byte
		if !started {
			buf, started = slices.Clone(copyHeader), true
		}
		if next > len(sealed) {
			return nil, io.EOF
		}
		for next < len(sealed) && len(buf) < 64<<10 {
			buf = appendCopy(buf, sealed[next])
			next++
		}
		if next == len(sealed) {
			buf = append(buf, copyTrailer...)
			next++
		}
		return buf, nil
	})
	if err != nil {
		return j.explainBatch(err, t, rows, sealed)
	}
	return nil
}
