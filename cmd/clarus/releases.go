package main

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/front/postgres"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/release"
)

// An inside is a way to Clarus for Clarus itself: connections that nobody else can
// make, whose sessions may write releases.
type inside struct {
	conns    chan net.Conn
	closed   chan struct{}
	password string
}

// Accept implements net.Listener.
func (i *inside) Accept() (net.Conn, error) {
	select {
	case c := <-i.conns:
		return c, nil
	case <-i.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (i *inside) Close() error {
	select {
	case <-i.closed:
	default:
		close(i.closed)
	}
	return nil
}

// Addr implements net.Listener.
func (i *inside) Addr() net.Addr { return &net.UnixAddr{Name: "inside", Net: "unix"} }

// connect makes a connection.
func (i *inside) connect(ctx context.Context, user, database, application string) (*pgwire.Simple, error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	var ends [2]net.Conn
	for n, fd := range pair {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "inside")
		c, e := net.FileConn(f)
		err = errors.Join(err, e, f.Close())
		ends[n] = c
	}
	if err != nil {
		return nil, err
	}
	select {
	case i.conns <- ends[0]:
	case <-i.closed:
		err = &clarus.Error{Op: "release", Kind: clarus.Shutdown, Msg: "Clarus is stopping"}
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return nil, errors.Join(err, ends[0].Close(), ends[1].Close())
	}
	return release.Over(ctx, pgwire.Target{User: user, Database: database, Password: i.password, Timeout: 30 * time.Second}, application, ends[1])
}

// keepReleases starts what keeps releases in step, until ctx ends.
func (s *server) keepReleases(ctx context.Context) error {
	way := &inside{conns: make(chan net.Conn), closed: make(chan struct{}), password: rand.Text()}
	verifier, err := postgres.MakeVerifier(way.password)
	if err != nil {
		return err
	}
	front, err := postgres.New(postgres.Options{MaxMessage: int(s.cfg.Limits.Message),
		Users: func(name string) (postgres.Verifier, bool) { return verifier, name == s.twin.Owner() },
		Open: func(ctx context.Context, p postgres.Principal, c *postgres.Client) (postgres.Session, error) {
			return s.host.Keep(ctx, audit.Principal{User: p.User, Database: p.Database, Remote: "clarus", Application: p.Application}, p.Params, c)
		}})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = front.Serve(ctx, way) })
	keeper := release.NewKeeper(func(name string) (*release.Database, error) { return s.releasesOf(way, name) }, s.log)
	s.host.Releases = keeper
	for _, db := range s.host.Databases.List() {
		running.Go(func() {
			if err := keeper.Run(ctx, db.Name); err != nil {
				s.log.Warn("releases do not follow", "database", db.Name, "reason", describe(err))
			}
		})
	}
	s.later(func() {
		stop()
		_ = way.Close()
		running.Wait()
	})
	return nil
}

// releasesOf is a database as the keeper of its releases sees it.
func (s *server) releasesOf(way *inside, name string) (*release.Database, error) {
	db := s.host.Databases.Get(name)
	if db == nil {
		return nil, &clarus.Error{Op: "release", Attr: name, Kind: clarus.Missing, Msg: "there is no such database"}
	}
	var readers []string
	for _, user := range slices.Sorted(maps.Keys(s.cfg.Users)) {
		if s.cfg.Users[user].Release {
			readers = append(readers, user)
		}
	}
	return &release.Database{Name: name, Number: db.Number, Published: db.Policy.Published(), Readers: readers, State: filepath.Join(s.cfg.State, "releases"), Made: db.Released,
		Connect: func(ctx context.Context, application string) (*pgwire.Simple, error) {
			return way.connect(ctx, s.twin.Owner(), name, application)
		},
		Seal: db.Seal, Open: db.Unseal}, nil
}
