package twin

import (
	"strconv"
	"strings"
)

// batch is how many bytes are under way before the answers are read, so that
// neither side waits for the other with full buffers.
const batch = 32 << 10

// Convert writes rows of values in other formats, under the settings that the
// connection has: row gets the body of a DataRow for each. types, from and to
// have one entry for each column.
func (c *Conn) Convert(types []uint32, from, to []int16, rows [][][]byte, row func(body []byte) error) error {
	list := make([]string, len(types))
	for i := range list {
		list[i] = "$" + strconv.Itoa(i+1)
	}
	c.Parse("", "SELECT "+strings.Join(list, ", "), types)
	size := 0
	for i, values := range rows {
		c.Bind("", "", from, values, to)
		c.Execute("", 0)
		for _, v := range values {
			size += len(v)
		}
		if size += 64; size < batch && i < len(rows)-1 {
			continue
		}
		size = 0
		c.Sync()
		if err := c.Send(); err != nil {
			return c.lost(err)
		}
		if err := c.answers(row); err != nil {
			return err
		}
	}
	return nil
}

// answers reads rows up to ReadyForQuery and returns the first error.
func (c *Conn) answers(row func([]byte) error) (first error) {
	for {
		f, err := c.Receive()
		switch {
		case err != nil:
			return c.lost(err)
		case f.Type == 'D' && first == nil:
			first = row(f.Body)
		case f.Type == 'E' && first == nil:
			first = asError(f)
		case f.Type == 'Z':
			return first
		}
	}
}
