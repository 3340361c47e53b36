package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgserver"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/policy"
)

const demoDatabase = "hospital"

// A demo is the servers of one demonstration and their directory.
type demo struct {
	demoOptions
	dir      string
	password string // of the users app, at Clarus, and clarus, at the cloud
	cloud    *pgserver.Server
	registry *pgserver.Server // the second cloud, or nil
	plain    *pgserver.Server // what --check compares with; nil otherwise
	proxy    *server
	served   chan error // what serving ended with
	closers  []func() error
}

// newDemo makes the directory. The servers' user must get through to its own.
func newDemo(o demoOptions) (*demo, error) {
	dir, err := os.MkdirTemp("", "clarus-demo-")
	if err != nil {
		return nil, err
	}
	d := &demo{demoOptions: o, dir: dir, password: rand.Text(), served: make(chan error, 1)}
	d.later(func() error { return os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *demo) later(f func() error) { d.closers = append(d.closers, f) }

// close ends everything, the last started first, and removes the directory.
func (d *demo) close() error {
	var err error
	for i := len(d.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, d.closers[i]())
	}
	return err
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

// start starts the cloud, the server to compare with where one is needed, and Clarus.
func (d *demo) start(ctx context.Context) error {
	var err error
	if d.cloud, err = d.postgres(ctx, "cloud"); err != nil {
		return err
	}
	if d.clouds == 2 {
		if d.registry, err = d.postgres(ctx, "registry"); err != nil {
			return err
		}
	}
	if d.demoOptions.check {
		if d.plain, err = d.postgres(ctx, "plain"); err != nil {
			return err
		}
	}
	cfg, err := d.configure()
	if err != nil {
		return err
	}
	log, err := d.create("clarus.log")
	if err != nil {
		return err
	}
	d.proxy = &server{cfg: cfg, log: slog.New(slog.NewTextHandler(log, nil))}
	serving, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	d.later(func() error {
		stop()
		<-done
		d.proxy.close()
		return nil
	})
	if err := d.proxy.start(ctx); err != nil {
		close(done)
		return err
	}
	go func() {
		d.served <- d.proxy.front.Serve(serving, d.proxy.listener)
		close(done)
	}()
	return nil
}

// create makes a log file.
func (d *demo) create(name string) (io.Writer, error) {
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err == nil {
		d.later(f.Close)
	}
	return f, err
}

// postgres starts a server with the plain role clarus, which owns the database,
// and a log of every statement with its parameters.
func (d *demo) postgres(ctx context.Context, name string) (*pgserver.Server, error) {
	log, err := d.create(name + ".log")
	if err != nil {
		return nil, err
	}
	s, err := pgserver.Start(ctx, pgserver.Config{Dir: d.path(name), Temporary: true, Locale: "C.UTF-8", Listen: "127.0.0.1:0", Log: log,
		Settings: map[string]string{"log_statement": "all", "log_min_messages": "log", "log_min_error_statement": "error",
			"log_parameter_max_length": "-1", "log_parameter_max_length_on_error": "-1"}})
	if err != nil {
		return nil, err
	}
	d.later(func() error {
		quick, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		return s.Stop(quick)
	})
	return s, asSuperuser(ctx, s, "CREATE ROLE clarus LOGIN PASSWORD '"+d.password+"'", "CREATE DATABASE "+demoDatabase+" OWNER clarus")
}

// asSuperuser runs statements at a server as its superuser.
func asSuperuser(ctx context.Context, s *pgserver.Server, statements ...string) error {
	c, err := dialDemo(ctx, pgwire.Target{Host: s.SocketDir(), Port: s.Port(), Database: "postgres", User: s.Superuser(),
		Password: s.Password(), Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, sql := range statements {
		if _, err := c.query(sql); err != nil {
			return err
		}
	}
	return nil
}

// configure writes the files that an owner would write, and reads them.
func (d *demo) configure() (*policy.Config, error) {
	wishes, clouds := demoPolicy, []any{d.cloud.Addr()}
	config := demoConfig
	if d.registry != nil {
		wishes, config, clouds = demoPolicyTwo, demoConfigTwo, append(clouds, d.registry.Addr())
	}
	if d.policy != "" {
		text, err := os.ReadFile(d.policy)
		if err != nil {
			return nil, &clarus.Error{Op: "demo", Attr: d.policy, Kind: clarus.Misconfigured, Msg: "the policy cannot be read: " + err.Error(), Hint: "Give the path of a policy file."}
		}
		wishes = string(text)
	}
	listen := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(d.port)))
	for name, text := range map[string]string{
		"clarus.yaml":    fmt.Sprintf(config, append([]any{listen}, clouds...)...),
		"policy.yaml":    wishes,
		"app.password":   d.password,
		"cloud.password": d.password,
		"passphrase":     rand.Text(),
	} {
		if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return policy.LoadConfig(d.path("clarus.yaml"))
}

// clarus is where applications connect.
func (d *demo) clarus() pgwire.Target { return d.target(d.proxy.listener.Addr().String(), "app") }

// plainTarget is the database to compare with.
func (d *demo) plainTarget() pgwire.Target { return d.target(d.plain.Addr(), "clarus") }

func (d *demo) target(addr, user string) pgwire.Target {
	a := netip.MustParseAddrPort(addr)
	return pgwire.Target{Host: a.Addr().String(), Port: a.Port(), Database: demoDatabase, User: user, Password: d.password, Timeout: 10 * time.Second}
}

// psql is the command line that connects to t.
func psql(t pgwire.Target) string {
	return fmt.Sprintf("PGPASSWORD=%s psql -h %s -p %d -U %s %s", t.Password, t.Host, t.Port, t.User, t.Database)
}
