package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
)

// refused turns a failed connection into an error without the provider's words.
func (s *Server) refused(err error) error {
	e := &clarus.Error{Op: "connect", Attr: s.name, Kind: clarus.Unavailable}
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok {
		e.Msg, e.Hint = "the provider refused the connection (SQLSTATE "+se.Code+")", refusal(se.Code)
	} else if e.Msg, e.Hint = distrusted(err); e.Msg == "" {
		e.Msg, e.Hint = unreachable(err)
	}
	return e
}

// refusal is what to do about an error that a server answers a start-up with.
func refusal(code string) string {
	switch code {
	case "53300":
		return "Raise the provider's max_connections, or the role's CONNECTION LIMIT: Clarus needs one connection for each client, and one of its own."
	case "3D000":
		return "Create the database, or name the one that is there as database of the provider in the configuration."
	case "57P03", "57P01", "57P02":
		return "The provider starts or stops. Try again."
	}
	return "Check the provider's user, credentials and database in the configuration, and its pg_hba.conf."
}

// distrusted says why a provider is not the one that the configuration speaks
// of, or "" if that is not the cause.
func distrusted(err error) (msg, hint string) {
	if errors.Is(err, pgwire.ErrNoTLS) {
		return "the provider refuses TLS; nothing was sent in clear", "Switch TLS on at the provider (ssl = on), with a certificate for the host in its address."
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the provider's certificate is signed by an authority that is not trusted", "Give the authority's certificate as tls.ca of the provider."
	}
	if h, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the provider's certificate is not for " + h.Host, "Use a name of the certificate in the provider's address, or tls.mode verify-ca."
	}
	if c, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if c.Reason == x509.Expired {
			return "the provider's certificate has expired, or is not valid yet", "Renew it, and check the clocks."
		}
		return "the provider's certificate is not valid", "Issue it for a server, by the authority in tls.ca of the provider."
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the provider's certificate cannot be verified", "Check tls of the provider in the configuration."
	}
	_, record := errors.AsType[tls.RecordHeaderError](err)
	if _, alert := errors.AsType[tls.AlertError](err); alert || record {
		return "the provider and Clarus do not agree on TLS", "The provider must speak TLS 1.2 or later, and ask for no client certificate."
	}
	if strings.Contains(err.Error(), "authentication method requirement") {
		return "the provider asks for the password in another way than SCRAM-SHA-256; it was not sent", "Set password_encryption = 'scram-sha-256' at the provider, and the role's password anew."
	}
	return "", ""
}

// unreachable says what kept a connection from being made.
func unreachable(err error) (msg, hint string) {
	hint = "Check that it runs, its address in the configuration, and what filters the network."
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "the provider cannot be reached: its name cannot be resolved", "Check its address in the configuration, and the name service."
	}
	timeout, ok := errors.AsType[net.Error](err)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || ok && timeout.Timeout() {
		return "the provider cannot be reached: it does not answer in time", hint
	}
	return "the provider cannot be reached", hint
}
