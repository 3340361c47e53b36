package postgres

import (
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/clarus-project/clarus/pgwire"
)

// handshakeByte is the first byte of a TLS record that starts a handshake.
const handshakeByte = 0x16

// greet answers requests for encryption and returns the start-up or cancel
// packet that follows them. It reads no byte too many: what a third party
// could have added in clear before TLS is never taken for the client's.
func (c *conn) greet() (*pgwire.Startup, error) {
	var asked, refused bool
	for {
		var head [4]byte
		if _, err := io.ReadFull(c.nc, head[:]); err != nil {
			return nil, c.readError(err)
		}
		if head[0] == handshakeByte && c.srv.o.TLS != nil && !c.tls && !asked && !refused {
			if err := c.startTLS(&prefixed{c.nc, head[:]}, true); err != nil {
				return nil, err
			}
			continue
		}
		s, err := pgwire.ReadStartup(c.nc, head)
		if err != nil {
			return nil, c.readError(err)
		}
		switch {
		case s.Code == pgwire.SSLCode && !asked && !c.tls:
			asked = true
			err = c.answerSSL()
		case s.Code == pgwire.GSSCode && !refused && !c.tls:
			refused = true
			_, err = c.nc.Write([]byte{'N'})
		case s.Code == pgwire.SSLCode || s.Code == pgwire.GSSCode:
			err = fatalf("08P01", "encryption was asked for twice")
		default:
			return s, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (c *conn) answerSSL() error {
	answer := byte('N')
	if c.srv.o.TLS != nil && !c.local() {
		answer = 'S'
	}
	if _, err := c.nc.Write([]byte{answer}); err != nil {
		return errors.Join(errGone, err)
	}
	if answer == 'N' {
		return nil
	}
	return c.startTLS(c.nc, false)
}

// local reports whether the client came through a Unix socket.
func (c *conn) local() bool {
	_, unix := c.raw.(*net.UnixConn)
	return unix
}

// admit judges a start-up packet and makes the principal of it.
func (c *conn) admit(s *pgwire.Startup) (Principal, error) {
	if s.Major() != 3 {
		return Principal{}, fatalf("0A000", "unsupported frontend protocol %d.%d: Clarus supports 3.0", s.Major(), s.Minor())
	}
	if c.srv.o.TLS != nil && !c.srv.o.AllowPlain && !c.tls && !c.local() {
		err := fatalf("28000", "this server accepts encrypted connections only")
		err.Hint = "Connect with sslmode=require or stronger."
		return Principal{}, err
	}
	if s.Minor() > 0 || len(s.Options) > 0 {
		c.w.NegotiateVersion(s.Options)
	}
	return c.principal(s.Parameters)
}

func (c *conn) principal(given map[string]string) (Principal, error) {
	p := Principal{Params: map[string]string{}, Remote: c.raw.RemoteAddr().String(), TLS: c.tls}
	for name, value := range given {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return p, fatalf("22021", "a start-up parameter is not valid UTF-8")
		}
	}
	if err := parseOptions(given["options"], p.Params); err != nil {
		return p, err
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		p.Params[strings.ToLower(name)] = given[name]
	}
	if r := strings.ToLower(p.Params["replication"]); !oneOf(r, "", "false", "off", "no", "0") {
		return p, fatalf("0A000", "replication connections are not supported")
	}
	if e := p.Params["client_encoding"]; e != "" && !oneOf(plainName(e), "utf8", "unicode") {
		err := fatalf("22023", "client_encoding %q is not supported: Clarus speaks UTF8 only", e)
		err.Hint = "Set client_encoding to UTF8, for libpq and psql with PGCLIENTENCODING=UTF8."
		return p, err
	}
	p.User, p.Database, p.Application = p.Params["user"], p.Params["database"], p.Params["application_name"]
	for _, name := range []string{"user", "database", "application_name", "options", "replication", "client_encoding"} {
		delete(p.Params, name)
	}
	if p.User == "" {
		return p, fatalf("28000", "no PostgreSQL user name specified in startup packet")
	}
	if p.Database == "" {
		p.Database = p.User
	}
	return p, nil
}

func oneOf(s string, list ...string) bool { return slices.Contains(list, s) }

// plainName is the name of an encoding as PostgreSQL compares it: letters and
// digits, in lower case.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, s)
}
