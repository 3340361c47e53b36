package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/internal/pki"
)

// TestTLSToTheProvider starts Clarus against a provider that has TLS, of one
// kind or another, or none. The role clarus may do nothing there: who gets so
// far as to be told was let in.
func TestTLSToTheProvider(t *testing.T) {
	dir := tempDir(t)
	ours := authority(t, filepath.Join(dir, "ours.pem"))
	authority(t, filepath.Join(dir, "theirs.pem"))
	later := time.Now().Add(time.Hour)
	local := startTLSCloud(t, dir, "local", ours, later, "localhost", "127.0.0.1")
	other := startTLSCloud(t, dir, "other", ours, later, "db.example.org")
	expired := startTLSCloud(t, dir, "expired", ours, time.Now().Add(-time.Hour), "localhost", "127.0.0.1")
	plain := port(t, startCloud(t, nil))
	const (
		letIn    = "cannot be prepared"
		stranger = "signed by an authority that is not trusted"
		clear    = "refuses TLS; nothing was sent in clear"
	)
	for _, c := range []struct {
		name, address, mode, ca string
		want                    []string
	}{
		{"the right one, by name", "localhost:" + local, "verify-full", "ours.pem", []string{letIn}},
		{"the right one, by address", "127.0.0.1:" + local, "verify-full", "ours.pem", []string{letIn}},
		{"another authority", "localhost:" + local, "verify-full", "theirs.pem", []string{stranger, "tls.ca"}},
		{"another authority, no host name compared", "localhost:" + local, "verify-ca", "theirs.pem", []string{stranger, "tls.ca"}},
		{"another host", "localhost:" + other, "verify-full", "ours.pem", []string{"certificate is not for localhost", "provider's address"}},
		{"another host, which is not compared", "localhost:" + other, "verify-ca", "ours.pem", []string{letIn}},
		{"expired", "localhost:" + expired, "verify-full", "ours.pem", []string{"has expired", "Renew it"}},
		{"expired, no host name compared", "localhost:" + expired, "verify-ca", "ours.pem", []string{"has expired", "Renew it"}},
		{"no TLS", "127.0.0.1:" + plain, "verify-full", "ours.pem", []string{clear, "ssl = on"}},
		{"no TLS, no host name compared", "127.0.0.1:" + plain, "verify-ca", "ours.pem", []string{clear, "ssl = on"}},
		{"no authority", "127.0.0.1:" + plain, "verify-full", "none.pem", []string{"none.pem", "cannot be read", "tls.ca"}},
		{"no certificate", "127.0.0.1:" + plain, "verify-full", "local.key", []string{"local.key", "holds no certificate", "tls.ca"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, "127.0.0.1:0", c.address)
			h.config = strings.Replace(h.config, "tls: off}, jur", "tls: {mode: "+c.mode+", ca: "+filepath.Join(dir, c.ca)+"}}, jur", 1)
			out, code := h.run(t, good, "serve")
			if code != exitFailed {
				t.Errorf("exit %d, want %d", code, exitFailed)
			}
			for _, w := range append(c.want, "hint: ") {
				if !strings.Contains(out, w) {
					t.Errorf("it does not say %q:\n%s", w, out)
				}
			}
			if strings.Contains(out, letIn) != (c.want[0] == letIn) {
				t.Errorf("it was let in, or not:\n%s", out)
			}
		})
	}
}

func authority(t *testing.T, path string) *pki.Authority {
	t.Helper()
	a, err := pki.New(filepath.Base(path))
	if err == nil {
		err = a.Write(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// startTLSCloud starts a provider with a certificate and returns its port.
func startTLSCloud(t *testing.T, dir, name string, a *pki.Authority, notAfter time.Time, hosts ...string) string {
	t.Helper()
	if err := a.Issue(dir, name, notAfter, hosts...); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	if err := oracle.Own(file + ".key"); err != nil {
		t.Fatal(err)
	}
	return port(t, startCloud(t, map[string]string{"ssl": "on", "ssl_cert_file": file + ".crt", "ssl_key_file": file + ".key"}))
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
