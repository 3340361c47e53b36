package pgserver_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clarus-project/clarus/pgserver"
)

func TestServerCannotChangeItsConfiguration(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root runs a server as another user")
	}
	s := start(t, pgserver.Config{Restart: true})
	ask(t, s, "ALTER SYSTEM SET hba_file = '/dev/null'")
	ask(t, s, "ALTER SYSTEM SET listen_addresses = '*'")
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	for s.Restarts() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	for setting, want := range map[string]string{"listen_addresses": "", "hba_file": filepath.Join(filepath.Dir(s.DataDir()), "conf/pg_hba.conf")} {
		if got := ask(t, s, "SHOW "+setting); got != want {
			t.Errorf("%s is %q after a restart, want %q", setting, got, want)
		}
	}
	for _, file := range []string{"conf/pg_hba.conf", "conf/postgresql.conf", "conf/new"} {
		if _, err := try(t.Context(), s, "COPY (SELECT 'local all all trust') TO '"+filepath.Join(filepath.Dir(s.DataDir()), file)+"'"); err == nil {
			t.Errorf("the server can write %s", file)
		}
	}
}

func TestRootDropsItsRights(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this is about root")
	}
	s := start(t, pgserver.Config{User: "nobody"})
	proc, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Uid:\t65534\t65534\t65534\t65534", "Groups:\t \n", "CapEff:\t0000000000000000"} {
		if !strings.Contains(string(proc), line) {
			t.Errorf("the server's status has no line %q:\n%s", line, proc)
		}
	}
	for path, want := range map[string]struct {
		uid  uint32
		mode os.FileMode
	}{
		s.DataDir():   {65534, 0o700},
		s.SocketDir(): {65534, 0o700},
		filepath.Join(s.DataDir(), "../conf/pg_hba.conf"): {0, 0o640},
		filepath.Join(s.DataDir(), "../conf"):             {0, 0o750},
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != want.uid || info.Mode().Perm() != want.mode {
			t.Errorf("%s belongs to %d with mode %o, want %d, %o", path, uid, info.Mode().Perm(), want.uid, want.mode)
		}
	}
	for _, user := range []string{"root", "0"} {
		_, err = pgserver.Start(t.Context(), pgserver.Config{Temporary: true, User: user})
		refused(t, err, "does not run as root")
	}
	closed := t.TempDir() // its parent has mode 0700
	_, err = pgserver.Start(t.Context(), pgserver.Config{Dir: closed})
	refused(t, err, "cannot enter "+filepath.Dir(closed), "chmod o+x")
	theirs := temporaryDir(t)
	if err := os.Chown(theirs, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	_, err = pgserver.Start(t.Context(), pgserver.Config{Dir: theirs})
	refused(t, err, theirs, "does not belong to root")
}

func TestLogIsSilentAboutStatements(t *testing.T) {
	for _, test := range []struct {
		settings map[string]string
		logged   bool
	}{
		{nil, false},
		{map[string]string{"log_statement": "all", "log_min_messages": "log"}, true},
	} {
		var log safeBuffer
		s := start(t, pgserver.Config{Log: &log, Settings: test.settings})
		if _, err := try(t.Context(), s, "SELECT 'canary'::int"); err == nil {
			t.Fatal("the statement went through")
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "canary"); got != test.logged {
			t.Errorf("with settings %v the statement is in the log: %v\n%s", test.settings, got, log.String())
		}
	}
}
