package oracle

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/audittest"
	"github.com/clarus-project/clarus/front/postgres"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/provider"
	pgprovider "github.com/clarus-project/clarus/provider/postgres"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/session"
	"github.com/clarus-project/clarus/store"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/cell"
	"github.com/clarus-project/clarus/technique/equality"
	"github.com/clarus-project/clarus/technique/techniquetest"
	"github.com/clarus-project/clarus/twin"
)

// An Embedded is Clarus inside the test's own process, where a fuzzer sees
// which code an input reaches, with an Ear at its provider.
type Embedded struct {
	*Target
	Ear *Ear
	Log bytes.Buffer // what the front logged; read it after Stop

	database *store.Database
	cluster  *Cluster
	twin     *twin.Server
	stop     context.CancelFunc
	served   chan error
}

// Embed starts Clarus in this process, under a policy's text.
func (w *World) Embed(ctx context.Context, name, policyText string) (e *Embedded, err error) {
	e = &Embedded{Target: &Target{Name: name, Database: "app"}, served: make(chan error, 1)}
	dir := filepath.Join(w.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Stop())
		}
	}()
	if e.cluster, err = startCluster(ctx, w.template, filepath.Join(w.dir, name+"-provider"), "fsync=off"); err != nil {
		return e, err
	}
	if err := e.cluster.Admin(ctx, "postgres", "CREATE ROLE clarus LOGIN PASSWORD '"+Password+"'", "CREATE DATABASE app OWNER clarus"); err != nil {
		return e, err
	}
	if e.twin, err = twin.Start(ctx, twin.Config{Directory: dir, OSUser: "postgres", Timeout: 3 * time.Second, Users: []string{"app"}, Owner: "app"}); err != nil {
		return e, err
	}
	offers := technique.List{cell.Technique{}, equality.Technique{}}
	pol, err := policy.Parse(name, []byte(policyText), offers)
	if err != nil {
		return e, err
	}
	ring := techniquetest.NewRing()
	vault := run.NewVault(ring, ring.Deployment(), offers)
	pin, err := store.NewPin(filepath.Join(dir, "state"))
	if err != nil {
		return e, err
	}
	if e.Ear, err = listen(net.JoinHostPort("127.0.0.1", strconv.Itoa(int(e.cluster.Port)))); err != nil {
		return e, err
	}
	cloud := pgprovider.New("cloud-a", pgwire.Target{Host: "127.0.0.1", Port: e.Ear.port(), User: "clarus", Password: Password, Timeout: patience})
	e.database = &store.Database{Name: "app", Policy: pol, Provider: cloud, Physical: "app", Records: vault, Twin: e.twin, Pin: pin}
	list, err := store.NewDatabases(filepath.Join(dir, "state"), func(name, _ string) (*store.Database, error) {
		if name != "app" {
			return nil, clarus.Refuse("another database on this stage", "There is room for one.")
		}
		return e.database, nil
	})
	if err != nil {
		return e, err
	}
	if err := list.Open(ctx, []string{"app"}, func(string) bool { return false }, nil); err != nil {
		return e, err
	}
	host := &session.Host{Databases: list, Users: map[string]bool{"app": true}, Providers: map[string]provider.Provider{"cloud-a": cloud},
		Gate: gate.New(forgetful{}), Vault: vault, MaxRows: 100_000}
	if err := host.Learn(ctx, e.database); err != nil {
		return e, err
	}
	return e, e.serve(host)
}

func (e *Embedded) serve(host *session.Host) error {
	verifier, err := postgres.MakeVerifier(Password)
	if err != nil {
		return err
	}
	front, err := postgres.New(postgres.Options{
		Users: func(name string) (postgres.Verifier, bool) { return verifier, name == "app" },
		Open: func(ctx context.Context, p postgres.Principal, c *postgres.Client) (postgres.Session, error) {
			return host.Open(ctx, audit.Principal{User: p.User, Database: p.Database, Remote: p.Remote, Application: p.Application}, p.Params, c)
		},
		Log: slog.New(slog.NewTextHandler(&e.Log, nil)),
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	at := listener.Addr().(*net.TCPAddr)
	e.Target.Host, e.Target.Port = at.IP.String(), uint16(at.Port)
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	go func() { e.served <- front.Serve(ctx, listener) }()
	return nil
}

// Version is the schema's version.
func (e *Embedded) Version(ctx context.Context) (int64, error) {
	v, err := e.database.Current(ctx)
	if err != nil {
		return 0, err
	}
	defer v.Twin.Release()
	return v.Catalog.Version, nil
}

// Stop ends Clarus, the twin and the provider.
func (e *Embedded) Stop() error {
	var err error
	if e.stop != nil {
		e.stop()
		err = <-e.served
	}
	if e.twin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = errors.Join(err, e.twin.Stop(ctx))
	}
	if e.Ear != nil {
		_ = e.Ear.listener.Close()
	}
	if e.cluster != nil {
		err = errors.Join(err, e.cluster.Stop())
	}
	return err
}

// forgetful is a sink that keeps nothing.
type forgetful struct{}

func (forgetful) Append(ctx context.Context, ev audit.Event) audit.Future {
	var m audittest.Memory
	return m.Append(ctx, ev)
}

func (forgetful) Close() error { return nil }

// An Ear stands before a provider and keeps every byte that goes to it.
type Ear struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	heard []byte
	lie   []byte // comes before what the provider says next
}

// Lie puts bytes before the next ones that come from the provider.
func (e *Ear) Lie(b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lie = b
}

// told takes what comes from the provider.
func (e *Ear) told(b []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	b = append(e.lie, b...)
	e.lie = nil
	return b
}

// A mouth hands on what comes from the provider.
type mouth struct {
	ear *Ear
	to  io.Writer
}

func (m mouth) Write(b []byte) (int, error) {
	if _, err := m.to.Write(m.ear.told(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// listen starts an Ear before a TCP address.
func listen(target string) (*Ear, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Ear{listener: l, target: target}
	go e.accept()
	return e, nil
}

func (e *Ear) port() uint16 { return uint16(e.listener.Addr().(*net.TCPAddr).Port) }

// Take returns what was heard since the last call.
func (e *Ear) Take() []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.heard
	e.heard = nil
	return b
}

func (e *Ear) accept() {
	for {
		client, err := e.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", e.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		go func() {
			_, _ = io.Copy(mouth{e, client}, server)
			_ = client.Close()
		}()
		go func() {
			_, _ = io.Copy(io.MultiWriter(e, server), client)
			_ = server.Close()
		}()
	}
}

// Write keeps bytes before they are handed on.
func (e *Ear) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, b...)
	return len(b), nil
}
