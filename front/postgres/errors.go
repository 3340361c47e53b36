package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
)

// codes gives each kind of error its SQLSTATE.
var codes = [...]string{
	clarus.Internal:      "XX000",
	clarus.Unsupported:   "0A000",
	clarus.Denied:        "42501",
	clarus.Integrity:     "XX001",
	clarus.Unavailable:   "08006",
	clarus.Invalid:       "22023",
	clarus.Protocol:      "08P01",
	clarus.Limit:         "54000",
	clarus.Conflict:      "40001",
	clarus.Canceled:      "57014",
	clarus.TxState:       "25000",
	clarus.Aborted:       "25P02",
	clarus.Duplicate:     "42P05",
	clarus.Missing:       "26000",
	clarus.AuthFailed:    "28P01",
	clarus.Misconfigured: "F0000",
	clarus.Shutdown:      "57P01",
}

// errGone says that the client can no longer be read from or written to.
var errGone = errors.New("the client is gone")

// errShutdown is told to clients when the server stops.
var errShutdown = fatalf("57P01", "terminating connection because Clarus is stopping")

// errTerminated is told to a client whose connection an administrator ended.
var errTerminated = fatalf("57P01", "terminating connection due to administrator command")

// A panicError is a panic in a session, already logged.
type panicError struct{}

func (panicError) Error() string { return "a session panicked" }

// fatalf makes an error that ends the connection.
func fatalf(code, format string, args ...any) *pgwire.ServerError {
	return &pgwire.ServerError{Severity: "FATAL", Code: code, Message: fmt.Sprintf(format, args...)}
}

// errorf makes an error that the connection survives.
func errorf(code, format string, args ...any) *pgwire.ServerError {
	return &pgwire.ServerError{Severity: "ERROR", Code: code, Message: fmt.Sprintf(format, args...)}
}

// malformed makes the error for bytes that break the protocol.
func malformed(t byte, err error) error {
	return fatalf("08P01", "invalid message %q: %v", t, err)
}

// present makes of err what the client is told, and says whether the
// connection must end. known is false if err is a defect: then the client sees
// none of its text, which may hold the address of a provider, and the caller logs it.
func present(err error) (e *pgwire.ServerError, fatal, known bool) {
	_, wrapped := errors.AsType[*Fatal](err)
	_, paniced := errors.AsType[panicError](err)
	fatal = wrapped || paniced
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok {
		e, known = new(*se), true
	} else if ce, ok := errors.AsType[*clarus.Error](err); ok {
		e, known = fromClarus(ce), ce.Kind != clarus.Internal
		fatal = fatal || ce.Kind == clarus.Shutdown
	} else if errors.Is(err, context.Canceled) {
		e, known = errorf("57014", "canceling statement due to user request"), true
	} else {
		e = errorf("XX000", "internal error")
		e.Hint = "The log of Clarus says what happened."
	}
	fatal = fatal || e.Severity == "FATAL" || e.Severity == "PANIC"
	switch {
	case fatal && e.Severity != "PANIC":
		e.Severity = "FATAL"
	case e.Severity == "":
		e.Severity = "ERROR"
	}
	return e, fatal, known
}

// fromClarus leaves out the cause: it may come from a provider or the system.
func fromClarus(ce *clarus.Error) *pgwire.ServerError {
	msg := ce.Msg
	if msg == "" {
		msg = "internal error"
	}
	if ce.Attr != "" {
		msg = ce.Attr + ": " + msg
	}
	code := codes[clarus.Internal]
	if ce.Kind >= 0 && int(ce.Kind) < len(codes) {
		code = codes[ce.Kind]
	}
	e := errorf(code, "%s", msg)
	e.Hint, e.Position = ce.Hint, ce.Pos
	return e
}
