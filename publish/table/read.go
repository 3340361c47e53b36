package table

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Options say how a file is read.
type Options struct {
	Delimiter byte           // 0: found out from the first lines
	Rows      int            // about how many there are, if known
	Progress  func(read int) // is told of bytes that were read; may be nil
}

// The limits keep a broken file, say an unclosed quote, from filling memory.
const (
	maxField   = 1 << 20
	maxColumns = 4096
	sniffed    = 64 << 10
)

// Delimiters are those that are found out.
const Delimiters = ",;\t|"

// Read reads a CSV file with a header: UTF-8, with or without a byte order mark,
// lines ended by LF or CRLF. What it refuses it names by row and column.
func Read(r io.Reader, o Options) (*Table, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	head, err := in.Peek(sniffed)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	for mark, name := range map[string]string{"\xff\xfe": "UTF-16", "\xfe\xff": "UTF-16", "\x1f\x8b": "gzip", "PK\x03\x04": "a ZIP archive or a spreadsheet", "PAR1": "Parquet"} {
		if bytes.HasPrefix(head, []byte(mark)) {
			return nil, &Error{Msg: "the file is " + name + ", not CSV in UTF-8", Hint: "export it as CSV in UTF-8"}
		}
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		head = head[3:]
		if _, err := in.Discard(3); err != nil {
			return nil, err
		}
	}
	if len(bytes.TrimSpace(head)) == 0 {
		return nil, &Error{Msg: "the file is empty", Hint: "the first line names the columns"}
	}
	if o.Delimiter == 0 {
		o.Delimiter = sniff(head)
	}
	p := &reader{in: in, o: o, t: &Table{Delimiter: o.Delimiter}}
	if err := p.header(); err != nil {
		return nil, err
	}
	for {
		more, err := p.row()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
	}
	for _, b := range p.columns {
		p.t.Columns = append(p.t.Columns, b.column)
	}
	return p.t, nil
}

// sniff returns the delimiter that divides the first lines most evenly.
func sniff(head []byte) byte {
	best, score := byte(','), 0
	for _, d := range []byte(Delimiters) {
		var counts []int
		n, quoted := 0, false
		for _, c := range head {
			switch {
			case c == '"':
				quoted = !quoted
			case quoted:
			case c == d:
				n++
			case c == '\n':
				counts = append(counts, n)
				n = 0
			}
		}
		if len(counts) == 0 {
			counts = []int{n}
		}
		even := 0
		for _, c := range counts {
			if c == counts[0] {
				even++
			}
		}
		// Mostly even lines first, then the more columns.
		if s := counts[0] * even * even / (len(counts) * len(counts)); s > score {
			best, score = d, s
		}
	}
	return best
}

// A reader reads one file, field by field.
type reader struct {
	in      *bufio.Reader
	o       Options
	t       *Table
	columns []*Builder
	line    []byte // what is left of the present line
	buf     []byte // a line longer than the reader's buffer
	field   []byte // a quoted field
}

// next reads the next line, without its end; false at the end of the file.
func (p *reader) next() (bool, error) {
	p.buf = p.buf[:0]
	for {
		part, err := p.in.ReadSlice('\n')
		if p.o.Progress != nil {
			p.o.Progress(len(part))
		}
		switch {
		case err == nil && len(p.buf) == 0:
			p.line = part
		case errors.Is(err, bufio.ErrBufferFull):
			if p.buf = append(p.buf, part...); len(p.buf) > maxColumns*maxField {
				return false, p.wrong(0, "the line is too long", "")
			}
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		default:
			p.buf = append(p.buf, part...)
			if p.line = p.buf; len(p.buf) == 0 {
				return false, nil
			}
		}
		p.line = bytes.TrimSuffix(bytes.TrimSuffix(p.line, []byte{'\n'}), []byte{'\r'})
		return true, nil
	}
}

func (p *reader) wrong(column int, msg, hint string) error {
	name := ""
	if column >= 0 && column < len(p.columns) {
		name = p.columns[column].column.Name
	} else if column >= 0 && len(p.columns) == 0 {
		name = strconv.Itoa(column + 1)
	}
	row := p.t.Rows + 1
	if len(p.columns) == 0 {
		row = 0
		msg = "header: " + msg
	}
	return &Error{Row: row, Column: name, Msg: msg, Hint: hint}
}

