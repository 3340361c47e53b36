package main

import (
	"context"
	"iter"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
)

// A demoSession is a connection of the demo's own: to Clarus as an
// application, or to PostgreSQL itself.
type demoSession struct {
	*pgwire.Client
	stop func() bool
}

// dialDemo connects. When ctx ends the connection does, and with it whatever runs.
func dialDemo(ctx context.Context, t pgwire.Target) (*demoSession, error) {
	c, err := pgwire.Dial(ctx, t)
	if err != nil {
		return nil, err
	}
	return &demoSession{c, context.AfterFunc(ctx, c.Abort)}, nil
}

// Close ends the connection.
func (s *demoSession) Close() {
	s.stop()
	_ = s.Client.Close()
}

// null stands for NULL in rows: in COPY's words.
const null = `\N`

// query runs statements by the simple protocol and returns the rows of all as
// text. It returns after the server is ready again; the error is the first
// that the server reported.
func (s *demoSession) query(sql string) ([][]string, error) { return s.run(sql, nil, nil) }

// load runs a COPY ... FROM STDIN with the given lines; after each that was sent
// it calls sent.
func (s *demoSession) load(sql string, lines iter.Seq[string], sent func()) error {
	_, err := s.run(sql, lines, sent)
	return err
}

func (s *demoSession) run(sql string, lines iter.Seq[string], sent func()) (rows [][]string, err error) {
	s.Query(sql)
	if err := s.Send(); err != nil {
		return nil, err
	}
	var failure error
	var cells [][]byte
	for {
		f, err := s.Receive()
		if err != nil {
			return nil, err
		}
		switch f.Type {
		case 'Z':
			return rows, failure
		case 'E':
			if failure == nil {
				failure = pgwire.AsError(f)
			}
		case 'D':
			if cells, err = pgwire.Row(f.Body, cells[:0]); err != nil {
				return nil, err
			}
			rows = append(rows, textRow(cells))
		case 'G':
			if err := s.send(lines, sent); err != nil {
				return nil, err
			}
		case 'T', 'C', 'I':
		default:
			return nil, &clarus.Error{Op: "demo", Kind: clarus.Protocol, Msg: pgwire.Unexpected(f, 'C').Error()}
		}
	}
}

// copyChunk is how many bytes one CopyData has, about.
const copyChunk = 32 << 10

func (s *demoSession) send(lines iter.Seq[string], sent func()) error {
	var chunk []byte
	for line := range lines {
		if chunk = append(chunk, line...); len(chunk) >= copyChunk {
			s.CopyData(chunk)
			if err := s.Send(); err != nil {
				return err
			}
			chunk = chunk[:0]
		}
		sent()
	}
	s.CopyData(chunk)
	s.CopyDone()
	return s.Send()
}

func textRow(cells [][]byte) []string {
	row := make([]string, len(cells))
	for i, c := range cells {
		if row[i] = null; c != nil {
			row[i] = string(c)
		}
	}
	return row
}

// first is the first cell of the first row, "" if there is none.
func first(rows [][]string) string {
	if len(rows) == 0 || len(rows[0]) == 0 {
		return ""
	}
	return strings.TrimSpace(rows[0][0])
}
