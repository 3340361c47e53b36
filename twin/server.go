// Package twin runs the logical twin: a trusted PostgreSQL beside Clarus that
// holds the logical schema and no rows at rest. It analyses statements,
// answers questions about the schema, and finishes what no provider can.
//
// A version of a schema is a template database to which nobody connects. Its
// clones keep every OID: one serves analysis and introspection, scratch
// databases serve residual execution and the DDL of one transaction. A scratch
// database whose transaction commits becomes the next version's template.
package twin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgserver"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/sqlast"
)

// A Config says how the twin runs.
type Config struct {
	Directory string // parent of the twin's cluster, on tmpfs if possible
	OSUser    string // whom the server runs as when Clarus is root
	Memory    int64  // bytes of one session's process, beyond what all share; 0: no limit
	Temporary string // temp_file_limit of one session, such as "1GB"
	Timeout   time.Duration
	Users     []string
	Owner     string // the user who owns the databases
	Log       io.Writer
	Failed    func(error) // is told why a twin that crashed cannot be started again; nil: nobody
}

const superuser = "clarus_twin"

// common is about the address space that every process of the twin has: shared
// buffers, the program, its libraries and locales, in bytes.
const common = 256 << 20

// A Server is the twin's PostgreSQL server.
type Server struct {
	cfg      Config
	password string // of the users' roles; made anew at each start
	serial   atomic.Int64
	admin    sync.Mutex // CREATE and DROP DATABASE one at a time

	mu       sync.Mutex
	running  *pgserver.Server
	up       chan struct{} // closed when running can be used
	life     int64         // how often the server has been started
	stopping bool
	halt     chan struct{} // closed with stopping
	ended    chan struct{}
}

// settings keep the twin off the disk and out of logs: it holds no row at
// rest, so durability is worth nothing and a log line could hold a value.
func settings(cfg Config) map[string]string {
	return map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
		"wal_level": "minimal", "max_wal_senders": "0", "wal_recycle": "off", "wal_init_zero": "off",
		"min_wal_size": "2MB", "max_wal_size": "64MB", "autovacuum": "off", "restart_after_crash": "off", "track_activities": "off", "track_counts": "off",
		"log_min_messages": "panic", "log_min_error_statement": "panic", "log_statement": "none",
		"log_checkpoints": "off", "log_autovacuum_min_duration": "-1",
		"synchronize_seqscans": "off", "max_connections": "300", "shared_buffers": "64MB", "max_parallel_workers": "0", "jit": "off",
		"temp_file_limit": cfg.Temporary, "dynamic_shared_memory_type": "mmap",
		"password_encryption": "scram-sha-256",
	}
}

// Start starts a twin without databases.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Temporary == "" {
		cfg.Temporary = "1GB"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret)
	s := &Server{cfg: cfg, password: hex.EncodeToString(secret), up: make(chan struct{}), halt: make(chan struct{}), ended: make(chan struct{})}
	if err := s.launch(ctx); err != nil {
		return nil, err
	}
	go s.supervise()
	return s, nil
}

// launch starts a new server with roles and without databases.
func (s *Server) launch(ctx context.Context) error {
	memory := s.cfg.Memory
	if memory > 0 {
		memory += common
	}
	pg, err := pgserver.Start(ctx, pgserver.Config{Dir: s.cfg.Directory, Temporary: true, Locale: "C.UTF-8", Superuser: superuser,
		Settings: settings(s.cfg), User: s.cfg.OSUser, WALSegmentMB: 1, Log: s.cfg.Log, Memory: memory})
	if err != nil {
		return fmt.Errorf("start the twin: %w", err)
	}
	if err := s.makeRoles(ctx, pg); err != nil {
		_ = pg.Stop(context.WithoutCancel(ctx))
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return errors.Join(errors.New("the twin was stopped"), pg.Stop(context.WithoutCancel(ctx)))
	}
	s.running = pg
	s.life++
	close(s.up)
	return nil
}

const (
	launchPause = 200 * time.Millisecond // after the first attempt that failed; it grows
	longPause   = 5 * time.Second
	launchLimit = time.Minute
)

