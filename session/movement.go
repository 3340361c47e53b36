package session

import (
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/sqlast"
)

// A cursor is the whole result of a DECLARE, and where the client stands in it.
type cursor struct {
	rows    [][]byte // bodies of DataRow, each column in its stored format
	formats []int16
	end     error // what comes instead of a row after the last; nil: the end
	at      int   // the row it stands on, from 1; 0: before the first; len(rows)+1: after the last
	forward bool  // it can only go forward
	hold    bool
	binary  bool
	kept    bool // it outlived its transaction
	failed  bool // it met its end's error
	edition int  // of the settings in which text was made
}

// move carries out a FETCH or MOVE as PostgreSQL's DoPortalRunFetch does, and
// returns the rows that it passes over and how many a MOVE reports.
func (c *cursor) move(m sqlast.Movement) ([][]byte, int, error) {
	count := m.Count
	switch m.Direction {
	case sqlast.Absolute:
		return counted(c.absolute(count))
	case sqlast.Relative:
		if count != 0 {
			return counted(c.nth(count > 0, max(count, -count)))
		}
	}
	forward := m.Direction != sqlast.Backward
	if count < 0 {
		forward, count = !forward, -count
	}
	on := c.at > 0 && c.at <= len(c.rows)
	switch {
	case count == 0 && m.Move:
		if on {
			return nil, 1, nil
		}
		return nil, 0, nil
	case count == 0:
		if !on {
			return nil, 0, nil
		}
		if _, err := c.step(false, 1); err != nil {
			return nil, 0, err
		}
		return counted(c.step(true, 1))
	case !forward && count == sqlast.EveryRow && m.Move:
		n := max(c.at-1, 0)
		return nil, n, c.rewind()
	}
	return counted(c.step(forward, count))
}

func counted(rows [][]byte, err error) ([][]byte, int, error) { return rows, len(rows), err }

// nth steps over n-1 rows and returns the next.
func (c *cursor) nth(forward bool, n int64) ([][]byte, error) {
	if n > 1 {
		if _, err := c.step(forward, n-1); err != nil {
			return nil, err
		}
	}
	return c.step(forward, 1)
}

// absolute goes to a row counted from the start, or with a negative count from
// the end. Like PostgreSQL it starts from the beginning when that is nearer,
// which a cursor that only goes forward refuses.
func (c *cursor) absolute(count int64) ([][]byte, error) {
	switch {
	case count == 0:
		return nil, c.rewind()
	case count < 0:
		if _, err := c.step(true, sqlast.EveryRow); err != nil {
			return nil, err
		}
		return c.nth(false, -count)
	}
	at := int64(min(c.at, len(c.rows)))
	if count-1 <= at/2 {
		if err := c.rewind(); err != nil {
			return nil, err
		}
		return c.nth(true, count)
	}
	at = int64(c.at)
	switch {
	case count <= at:
		if _, err := c.step(false, at-count+1); err != nil {
			return nil, err
		}
	case count > at+1:
		if _, err := c.step(true, count-at-1); err != nil {
			return nil, err
		}
	}
	return c.step(true, 1)
}

// step goes over up to count rows and returns them in the order in which it
// met them. If there were fewer it stands beyond the last.
func (c *cursor) step(forward bool, count int64) ([][]byte, error) {
	if !forward {
		return c.back(count)
	}
	left := len(c.rows) - c.at
	if left < 0 || count <= 0 {
		return nil, nil
	}
	from := c.at
	if count <= int64(left) {
		c.at += int(count)
		return c.rows[from:c.at], nil
	}
	if c.end != nil {
		c.failed = true
		return nil, c.end
	}
	c.at = len(c.rows) + 1
	return c.rows[from:], nil
}

func (c *cursor) back(count int64) ([][]byte, error) {
	if c.forward {
		return nil, forwardOnly()
	}
	if c.at == 0 || count <= 0 {
		return nil, nil
	}
	before := c.at - 1
	n := int(min(count, int64(before)))
	rows := make([][]byte, n)
	for i := range rows {
		rows[i] = c.rows[before-1-i]
	}
	c.at -= n
	if count > int64(before) {
		c.at = 0
	}
	return rows, nil
}

// rewind goes before the first row.
func (c *cursor) rewind() error {
	if c.at == 0 {
		return nil
	}
	if c.forward {
		return forwardOnly()
	}
	c.at = 0
	return nil
}

func forwardOnly() error {
	return &pgwire.ServerError{Severity: "ERROR", Code: "55000", Message: "cursor can only scan forward",
		Hint: "Declare it with SCROLL option to enable backward scan."}
}
