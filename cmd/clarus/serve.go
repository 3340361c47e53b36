package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/jsonl"
	"github.com/clarus-project/clarus/front/postgres"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/keys/file"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/provider"
	pgprovider "github.com/clarus-project/clarus/provider/postgres"
	"github.com/clarus-project/clarus/publish/dp"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/session"
	"github.com/clarus-project/clarus/store"
	"github.com/clarus-project/clarus/twin"
)

func serveCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: "Runs the proxy until it is told to end (SIGTERM, Ctrl-C). A provider that is away at the start is an error; one that goes away later is " +
			"waited for, client by client.\n\nExit codes: 0 told to end, 1 it cannot start, 2 the command line is wrong, 3 the owner has to confirm the schema first (clarus recover).",
		Example: "  clarus serve --config clarus.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := policy.LoadConfig(config)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), cfg)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "clarus.yaml", "the configuration file")
	return c
}

// describe adds the hint to an error.
func describe(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*clarus.Error](err); ok && e.Hint != "" {
		text += "\n  hint: " + e.Hint
	}
	return text
}

// serve runs the proxy until ctx ends.
func serve(ctx context.Context, cfg *policy.Config) error {
	// What lives long is small, so the collector would run all the time: it counts
	// these bytes, which are never touched and cost no memory.
	idle := make([]byte, 64<<20)
	defer runtime.KeepAlive(idle)
	s := &server{cfg: cfg, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	defer s.close()
	if err := s.start(ctx); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "clarus: listening on postgres %s\n", s.listener.Addr())
	return s.front.Serve(ctx, s.listener)
}

// server is the wiring of one running proxy.
type server struct {
	cfg      *policy.Config
	log      *slog.Logger
	listener net.Listener
	front    *postgres.Server
	host     *session.Host
	twin     *twin.Server
	sink     *jsonl.Sink
	closers  []func()
}

func (s *server) close() {
	for _, f := range slices.Backward(s.closers) {
		f()
	}
}

func (s *server) later(f func()) { s.closers = append(s.closers, f) }

// maxAudit is the size at which the audit log begins a new file, in bytes.
const maxAudit = 256 << 20

func (s *server) start(ctx context.Context) error {
	var err error
	if s.listener, err = net.Listen("tcp", s.cfg.Listen.Postgres); err != nil {
		return &clarus.Error{Op: "listen", Attr: s.cfg.Listen.Postgres, Kind: clarus.Misconfigured, Msg: "the address cannot be used: " + err.Error(),
			Hint: "Stop what listens there, or choose another address in listen.postgres."}
	}
	s.later(func() { _ = s.listener.Close() })
	if s.sink, err = jsonl.Open(s.cfg.Audit, jsonl.Options{MaxBytes: maxAudit}); err != nil {
		return err
	}
	s.later(func() { _ = s.sink.Close() })
	g := gate.New(s.sink)
	s.later(func() {
		quick, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = g.Close(quick)
	})
	ring, err := openRing(s.cfg)
	if err != nil {
		return err
	}
	vault := run.NewVault(ring, ring.Deployment(), techniques)
	if err := s.startTwin(ctx); err != nil {
		return err
	}
	s.host = &session.Host{Users: map[string]bool{}, Private: map[string]bool{}, Readers: map[string]bool{}, Gate: g, Vault: vault, MaxRows: int(s.cfg.Limits.ResidualRows)}
	for name, u := range s.cfg.Users {
		s.host.Users[name] = u.Owner
		s.host.Private[name] = u.Private
		s.host.Readers[name] = u.Release
	}
	if err := s.openLedger(); err != nil {
		return err
	}
	if err := s.reachProviders(); err != nil {
		return err
	}
	if err := s.openDatabases(ctx, vault); err != nil {
		return err
	}
	if err := s.keepReleases(ctx); err != nil {
		return err
	}
	if err := s.startFront(); err != nil {
		return err
	}
	return g.Record(ctx, audit.Event{Action: audit.ActionConfig, Outcome: audit.OutcomeDone})
}