// supervise replaces a server that crashed, or one of whose processes did, by a
// new one. What a crash left is not used again: whoever needs a database has
// it made anew from the log of the schema. Where a new one cannot be started, a
// full disk say, it is tried again until it can.
func (s *Server) supervise() {
	defer close(s.ended)
	for {
		<-s.running.Done()
		s.mu.Lock()
		s.up = make(chan struct{})
		s.mu.Unlock()
		_ = s.running.Stop(context.Background())
		for pause := launchPause; !s.isStopping(); pause = min(2*pause, longPause) {
			ctx, cancel := context.WithTimeout(context.Background(), launchLimit)
			err := s.launch(ctx)
			cancel()
			if err == nil {
				break
			}
			if s.cfg.Failed != nil {
				s.cfg.Failed(err)
			}
			select {
			case <-time.After(pause):
			case <-s.halt:
			}
		}
		if s.isStopping() {
			return
		}
	}
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// awaited is how long a statement waits for a twin that is being replaced.
const awaited = 10 * time.Second

// server returns the running server and waits for it while it is replaced.
func (s *Server) server(ctx context.Context) (*pgserver.Server, error) {
	s.mu.Lock()
	up := s.up
	s.mu.Unlock()
	select {
	case <-up:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.running, nil
	case <-s.ended:
		return nil, &clarus.Error{Op: "twin", Kind: clarus.Unavailable, Msg: "the twin has ended", Hint: "See Clarus's own log."}
	case <-time.After(awaited):
		return nil, &clarus.Error{Op: "twin", Kind: clarus.Unavailable, Msg: "the twin crashed, and cannot be started again yet",
			Hint: "The owner of this Clarus must see to it: its log says why. Then try again."}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// born tells how often the server has been started.
func (s *Server) born() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// makeRoles gives each user an unprivileged login role. Under the replica role
// neither triggers nor foreign keys fire: the provider checks keys on tags, and
// the twin rarely holds the other side.
func (s *Server) makeRoles(ctx context.Context, pg *pgserver.Server) error {
	c, err := s.reach(ctx, pg, "postgres", superuser, pg.Password())
	if err != nil {
		return err
	}
	defer c.Close()
	sql := []string{"REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC"}
	for _, u := range s.cfg.Users {
		q := sqlast.Quote(u)
		sql = append(sql,
			"CREATE ROLE "+q+" LOGIN PASSWORD "+sqlast.Literal(s.password),
			"ALTER ROLE "+q+" SET session_replication_role = replica",
			// The only locks to wait for are on tables that were not loaded.
			"ALTER ROLE "+q+" SET lock_timeout = '50ms'",
			fmt.Sprintf("ALTER ROLE %s SET statement_timeout = %d", q, s.cfg.Timeout.Milliseconds()))
	}
	return c.Do(sql...)
}

func (s *Server) dial(ctx context.Context, db, user string) (*Conn, error) {
	pg, err := s.server(ctx)
	if err != nil {
		return nil, err
	}
	if user == superuser {
		return s.reach(ctx, pg, db, user, pg.Password())
	}
	return s.reach(ctx, pg, db, user, s.password)
}

func (s *Server) reach(ctx context.Context, pg *pgserver.Server, db, user, password string) (*Conn, error) {
	c, err := pgwire.Dial(ctx, pgwire.Target{Host: pg.SocketDir(), Port: pg.Port(), Database: db, User: user, Password: password,
		Settings: map[string]string{"application_name": ""}, Timeout: 10 * time.Second})
	if err != nil {
		return nil, &clarus.Error{Op: "twin", Kind: clarus.Unavailable, Msg: "the twin does not answer",
			Hint: "Try again; if it persists, see Clarus's own log.", Err: cause(err)}
	}
	return newConn(c, s.cfg.Timeout), nil
}

// cause is an error for the log alone. What the twin's server said of Clarus's own
// doings must not pass for its answer to a user's statement.
func cause(err error) error { return errors.New(err.Error()) }

// root connects as superuser.
func (s *Server) root(ctx context.Context, db string) (*Conn, error) {
	return s.dial(ctx, db, superuser)
}

func (s *Server) name(kind string) string { return fmt.Sprintf("%s_%d", kind, s.serial.Add(1)) }

// administer runs statements that make, rename or drop databases.
func (s *Server) administer(ctx context.Context, sql ...string) error {
	s.admin.Lock()
	defer s.admin.Unlock()
	c, err := s.root(ctx, "postgres")
	if err != nil {
		return err
	}
	defer c.Close()
	// A backend that is stuck in a COPY keeps these waiting, and all who come after.
	return c.Do(append([]string{"SET statement_timeout = '60s'"}, sql...)...)
}

func (s *Server) clone(ctx context.Context, template, name string) error {
	return s.administer(ctx,
		fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s OWNER %s", name, template, sqlast.Quote(s.cfg.Owner)),
		"REVOKE TEMPORARY ON DATABASE "+name+" FROM PUBLIC")
}

func (s *Server) drop(ctx context.Context, name string) error {
	return s.administer(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

// Scrub makes the twin forget what its write-ahead log still holds of dropped
// scratch databases.
func (s *Server) Scrub(ctx context.Context) error {
	return s.administer(ctx, "SELECT pg_switch_wal()", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")
}

// Owner is the user who owns the databases.
func (s *Server) Owner() string { return s.cfg.Owner }

// Version is the server's major version.
func (s *Server) Version() int { return s.running.Version() }

// Stop ends the twin and removes all of it.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.halt)
	}
	pg := s.running
	s.mu.Unlock()
	err := pg.Stop(ctx)
	<-s.ended
	return err
}
