package pgvalue_test

import (
	"bytes"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A database is a PostgreSQL server that lives as long as the test.
type database struct{ bin, socket string }

// startPostgres starts a server of its own on a Unix socket. Without binaries
// the test is skipped, but never where CI is set.
func startPostgres(t *testing.T) database {
	t.Helper()
	bin := binaries()
	if bin == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no PostgreSQL server binaries found")
		}
		t.Skip("no PostgreSQL server binaries found")
	}
	dir, err := os.MkdirTemp(memory(), "pgvalue")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := unprivileged(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-N", "-U", "postgres", "--locale=C", "-E", "UTF8", "-D", data)
	initdb.SysProcAttr, initdb.Dir = as, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "", "-F")
	server.SysProcAttr, server.Dir = as, dir
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT)
		server.Wait()
	})
	db := database{bin, dir}
	for deadline := time.Now().Add(30 * time.Second); db.command("select 1").Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer:\n%s", log.String())
		}
	}
	return db
}

func binaries() string {
	if p, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(p)
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[len(found)-1])
}

// memory is a directory in memory where there is one, else "".
func memory() string {
	if s, err := os.Stat("/dev/shm"); err == nil && s.IsDir() {
		return "/dev/shm"
	}
	return ""
}

// unprivileged returns how to run the server, which refuses to be root.
func unprivileged(t *testing.T, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	var uid, gid uint64 = 65534, 65534
	if u, err := user.Lookup("postgres"); err == nil {
		uid, _ = strconv.ParseUint(u.Uid, 10, 32)
		gid, _ = strconv.ParseUint(u.Gid, 10, 32)
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func (db database) command(sql string) *exec.Cmd {
	psql := exec.Command("psql", "-X", "-At", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", db.socket, "-U", "postgres", "postgres")
	psql.Stdin = strings.NewReader(sql)
	return psql
}

// query returns the rows of a script's result, fields as text.
func (db database) query(t *testing.T, sql string) [][]string {
	t.Helper()
	psql := db.command(sql)
	var stderr bytes.Buffer
	psql.Stderr = &stderr
	out, err := psql.Output()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, stderr.String())
	}
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}
