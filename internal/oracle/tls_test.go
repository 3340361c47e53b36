package oracle_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/internal/pki"
	"github.com/clarus-project/clarus/pgwire"
)

func authority(t *testing.T) *pki.Authority {
	t.Helper()
	ca, err := pki.New(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// TestTLS has TLS on both sides of Clarus: who must be let in is, who must not
// is told why, and certificates can be renewed.
func TestTLS(t *testing.T) {
	ca := authority(t)
	i, err := world.Secured(t.Context(), "tls", "testdata/policy-equality.yaml", ca)
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	other := authority(t)
	if err := other.Write(filepath.Join(i.Dir, "other.pem")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, host, how, want string }{
		{"verified", "localhost", "sslmode=verify-full sslrootcert=" + filepath.Join(i.Dir, "ca.pem"), "compression"},
		{"another host", "127.0.0.1", "sslmode=verify-full sslrootcert=" + filepath.Join(i.Dir, "ca.pem"), "does not match host name"},
		{"another authority", "localhost", "sslmode=verify-full sslrootcert=" + filepath.Join(i.Dir, "other.pem"), "certificate verify failed"},
		{"channel binding", "localhost", "sslmode=require channel_binding=require", "compression"},
		{"in clear", "localhost", "sslmode=disable", "accepts encrypted connections only"},
		{"in clear, if it must be", "localhost", "sslmode=allow", "compression"},
	} {
		stdout, stderr, err := world.Program(t.Context(), i.Target, "app", "\\conninfo\nSELECT 'let in';", "psql", "-X", "-d", "host="+c.host+" "+c.how)
		if !strings.Contains(stdout+stderr, c.want) || (err == nil) != strings.Contains(stdout, "let in") {
			t.Errorf("%s: %v\n%s%s", c.name, err, stdout, stderr)
		}
	}
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE tls (id int PRIMARY KEY, note text); INSERT INTO tls VALUES (1, 'cnrytls7w2xq9')")
	renew(t, i, ca, other, s)
}

// renew replaces the certificates under running sessions.
func renew(t *testing.T, i *oracle.Instance, ca, other *pki.Authority, s *oracle.Session) {
	before := shown(t, i, ca)
	if err := i.Certify(other); err != nil {
		t.Fatal(err)
	}
	if err := i.Provider.Admin(t.Context(), "postgres", "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	i.TLS = func() *tls.Config { return other.Verify("localhost") }
	until(t, "the provider's certificate is not trusted", func() bool {
		c, err := pgwire.Dial(t.Context(), i.As("app"))
		if err == nil {
			return c.Close() != nil // the provider has not read its own yet
		}
		se, ok := errors.AsType[*pgwire.ServerError](err)
		if !ok {
			t.Fatalf("a client that trusts the renewed certificate is told %v", err)
		}
		return se.Code == "08006" && se.Severity == "FATAL" && strings.Contains(se.Message, "authority that is not trusted") && se.Hint != ""
	})
	if got := mustRows(t, s, "SELECT note FROM tls"); len(got) != 1 || got[0][0] != "cnrytls7w2xq9" {
		t.Errorf("a session that was open reads %q", got)
	}
	if err := other.Write(filepath.Join(i.Dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	if got := mustRows(t, connect(t, i.Target), "SELECT note FROM tls"); len(got) != 1 || got[0][0] != "cnrytls7w2xq9" {
		t.Errorf("after the renewal a session reads %q", got)
	}
	if bytes.Equal(before, shown(t, i, other)) {
		t.Error("clients see the certificate that was there before")
	}
	if err := os.WriteFile(filepath.Join(i.Dir, "ca.pem"), []byte("half a cert"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(i.Dir, "clarus.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRows(t, connect(t, i.Target), "SELECT note FROM tls") // with what was read before
}

// shown is the certificate that a client sees.
func shown(t *testing.T, i *oracle.Instance, ca *pki.Authority) (raw []byte) {
	t.Helper()
	to := i.As("app")
	to.TLS = func() *tls.Config {
		conf := ca.Verify("localhost")
		conf.VerifyConnection = func(cs tls.ConnectionState) error { raw = cs.PeerCertificates[0].Raw; return nil }
		return conf
	}
	c, err := pgwire.Dial(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	return raw
}

// TestCancel cancels a statement that waits at the provider: the provider is
// told, and over TLS nobody on the way learns the key that tells it.
func TestCancel(t *testing.T) {
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 16}, pgwire.CancelCode)
	for name, start := range map[string]func() (*oracle.Instance, error){
		"clear": func() (*oracle.Instance, error) {
			return world.Clarus(t.Context(), "cancel-clear", "testdata/policy-clear.yaml")
		},
		"tls": func() (*oracle.Instance, error) {
			return world.Secured(t.Context(), "cancel-tls", "testdata/policy-clear.yaml", authority(t))
		},
	} {
		i, err := start()
		if err != nil {
			t.Fatal(err)
		}
		cancelWaiting(t, i)
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
		traffic, err := os.ReadFile(filepath.Join(i.Dir, "traffic"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(traffic, request) != (name == "clear") {
			t.Errorf("%s: a cancel request in clear was seen, or not", name)
		}
	}
}

// cancelWaiting cancels a statement that waits for a lock at the provider, and
// finds that it does not wait any more.
func cancelWaiting(t *testing.T, i *oracle.Instance) {
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE waiting (id int PRIMARY KEY); INSERT INTO waiting VALUES (1)")
	admin, err := i.Provider.Super(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	ask := func(sql string) string {
		t.Helper()
		list, err := oracle.Simple(admin, sql)
		if err != nil {
			t.Fatal(err)
		}
		return string(list[len(list)-1].Rows[0][0])
	}
	table := ask(`SELECT oid::regclass FROM pg_class WHERE relname LIKE 'waiting\_%' AND relkind = 'r'`)
	ask("BEGIN; LOCK TABLE " + table + "; SELECT 1")
	const waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
	result := make(chan error, 1)
	go func() { _, err := rows(s, "SELECT * FROM waiting"); result <- err }()
	until(t, "the statement waits at the provider", func() bool { return ask(waits) == "1" })
	quick, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Cancel(quick); err != nil {
		t.Fatal(err)
	}
	if se, ok := errors.AsType[*pgwire.ServerError](<-result); !ok || se.Code != "57014" {
		t.Errorf("the statement that was cancelled ended with %v", se)
	}
	if n := ask(waits); n != "0" {
		t.Errorf("%s statements wait at the provider after the cancel", n)
	}
	ask("COMMIT; SELECT 1")
	if got := mustRows(t, s, "SELECT id FROM waiting"); len(got) != 1 {
		t.Errorf("after the cancel the session reads %q", got)
	}
}

// until waits for what must come true.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come true that " + what)
		}
	}
}
