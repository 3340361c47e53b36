package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/clarus-project/clarus/pgwire"
)

// fill makes the hospital's tables at a target and copies the rows in, each
// table in one statement. What it does, where, goes to progress.
func (d *demo) fill(ctx context.Context, t pgwire.Target, where string, progress io.Writer) error {
	c, err := dialDemo(ctx, t)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.query(d.schema()); err != nil {
		return fmt.Errorf("make the tables %s: %w", where, err)
	}
	p := &loading{w: progress, where: where, begun: time.Now(), live: terminal(progress), expected: hospital{d.patients}.rows()}
	for _, table := range (hospital{d.patients}).tables() {
		p.table = table.name
		if err := c.load("COPY "+table.name+" FROM STDIN", table.rows, p.row); err != nil {
			return fmt.Errorf("load %s %s: %w", table.name, where, err)
		}
		p.tables++
	}
	p.finish()
	for _, table := range []string{"ward", "doctor", "patient", "episode", "diagnosis", "laboratory", "prescription", "invoice"} {
		next := fmt.Sprintf("SELECT setval('%s_id_seq', (SELECT max(id) FROM %s))", table, table)
		if _, err := c.query(next); err != nil {
			return fmt.Errorf("set the sequence of %s %s: %w", table, where, err)
		}
	}
	return nil
}

// schema makes the tables. No foreign key leads from one cloud to another.
func (d *demo) schema() string {
	if d.clouds != 2 {
		return demoSchema
	}
	return strings.Replace(demoSchema, " REFERENCES patient,", ",", 1)
}

// loading is the line that tells how far loading is.
type loading struct {
	w            io.Writer
	where, table string
	begun, shown time.Time
	rows, tables int
	expected     int  // rows in all, about
	live         bool // w is a terminal: the line is written over
}

// row counts a row.
func (l *loading) row() {
	l.rows++
	if l.live && l.rows%256 == 0 && time.Since(l.shown) > 100*time.Millisecond {
		l.shown = time.Now()
		const width = 24
		done := min(width, width*l.rows/max(l.expected, 1))
		fmt.Fprintf(l.w, "\r\033[Kloading %s [%s%s] %d rows, at %s", l.where, strings.Repeat("#", done), strings.Repeat(".", width-done), l.rows, l.table)
	}
}

func (l *loading) finish() {
	if l.live {
		fmt.Fprint(l.w, "\r\033[K")
	}
	seconds := time.Since(l.begun).Seconds()
	fmt.Fprintf(l.w, "loaded %s: %d rows of %d tables in %.1f s (%.0f rows/s)\n", l.where, l.rows, l.tables, seconds, float64(l.rows)/seconds)
}
