package sqlast

import (
	"math"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A Cursor is a DECLARE taken apart.
type Cursor struct {
	Name   string
	Hold   bool // WITH HOLD
	Binary bool
	Query  *Statement // what it reads, in the client's own words
}

// The options of a DeclareCursorStmt (nodes/parsenodes.h).
const (
	cursorBinary = 1
	cursorHold   = 32
)

// Cursor takes a Declare statement apart.
func (s *Statement) Cursor() (Cursor, error) {
	n := s.tree().GetDeclareCursorStmt()
	query, err := s.after(pg.Token_FOR)
	return Cursor{Name: n.Portalname, Hold: n.Options&cursorHold != 0, Binary: n.Options&cursorBinary != 0,
		Query: query}, err
}

// A Direction is one of the four ways to move a cursor.
type Direction int

// The directions.
const (
	Forward Direction = iota
	Backward
	Absolute
	Relative
)

// EveryRow is the count of FETCH ALL.
const EveryRow = math.MaxInt64

// A Movement is a FETCH or a MOVE taken apart.
type Movement struct {
	Cursor    string
	Move      bool // rows are counted, not returned
	Direction Direction
	Count     int64
}

// Movement takes a Fetch statement apart.
func (s *Statement) Movement() Movement {
	n := s.tree().GetFetchStmt()
	m := Movement{Cursor: n.Portalname, Move: n.Ismove, Count: n.HowMany}
	switch n.Direction {
	case pg.FetchDirection_FETCH_BACKWARD:
		m.Direction = Backward
	case pg.FetchDirection_FETCH_ABSOLUTE:
		m.Direction = Absolute
	case pg.FetchDirection_FETCH_RELATIVE:
		m.Direction = Relative
	}
	return m
}

// ClosedCursor is the name in a ClosePortal statement; "" for ALL.
func (s *Statement) ClosedCursor() string { return s.tree().GetClosePortalStmt().Portalname }
