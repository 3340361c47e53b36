package pgwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// slow is a connection on which a write takes long enough for pgconn to read in
// the background.
type slow struct{ net.Conn }

func (s slow) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	time.Sleep(40 * time.Millisecond)
	return n, err
}

// TestTakeOver shows that what a server says after the start reaches the client,
// not what pgconn left reading.
func TestTakeOver(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go serve(theirs, "")
	network := func(context.Context, string, string) (net.Conn, error) { return slow{ours}, nil }
	c, err := dial(t.Context(), Target{Host: "127.0.0.1", Port: 1, Timeout: time.Minute}, network)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	for range 3 {
		c.Query("SELECT")
		if err := c.Send(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []byte("IZ") {
			if _, err := c.Expect(want); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A server that goes on speaking once it is ready, such as one that is stopped
// then, is not waited for without end.
func TestTakeOverUnasked(t *testing.T) {
	for _, more := range []string{"E\x00\x00\x00\x14SFATAL\x00C57P01\x00\x00", "N\x00\x00\x00\x05\x00", "Z"} {
		ours, theirs := net.Pipe()
		go serve(theirs, more)
		network := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		c, err := dial(t.Context(), Target{Host: "127.0.0.1", Port: 1, Timeout: time.Minute}, network)
		if err == nil {
			t.Errorf("after %q the connection can be used", more)
			c.Abort()
		}
		theirs.Close()
	}
}

// serve lets anybody in, says more then, and answers each query with nothing.
func serve(conn net.Conn, more string) {
	size := make([]byte, 4)
	skip := func() bool {
		if _, err := io.ReadFull(conn, size); err != nil {
			return false
		}
		_, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(size)-4))
		return err == nil
	}
	ready := []byte("Z\x00\x00\x00\x05I")
	if !skip() {
		return
	}
	_, _ = conn.Write(append(append([]byte("R\x00\x00\x00\x08\x00\x00\x00\x00"), ready...), more...))
	kind := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, kind); err != nil || !skip() || !bytes.Equal(kind, []byte("Q")) {
			return
		}
		_, _ = conn.Write(append([]byte("I\x00\x00\x00\x04"), ready...))
	}
}
