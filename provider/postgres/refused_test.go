package postgres

import (
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
)

// TestRefused connects to what is no provider, and to one that says no: each
// has a message and a hint of its own, and none of the other side's words.
func TestRefused(t *testing.T) {
	refusal := func(code string) string { return message('E', "SFATAL\x00C"+code+"\x00Msecret words\x00\x00") }
	for _, c := range []struct{ name, says, want, hint string }{
		{"silence", "", "does not answer in time", "filters the network"},
		{"a wrong password", refusal("28P01"), "SQLSTATE 28P01", "credentials"},
		{"too many connections", refusal("53300"), "SQLSTATE 53300", "max_connections"},
		{"no such database", refusal("3D000"), "SQLSTATE 3D000", "Create the database"},
		{"a server that starts", refusal("57P03"), "SQLSTATE 57P03", "Try again"},
		{"a password in clear", message('R', "\x00\x00\x00\x03"), "another way than SCRAM-SHA-256; it was not sent", "password_encryption"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				if nc, err := l.Accept(); err == nil {
					_, _ = io.WriteString(nc, c.says)
					_, _ = io.Copy(io.Discard, nc)
				}
			}()
			refused(t, "127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port), c.want, c.hint)
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	refused(t, "127.0.0.1", uint16(l.Addr().(*net.TCPAddr).Port), "cannot be reached", "Check that it runs")
	refused(t, "no-such-host.invalid", 5432, "name cannot be resolved", "name service")
}

func refused(t *testing.T, host string, port uint16, want, hint string) {
	t.Helper()
	s := New("cloud-a", pgwire.Target{Host: host, Port: port, User: "u", Password: "not-for-you", Timeout: time.Second})
	_, err := s.Open(t.Context(), "d")
	e, ok := err.(*clarus.Error)
	if !ok || e.Kind != clarus.Unavailable || !strings.Contains(e.Msg, want) || !strings.Contains(e.Hint, hint) {
		t.Errorf("%s:%s: %#v", host, strconv.Itoa(int(port)), err)
	}
	if strings.Contains(err.Error(), "secret words") {
		t.Errorf("the other side's words are told: %v", err)
	}
}
