package main

import (
	"context"
	"io"
	"iter"
	"strings"

	"github.com/clarus-project/clarus/pgwire"
)

// A demoSession is a connection of the demo's own: to Clarus as an
// application, or to PostgreSQL itself.
type demoSession struct{ *pgwire.Simple }

// dialDemo connects. When ctx ends the connection does, and with it whatever runs.
func dialDemo(ctx context.Context, t pgwire.Target) (*demoSession, error) {
	c, err := pgwire.DialSimple(ctx, t)
	if err != nil {
		return nil, err
	}
	return &demoSession{c}, nil
}

// query runs statements by the simple protocol and returns the rows of all as
// text.
func (s *demoSession) query(sql string) ([][]string, error) { return s.Ask(sql) }

// copyChunk is how many bytes one CopyData has, about.
const copyChunk = 32 << 10

// load runs a COPY ... FROM STDIN with the given lines; for each it calls sent.
func (s *demoSession) load(sql string, lines iter.Seq[string], sent func()) error {
	next, stop := iter.Pull(lines)
	defer stop()
	return s.CopyIn(sql, func() ([]byte, error) {
		var chunk []byte
		for len(chunk) < copyChunk {
			line, ok := next()
			if !ok && len(chunk) == 0 {
				return nil, io.EOF
			} else if !ok {
				break
			}
			chunk = append(chunk, line...)
			sent()
		}
		return chunk, nil
	})
}

// first is the first cell of the first row, "" if there is none.
func first(rows [][]string) string {
	if len(rows) == 0 || len(rows[0]) == 0 {
		return ""
	}
	return strings.TrimSpace(rows[0][0])
}
