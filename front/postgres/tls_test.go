package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"github.com/clarus-project/clarus/pgwire"
)

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clarus"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// scramOver runs the client's side of SCRAM over TLS and returns the server's
// last word: "R 0", or the error.
func scramOver(t *testing.T, h *harness, mechanism string, talk func(*scram.Client, *tls.ConnectionState) *scram.ClientConversation) string {
	t.Helper()
	nc := h.dial()
	_, _ = io.WriteString(nc, askSSL)
	if answer := make([]byte, 1); must(io.ReadFull(nc, answer)) != 1 || answer[0] != 'S' {
		t.Fatalf("SSLRequest was answered by %q", answer)
	}
	tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	_, _ = io.WriteString(tc, hello)
	state := tc.ConnectionState()
	client, err := scram.SHA256.NewClient("", testPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	conv := talk(client, &state)
	w, r := pgwire.NewWriter(tc), pgwire.NewReader(tc, 1<<16)
	for {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f.Type != 'R' {
			return describeStart(t, f)
		}
		d := pgwire.NewBody(f.Body)
		switch d.Int32() {
		case authOK:
			return "R 0"
		case authSASL:
			if a, b := d.String(), d.String(); a != plusScheme || b != scheme {
				t.Errorf("offered %q, %q", a, b)
			}
			first, _ := conv.Step("")
			w.Begin('p').String(mechanism).Datum([]byte(first)).End()
		case authContinue:
			answer, err := conv.Step(string(d.Rest()))
			if err != nil {
				t.Fatal(err)
			}
			w.Begin('p').Bytes([]byte(answer)).End()
		case authFinal:
			if _, err := conv.Step(string(d.Rest())); err != nil || !conv.Valid() {
				t.Errorf("the server did not prove itself: %v", err)
			}
		}
		_ = w.Flush()
	}
}

func must(n int, err error) int {
	if err != nil {
		return -1
	}
	return n
}

func TestChannelBinding(t *testing.T) {
	good := func(c *scram.Client, state *tls.ConnectionState) *scram.ClientConversation {
		b, err := scram.NewTLSServerEndpointBinding(state)
		if err != nil {
			t.Fatal(err)
		}
		return c.NewConversationWithChannelBinding(b)
	}
	other := func(c *scram.Client, _ *tls.ConnectionState) *scram.ClientConversation {
		return c.NewConversationWithChannelBinding(scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: make([]byte, 32)})
	}
	none := func(c *scram.Client, _ *tls.ConnectionState) *scram.ClientConversation { return c.NewConversation() }
	fooled := func(c *scram.Client, _ *tls.ConnectionState) *scram.ClientConversation {
		return c.NewConversationAdvertisingChannelBinding()
	}
	const misfit = "FATAL 08P01 the SASL mechanism and the channel binding of the client do not fit each other"
	tests := []struct {
		name, mechanism string
		talk            func(*scram.Client, *tls.ConnectionState) *scram.ClientConversation
		want            string
	}{
		{"bound", plusScheme, good, "R 0"},
		{"not bound", scheme, none, "R 0"},
		{"bound to another certificate", plusScheme, other, "FATAL 28000 SCRAM channel binding check failed"},
		{"PLUS without binding", plusScheme, none, misfit},
		{"binding without PLUS", scheme, good, misfit},
		{"downgraded", scheme, fooled, "FATAL 08P01 the client was made to believe that this server has no channel binding, but it has"},
	}
	for _, dynamic := range []bool{false, true} {
		h := start(t, func(o *Options) {
			o.TLS = serverConfig(t)
			if cert := &o.TLS.Certificates[0]; dynamic {
				o.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }}
			}
		})
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if got := scramOver(t, h, tt.mechanism, tt.talk); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		}
	}
}

// TestDirectTLS starts with TLS, as libpq 17 does with sslnegotiation=direct.
func TestDirectTLS(t *testing.T) {
	h := start(t, func(o *Options) { o.TLS = serverConfig(t) })
	for _, protos := range [][]string{{alpn}, nil} {
		tc := tls.Client(h.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: protos})
		_, err := io.WriteString(tc, hello)
		var f pgwire.Frame
		if err == nil {
			f, err = pgwire.NewReader(tc, 1<<16).Next()
		}
		if ok := err == nil && f.Type == 'R'; ok != (protos != nil) {
			t.Errorf("ALPN %q: message %q, %v", protos, f.Type, err)
		}
	}
}

// TestPlainBeforeTLS adds a start-up packet in clear behind the SSLRequest, as
// a third party could: it must not be taken for the client's.
func TestPlainBeforeTLS(t *testing.T) {
	h := start(t, func(o *Options) { o.TLS = serverConfig(t) })
	nc := h.dial()
	_, _ = io.WriteString(nc, askSSL+hello)
	all, _ := io.ReadAll(nc)
	if len(all) == 0 || all[0] != 'S' || strings.Contains(string(all), scheme) {
		t.Errorf("%q", all)
	}
	if len(h.opened) > 0 {
		t.Error("a session was opened")
	}
}

func TestTLSAskedTwice(t *testing.T) {
	h := start(t, func(o *Options) { o.TLS = serverConfig(t) })
	for _, again := range []string{askSSL, askGSS} {
		nc := h.dial()
		_, _ = io.WriteString(nc, askSSL)
		_ = must(io.ReadFull(nc, make([]byte, 1)))
		tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
		_, _ = io.WriteString(tc, again)
		f, err := pgwire.NewReader(tc, 1<<16).Next()
		if err != nil || describeStart(t, f) != "FATAL 08P01 encryption was asked for twice" {
			t.Errorf("%q, %v", f.Type, err)
		}
	}
}
