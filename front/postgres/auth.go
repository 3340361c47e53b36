package postgres

import (
	"strings"

	"github.com/xdg-go/scram"

	"github.com/clarus-project/clarus/pgwire"
)

// The sub-types of an authentication request.
const (
	authOK       = 0
	authSASL     = 10
	authContinue = 11
	authFinal    = 12
)

// maxAuthMessage is the largest message accepted before authentication, in
// bytes; PostgreSQL's own limit.
const maxAuthMessage = 65535

// authenticate carries out SCRAM-SHA-256 and, over TLS, SCRAM-SHA-256-PLUS. A
// user who does not exist takes the same steps as one with a wrong password.
func (c *conn) authenticate(user string) error {
	verifier, exists := c.srv.o.Users(user)
	if mocked := mock(c.srv.o.MockKey, user); !exists || verifier.reveal == nil {
		verifier, exists = mocked, false
	}
	c.offer()
	mechanism, first, err := c.firstMessage()
	if err != nil {
		return err
	}
	conv, err := c.conversation(mechanism, first, verifier)
	if err != nil {
		return err
	}
	reply, err := conv.Step(string(first))
	if err != nil {
		return c.saslError(err)
	}
	if err := c.authRequest(authContinue, []byte(reply)); err != nil {
		return err
	}
	last, err := c.saslMessage()
	if err != nil {
		return err
	}
	reply, err = conv.Step(string(last))
	if reply == scram.ErrChannelBindingsDontMatch {
		return fatalf("28000", "SCRAM channel binding check failed")
	}
	if err != nil || !conv.Valid() || !exists {
		c.log.Warn("authentication failed", "user", user, "reason", err)
		return fatalf("28P01", "password authentication failed for user %q", user)
	}
	c.w.Begin('R').Int32(authFinal).Bytes([]byte(reply)).End()
	c.w.Begin('R').Int32(authOK).End()
	return nil
}

// offer names the mechanisms, best first.
func (c *conn) offer() {
	c.w.Begin('R').Int32(authSASL)
	if c.binding.IsSupported() {
		c.w.String(plusScheme)
	}
	c.w.String(scheme).Byte(0).End()
}

// conversation checks that the mechanism chosen and the client's flag of
// channel binding belong together, and starts the server's side.
func (c *conn) conversation(mechanism string, first []byte, v Verifier) (*scram.ServerConversation, error) {
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return v.reveal(), nil })
	if err != nil {
		return nil, err
	}
	bound := strings.HasPrefix(string(first), "p=")
	switch {
	case mechanism == scheme && strings.HasPrefix(string(first), "y") && c.binding.IsSupported():
		return nil, fatalf("08P01", "the client was made to believe that this server has no channel binding, but it has")
	case mechanism == plusScheme && c.binding.IsSupported() && bound:
		return server.NewConversationWithChannelBindingRequired(c.binding), nil
	case mechanism == scheme && !bound:
		return server.NewConversationWithChannelBinding(c.binding), nil
	case mechanism != scheme && (mechanism != plusScheme || !c.binding.IsSupported()):
		return nil, fatalf("08P01", "client selected an invalid SASL authentication mechanism")
	}
	return nil, fatalf("08P01", "the SASL mechanism and the channel binding of the client do not fit each other")
}

func (c *conn) firstMessage() (mechanism string, data []byte, err error) {
	body, err := c.saslMessage()
	if err != nil {
		return "", nil, err
	}
	if mechanism, data, err = pgwire.DecodeSASLInitial(body); err != nil {
		return "", nil, malformed('p', err)
	}
	if data != nil {
		return mechanism, data, nil
	}
	if err := c.authRequest(authContinue, nil); err != nil { // the client waits for an empty challenge
		return "", nil, err
	}
	data, err = c.saslMessage()
	return mechanism, data, err
}

// authRequest sends an authentication request.
func (c *conn) authRequest(kind int, data []byte) error {
	c.w.Begin('R').Int32(kind).Bytes(data).End()
	return c.flush()
}

// saslMessage reads a message of the client's; it is a copy.
func (c *conn) saslMessage() ([]byte, error) {
	if err := c.flush(); err != nil {
		return nil, err
	}
	f, err := c.r.Next()
	if err != nil {
		return nil, c.readError(err)
	}
	if f.Type != 'p' {
		return nil, fatalf("08P01", "expected SASL response, got message type %q", f.Type)
	}
	return append([]byte{}, f.Body...), nil
}

// saslError is the answer to a message that breaks SCRAM. What was wrong with
// it is said in the log only.
func (c *conn) saslError(err error) error {
	c.log.Warn("malformed SCRAM message", "error", err)
	return fatalf("08P01", "malformed SCRAM message")
}
