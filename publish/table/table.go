// Package table holds microdata in memory: columns of text, each value of a
// column kept once. It reads and writes CSV (RFC 4180, with a delimiter that is
// found out or given) and says where in the file anything is wrong.
package table

import (
	"fmt"
	"slices"
	"strings"
)

// A Column is a named list of values: row r has Values[Codes[r]].
type Column struct {
	Name   string
	Values []string
	Codes  []uint32
}

// At returns the value in row r.
func (c *Column) At(r int) string { return c.Values[c.Codes[r]] }

// Count returns how often each value occurs.
func (c *Column) Count() []int {
	count := make([]int, len(c.Values))
	for _, x := range c.Codes {
		count[x]++
	}
	return count
}

// First returns the first row, from 0, that has the value of the code, or -1.
func (c *Column) First(code uint32) int { return slices.Index(c.Codes, code) }

// A Table is rows of text.
type Table struct {
	Columns   []*Column
	Rows      int
	Delimiter byte // it was read with, and is written with
}

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Names returns the columns' names.
func (t *Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

// An Error is something wrong in a table. It may hold a value of the table: it
// is for the owner of the data.
type Error struct {
	Row    int    // from 1, the header not counted; 0: the header or the whole file
	Column string // name, or number where there is no name yet; may be empty
	Msg    string
	Hint   string
}

func (e *Error) Error() string {
	var where []string
	if e.Row > 0 {
		where = append(where, fmt.Sprintf("row %d", e.Row))
	}
	if e.Column != "" {
		where = append(where, "column "+e.Column)
	}
	msg := e.Msg
	if len(where) > 0 {
		msg = strings.Join(where, ", ") + ": " + msg
	}
	if e.Hint != "" {
		msg += " (" + e.Hint + ")"
	}
	return msg
}

// A Builder makes a column value by value.
type Builder struct {
	column *Column
	code   map[string]uint32
}

// NewBuilder makes an empty column; rows is how many are expected.
func NewBuilder(name string, rows int) *Builder {
	return &Builder{&Column{Name: name, Codes: make([]uint32, 0, rows)}, map[string]uint32{}}
}

// Add appends a value.
func (b *Builder) Add(value string) { b.column.Codes = append(b.column.Codes, b.Code(value)) }

// Code returns the code of a value without appending a row.
func (b *Builder) Code(value string) uint32 {
	x, ok := b.code[value]
	if !ok {
		x = uint32(len(b.column.Values))
		b.code[value] = x
		b.column.Values = append(b.column.Values, value)
	}
	return x
}

// bytes is Add without making a string of a value that is known.
func (b *Builder) bytes(value []byte) bool {
	if x, ok := b.code[string(value)]; ok {
		b.column.Codes = append(b.column.Codes, x)
		return false
	}
	b.Add(string(value))
	return true
}

// Column returns what was built.
func (b *Builder) Column() *Column { return b.column }
