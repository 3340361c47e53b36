package oracle

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/clarus-project/clarus/pgwire"
)

// An Outcome is what a server said to one statement.
type Outcome struct {
	Params  []uint32       // types of the parameters, if described
	Fields  []pgwire.Field // nil: the statement returns no rows
	Rows    [][][]byte
	Copy    []byte // what COPY TO sent
	Copied  bool
	Notices []string
	Tag     string // a command tag, or "" after an error
	Err     *pgwire.ServerError
}

// Status is the transaction state in a ReadyForQuery: 'I', 'T' or 'E'.
type Status byte

func (s Status) String() string {
	switch s {
	case 'T':
		return "(in transaction)\n"
	case 'E':
		return "(transaction failed)\n"
	}
	return ""
}

// A Shape says how an outcome is written down.
type Shape struct {
	Ordered bool                // rows as a list, not as a multiset
	Message bool                // an error's text, not only its SQLSTATE
	Notices bool                // notices too
	Types   func(uint32) string // the name of a type
	Mask    func([]byte) []byte // replaces what differs between servers in binary values; nil: nothing
}

// Text writes outcomes down. Rows that are not ordered are sorted.
func (s Shape) Text(list []Outcome) string {
	var b strings.Builder
	for _, o := range list {
		s.one(&b, o)
	}
	return b.String()
}

func (s Shape) one(b *strings.Builder, o Outcome) {
	if s.Notices {
		for _, n := range o.Notices {
			fmt.Fprintln(b, n)
		}
	}
	if len(o.Params) > 0 && o.Err == nil {
		names := make([]string, len(o.Params))
		for i, p := range o.Params {
			names[i] = s.Types(p)
		}
		fmt.Fprintf(b, "parameters: %s\n", strings.Join(names, ", "))
	}
	if o.Fields != nil && o.Err == nil { // what came before an error does not count
		s.rows(b, o)
	}
	if o.Copied && o.Err == nil {
		s.copied(b, o.Copy)
	}
	switch {
	case o.Err != nil:
		b.WriteString(s.failure(o.Err))
	case o.Tag != "":
		fmt.Fprintln(b, o.Tag)
	}
}

func (s Shape) rows(b *strings.Builder, o Outcome) {
	var heads []string
	for _, f := range o.Fields {
		heads = append(heads, f.Name+" "+s.Types(f.Type)+modifier(f))
	}
	fmt.Fprintf(b, "[%s]\n", strings.Join(heads, ", "))
	lines := make([]string, len(o.Rows))
	for i, row := range o.Rows {
		cells := make([]string, len(row))
		for j, v := range row {
			cells[j] = s.cell(o.Fields[j], v)
		}
		lines[i] = strings.Join(cells, " | ")
		if len(cells) == 0 {
			lines[i] = "()"
		}
	}
	s.lines(b, lines)
}

func (s Shape) lines(b *strings.Builder, lines []string) {
	if !s.Ordered {
		slices.Sort(lines)
	}
	for _, l := range lines {
		fmt.Fprintln(b, l)
	}
}

// copied writes the stream of a COPY TO: its lines, or the rows of its binary format in hex.
func (s Shape) copied(b *strings.Builder, data []byte) {
	if rows, ok := copyRows(data); ok {
		s.lines(b, rows)
		return
	}
	var lines []string
	for l := range strings.Lines(string(data)) {
		lines = append(lines, quoted(strings.TrimSuffix(l, "\n")))
	}
	s.lines(b, lines)
}

var copySignature = []byte("PGCOPY\n\xff\r\n\x00")

func copyRows(data []byte) (rows []string, ok bool) {
	if !bytes.HasPrefix(data, copySignature) || len(data) < 19 {
		return nil, false
	}
	d := pgwire.NewBody(data[19:])
	for n := d.Int16(); n >= 0; n = d.Int16() {
		var cells []string
		for range n {
			cells = append(cells, hexed(d.Datum()))
		}
		rows = append(rows, strings.Join(cells, " | "))
	}
	return rows, d.Done() == nil
}

