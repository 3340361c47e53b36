package run

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A CopyFormat is how a client writes the rows of a COPY FROM STDIN.
type CopyFormat struct {
	Binary, CSV bool
	Header      bool // the first line names the columns
	Delimiter   byte
	Quote       byte // CSV
	Null        string
}

// ReadCopyFormat reads the options of a COPY; ok is false for those that are
// PostgreSQL's to understand.
func ReadCopyFormat(options map[string]string) (f CopyFormat, ok bool) {
	f = CopyFormat{Delimiter: '\t', Null: `\N`, Quote: '"'}
	switch strings.ToLower(options["format"]) {
	case "", "text":
	case "csv":
		f.CSV, f.Delimiter, f.Null = true, ',', ""
	case "binary":
		f.Binary = true
	default:
		return f, false
	}
	for name, value := range options {
		switch name {
		case "format", "freeze":
		case "delimiter":
			if len(value) != 1 || f.Binary {
				return f, false
			}
			f.Delimiter = value[0]
		case "null":
			if f.Binary {
				return f, false
			}
			f.Null = value
		case "header":
			switch strings.ToLower(value) {
			case "", "true", "on", "1":
				f.Header = true
			case "false", "off", "0":
			default:
				return f, false
			}
			if !f.CSV {
				return f, false
			}
		default:
			return f, false
		}
	}
	odd := "\\\r\n\"" // and what PostgreSQL refuses, or reads in ways of its own
	if !f.CSV {
		odd += "abcdefghijklmnopqrstuvwxyz0123456789."
	}
	return f, strings.IndexByte(odd, f.Delimiter) < 0 && !strings.ContainsAny(f.Null, "\r\n"+string(f.Delimiter)+`"`)
}

// A lines cuts a stream into records and fields. It stops at what only
// PostgreSQL may judge.
type lines struct {
	CopyFormat
	columns int
	begun   bool   // what stands before the first record was read
	head    []byte // that
	fields  [][]byte
}

// A verdict says how reading a record ended.
type verdict int

const (
	aRecord verdict = iota
	needMore
	theEnd   // of a binary stream
	unproven // PostgreSQL is to read it
)

// next reads one record at the start of buf: its fields, nil for NULL, and its
// length. last says that nothing comes after buf. The fields may share memory
// with buf, and last until the next call.
func (l *lines) next(buf []byte, last bool) (n int, v verdict) {
	if l.fields = l.fields[:0]; !l.begun {
		n, v = l.start(buf, last)
		if v != aRecord {
			return 0, v
		}
		l.begun, l.head = true, bytes.Clone(buf[:n])
		size, v := l.next(buf[n:], last)
		return n + size, v
	}
	switch {
	case l.Binary:
		return l.tuple(buf)
	case len(buf) == 0 && last:
		return 0, theEnd
	case l.CSV:
		n, v = l.csv(buf, last)
	default:
		n, v = l.text(buf, last)
	}
	if v == aRecord && len(l.fields) != l.columns {
		return 0, unproven
	}
	return n, v
}

var copySignature = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// start reads what stands before the first record.
func (l *lines) start(buf []byte, last bool) (int, verdict) {
	switch {
	case l.Binary && len(buf) >= len(copySignature):
		if !bytes.HasPrefix(buf, copySignature) {
			return 0, unproven
		}
		return len(copySignature), aRecord
	case l.Binary && last:
		return 0, unproven
	case l.Binary:
		return 0, needMore
	case !l.Header:
		return 0, aRecord
	}
	end := bytes.IndexByte(buf, '\n')
	switch {
	case end < 0 && last, end >= 0 && bytes.ContainsAny(buf[:end], "\r\\\""):
		return 0, unproven
	case end < 0:
		return 0, needMore
	}
	return end + 1, aRecord
}

// text reads a line of the text format.
func (l *lines) text(buf []byte, last bool) (int, verdict) {
	end := bytes.IndexByte(buf, '\n')
	n := end + 1
	if end < 0 {
		if !last {
			return 0, needMore
		}
		end, n = len(buf), len(buf)
	}
	line := buf[:end]
	if bytes.IndexByte(line, '\r') >= 0 || bytes.HasSuffix(line, []byte{'\\'}) {
		return 0, unproven
	}
	for {
		field, rest, more := bytes.Cut(line, []byte{l.Delimiter})
		if string(field) == l.Null {
			l.fields = append(l.fields, nil)
		} else if bytes.IndexByte(field, '\\') < 0 {
			l.fields = append(l.fields, field)
		} else {
			plain, ok := unescape(field)
			if !ok {
				return 0, unproven
			}
			l.fields = append(l.fields, plain)
		}
		if !more {
			return n, aRecord
		}
		line = rest
	}
}

