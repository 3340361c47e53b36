package oracle

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/clarus-project/clarus/pgwire"
)

// Password is every user's.
const Password = "not-a-secret"

// A Target is a server that scripts run on: the user app owns its database
// app, the user report owns nothing.
type Target struct {
	Name     string // "plain", or the policy's
	Host     string
	Port     uint16
	Database string
	TLS      func() *tls.Config // nil: in clear
}

// As says how a user reaches the target.
func (t *Target) As(user string) pgwire.Target {
	return pgwire.Target{Host: t.Host, Port: t.Port, Database: t.Database, User: user, Password: Password,
		TLS: t.TLS, Timeout: patience}
}

// A World holds plain PostgreSQL, and makes Clarus instances beside it.
type World struct {
	Plain *Target // what is right
	Self  *Target // another database of plain PostgreSQL: the harness against itself

	dir      string
	template string
	building sync.Mutex
	binary   string
	plain    *Cluster
	types    builtins
}

// NewWorld starts plain PostgreSQL. The caller must Close it.
func NewWorld(ctx context.Context) (*World, error) {
	parent := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		parent = "/dev/shm"
	}
	dir, err := os.MkdirTemp(parent, "clarus-oracle-")
	if err != nil {
		return nil, err
	}
	w := &World{dir: dir, template: filepath.Join(dir, "template")}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context) error {
	if err := os.Chmod(w.dir, 0o755); err != nil { // the servers run as another user
		return err
	}
	if err := initCluster(w.template); err != nil {
		return err
	}
	var err error
	if w.plain, err = startCluster(ctx, w.template, filepath.Join(w.dir, "plain"), "fsync=off"); err != nil {
		return err
	}
	err = w.plain.Admin(ctx, "postgres",
		"CREATE ROLE app LOGIN CREATEDB PASSWORD '"+Password+"'", "CREATE ROLE report LOGIN PASSWORD '"+Password+"'",
		"CREATE DATABASE app OWNER app", "CREATE DATABASE self OWNER app")
	if err != nil {
		return err
	}
	w.Plain = &Target{Name: "plain", Host: "127.0.0.1", Port: w.plain.Port, Database: "app"}
	w.Self = &Target{Name: "self", Host: "127.0.0.1", Port: w.plain.Port, Database: "self"}
	s, err := Open(ctx, w.Plain.As("app"))
	if err != nil {
		return err
	}
	defer s.Close()
	w.types, err = readTypes(s, "t.oid < 16384")
	return err
}

// Close stops what the world started and removes its files. Instances must
// have been stopped before.
func (w *World) Close() error {
	var err error
	if w.plain != nil {
		err = w.plain.Stop()
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// build builds the program, once.
func (w *World) build(ctx context.Context) (string, error) {
	w.building.Lock()
	defer w.building.Unlock()
	if w.binary != "" {
		return w.binary, nil
	}
	var err error
	w.binary, err = build(ctx, filepath.Join(w.dir, "clarus"))
	return w.binary, err
}

func build(ctx context.Context, path string, flags ...string) (string, error) {
	args := append(append([]string{"build"}, flags...), "-o", path, "github.com/clarus-project/clarus/cmd/clarus")
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

// Program runs one of PostgreSQL's client programs (psql, pgbench, ...) as a
// user on a target; input may be "". It returns what it printed; the error
// is not nil when it did not end with 0.
func (w *World) Program(ctx context.Context, t *Target, user, input, name string, args ...string) (stdout, stderr string, err error) {
	cmd, err := program(name, args...)
	if err != nil {
		return "", "", err
	}
	cmd = exec.CommandContext(ctx, cmd.Path, args...)
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "PGHOST=" + t.Host, "PGPORT=" + strconv.Itoa(int(t.Port)),
		"PGUSER=" + user, "PGPASSWORD=" + Password, "PGDATABASE=" + t.Database, "HOME=" + w.dir, "PGSSLMODE=disable"}
	var o, e strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &o, &e
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("%s %v: %w\n%s", name, args, err, e.String())
	}
	return o.String(), e.String(), err
}