// Types with a spelling of their own.
const (
	oidFloat4, oidFloat8             = 700, 701
	oidVarchar, oidBpchar, oidNumber = 1043, 1042, 1700
	oidRecord, oidRecords            = 2249, 2287
	firstUserOID                     = 16384
)

// isReg has the types that are OIDs with names: regproc, regclass, ...
var isReg = map[uint32]bool{24: true, 2202: true, 2203: true, 2204: true, 2205: true, 2206: true, 3734: true,
	3769: true, 4089: true, 4096: true, 4191: true}

// modifier writes a type's modifier as it was declared, if that is known, else as a number.
func modifier(f pgwire.Field) string {
	m := f.Typmod
	switch {
	case m < 0:
		return ""
	case f.Type == oidVarchar || f.Type == oidBpchar:
		return fmt.Sprintf("(%d)", m-4)
	case f.Type == oidNumber:
		return fmt.Sprintf("(%d,%d)", (m-4)>>16, (m-4)&0x7ff)
	}
	return fmt.Sprintf("(%d)", m)
}

func (s Shape) cell(f pgwire.Field, v []byte) string {
	if v == nil {
		return "NULL"
	}
	float, size, isFloat := number(f, v)
	switch {
	case isFloat:
		return strconv.FormatFloat(float, 'g', size, 64)
	case f.Format == 0:
		return quoted(string(v))
	case isReg[f.Type] && len(v) == 4 && binary.BigEndian.Uint32(v) >= firstUserOID:
		return "(the OID of a user's object)" // other on each server; text has its name
	case s.Mask != nil && (f.Type >= firstUserOID || f.Type == oidRecord || f.Type == oidRecords):
		v = s.Mask(v)
	}
	return hexed(v)
}

// number reads a value of a floating-point type and says how many digits of it count.
func number(f pgwire.Field, v []byte) (x float64, digits int, ok bool) {
	digits = map[uint32]int{oidFloat4: 6, oidFloat8: 15}[f.Type]
	switch {
	case digits == 0:
		return 0, 0, false
	case f.Format == 0:
		x, err := strconv.ParseFloat(string(v), 64)
		return x, digits, err == nil
	case f.Type == oidFloat4 && len(v) == 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(v))), digits, true
	case f.Type == oidFloat8 && len(v) == 8:
		return math.Float64frombits(binary.BigEndian.Uint64(v)), digits, true
	}
	return 0, 0, false
}

func hexed(v []byte) string {
	if v == nil {
		return "NULL"
	}
	return `\x` + hex.EncodeToString(v)
}

// quoted writes a value so that it stands on one line and is not taken for
// NULL, for two cells or for nothing.
func quoted(v string) string {
	odd := func(r rune) bool { return r == '|' || r == unicode.ReplacementChar || !unicode.IsPrint(r) }
	if v == "" || v == "NULL" || v == "()" || v != strings.TrimSpace(v) || v[0] == '"' || strings.ContainsFunc(v, odd) {
		return strconv.Quote(v)
	}
	return v
}

func (s Shape) failure(e *pgwire.ServerError) string {
	if !s.Message {
		return e.Severity + " " + e.Code + "\n"
	}
	text := fmt.Sprintf("%s %s: %s\n", e.Severity, e.Code, e.Message)
	for _, part := range [][2]string{{"DETAIL", e.Detail}, {"HINT", e.Hint}, {"TABLE", e.Table}, {"COLUMN", e.Column},
		{"CONSTRAINT", e.Constraint}} {
		if part[1] != "" {
			text += part[0] + ": " + part[1] + "\n"
		}
	}
	if e.Position > 0 {
		text += fmt.Sprintf("POSITION: %d\n", e.Position)
	}
	return text
}