// openLedger opens the ledger of privacy budgets, where a user has one.
func (s *server) openLedger() error {
	private := false
	for _, u := range s.cfg.Users {
		private = private || u.Private
	}
	if !private {
		return nil
	}
	if err := os.MkdirAll(s.cfg.State, 0o700); err != nil {
		return err
	}
	path := ledgerFile(s.cfg)
	var err error
	if s.host.Ledger, err = dp.OpenLedger(path); err != nil {
		return &clarus.Error{Op: "open", Attr: path, Kind: clarus.Misconfigured, Msg: "the ledger of privacy budgets cannot be used: " + err.Error(),
			Hint: "It says what users with aggregate: dp have spent. Restore it from a backup that is not older than the last answer."}
	}
	s.later(func() { _ = s.host.Ledger.Close() })
	return nil
}

func openRing(cfg *policy.Config) (*file.Ring, error) {
	var unlock file.Unlock
	ref := cfg.Keyring.Passphrase
	if ref.IsZero() {
		ref = cfg.Keyring.RootKey
	}
	word, err := cfg.Secret(ref)
	if err != nil {
		return nil, err
	}
	if cfg.Keyring.Passphrase.IsZero() {
		unlock, err = file.RootHex(string(word))
	} else {
		unlock, err = file.Passphrase(secret.New(word))
	}
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.Keyring.File); errors.Is(err, fs.ErrNotExist) {
		return file.Create(cfg.Keyring.File, unlock)
	}
	return file.Open(cfg.Keyring.File, unlock)
}

func (s *server) startTwin(ctx context.Context) error {
	t := twin.Config{Directory: s.cfg.Twin.Directory, OSUser: s.cfg.Twin.User, Memory: s.cfg.Twin.Memory, Timeout: s.cfg.Twin.Timeout,
		Failed: func(err error) { s.log.Error("the twin crashed and cannot be started again yet", "error", err) }}
	if s.cfg.Twin.Temporary > 0 {
		t.Temporary = strconv.FormatInt(s.cfg.Twin.Temporary>>10, 10) + "kB"
	}
	for name, u := range s.cfg.Users {
		t.Users = append(t.Users, name)
		if u.Owner && (t.Owner == "" || name < t.Owner) {
			t.Owner = name
		}
	}
	slices.Sort(t.Users)
	var err error
	if s.twin, err = twin.Start(ctx, t); err != nil {
		return err
	}
	s.later(func() {
		quick, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = s.twin.Stop(quick)
	})
	return nil
}

// reachProviders makes the host's providers, without connecting.
func (s *server) reachProviders() error {
	s.host.Providers = map[string]provider.Provider{}
	for name, p := range s.cfg.Providers {
		made, err := newProvider(s.cfg, name, p, s.log)
		if err != nil {
			return err
		}
		s.host.Providers[name] = made
	}
	return nil
}

