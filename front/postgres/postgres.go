// Package postgres is the front that speaks PostgreSQL's protocol 3.0
// (PostgreSQL documentation, chapter 55) with any client. It owns the bytes:
// start-up, TLS, SCRAM, framing, pipelining, the skip to Sync after an error,
// cancel requests. What the statements mean is the business of a Session.
//
// The front writes ParseComplete, BindComplete, CloseComplete, ReadyForQuery
// and ErrorResponse; the session writes everything else to its Client.
package postgres

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"github.com/clarus-project/clarus/pgwire"
)

// Bind is the protocol's Bind. Its slices do not alias the message.
type Bind = pgwire.Bind

// Fatal around an error of a session ends the connection after the error was
// reported with severity FATAL.
type Fatal = pgwire.Fatal

// A Principal is who connected, authenticated.
type Principal struct {
	User        string
	Database    string // the user's name if the client named none
	Application string
	// Params are the other start-up parameters, by lower-case name, those given
	// as "-c name=value" in "options" included. client_encoding is not among
	// them: it is UTF8 always.
	Params map[string]string
	Remote string // the client's address
	TLS    bool
}

// A Session carries out what one client asks. It belongs to one connection and
// is never used concurrently, except Cancel.
//
// An error of type *pgwire.ServerError reaches the client as it is, a
// *clarus.Error with the SQLSTATE of its kind but without its cause; of any other only
// that it happened. A Fatal, a severity of FATAL or PANIC, or the end of ctx
// closes the connection. A frame begun and not ended when an error is returned is dropped.
type Session interface {
	// Query carries out a whole simple query and writes its results.
	Query(ctx context.Context, sql string) error
	Parse(ctx context.Context, name, sql string, oids []uint32) error
	Bind(ctx context.Context, b Bind) error
	// DescribeStatement writes ParameterDescription and RowDescription or NoData.
	DescribeStatement(ctx context.Context, name string) error
	// DescribePortal writes RowDescription or NoData.
	DescribePortal(ctx context.Context, name string) error
	// Execute writes the rows and CommandComplete, PortalSuspended or
	// EmptyQueryResponse. A limit of 0 is all rows.
	Execute(ctx context.Context, portal string, limit int) error
	CloseStatement(ctx context.Context, name string) error
	ClosePortal(ctx context.Context, name string) error
	// Flush makes the session write the answers that it still owes. The front
	// then sends them.
	Flush(ctx context.Context) error
	// Sync ends the implicit transaction, after an error too, and returns the
	// status for ReadyForQuery: 'I', 'T' or 'E'. It follows every Query as well.
	// An error of it is fatal.
	Sync(ctx context.Context) (status byte, err error)
	// Fail says that an error was reported: one that a method of the extended
	// protocol returned, or one that the front found itself. It comes once,
	// before the skip to Sync. It does not follow an error that Query returned.
	Fail(ctx context.Context)
	// Cancel asks the running call to stop. It comes from another goroutine, at
	// any time between Opener's return and Close, also when nothing runs, and
	// returns soon.
	Cancel()
	// Close frees the session. It is the last call.
	Close()
	// Parameters are reported to the client after authentication:
	// server_version, client_encoding and so on.
	Parameters() map[string]string
}

// An Opener makes the session for a client that was authenticated. ctx ends
// with the connection. c must not be written to before the session's first call, except Notice.
type Opener func(ctx context.Context, p Principal, c *Client) (Session, error)

// Options are what a Server needs to know. Users and Open are required.
type Options struct {
	// TLS is offered to clients if it is set, and then required of those that
	// do not come through a Unix socket, unless AllowPlain is set too.
	TLS        *tls.Config
	AllowPlain bool
	// Users returns the verifier of a user's password.
	Users func(name string) (Verifier, bool)
	// MockKey makes the salts shown for unknown users; a key that survives
	// restarts hides better who exists. Default: random.
	MockKey        []byte
	Open           Opener
	MaxMessage     int           // bytes; default pgwire.MaxFrame
	MaxConnections int           // authenticated ones; default 100
	AuthTimeout    time.Duration // from accept to authentication; default 30 s
	Log            *slog.Logger  // default: discard
}

// New returns a server that Serve starts.
func New(o Options) (*Server, error) {
	if o.Users == nil || o.Open == nil {
		return nil, errors.New("a PostgreSQL front needs users and an opener of sessions")
	}
	if len(o.MockKey) == 0 {
		o.MockKey = make([]byte, 32)
		_, _ = rand.Read(o.MockKey)
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = pgwire.MaxFrame
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = 100
	}
	if o.AuthTimeout <= 0 {
		o.AuthTimeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.TLS = serverTLS(o.TLS)
	return &Server{o: o, conns: map[uint32]*conn{}}, nil
}
