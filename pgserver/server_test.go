package pgserver_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgserver"
)

// start starts a temporary server and stops it at the test's end.
func start(t *testing.T, c pgserver.Config) *pgserver.Server {
	t.Helper()
	c.Temporary = c.Dir == ""
	s, err := pgserver.Start(t.Context(), c)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return s
}

// connect connects to a host, which may be a socket's directory.
func connect(ctx context.Context, host string, port uint16, user, password string) (*pgconn.PgConn, error) {
	cfg, err := pgconn.ParseConfig("sslmode=disable")
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database, cfg.Fallbacks = host, port, user, password, "postgres", nil
	return pgconn.ConnectConfig(ctx, cfg)
}

// ask runs one statement over the Unix socket and returns the first column.
func ask(t *testing.T, s *pgserver.Server, sql string) string {
	t.Helper()
	out, err := try(t.Context(), s, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func try(ctx context.Context, s *pgserver.Server, sql string) (string, error) {
	c, err := connect(ctx, s.SocketDir(), s.Port(), s.Superuser(), s.Password())
	if err != nil {
		return "", err
	}
	defer c.Close(ctx)
	results, err := c.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", err
	}
	var lines []string
	for _, r := range results {
		for _, row := range r.Rows {
			lines = append(lines, string(row[0]))
		}
	}
	return strings.Join(lines, "\n"), nil
}

// temporaryDir is a directory that the server's user can get to, also when
// root runs the test.
func temporaryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgserver-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// gone fails the test unless the process ends soon.
func gone(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
}

// refused fails the test unless err is the owner's to mend and says all of words.
func refused(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	e, ok := errors.AsType[*clarus.Error](err)
	if !ok || e.Kind != clarus.Misconfigured {
		t.Fatalf("error %v is not of kind Misconfigured", err)
	}
	for _, w := range words {
		if text := e.Error() + "\n" + e.Hint; !strings.Contains(text, w) {
			t.Errorf("error does not say %q:\n%s", w, text)
		}
	}
}

func TestStopLeavesNothing(t *testing.T) {
	s := start(t, pgserver.Config{})
	dir, sock, pid := filepath.Dir(s.DataDir()), s.SocketDir(), s.PID()
	backend := ask(t, s, "SELECT pg_backend_pid()")
	if got, want := ask(t, s, "SHOW server_version_num")[:2], fmt.Sprint(s.Version()); got != want {
		t.Errorf("server's version is %s, Version says %s", got, want)
	}
	if s.Err() != nil || s.Addr() != "" {
		t.Errorf("Err %v, Addr %q of a running server without TCP", s.Err(), s.Addr())
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if s.Err() != nil {
		t.Errorf("Err after Stop: %v", s.Err())
	}
	for _, path := range []string{dir, sock} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	gone(t, pid)
	var b int
	fmt.Sscan(backend, &b)
	gone(t, b)
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if s.Kill() == nil {
		t.Error("Kill of a stopped server gives no error")
	}
}

func TestStopDespiteBusyBackend(t *testing.T) {
	s := start(t, pgserver.Config{})
	ask(t, s, "CREATE FUNCTION deaf() RETURNS void LANGUAGE plpgsql AS "+
		"'BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN OTHERS OR query_canceled THEN NULL; END; END LOOP; END'")
	go try(context.Background(), s, "SELECT deaf()")
	for ask(t, s, "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT deaf()' AND state = 'active'") != "1" {
		time.Sleep(5 * time.Millisecond)
	}
	pid := s.PID()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	gone(t, pid)
}

func TestDurableClusterIsKept(t *testing.T) {
	dir := filepath.Join(temporaryDir(t), "with 'quote' and, comma", "cluster")
	s := start(t, pgserver.Config{Dir: dir, Password: "first"})
	ask(t, s, "CREATE TABLE kept AS SELECT 42 AS answer")

	_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
	refused(t, err, dir, "in use by another process")

	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = pgserver.Start(t.Context(), pgserver.Config{Dir: dir, Temporary: true})
	refused(t, err, dir, "not temporary")
	_, err = pgserver.Start(t.Context(), pgserver.Config{Dir: dir, WALSegmentMB: 1})
	refused(t, err, "WAL segments of 1 MB")

	s = start(t, pgserver.Config{Dir: dir, Password: `se'cond\`})
	if got := ask(t, s, "SELECT answer FROM kept"); got != "42" {
		t.Errorf("answer is %q", got)
	}
	if _, err := connect(t.Context(), s.SocketDir(), s.Port(), s.Superuser(), "first"); err == nil {
		t.Error("the password of the last start is still good")
	}
}

func TestForeignDirectoryIsRefused(t *testing.T) {
	dir := temporaryDir(t)
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir, Temporary: true})
	refused(t, err, dir, "not empty")
	if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
		t.Error(err)
	}
}

func TestLongPath(t *testing.T) {
	dir := filepath.Join(temporaryDir(t), strings.Repeat("long", 30), "cluster")
	s := start(t, pgserver.Config{Dir: dir})
	sock := s.SocketDir()
	if strings.HasPrefix(sock, dir) {
		t.Fatalf("socket is in %s", sock)
	}
	ask(t, s, "SELECT 1")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(sock); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left", sock)
	}
}
