package table

import (
	"bufio"
	"io"
	"strings"
)

// Write writes the table as CSV, lines ended by LF. Progress, which may be nil,
// is told of rows that were written, and ends the writing by an error.
func (t *Table) Write(w io.Writer, progress func(rows int) error) error {
	out := bufio.NewWriterSize(w, 1<<20)
	d := t.Delimiter
	if d == 0 {
		d = ','
	}
	quoted := make([][]string, len(t.Columns))
	for i, c := range t.Columns {
		if i > 0 {
			out.WriteByte(d)
		}
		out.WriteString(quote(c.Name, d))
		quoted[i] = make([]string, len(c.Values))
		for j, v := range c.Values {
			quoted[i][j] = quote(v, d)
		}
	}
	out.WriteByte('\n')
	for r := range t.Rows {
		for i, c := range t.Columns {
			if i > 0 {
				out.WriteByte(d)
			}
			v := quoted[i][c.Codes[r]]
			if v == "" && len(t.Columns) == 1 {
				v = `""` // else the line would be empty
			}
			out.WriteString(v)
		}
		if err := out.WriteByte('\n'); err != nil {
			return err
		}
		if progress != nil && r%8192 == 8191 {
			if err := progress(8192); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// quote quotes a value if it would be read otherwise without.
func quote(v string, delimiter byte) string {
	if strings.IndexByte(v, delimiter) < 0 && !strings.ContainsAny(v, "\"\r\n") {
		return v
	}
	return `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
}
