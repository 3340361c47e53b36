package pgserver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgserver"
)

func TestConfiguration(t *testing.T) {
	t.Setenv("CLARUS_TEST_SECRET", "must not reach the server")
	s := start(t, pgserver.Config{
		Locale: "C.UTF-8", Superuser: "OddName", WALSegmentMB: 1,
		Settings: map[string]string{"work_mem": "3MB", "search_path": `"a'b\c", public`},
		HBA:      []string{"local all all trust"},
		Env:      []string{"CLARUS_TEST_GIVEN=1"},
	})
	for sql, want := range map[string]string{
		"SHOW work_mem":                               "3MB",
		"SHOW search_path":                            `"a'b\c", public`,
		"SHOW lc_collate":                             "C.UTF-8",
		"SHOW server_encoding":                        "UTF8",
		"SHOW wal_segment_size":                       "1MB",
		"SHOW listen_addresses":                       "",
		"SELECT rolname FROM pg_roles WHERE oid = 10": "OddName",
		"SELECT rolpassword LIKE 'SCRAM-SHA-256$4096:%' FROM pg_authid WHERE oid = 10": "t",
	} {
		if got := ask(t, s, sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	ask(t, s, `CREATE TABLE env(line text); COPY env FROM PROGRAM 'env'`)
	env := ask(t, s, "SELECT line FROM env")
	if strings.Contains(env, "CLARUS_TEST_SECRET") || !strings.Contains(env, "CLARUS_TEST_GIVEN=1") {
		t.Errorf("the server's environment is\n%s", env)
	}
	if core := ask(t, s, `TRUNCATE env; COPY env FROM PROGRAM 'ulimit -c'; SELECT line FROM env`); core != "0" {
		t.Errorf("the limit of core dumps is %s", core)
	}
	c, err := connect(t.Context(), s.SocketDir(), s.Port(), s.Superuser(), "")
	if err != nil {
		t.Fatalf("trust by HBA: %v", err)
	}
	c.Close(t.Context())
}

func TestMisconfigured(t *testing.T) {
	empty, old := t.TempDir(), t.TempDir()
	fake := "#!/bin/sh\necho 'postgres (PostgreSQL) 14.11'\n"
	for _, program := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(old, program), []byte(fake), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name  string
		cfg   pgserver.Config
		words []string
	}{
		{"no binaries", pgserver.Config{BinDir: empty}, []string{empty, "no program postgres", "apt-get install postgresql-15"}},
		{"old binaries", pgserver.Config{BinDir: old}, []string{old, "is version 14", "PostgreSQL 15 or later"}},
		{"unknown locale", pgserver.Config{Locale: "tlh_QO"}, []string{"initdb", "tlh_QO"}},
		{"bad setting", pgserver.Config{Settings: map[string]string{"work_mem": "much"}}, []string{"work_mem", "much"}},
		{"unknown setting", pgserver.Config{Settings: map[string]string{"wrok_mem": "1MB"}}, []string{"wrok_mem"}},
		{"bad setting's name", pgserver.Config{Settings: map[string]string{"a = 1\nb": ""}}, []string{"no name of a PostgreSQL setting"}},
		{"setting of two lines", pgserver.Config{Settings: map[string]string{"work_mem": "1\nport=1"}}, []string{"work_mem", "more than one line"}},
		{"reserved setting", pgserver.Config{Settings: map[string]string{"Port": "1"}}, []string{"Port", "Leave it out"}},
		{"HBA of two lines", pgserver.Config{HBA: []string{"local all all trust\nhost all all all trust"}}, []string{"more than one"}},
		{"wrong HBA", pgserver.Config{HBA: []string{"local all all hope"}}, []string{"hope"}},
		{"host name", pgserver.Config{Listen: "localhost:5432"}, []string{"localhost:5432", "Give an IP address"}},
		{"somebody else's address", pgserver.Config{Listen: "192.0.2.1:0"}, []string{"192.0.2.1", "cannot assign"}},
		{"password with accent", pgserver.Config{Password: "été"}, []string{"printable ASCII"}},
		{"quoted superuser", pgserver.Config{Superuser: `a"b`}, []string{`a\"b`, "letters"}},
		{"reserved superuser", pgserver.Config{Superuser: "pg_root"}, []string{"pg_root", "PostgreSQL's own"}},
		{"unknown user", pgserver.Config{User: "no-such-user"}, []string{"no-such-user"}},
		{"segments of 3 MB", pgserver.Config{WALSegmentMB: 3}, []string{"wal-segsize"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.cfg.Temporary, test.cfg.Dir = true, filepath.Join(temporaryDir(t), "cluster")
			_, err := pgserver.Start(t.Context(), test.cfg)
			refused(t, err, test.words...)
			if _, err := os.Lstat(test.cfg.Dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the directory of a failed start is left: %v", err)
			}
		})
	}
	_, err := pgserver.Start(t.Context(), pgserver.Config{})
	refused(t, err, "no directory")
}

func TestStartHonoursItsContext(t *testing.T) {
	dir := filepath.Join(temporaryDir(t), "cluster")
	for _, limit := range []time.Duration{0, 30 * time.Millisecond, 200 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := pgserver.Start(ctx, pgserver.Config{Dir: dir})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || clarus.KindOf(err) != clarus.Canceled {
			t.Fatalf("after %v the error is %v", limit, err)
		}
	}
	start(t, pgserver.Config{Dir: dir}) // what was left half done is made anew
}

func TestListen(t *testing.T) {
	s := start(t, pgserver.Config{Listen: ":0", Password: "hunter2"})
	if want := fmt.Sprintf("127.0.0.1:%d", s.Port()); s.Addr() != want || s.Port() == 0 {
		t.Errorf("Addr is %q, want %q", s.Addr(), want)
	}
	for _, host := range []string{"127.0.0.1", s.SocketDir()} {
		c, err := connect(t.Context(), host, s.Port(), "postgres", "hunter2")
		if err != nil {
			t.Fatal(err)
		}
		c.Close(t.Context())
		for _, wrong := range []string{"", "hunter3"} {
			if c, err := connect(t.Context(), host, s.Port(), "postgres", wrong); err == nil {
				c.Close(t.Context())
				t.Errorf("%s accepts the password %q", host, wrong)
			}
		}
	}
	_, err := pgserver.Start(t.Context(), pgserver.Config{Temporary: true, Listen: s.Addr()})
	refused(t, err, s.Addr(), "address already in use", "free port")
}

func TestFreePortsAreDistinct(t *testing.T) {
	a, b := start(t, pgserver.Config{Listen: ":0"}), start(t, pgserver.Config{Listen: "127.0.0.1:0"})
	if a.Port() == b.Port() {
		t.Errorf("both listen on %d", a.Port())
	}
}

func TestBusyPortOfAnotherProgram(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = pgserver.Start(t.Context(), pgserver.Config{Temporary: true, Listen: l.Addr().String()})
	refused(t, err, l.Addr().String(), "address already in use")
}