func newProvider(cfg *policy.Config, name string, p policy.Provider, log *slog.Logger) (provider.Provider, error) {
	t := pgwire.Target{User: p.Postgres.User, Timeout: 15 * time.Second}
	host, port, err := net.SplitHostPort(p.Postgres.Address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	t.Host, t.Port = host, uint16(n)
	if !p.Postgres.Password.IsZero() {
		word, err := cfg.Secret(p.Postgres.Password)
		if err != nil {
			return nil, err
		}
		t.Password = string(word)
	}
	if !p.Postgres.TLS.Off {
		if t.TLS, err = clientTLS(p.Postgres.TLS, host, log); err != nil {
			return nil, err
		}
	}
	return pgprovider.New(name, t), nil
}

func (s *server) openDatabases(ctx context.Context, vault *run.Vault) error {
	var err error
	s.host.Databases, err = store.NewDatabases(s.cfg.State, func(name, at string) (*store.Database, error) { return s.describe(vault, name, at) })
	if err != nil {
		return err
	}
	awaited := func(name string) bool { return s.cfg.Databases[name].BySQL }
	err = s.host.Databases.Open(ctx, slices.Sorted(maps.Keys(s.cfg.Databases)), awaited, func(name string, err error) {
		s.log.Warn("a database that SQL made cannot be opened, or its rest not removed", "database", name, "reason", describe(err))
	})
	if err != nil {
		return err
	}
	list := s.host.Databases.List()
	if len(list) == 0 {
		return &clarus.Error{Op: "open", Kind: clarus.Misconfigured, Msg: "there is no database left: all were dropped",
			Hint: "Name one that exists at its provider in the configuration, under databases."}
	}
	for _, db := range list {
		if version, digest, ok := db.Reached(); ok {
			s.log.Info("schema", "database", db.Name, "version", version, "digest", digest.String())
		}
		for _, other := range db.Elsewhere() {
			if err := db.Settle(ctx, other, false); err != nil { // it is tried again when it is needed
				s.log.Warn("a provider is not ready", "database", db.Name, "provider", other, "reason", describe(err))
			}
		}
	}
	for _, db := range list {
		if err = s.host.Learn(ctx, db); err == nil {
			return nil
		}
	}
	return err
}

// describe is a logical database as the configuration has it; at is its
// provider, "" where the configuration decides.
func (s *server) describe(vault *run.Vault, name, at string) (*store.Database, error) {
	pol, err := s.cfg.PolicyOf(name, techniques)
	if err != nil {
		return nil, err
	}
	if d, ok := s.cfg.Databases[name]; at == "" && ok {
		at = d.DefaultProvider
	} else if at == "" {
		at = s.cfg.Created.DefaultProvider
	}
	db := &store.Database{Name: name, Policy: pol, Physical: cmp.Or(s.cfg.Providers[at].Postgres.Database, name), Records: vault, Twin: s.twin,
		Warn: func(msg string, err error) { s.log.Warn(msg, "database", name, "reason", describe(err)) }}
	if at == "" {
		return db, nil
	}
	p, ok := s.host.Providers[at]
	if !ok {
		return nil, &clarus.Error{Op: "open", Attr: name, Kind: clarus.Misconfigured, Msg: "the database was made at provider " + at + ", which the configuration does not have",
			Hint: "Name the provider again."}
	}
	db.Provider, db.Annexes = p, s.annexes(name, at)
	return db, nil
}

// annexes are a logical database's databases at other providers than its
// default one, for tables that the policy places there.
func (s *server) annexes(database, home string) map[string]store.Annex {
	list := map[string]store.Annex{}
	for name, p := range s.cfg.Providers {
		if name != home {
			list[name] = store.Annex{Provider: s.host.Providers[name], Physical: cmp.Or(p.Postgres.Database, database)}
		}
	}
	return list
}

func (s *server) startFront() error {
	verifiers := map[string]postgres.Verifier{}
	for name, u := range s.cfg.Users {
		var err error
		if u.Verifier != "" {
			verifiers[name], err = postgres.ParseVerifier(u.Verifier)
		} else {
			var word []byte
			if word, err = s.cfg.Secret(u.Password); err == nil {
				verifiers[name], err = postgres.MakeVerifier(string(word))
			}
		}
		if err != nil {
			return fmt.Errorf("user %s: %w", name, err)
		}
	}
	o := postgres.Options{Users: func(name string) (postgres.Verifier, bool) { v, ok := verifiers[name]; return v, ok }, Open: s.open,
		MaxMessage: int(s.cfg.Limits.Message), MaxConnections: s.cfg.Limits.Connections, Log: s.log}
	if t := s.cfg.Listen.TLS; !t.Off {
		var err error
		if o.TLS, err = serverTLS(t, s.log); err != nil {
			return err
		}
	}
	var err error
	s.front, err = postgres.New(o)
	return err
}

// open starts a session for the front.
func (s *server) open(ctx context.Context, p postgres.Principal, c *postgres.Client) (postgres.Session, error) {
	who := audit.Principal{User: p.User, Database: p.Database, Remote: p.Remote, Application: p.Application}
	return s.host.Open(ctx, who, p.Params, c)
}