// unescape reads backslashes; ok is false for those that COPY writes never.
func unescape(field []byte) ([]byte, bool) {
	out := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		if i++; i == len(field) {
			return nil, false
		}
		at := strings.IndexByte(`bfnrtv\`, field[i])
		if at < 0 {
			return nil, false
		}
		out = append(out, "\b\f\n\r\t\v\\"[at])
	}
	return out, true
}

// csv reads a record of the CSV format, which may have several lines.
func (l *lines) csv(buf []byte, last bool) (int, verdict) {
	at := 0
	for {
		field, n, quoted, v := l.csvField(buf[at:], last)
		if v != aRecord {
			return 0, v
		}
		at += n
		if !quoted && string(field) == l.Null {
			field = nil
		} else if field == nil {
			field = []byte{}
		}
		l.fields = append(l.fields, field)
		if at == len(buf) || buf[at] == '\n' {
			if len(l.fields) == 1 && !quoted && string(field) == `\.` {
				return 0, unproven
			}
			return min(at+1, len(buf)), aRecord
		}
		at++ // the delimiter
	}
}

// csvField reads up to a delimiter or the end of a line.
func (l *lines) csvField(buf []byte, last bool) (field []byte, n int, quoted bool, v verdict) {
	if len(buf) > 0 && buf[0] == l.Quote {
		for i := 1; i < len(buf); i++ {
			if buf[i] != l.Quote {
				continue
			}
			if i+1 < len(buf) && buf[i+1] == l.Quote {
				field = append(field, buf[1:i+1]...)
				rest, m, v := l.quotedRest(buf[i+2:], last)
				return append(field, rest...), i + 2 + m, true, v
			}
			return ended(buf[1:i], i+1, buf, l.Delimiter, last)
		}
		return nil, 0, true, more(last)
	}
	for i, c := range buf {
		switch c {
		case l.Delimiter, '\n':
			return buf[:i:i], i, false, aRecord
		case l.Quote, '\r':
			return nil, 0, false, unproven
		}
	}
	if last {
		return buf, len(buf), false, aRecord
	}
	return nil, 0, false, needMore
}

// quotedRest reads on within quotes.
func (l *lines) quotedRest(buf []byte, last bool) (field []byte, n int, v verdict) {
	for i := 0; i < len(buf); i++ {
		if buf[i] != l.Quote {
			field = append(field, buf[i])
			continue
		}
		if i+1 < len(buf) && buf[i+1] == l.Quote {
			field = append(field, l.Quote)
			i++
			continue
		}
		_, n, _, v := ended(nil, i+1, buf, l.Delimiter, last)
		return field, n, v
	}
	return nil, 0, more(last)
}

// ended checks that a closing quote ends a field.
func ended(field []byte, n int, buf []byte, delimiter byte, last bool) ([]byte, int, bool, verdict) {
	switch {
	case n == len(buf) && !last:
		return nil, 0, true, needMore
	case n < len(buf) && buf[n] != delimiter && buf[n] != '\n':
		return nil, 0, true, unproven
	}
	return field, n, true, aRecord
}

func more(last bool) verdict {
	if last {
		return unproven
	}
	return needMore
}

// tuple reads a row of the binary format.
func (l *lines) tuple(buf []byte) (int, verdict) {
	if len(buf) < 2 {
		return 0, needMore
	}
	switch count := int16(binary.BigEndian.Uint16(buf)); {
	case count == -1 && len(buf) == 2:
		return 2, theEnd
	case int(count) != l.columns:
		return 0, unproven
	}
	at := 2
	for range l.columns {
		if len(buf) < at+4 {
			return 0, needMore
		}
		size := int(int32(binary.BigEndian.Uint32(buf[at:])))
		at += 4
		switch {
		case size == -1:
			l.fields = append(l.fields, nil)
			continue
		case size < 0:
			return 0, unproven
		case len(buf) < at+size:
			return 0, needMore
		}
		l.fields = append(l.fields, buf[at:at+size:at+size])
		at += size
	}
	return at, aRecord
}
