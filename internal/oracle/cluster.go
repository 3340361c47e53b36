package oracle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/clarus-project/clarus/pgserver"
	"github.com/clarus-project/clarus/pgwire"
)

// A Cluster is a running PostgreSQL server with a directory of its own. Its
// superuser comes in through the Unix socket without a password; all others
// come by TCP with one.
type Cluster struct {
	Dir  string // the data directory
	Log  string // the file with the server's log
	Port uint16

	cmd  *exec.Cmd
	done chan struct{}
}

const superuser = "postgres"

// account returns the credentials that a server can run under: it refuses root.
func account() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("running as root, and there is no user postgres or nobody to run a server as")
}

// program prepares a PostgreSQL program to run as the servers' account.
func program(name string, args ...string) (*exec.Cmd, error) {
	bin, err := pgserver.Find()
	if err != nil {
		return nil, err
	}
	cred, err := account()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(bin.Dir, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGINT}
	cmd.Env, cmd.Dir = []string{"LC_ALL=C", "TZ=UTC"}, "/"
	return cmd, nil
}

// ownDir makes a directory that the servers' account owns.
func ownDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return Own(dir)
}

// Own gives files to the account that servers run under.
func Own(paths ...string) error {
	cred, err := account()
	if err != nil || cred == nil {
		return err
	}
	for _, path := range paths {
		err = errors.Join(err, os.Chown(path, int(cred.Uid), int(cred.Gid)))
	}
	return err
}

// initCluster makes a data directory that startCluster copies.
func initCluster(dir string) error {
	if err := ownDir(dir); err != nil {
		return err
	}
	cmd, err := program("initdb", "-N", "-D", dir, "-U", superuser, "-E", "UTF8", "--locale=C.UTF-8",
		"--auth-local=trust", "--auth-host=scram-sha-256")
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// startCluster copies template to dir and starts a server on it, with settings
// written as name=value.
func startCluster(ctx context.Context, template, dir string, settings ...string) (*Cluster, error) {
	if out, err := exec.Command("cp", "-a", template, dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy %s: %w\n%s", template, err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, Log: dir + ".log", Port: port}
	args := []string{"-D", dir, "-k", dir, "-p", strconv.Itoa(int(port)), "-c", "listen_addresses=127.0.0.1"}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return c, c.launch(ctx, args)
}

// launch starts the server and waits until it answers.
func (c *Cluster) launch(ctx context.Context, args []string) (err error) {
	c.done = make(chan struct{})
	if c.cmd, err = program("postgres", args...); err != nil {
		return err
	}
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	c.cmd.Stdout, c.cmd.Stderr = log, log
	started := make(chan error, 1)
	cmd, done := c.cmd, c.done
	go func() {
		// The kernel sends Pdeathsig when the thread that forked ends.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		_ = log.Close()
		close(done)
	}()
	if err := <-started; err != nil {
		return err
	}
	return c.ready(ctx)
}

func (c *Cluster) ready(ctx context.Context) error {
	deadline := time.After(30 * time.Second)
	for {
		conn, err := c.Super(ctx, "postgres")
		if err == nil {
			return conn.Close()
		}
		select {
		case <-c.done:
			log, _ := os.ReadFile(c.Log)
			return fmt.Errorf("the server ended: %s", log)
		case <-deadline:
			return errors.Join(fmt.Errorf("the server is not ready: %w", err), c.Stop())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// freePort returns a port at which nobody listens, below those that systems
// give to outgoing connections: what is started there again finds it free.
func freePort() (port uint16, err error) {
	for range 100 {
		port = uint16(20000 + rand.IntN(12000))
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

// Super connects as the superuser.
func (c *Cluster) Super(ctx context.Context, database string) (*pgwire.Client, error) {
	return pgwire.Dial(ctx, pgwire.Target{Host: c.Dir, Port: c.Port, Database: database, User: superuser,
		Timeout: 10 * time.Second})
}

// Admin runs statements as the superuser, each on its own.
func (c *Cluster) Admin(ctx context.Context, database string, statements ...string) error {
	conn, err := c.Super(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, sql := range statements {
		if _, err := Simple(conn, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Stop ends the server; its directory stays.
func (c *Cluster) Stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-c.done:
		return nil
	case <-time.After(15 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
		return errors.New("the server did not end in 15 s: " + strings.Join(c.cmd.Args, " "))
	}
}
