// Package session carries out what one client asks: transactions, settings,
// prepared statements and portals, plans, and their execution over the
// client's own sessions at the provider and on the twin.
package session

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/publish/dp"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/store"
	"github.com/clarus-project/clarus/twin"
)

// A Host is what all sessions share.
type Host struct {
	Databases *store.Databases
	Users     map[string]bool // true: an owner
	Private   map[string]bool // users who get differentially private answers only
	Readers   map[string]bool // users who see releases in place of their originals, and change nothing
	Ledger    *dp.Ledger      // of what they have spent
	Providers map[string]provider.Provider
	Gate      *gate.Gate
	Vault     *run.Vault
	Builtins  *plan.Builtins
	System    map[uint32]string // names of PostgreSQL's own relations
	MaxRows   int               // most rows that one statement may need on this side
	Cache     Cache
	Releases  Releases // nil: nobody keeps any
}

// Learn asks the twin, in a database of its, what PostgreSQL itself brings:
// Builtins and System, which are the same in every database.
func (h *Host) Learn(ctx context.Context, db *store.Database) error {
	v, err := db.Current(ctx)
	if err != nil {
		return err
	}
	defer v.Twin.Release()
	c, err := v.Twin.Analyst(ctx, db.Twin.Owner())
	if err != nil {
		return err
	}
	defer c.Close()
	functions, operators, relations, err := c.Builtins()
	if err != nil {
		return err
	}
	b := &plan.Builtins{Functions: map[uint32]plan.Function{}, Operators: map[uint32]plan.Operator{}}
	for oid, f := range functions {
		b.Functions[oid] = plan.Function(f)
	}
	for oid, o := range operators {
		b.Operators[oid] = plan.Operator(o)
	}
	h.Builtins, h.System = b, relations
	return nil
}

// Releases keeps releases in step with their originals.
type Releases interface {
	// Refresh brings a release in step, and says in words how it is.
	Refresh(ctx context.Context, database, schema, table string) (string, error)
	// Status says how each release of a database is, in words for its owners.
	Status(database string) string
}

// A Client is what a session writes to.
type Client interface {
	W() *pgwire.Writer
	SyncNext() bool // the client sent Sync right after what is carried out now
	PID() uint32
	Notice(*pgwire.ServerError)
	ParameterStatus(name, value string)
	CopyIn(format byte, columns []int16) (func() ([]byte, error), error)
	// Terminate ends the connection with an error. It may be called from any
	// goroutine.
	Terminate()
}

// A Session belongs to one connection. Its methods are as the front's
// interface describes them.
type Session struct {
	host   *Host
	db     *store.Database
	stay   *store.Guest // in db
	client Client
	id     string
	who    audit.Principal

	version *store.Version // nil until it is needed
	analyst *conn
	scratch *lease
	remotes remotes
	ddl     *change // DDL of the open transaction

	settings settings
	reported map[string]string
	heard    struct { // what of the twin's reports was looked at
		client *pgwire.Client
		count  int
	}
	statements map[string]*statement
	portals    map[string]*portal
	lexed      sqlast.Lifted
	lexedText  string     // what lexed was made of; "": of nothing that has a form
	serial     int        // of the newest portal
	several    bool       // the running query string has several statements
	last       bool       // the client asks for no more than the running statement before Sync
	block      bool       // BEGIN was given
	failed     bool       // the transaction block has failed
	doomed     bool       // the implicit transaction has failed
	readOnly   bool       // transactions may be READ ONLY: something asked for it once
	view       string     // the provider that the client looks at; "": none
	keeper     bool       // it is Clarus's own, which makes and writes releases
	drawn      []run.Draw // from sequences, of which the scratch database does not know

	mu      sync.Mutex
	parent  context.Context // that calls is made of
	calls   context.Context // of the calls
	cancel  context.CancelFunc
	running bool // a call is
}

// conn is a connection to the twin with the settings that it was given last.
type conn struct {
	*twin.Conn
	settled int
}

// lease is a scratch database with the settings of its user's connection.
type lease struct {
	*twin.Scratch
	settled int
}

// Open starts the session of an authenticated user.
func (h *Host) Open(ctx context.Context, who audit.Principal, params map[string]string, c Client) (*Session, error) {
	return h.open(ctx, who, params, c, false)
}

// Keep starts a session of Clarus's own, in a user's name, that makes and writes releases.
func (h *Host) Keep(ctx context.Context, who audit.Principal, params map[string]string, c Client) (*Session, error) {
	return h.open(ctx, who, params, c, true)
}

