package clarus

import "errors"

// A Kind says what went wrong; the fronts map it to an SQLSTATE or a status.
type Kind int

// The kinds of error.
const (
	Internal      Kind = iota // a defect of Clarus
	Unsupported               // the shape of statement is refused (0A000)
	Denied                    // the policy or a privilege forbids it (42501)
	Integrity                 // a provider returned something that does not open (XX001)
	Unavailable               // a provider or the twin cannot be reached (08006)
	Invalid                   // the caller's input is wrong (22023)
	Protocol                  // the bytes break the protocol (08P01)
	Limit                     // a limit of cost, memory or size was exceeded (54000)
	Conflict                  // try the transaction again (40001)
	Canceled                  // the user asked for it (57014)
	TxState                   // the statement does not fit the transaction's state (25000)
	Aborted                   // the transaction has failed already (25P02)
	Duplicate                 // the name is taken (42P05)
	Missing                   // the name is unknown (26000)
	AuthFailed                // the user could not be authenticated (28P01)
	Misconfigured             // configuration or policy is wrong (F0000)
	Shutdown                  // Clarus is stopping (57P01)
)

// An Error is what Clarus itself tells a user. It never holds a protected
// value. Hint says what the user can do.
type Error struct {
	Op   string // what was being done: "plan", "open"
	Attr string // the attribute or object concerned, by its logical name
	Kind Kind
	Msg  string
	Hint string
	Pos  int // position in the statement, in characters from 1; 0: none
	Err  error
}

func (e *Error) Error() string {
	msg := e.Msg
	if e.Attr != "" {
		msg = e.Attr + ": " + msg
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

func (e *Error) Unwrap() error { return e.Err }

// Refuse makes the error for a shape of statement that Clarus does not carry out.
func Refuse(msg, hint string) *Error {
	return &Error{Op: "plan", Kind: Unsupported, Msg: msg, Hint: hint}
}

// KindOf returns the kind of the first *Error in err's chain, else Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
