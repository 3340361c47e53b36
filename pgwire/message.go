package pgwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

var errShort = errors.New("message is shorter than its contents say")

// A Body takes a message's body apart. After the first error all reads return
// zero values; Done reports it, or bytes left over.
type Body struct {
	b   []byte
	err error
}

// NewBody returns a Body over b.
func NewBody(b []byte) *Body { return &Body{b: b} }

func (d *Body) take(n int) []byte {
	if d.err != nil || n < 0 || len(d.b) < n {
		d.err = errShort
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

// Byte reads one byte.
func (d *Body) Byte() byte {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

// Int16 reads a signed 16-bit integer.
func (d *Body) Int16() int {
	if v := d.take(2); v != nil {
		return int(int16(binary.BigEndian.Uint16(v)))
	}
	return 0
}

// Int32 reads a signed 32-bit integer.
func (d *Body) Int32() int {
	if v := d.take(4); v != nil {
		return int(int32(binary.BigEndian.Uint32(v)))
	}
	return 0
}

// Uint32 reads an object id.
func (d *Body) Uint32() uint32 { return uint32(d.Int32()) }

// String reads a zero-terminated string.
func (d *Body) String() string {
	i := bytes.IndexByte(d.b, 0)
	if d.err != nil || i < 0 {
		d.err = errShort
		return ""
	}
	return string(d.take(i + 1)[:i])
}

// Datum reads a length and a value; nil is NULL. It aliases the message.
func (d *Body) Datum() []byte {
	n := d.Int32()
	if n == -1 {
		return nil
	}
	if v := d.take(n); v != nil {
		return v
	}
	return []byte{}
}

// Count reads the number of entries that follow, each of at least size bytes.
func (d *Body) Count(size int) int {
	n := d.Int16()
	if n < 0 || n*size > len(d.b) {
		d.err = errShort
		return 0
	}
	return n
}

// Rest returns what was not read.
func (d *Body) Rest() []byte { v := d.b; d.b = nil; return v }

// Done returns the first error, or one for bytes left over.
func (d *Body) Done() error {
	if d.err == nil && len(d.b) > 0 {
		return fmt.Errorf("message has %d bytes too many", len(d.b))
	}
	return d.err
}

// A Field describes one result column, as RowDescription does.
type Field struct {
	Name   string
	Table  uint32
	Attr   int16
	Type   uint32
	Size   int16
	Typmod int32
	Format int16
}

// Fields decodes a RowDescription.
func Fields(body []byte) ([]Field, error) {
	d := NewBody(body)
	fields := make([]Field, d.Count(19))
	for i := range fields {
		fields[i] = Field{Name: d.String(), Table: d.Uint32(), Attr: int16(d.Int16()), Type: d.Uint32(),
			Size: int16(d.Int16()), Typmod: int32(d.Int32()), Format: int16(d.Int16())}
	}
	return fields, d.Done()
}

// RowDescription writes fields.
func (w *Writer) RowDescription(fields []Field) {
	w.Begin('T').Int16(len(fields))
	for _, f := range fields {
		w.String(f.Name).Int32(int(f.Table)).Int16(int(f.Attr)).Int32(int(f.Type)).
			Int16(int(f.Size)).Int32(int(f.Typmod)).Int16(int(f.Format))
	}
	w.End()
}

// Row decodes a DataRow into dst, which it returns resliced. The data alias
// the message; nil is NULL.
func Row(body []byte, dst [][]byte) ([][]byte, error) {
	d := NewBody(body)
	dst = dst[:0]
	for range d.Count(4) {
		dst = append(dst, d.Datum())
	}
	return dst, d.Done()
}

// DataRow writes a row; nil is NULL.
func (w *Writer) DataRow(row [][]byte) {
	w.Begin('D').Int16(len(row))
	for _, v := range row {
		w.Datum(v)
	}
	w.End()
}

// OIDs decodes a ParameterDescription.
func OIDs(body []byte) ([]uint32, error) {
	d := NewBody(body)
	oids := make([]uint32, d.Count(4))
	for i := range oids {
		oids[i] = d.Uint32()
	}
	return oids, d.Done()
}

// A ServerError is an ErrorResponse or NoticeResponse.
type ServerError struct {
	Severity, Code, Message, Detail, Hint       string
	Position, InternalPosition                  int
	InternalQuery, Where                        string
	Schema, Table, Column, DataType, Constraint string
}

func (e *ServerError) Error() string {
	return e.Severity + ": " + e.Message + " (SQLSTATE " + e.Code + ")"
}

func (e *ServerError) text() map[byte]*string {
	return map[byte]*string{'V': &e.Severity, 'C': &e.Code, 'M': &e.Message, 'D': &e.Detail, 'H': &e.Hint,
		'q': &e.InternalQuery, 'W': &e.Where, 's': &e.Schema, 't': &e.Table, 'c': &e.Column, 'd': &e.DataType,
		'n': &e.Constraint}
}

// DecodeError decodes the body of an ErrorResponse or NoticeResponse. Fields
// that it does not know are dropped.
func DecodeError(body []byte) (*ServerError, error) {
	e := &ServerError{}
	known := e.text()
	d := NewBody(body)
	for {
		t := d.Byte()
		if t == 0 {
			break
		}
		s := d.String()
		switch p := known[t]; {
		case p != nil:
			*p = s
		case t == 'S' && e.Severity == "":
			e.Severity = s
		case t == 'P':
			e.Position, _ = strconv.Atoi(s)
		case t == 'p':
			e.InternalPosition, _ = strconv.Atoi(s)
		}
	}
	return e, d.Done()
}

// errorOrder is the order in which PostgreSQL sends the fields of an error.
const errorOrder = "CMDHqWstcdn"

// ErrorResponse writes e; t is 'E' for an error, 'N' for a notice.
func (w *Writer) ErrorResponse(t byte, e *ServerError) {
	w.Begin(t).Byte('S').String(e.Severity).Byte('V').String(e.Severity)
	known := e.text()
	for i := range len(errorOrder) {
		if s := *known[errorOrder[i]]; s != "" {
			w.Byte(errorOrder[i]).String(s)
		}
	}
	if e.Position > 0 {
		w.Byte('P').String(strconv.Itoa(e.Position))
	}
	if e.InternalPosition > 0 {
		w.Byte('p').String(strconv.Itoa(e.InternalPosition))
	}
	w.Byte(0).End()
}

// CommandComplete writes a command tag.
func (w *Writer) CommandComplete(tag string) { w.Begin('C').String(tag).End() }

// Tag decodes a CommandComplete.
func Tag(body []byte) (string, error) {
	d := NewBody(body)
	tag := d.String()
	return tag, d.Done()
}