// value cuts the next field off the line; last: nothing follows it.
func (p *reader) value(column int) (field []byte, last bool, err error) {
	if len(p.line) > 0 && p.line[0] == '"' {
		return p.quoted(column)
	}
	i := bytes.IndexByte(p.line, p.o.Delimiter)
	if i < 0 {
		field, last = p.line, true
	} else {
		field, p.line = p.line[:i], p.line[i+1:]
	}
	if bytes.IndexByte(field, '"') >= 0 {
		return nil, false, p.wrong(column, "a quote stands inside a value that does not begin with one", "write the value in quotes, and quotes in it twice")
	}
	return field, last, nil
}

// quoted reads a field in quotes, which may go over several lines; their ends
// become LF.
func (p *reader) quoted(column int) ([]byte, bool, error) {
	p.field = p.field[:0]
	p.line = p.line[1:]
	for {
		i := bytes.IndexByte(p.line, '"')
		if i < 0 {
			p.field = append(append(p.field, p.line...), '\n')
			if len(p.field) > maxField {
				return nil, false, p.wrong(column, "a value in quotes is longer than 1 MiB", "is a quote not closed?")
			}
			more, err := p.next()
			if err != nil {
				return nil, false, err
			}
			if !more {
				return nil, false, p.wrong(column, "a quote is not closed", "the value begins with a quote and needs one at its end")
			}
			continue
		}
		p.field = append(p.field, p.line[:i]...)
		p.line = p.line[i+1:]
		switch {
		case len(p.line) == 0:
			return p.field, true, nil
		case p.line[0] == '"':
			p.field = append(p.field, '"')
			p.line = p.line[1:]
		case p.line[0] == p.o.Delimiter:
			p.line = p.line[1:]
			return p.field, false, nil
		default:
			return nil, false, p.wrong(column, "something follows the closing quote", "quotes in a value are written twice")
		}
	}
}

func (p *reader) header() error {
	if more, err := p.next(); err != nil || !more {
		return err
	}
	seen := map[string]bool{}
	var names []string
	for last := false; !last; {
		var field []byte
		var err error
		field, last, err = p.value(len(names))
		if err != nil {
			return err
		}
		if err := p.text(field, len(names)); err != nil {
			return err
		}
		name := string(field)
		switch {
		case name == "":
			return p.wrong(len(names), "the name is empty", "the first line names the columns")
		case seen[name]:
			return p.wrong(len(names), fmt.Sprintf("the name %q stands there twice", name), "columns need different names")
		case len(names) == maxColumns:
			return p.wrong(len(names), "there are too many columns", "")
		}
		seen[name] = true
		names = append(names, name)
	}
	for _, name := range names {
		p.columns = append(p.columns, NewBuilder(name, p.o.Rows))
	}
	return nil
}

// text checks a field's encoding.
func (p *reader) text(field []byte, column int) error {
	if !utf8.Valid(field) {
		return p.wrong(column, "the value is not UTF-8", "convert the file, say with iconv -f latin1 -t utf-8")
	}
	if bytes.IndexByte(field, 0) >= 0 {
		return p.wrong(column, "the value has a zero byte", "is the file text in UTF-8?")
	}
	if len(field) > maxField {
		return p.wrong(column, "the value is longer than 1 MiB", "")
	}
	return nil
}

func (p *reader) row() (bool, error) {
	for {
		if more, err := p.next(); err != nil || !more {
			return false, err
		}
		if len(p.line) > 0 || len(p.columns) == 1 {
			break
		} // else: an empty line
	}
	for i := range p.columns {
		field, last, err := p.value(i)
		if err != nil {
			return false, err
		}
		if last != (i == len(p.columns)-1) {
			if last {
				return false, p.wrong(-1, fmt.Sprintf("the row has %d values, the header %d", i+1, len(p.columns)), "is the delimiter right?")
			}
			if i == len(p.columns)-1 {
				return false, p.wrong(-1, fmt.Sprintf("the row has more values than the header, %d", len(p.columns)), "is a value with the delimiter in it not in quotes?")
			}
		}
		if p.columns[i].bytes(field) {
			if err := p.text(field, i); err != nil {
				return false, err
			}
		}
	}
	if p.t.Rows++; p.t.Rows > 1<<30 {
		return false, p.wrong(-1, "there are too many rows", "")
	}
	return true, nil
}
