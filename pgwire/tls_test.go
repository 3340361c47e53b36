package pgwire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestNoTLS dials a server that refuses TLS: an error, and nothing but the
// question was sent.
func TestNoTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = c.Write([]byte{'N'})
		all, _ := io.ReadAll(c)
		heard <- all
	}()
	_, err = Dial(t.Context(), Target{Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port), User: "u", Password: "p", Timeout: 10 * time.Second,
		TLS: func() *tls.Config { return &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12} }})
	if !errors.Is(err, ErrNoTLS) {
		t.Errorf("the error is %v", err)
	}
	if all := <-heard; len(all) != 8 {
		t.Errorf("the server heard %q", all)
	}
}
