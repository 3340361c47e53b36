package twin

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
)

// A Conn is a connection to one of the twin's databases, as one role. It is
// never handed from one role to another.
type Conn struct {
	*pgwire.Client
	timeout time.Duration
	tree    string
	broken  bool
	notices func(*pgwire.ServerError)
}

const treeMessage = "rewritten parse tree:"

func newConn(c *pgwire.Client, timeout time.Duration) *Conn {
	t := &Conn{Client: c, timeout: timeout}
	c.Notice = func(e *pgwire.ServerError) {
		switch {
		case e.Severity == "LOG" && e.Message == treeMessage:
			t.tree = e.Detail
		case e.Severity != "LOG" && t.notices != nil:
			t.notices(e)
		}
	}
	return t
}

// Notices hands notices that statements raise to f.
func (c *Conn) Notices(f func(*pgwire.ServerError)) { c.notices = f }

// Do runs statements that return nothing of interest, each in its own
// transaction, and stops at the first error.
func (c *Conn) Do(sql ...string) error {
	for _, q := range sql {
		c.Query(q)
		if err := c.Send(); err != nil {
			return c.lost(err)
		}
		if err := c.drain(); err != nil {
			return err
		}
	}
	return nil
}

// drain reads up to ReadyForQuery and returns the first error.
func (c *Conn) drain() error {
	var first error
	for {
		f, err := c.Receive()
		switch {
		case err != nil:
			return c.lost(err)
		case f.Type == 'E' && first == nil:
			first = asError(f)
		case f.Type == 'Z':
			return first
		}
	}
}

// asError is the error in a frame. Of a full disk it says whose.
func asError(f pgwire.Frame) error {
	err := pgwire.AsError(f)
	if se, ok := err.(*pgwire.ServerError); ok && se.Code == "53100" {
		return &pgwire.ServerError{Severity: se.Severity, Code: se.Code, Message: "the disk of the twin is full",
			Hint: "The owner of this Clarus must make room in the directory of its twin; a statement over fewer rows needs less."}
	}
	return err
}

// Broken reports whether the connection was found broken.
func (c *Conn) Broken() bool { return c.broken }

// lost turns a broken connection into the error that users see.
func (c *Conn) lost(err error) error {
	c.broken = true
	c.Abort()
	return &clarus.Error{Op: "twin", Kind: clarus.Unavailable, Msg: "the connection to the twin broke",
		Hint: "Connect again.", Err: cause(err)}
}

// Rows runs one query with text parameters and returns its rows as text. It is
// for Clarus's own questions.
func (c *Conn) Rows(sql string, params ...string) ([][]string, error) {
	args := make([][]byte, len(params))
	for i, p := range params {
		args[i] = []byte(p)
	}
	var rows [][]string
	err := c.Run(Statement{SQL: sql, Params: args}, func(body []byte) error {
		row, err := pgwire.Row(body, nil)
		if err != nil {
			return err
		}
		text := make([]string, len(row))
		for i, v := range row {
			text[i] = string(v)
		}
		rows = append(rows, text)
		return nil
	}, nil)
	return rows, err
}

// An Analysis is what PostgreSQL's analyser says of a statement.
type Analysis struct {
	Params []uint32       // types of the parameters
	Fields []pgwire.Field // the result's columns; nil if there are none
	Tree   string         // the rewritten parse tree, as nodeToString prints it
}

// Analyze asks the analyser about one statement. Errors of the user's making
// are *pgwire.ServerError with the position in sql.
func (c *Conn) Analyze(sql string, oids []uint32) (*Analysis, error) {
	c.tree = ""
	c.Parse("", sql, oids)
	c.Describe('S', "")
	c.Sync()
	if err := c.Send(); err != nil {
		return nil, c.lost(err)
	}
	a, parsed := &Analysis{}, false
	var first error
	for {
		f, err := c.Receive()
		if err != nil {
			return nil, c.lost(err)
		}
		switch f.Type {
		case '1':
			parsed, a.Tree = true, c.tree
		case 't':
			a.Params, err = pgwire.OIDs(f.Body)
		case 'T':
			a.Fields, err = pgwire.Fields(f.Body)
		case 'E':
			err = asError(f)
		case 'Z':
			if first == nil && (!parsed || a.Tree == "") {
				first = &clarus.Error{Op: "analyze", Kind: clarus.Internal, Msg: "the twin did not show the statement's tree"}
			}
			return a, first
		}
		if err != nil && first == nil {
			first = err
		}
	}
}

