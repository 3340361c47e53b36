// Package provider is the contract of a session at an untrusted provider of a
// database service. What a provider returns is data from a stranger: an
// implementation accepts only the messages that the call expects in its state,
// and ends the connection at any other.
package provider

import (
	"context"

	"github.com/clarus-project/clarus/pgwire"
)

// A Statement is one statement as the provider gets to see it, with its
// parameters in the stated formats (one per parameter, or one for all).
type Statement struct {
	SQL     string
	Types   []uint32
	Formats []int16
	Params  [][]byte
	Results []int16 // formats of the result columns; nil: text

	// Ends says that the statement only reads, and that nothing follows it before
	// Sync: where it is alone in its implicit transaction, the end of that may be
	// asked for along with it.
	Ends bool

	// Bound, if not nil, is called by Run once the provider has bound the
	// statement and, if it is a plain query, has taken its snapshot; not if it
	// fails before. Rows are asked for only afterwards. Run needs fields then.
	Bound func()

	// Commit says that nothing follows before Sync, and that nothing is left to
	// be checked: the end of the implicit transaction may be asked for along with
	// the statement, so that it is committed if the statement succeeds.
	Commit bool
}

// A Session is one connection to a provider, with at most one transaction
// open. Statements between two calls of Sync belong to one implicit
// transaction, unless BEGIN made it explicit. After an error the transaction
// has failed and, until Sync, every call fails. It is not safe for concurrent
// use, except Cancel.
type Session interface {
	// Run runs one statement. fields, if not nil, sees the description of the
	// rows before the first one; row gets the body of each DataRow, which is
	// valid until it returns. An error of either fails the transaction.
	Run(ctx context.Context, s Statement, fields func([]pgwire.Field) error, row func(body []byte) error) (tag string, err error)
	// Prepare has the provider parse a statement and take the locks on its
	// tables, which then may be run without waiting for them. It is of use to the
	// next Run of the same statement in the same transaction.
	Prepare(ctx context.Context, s Statement) error
	// Batch runs one statement once for each list of parameters, in order, and
	// returns the tags; row, if not nil, gets the rows with the index of the
	// list. On error, failed is the index of the list concerned.
	Batch(ctx context.Context, s Statement, params [][][]byte, row func(i int, body []byte) error) (tags []string, failed int, err error)
	// CopyIn runs a COPY … FROM STDIN; data is called until it returns io.EOF.
	CopyIn(ctx context.Context, sql string, data func() ([]byte, error)) (tag string, err error)
	// CopyOut runs a COPY … TO STDOUT; frame gets CopyOutResponse and CopyData.
	CopyOut(ctx context.Context, sql string, frame func(pgwire.Frame) error) (tag string, err error)
	// Fail makes the open transaction fail, as a wrong statement would, also
	// when ctx has ended. A provider that does not answer has its connection ended.
	Fail(ctx context.Context) error
	// Sync ends the implicit transaction and returns the state: 'I' idle, 'T'
	// in a transaction, 'E' in a failed one.
	Sync(ctx context.Context) (status byte, err error)
	// Cancel asks the provider to cancel the statement that runs.
	Cancel(ctx context.Context) error
	// Parameter returns what the provider reported of itself at the start.
	Parameter(name string) string
	Close() error
}

// A Provider opens sessions.
type Provider interface {
	Name() string
	Open(ctx context.Context, database string) (Session, error)
}

// Ask runs a query of Clarus's own and returns its rows as text.
func Ask(ctx context.Context, s Session, sql string) ([][]string, error) {
	var rows [][]string
	_, err := s.Run(ctx, Statement{SQL: sql}, nil, func(body []byte) error {
		cells, err := pgwire.Row(body, nil)
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = string(c)
		}
		rows = append(rows, row)
		return err
	})
	return rows, err
}
