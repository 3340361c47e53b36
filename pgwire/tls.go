package pgwire

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

// ErrNoTLS says that a server offers no TLS. Nothing was sent to it but the
// question.
var ErrNoTLS = errors.New("the server refuses TLS")

// secure asks the server for TLS and makes the handshake, until ctx ends. There
// is no way back to a connection in clear: after an error what it returns is
// good for Close only.
func secure(ctx context.Context, conn net.Conn, conf *tls.Config) (net.Conn, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if _, err := conn.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, SSLCode)); err != nil {
		return conn, err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return conn, err
	}
	if answer[0] != 'S' {
		return conn, ErrNoTLS
	}
	t := tls.Client(conn, conf)
	return t, t.HandshakeContext(ctx)
}
