package pgwire

import (
	"context"
	"errors"
	"io"
	"net"
)

// A Simple is a connection for programs of our own that need no more than the
// simple protocol: to PostgreSQL, or to Clarus as any application. When the
// context that it was made with ends, the connection does, and with it whatever runs.
type Simple struct {
	*Client
	stop func() bool
}

// DialSimple connects.
func DialSimple(ctx context.Context, t Target) (*Simple, error) {
	c, err := Dial(ctx, t)
	if err != nil {
		return nil, err
	}
	return &Simple{c, context.AfterFunc(ctx, c.Abort)}, nil
}

// SimpleOver is DialSimple over a connection that is there already.
func SimpleOver(ctx context.Context, t Target, conn net.Conn) (*Simple, error) {
	t.Host, t.Port = "127.0.0.1", 1 // of no meaning, but no name is looked up
	c, err := dial(ctx, t, func(context.Context, string, string) (net.Conn, error) { return conn, nil })
	if err != nil {
		return nil, err
	}
	return &Simple{c, context.AfterFunc(ctx, c.Abort)}, nil
}

// Close ends the connection.
func (s *Simple) Close() {
	s.stop()
	_ = s.Client.Close()
}

// Null stands for NULL in rows: in COPY's words.
const Null = `\N`

// Ask runs statements and returns the rows of all as text. It returns after the
// server is ready again; the error is the first that the server reported.
func (s *Simple) Ask(sql string) (rows [][]string, err error) {
	err = s.Rows(sql, func(cells [][]byte) error {
		row := make([]string, len(cells))
		for i, c := range cells {
			if row[i] = Null; c != nil {
				row[i] = string(c)
			}
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// Rows runs a query; take gets each row as text, nil for NULL, valid until it
// returns. After an error of it the connection is of no use.
func (s *Simple) Rows(sql string, take func(cells [][]byte) error) error {
	var cells [][]byte
	return s.run(sql, nil, func(f Frame) (err error) {
		if f.Type != 'D' {
			return nil
		}
		if cells, err = Row(f.Body, cells[:0]); err != nil {
			return err
		}
		return take(cells)
	})
}

// CopyIn runs a COPY ... FROM STDIN; data is called until it returns io.EOF. Any
// other error of it fails the COPY, and is returned.
func (s *Simple) CopyIn(sql string, data func() ([]byte, error)) error { return s.run(sql, data, nil) }

// run sends a query and reads to ReadyForQuery; take, if not nil, gets the rows.
func (s *Simple) run(sql string, data func() ([]byte, error), take func(Frame) error) error {
	s.Query(sql)
	if err := s.Send(); err != nil {
		return err
	}
	var failure error
	for {
		f, err := s.Receive()
		if err != nil {
			return err
		}
		switch f.Type {
		case 'Z':
			return failure
		case 'E':
			if failure == nil {
				failure = AsError(f)
			}
		case 'G':
			if failure, err = s.feed(data); err != nil {
				return err
			}
		case 'D':
			if take != nil {
				if err := take(f); err != nil {
					return err
				}
			}
		case 'T', 'C', 'I':
		default:
			return Unexpected(f, 'C')
		}
	}
}

// errNoData is of a COPY FROM STDIN that nobody expected.
var errNoData = errors.New("the server asks for data that there is none of")

// feed sends the data of a COPY. cause is why it failed it.
func (s *Simple) feed(data func() ([]byte, error)) (cause, err error) {
	if data == nil {
		data = func() ([]byte, error) { return nil, errNoData }
	}
	for {
		b, cause := data()
		switch {
		case cause == nil:
			s.CopyData(b)
		case errors.Is(cause, io.EOF):
			s.CopyDone()
			return nil, s.Send()
		default:
			s.CopyFail("abandoned")
			return cause, s.Send()
		}
		if err := s.Send(); err != nil {
			return nil, err
		}
	}
}
