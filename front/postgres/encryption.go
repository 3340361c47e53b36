package postgres

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"

	"github.com/xdg-go/scram"
)

// alpn is what a client that starts TLS without asking must name, so that it
// cannot be made to talk to a server of another protocol.
const alpn = "postgresql"

// serverTLS returns cfg as the front uses it: with PostgreSQL's ALPN name, and
// without tickets, because a resumed connection has no certificate to bind to.
func serverTLS(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		return nil
	}
	cfg = cfg.Clone()
	cfg.SessionTicketsDisabled = true
	if !slices.Contains(cfg.NextProtos, alpn) {
		cfg.NextProtos = append(slices.Clone(cfg.NextProtos), alpn)
	}
	return cfg
}

// startTLS makes the connection a TLS one. direct says that the client began
// without an SSLRequest.
func (c *conn) startTLS(nc net.Conn, direct bool) error {
	cfg := c.srv.o.TLS.Clone()
	var used *tls.Certificate
	if get := cfg.GetCertificate; get != nil && len(cfg.Certificates) == 0 {
		cfg.GetCertificate = func(h *tls.ClientHelloInfo) (cert *tls.Certificate, err error) {
			used, err = get(h)
			return used, err
		}
	} else if len(cfg.Certificates) == 1 && get == nil {
		used = &cfg.Certificates[0]
	}
	tc := tls.Server(nc, cfg)
	if err := tc.Handshake(); err != nil {
		return errors.Join(errGone, err)
	}
	if direct && tc.ConnectionState().NegotiatedProtocol != alpn {
		return errors.Join(errGone, errors.New("TLS was started without SSLRequest and without ALPN"))
	}
	c.nc, c.tls = tc, true
	if cfg.GetConfigForClient == nil {
		c.binding = endpointBinding(used)
	}
	return nil
}

// endpointBinding is the tls-server-end-point binding (RFC 5929) of the
// server's own certificate, or none if it is unknown which one was used or
// its signature has no single hash (Ed25519).
func endpointBinding(cert *tls.Certificate) scram.ChannelBinding {
	if cert == nil || len(cert.Certificate) == 0 {
		return scram.ChannelBinding{}
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return scram.ChannelBinding{}
	}
	b, err := scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}})
	if err != nil {
		return scram.ChannelBinding{}
	}
	return b
}

// prefixed gives back the bytes that were read before it was known that they
// belong to TLS.
type prefixed struct {
	net.Conn
	head []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.head)
	p.head = p.head[n:]
	return n, nil
}
