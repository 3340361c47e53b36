package analyze

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clarus-project/clarus/pgwire"
)

// startServer runs a PostgreSQL 15 for the test and returns a connection that
// collects rewritten trees. Without binaries the test is skipped, except in CI.
func startServer(t *testing.T) *session {
	t.Helper()
	bin := binaries()
	if bin == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no PostgreSQL 15 binaries")
		}
		t.Skip("no PostgreSQL 15 binaries")
	}
	base := ""
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		base = "/dev/shm"
	}
	dir, err := os.MkdirTemp(base, "analyze")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := serverAccount(t, dir)
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.SysProcAttr, cmd.Dir = attr, dir
		return cmd
	}
	out, err := run("initdb", "-D", dir+"/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	srv := run("postgres", "-D", dir+"/data", "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off")
	check(t, srv.Start())
	t.Cleanup(func() {
		_ = srv.Process.Signal(syscall.SIGINT)
		_ = srv.Wait()
	})
	return connect(t, dir)
}

// binaries is the directory of PostgreSQL 15's programs, "" if there are none.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/15/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	for _, path := range found {
		if out, err := exec.Command(path, "--version").Output(); err == nil && strings.Contains(string(out), " 15.") {
			return filepath.Dir(path)
		}
	}
	return ""
}

// serverAccount makes the server run as postgres where the test runs as root.
func serverAccount(t *testing.T, dir string) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		return attr
	}
	u, err := user.Lookup("postgres")
	check(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	check(t, os.Chown(dir, uid, gid))
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr
}

func connect(t *testing.T, dir string) *session {
	t.Helper()
	target := pgwire.Target{Host: dir, Port: 5432, Database: "postgres", User: "postgres", Timeout: 5 * time.Second}
	var err error
	for range 200 {
		var c *pgwire.Client
		if c, err = pgwire.Dial(context.Background(), target); err == nil {
			s := &session{t: t, c: c}
			c.Notice = func(n *pgwire.ServerError) {
				if n.Message == "rewritten parse tree:" {
					s.tree = n.Detail
				}
			}
			t.Cleanup(func() { c.Close() })
			return s
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no server: %v", err)
	return nil
}

// A session is a connection of the test's.
type session struct {
	t    *testing.T
	c    *pgwire.Client
	tree string // the last rewritten tree that the server logged
}

// rows runs SQL that must give no error, and returns each row as its fields
// joined by tabs, NULL as \N.
func (s *session) rows(sql string) []string {
	s.t.Helper()
	out, err := s.try(sql)
	if err != nil {
		s.t.Fatalf("%s\n%v", sql, err)
	}
	return out
}

func (s *session) try(sql string) ([]string, error) {
	s.c.Query(sql)
	return s.collect()
}

// collect sends what is queued and reads up to ReadyForQuery.
func (s *session) collect() (out []string, failure error) {
	s.t.Helper()
	check(s.t, s.c.Send())
	for {
		f, err := s.c.Receive()
		check(s.t, err)
		switch f.Type {
		case 'D':
			fields, err := pgwire.Row(f.Body, nil)
			check(s.t, err)
			line := make([]string, len(fields))
			for i, v := range fields {
				if line[i] = string(v); v == nil {
					line[i] = `\N`
				}
			}
			out = append(out, strings.Join(line, "\t"))
		case 'E':
			failure = pgwire.AsError(f)
		case 'Z':
			return out, failure
		}
	}
}

// analyse returns the rewritten tree of a statement, without running it.
func (s *session) analyse(sql string) (string, error) {
	s.t.Helper()
	s.rows("SET client_min_messages = log; SET debug_pretty_print = off; SET debug_print_rewritten = on")
	s.tree = ""
	s.c.Parse("", sql, nil)
	s.c.Sync()
	_, err := s.collect()
	tree := s.tree
	s.rows("SET debug_print_rewritten = off")
	return tree, err
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