func (h *Host) open(ctx context.Context, who audit.Principal, params map[string]string, c Client, keeper bool) (*Session, error) {
	stay, err := h.Databases.Enter(who.Database, c.Terminate)
	if err != nil {
		return nil, err
	}
	s := &Session{host: h, db: stay.Database, stay: stay, client: c, id: rand.Text(), who: who, keeper: keeper,
		statements: map[string]*statement{}, portals: map[string]*portal{}, reported: map[string]string{}}
	s.settings.untimed = s.private()
	s.settings.start()
	if err := h.Gate.Record(ctx, audit.Event{Session: s.id, Principal: who, Action: audit.ActionSessionOpen, Outcome: audit.OutcomeDone}); err != nil {
		stay.Leave()
		return nil, err
	}
	if err := s.connect(ctx); err != nil {
		s.Close()
		return nil, err
	}
	if err := s.seeReleases(ctx); err != nil {
		s.Close()
		return nil, err
	}
	for name, value := range params {
		if err := s.set(ctx, name, value, false); err != nil {
			s.Close()
			return nil, err
		}
	}
	if who.Application != "" {
		if err := s.set(ctx, "application_name", who.Application, false); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.settings.start()
	return s, nil
}

// Parameters are reported to the client after authentication.
func (s *Session) Parameters() map[string]string {
	p := map[string]string{"client_encoding": "UTF8", "is_superuser": "off", "session_authorization": s.who.User}
	for _, name := range reportable {
		if v := s.analyst.Parameter(name); v != "" {
			p[name] = v
		}
	}
	for k, v := range p {
		s.reported[k] = v
	}
	return p
}

// reportable are the settings that PostgreSQL reports when they change.
var reportable = []string{"server_version", "server_encoding", "application_name", "default_transaction_read_only", "in_hot_standby",
	"DateStyle", "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings"}

// twin returns the connection for analysis, at the current version.
func (s *Session) twin(ctx context.Context) (*twin.Conn, error) {
	if s.ddl != nil {
		return s.ddl.scratch.User, s.settle(s.ddl.scratch.User, &s.ddl.scratch.settled)
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	if s.analyst != nil && s.analyst.Broken() {
		s.analyst = nil
	}
	if s.analyst == nil {
		c, err := s.version.Twin.Analyst(ctx, s.who.User)
		if err != nil {
			return nil, err
		}
		s.analyst = &conn{Conn: c, settled: -1}
		c.Notices(s.notice)
	}
	return s.analyst.Conn, s.settle(s.analyst.Conn, &s.analyst.settled)
}

// refresh follows the schema's current version.
func (s *Session) refresh(ctx context.Context) error {
	if s.version != nil && s.db.InForce(s.version) {
		return nil
	}
	if s.block && s.scratch != nil && s.version != nil {
		if s.version.Twin.Lost() {
			return twinEnded()
		}
		return &clarus.Error{Op: "schema", Kind: clarus.Conflict, Msg: "the schema changed while the transaction was open", Hint: "Try the transaction again."}
	}
	s.leave()
	v, err := s.db.Current(ctx)
	s.version = v
	return err
}

func twinEnded() error {
	return &clarus.Error{Op: "twin", Kind: clarus.Unavailable, Msg: "the twin ended while the transaction was open", Hint: "Try the transaction again."}
}

// leave gives up what belongs to the version in use.
func (s *Session) leave() {
	if s.analyst != nil {
		_ = s.analyst.Close()
		s.analyst = nil
	}
	if s.scratch != nil {
		s.scratch.Drop()
		s.scratch = nil
	}
	if s.version != nil {
		s.version.Twin.Release()
		s.version = nil
	}
}

// workspace returns the session's scratch database.
func (s *Session) workspace(ctx context.Context) (*twin.Scratch, error) {
	if s.ddl != nil {
		return s.ddl.scratch.Scratch, s.settle(s.ddl.scratch.User, &s.ddl.scratch.settled)
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	if s.scratch != nil && s.scratch.Broken() {
		if s.block {
			return nil, twinEnded()
		}
		s.scratch.Drop()
		s.scratch = nil
	}
	if s.scratch == nil {
		l, err := s.version.Twin.Lease(ctx, s.who.User)
		if err != nil {
			return nil, err
		}
		s.version.Twin.Prepare()
		l.User.Notices(s.notice)
		s.scratch = &lease{Scratch: l, settled: -1}
	}
	return s.scratch.Scratch, s.settle(s.scratch.User, &s.scratch.settled)
}

// catalog is the schema that the session sees.
func (s *Session) catalog() *catalog.Catalog {
	if s.ddl != nil {
		return s.ddl.catalog
	}
	return s.version.Catalog
}

func (s *Session) env() plan.Env {
	return plan.Env{Catalog: s.catalog(), Builtins: s.host.Builtins, Relations: s.host.System}
}

// run starts a call that Cancel can stop. All calls have one context, until it
// is cancelled.
func (s *Session) run(ctx context.Context) (context.Context, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == nil || s.calls.Err() != nil || s.parent != ctx {
		if s.cancel != nil {
			s.cancel()
		}
		s.parent = ctx
		s.calls, s.cancel = context.WithCancel(ctx)
	}
	s.running = true
	return s.calls, s.done
}

func (s *Session) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = false
}

// Cancel stops the running call, from any goroutine.
func (s *Session) Cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		s.cancel()
	}
}

// Close frees the session.
func (s *Session) Close() {
	s.mu.Lock()
	if s.cancel != nil {
		defer s.cancel()
	}
	s.mu.Unlock()
	if s.ddl != nil {
		s.ddl.scratch.Drop()
		s.ddl = nil
	}
	s.leave()
	s.disconnect()
	s.stay.Leave()
	_ = s.host.Gate.Record(context.Background(), audit.Event{Session: s.id, Principal: s.who, Action: audit.ActionSessionClose, Outcome: audit.OutcomeDone})
}

// state is the SQLSTATE of an error, as far as the session knows it.
func state(err error) string {
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok {
		return se.Code
	}
	return ""
}

// shifted moves an error's position by the statement's offset in its string.
func shifted(err error, offset int) error {
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok && se.Position > 0 && offset > 0 {
		c := *se
		c.Position += offset
		return &c
	}
	return err
}

func fold(name string) string { return strings.ToLower(name) }
