package oracle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/clarus-project/clarus/pgwire"
)

// patience is how long one statement may take.
const patience = 120 * time.Second

// A Session is one connection, and what came over it in addition to answers.
type Session struct {
	*pgwire.Client
	Status Status

	notices  []string
	syncCopy bool // a COPY FROM STDIN needs a Sync of its own
}

// Open connects a session.
func Open(ctx context.Context, t pgwire.Target) (*Session, error) {
	c, err := pgwire.Dial(ctx, t)
	if err != nil {
		return nil, err
	}
	s := &Session{Client: c, Status: 'I'}
	c.Notice = func(e *pgwire.ServerError) {
		s.notices = append(s.notices, fmt.Sprintf("%s %s: %s", e.Severity, e.Code, e.Message))
	}
	return s, nil
}

// A Call is a statement with what is bound to it.
type Call struct {
	SQL     string
	Types   []uint32 // declared types of parameters; 0: the server's choice
	Formats []int16
	Params  [][]byte
	Binary  bool // results in binary format
	Limit   int  // rows per Execute; 0: all
}

// Simple sends a simple query, with data for the COPY FROM STDIN in it.
func (s *Session) Simple(sql string, data []byte) ([]Outcome, error) {
	s.begin()
	s.Query(sql)
	return s.collect(data, 0)
}

// Extended runs one statement through Parse, Describe, Sync, then Bind,
// Describe, Execute, Sync.
func (s *Session) Extended(c Call, data []byte) ([]Outcome, error) {
	s.begin()
	s.Parse("", c.SQL, c.Types)
	s.Describe('S', "")
	s.Sync()
	prepared, err := s.collect(nil, 0)
	if err != nil || len(prepared) > 0 && prepared[0].Err != nil {
		return prepared, err
	}
	s.begin()
	s.syncCopy = true // the server drops the Sync that comes while it copies in
	s.bind(c)
	if c.Limit == 0 {
		s.Sync()
	} else {
		s.Flush()
	}
	list, err := s.collect(data, c.Limit)
	if err == nil && len(list) > 0 && len(prepared) > 0 {
		list[0].Params = prepared[0].Params
	}
	return list, err
}

// Pipeline sends all calls at once, each with a Sync after it if synced says so,
// and a last Sync.
func (s *Session) Pipeline(calls []Call, synced []bool) ([]Outcome, error) {
	s.begin()
	syncs := 1
	for i, c := range calls {
		s.Parse("", c.SQL, c.Types)
		s.bind(c)
		if synced[i] {
			s.Sync()
			syncs++
		}
	}
	s.Sync()
	var all []Outcome
	for range syncs {
		list, err := s.collect(nil, 0)
		all = append(all, list...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// ParamTypes asks which types a statement's parameters have. A statement that
// fails has none: it will say so when it is run.
func (s *Session) ParamTypes(c Call) ([]uint32, error) {
	s.begin()
	s.Parse("", c.SQL, c.Types)
	s.Describe('S', "")
	s.Sync()
	list, err := s.collect(nil, 0)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0].Params, nil
}

func (s *Session) begin() {
	s.notices, s.syncCopy = nil, false
	_ = s.SetDeadline(time.Now().Add(patience))
}

func (s *Session) bind(c Call) {
	var format int16
	if c.Binary {
		format = 1
	}
	s.Bind("", "", c.Formats, c.Params, []int16{format})
	s.Describe('P', "")
	s.Execute("", c.Limit)
}

// collect reads up to and with the next ReadyForQuery. After a suspended
// portal it asks for limit more rows, at its end for a Sync.
func (s *Session) collect(data []byte, limit int) ([]Outcome, error) {
	if err := s.Send(); err != nil {
		return nil, err
	}
	var list []Outcome
	var o Outcome
	finish := func() {
		o.Notices, s.notices = s.notices, nil
		list, o = append(list, o), Outcome{}
	}
	for {
		f, err := s.Receive()
		if err != nil {
			return list, err
		}
		switch f.Type {
		case 'Z':
			if len(f.Body) != 1 {
				return list, fmt.Errorf("ReadyForQuery has %d bytes", len(f.Body))
			}
			if o.Fields != nil || o.Params != nil {
				finish()
			}
			s.Status = Status(f.Body[0])
			return list, nil
		case 'G':
			s.answerCopy(data)
		case 's':
			s.Execute("", limit)
			s.Flush()
			o.Notices = append(o.Notices, s.notices...)
		default:
			if err := o.read(f); err != nil {
				return list, err
			}
			if f.Type == 'C' || f.Type == 'I' || f.Type == 'E' {
				finish()
				if limit > 0 {
					s.Sync()
				}
			}
		}
		if err := s.Send(); err != nil {
			return list, err
		}
	}
}

func (s *Session) answerCopy(data []byte) {
	if data == nil {
		s.CopyFail("no data was given")
	} else {
		for chunk := range slices.Chunk(data, 1<<16) {
			s.CopyData(chunk)
		}
		s.CopyDone()
	}
	if s.syncCopy {
		s.Sync()
	}
}

// read takes one frame into the outcome.
func (o *Outcome) read(f pgwire.Frame) (err error) {
	switch f.Type {
	case 't':
		o.Params, err = pgwire.OIDs(f.Body)
	case 'T':
		if o.Fields, err = pgwire.Fields(f.Body); err == nil && o.Fields == nil {
			o.Fields = []pgwire.Field{}
		}
	case 'D':
		var row [][]byte
		if row, err = pgwire.Row(slices.Clone(f.Body), nil); err == nil && len(row) != len(o.Fields) {
			err = fmt.Errorf("a row has %d cells for %d columns", len(row), len(o.Fields))
		}
		o.Rows = append(o.Rows, row)
	case 'H':
		o.Copied = true
	case 'd':
		o.Copy = append(o.Copy, f.Body...)
	case 'C':
		o.Tag, err = pgwire.Tag(f.Body)
	case 'I':
		o.Tag = "EMPTY"
	case 'E':
		o.Err, err = pgwire.DecodeError(f.Body)
	case '1', '2', '3', 'n', 'c':
	default:
		err = fmt.Errorf("unexpected message %q", f.Type)
	}
	return err
}

// Simple runs a simple query on a client; an error of the server's is an error.
func Simple(c *pgwire.Client, sql string) ([]Outcome, error) {
	s := &Session{Client: c}
	list, err := s.Simple(sql, nil)
	for _, o := range list {
		if o.Err != nil && err == nil {
			err = o.Err
		}
	}
	return list, err
}