// prepareAnalysis makes the connection tell the trees of what it parses.
func (c *Conn) prepareAnalysis() error {
	return c.Do("SET client_min_messages = log", "SET debug_print_rewritten = on", "SET debug_pretty_print = off")
}

// Restore gives the connection its settings anew.
func (c *Conn) Restore(settings []string) error {
	if err := c.Do("RESET ALL"); err != nil {
		return err
	}
	if err := c.prepareAnalysis(); err != nil {
		return err
	}
	return c.Do(settings...)
}

// A Statement is one statement with its parameters, for Run.
type Statement struct {
	SQL     string
	Types   []uint32
	Formats []int16
	Params  [][]byte
	Results []int16
}

// Run runs one statement in whatever transaction is open and hands the body of
// each DataRow to row and the command tag to done (either may be nil). It ends
// the implicit transaction, if it was in one.
func (c *Conn) Run(s Statement, row func(body []byte) error, done func(tag string)) error {
	c.Parse("", s.SQL, s.Types)
	c.Bind("", "", s.Formats, s.Params, s.Results)
	c.Execute("", 0)
	c.Sync()
	if err := c.Send(); err != nil {
		return c.lost(err)
	}
	var first error
	for {
		f, err := c.Receive()
		if err != nil {
			return c.lost(err)
		}
		switch f.Type {
		case 'D':
			if first == nil && row != nil {
				first = row(f.Body)
			}
		case 'C':
			tag, err := pgwire.Tag(f.Body)
			if err == nil && done != nil {
				done(tag)
			}
		case 'E':
			if first == nil {
				first = asError(f)
			}
		case 'Z':
			return first
		}
	}
}

// CopyIn runs a COPY … FROM STDIN and feeds it from r. An error of r fails the
// statement.
func (c *Conn) CopyIn(sql string, r io.Reader) (tag string, err error) {
	c.Query(sql)
	if err := c.Send(); err != nil {
		return "", c.lost(err)
	}
	if f, err := c.Receive(); err != nil {
		return "", c.lost(err)
	} else if f.Type == 'E' {
		err := asError(f)
		_ = c.drain()
		return "", err
	} else if f.Type != 'G' {
		return "", pgwire.Unexpected(f, 'G')
	}
	var readErr error
	buf := make([]byte, 64<<10)
	for readErr == nil {
		var n int
		n, readErr = r.Read(buf)
		if n > 0 {
			c.CopyData(buf[:n])
			if err := c.Send(); err != nil {
				return "", c.lost(err)
			}
		}
	}
	if readErr == io.EOF {
		c.CopyDone()
	} else {
		c.CopyFail("the source of the data failed")
	}
	if err := c.Send(); err != nil {
		return "", c.lost(err)
	}
	tag, err = c.Finish()
	if readErr != io.EOF {
		err = readErr
	}
	return tag, err
}

// Finish reads a command tag and ReadyForQuery.
func (c *Conn) Finish() (tag string, first error) {
	for {
		f, err := c.Receive()
		switch {
		case err != nil:
			return tag, c.lost(err)
		case f.Type == 'C':
			tag, _ = pgwire.Tag(f.Body)
		case f.Type == 'E' && first == nil:
			first = asError(f)
		case f.Type == 'Z':
			return tag, first
		}
	}
}

// CopyOut runs a COPY … TO STDOUT. It hands CopyOutResponse and CopyData to
// frame.
func (c *Conn) CopyOut(sql string, frame func(pgwire.Frame) error) (tag string, first error) {
	c.Query(sql)
	if err := c.Send(); err != nil {
		return "", c.lost(err)
	}
	for {
		f, err := c.Receive()
		switch {
		case err != nil:
			return tag, c.lost(err)
		case (f.Type == 'H' || f.Type == 'd') && first == nil:
			first = frame(f)
		case f.Type == 'C':
			tag, _ = pgwire.Tag(f.Body)
		case f.Type == 'E' && first == nil:
			first = asError(f)
		case f.Type == 'Z':
			return tag, first
		}
	}
}

// Watch cancels what the connection is doing when ctx ends. The function that
// it returns stops watching.
func (c *Conn) Watch(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { _ = c.Cancel(context.WithoutCancel(ctx)) })
}

// IsLockTimeout reports whether err says that a lock could not be had in time:
// the statement touched a table that was not loaded.
func IsLockTimeout(err error) bool {
	e, ok := errors.AsType[*pgwire.ServerError](err)
	return ok && e.Code == "55P03" && strings.Contains(e.Message, "lock timeout")
}
