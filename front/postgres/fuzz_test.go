package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/clarus-project/clarus/pgwire"
)

// A tape is a connection whose client sends fixed bytes and then hangs up.
type tape struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (p *tape) Read(b []byte) (int, error)       { return p.in.Read(b) }
func (p *tape) Write(b []byte) (int, error)      { return p.out.Write(b) }
func (p *tape) Close() error                     { return nil }
func (p *tape) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (p *tape) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (p *tape) SetDeadline(time.Time) error      { return nil }
func (p *tape) SetReadDeadline(time.Time) error  { return nil }
func (p *tape) SetWriteDeadline(time.Time) error { return nil }

func fuzzServer(f *testing.F) *Server {
	server, err := New(Options{Users: func(string) (Verifier, bool) { return Verifier{}, false }, Open: openFake})
	if err != nil {
		f.Fatal(err)
	}
	return server
}

// feed runs a stage of a connection over data and checks what was answered:
// whole frames, and no panic.
func feed(t *testing.T, c *conn, data []byte, stage func(*conn) error) []pgwire.Frame {
	p := &tape{in: bytes.NewReader(data)}
	c.raw, c.nc, c.log = p, p, slog.New(slog.DiscardHandler)
	err := stage(c)
	if errors.As(err, new(panicError)) {
		t.Fatal("the front panicked")
	}
	if err != nil && !errors.Is(err, errGone) {
		c.refuse(err)
	}
	answer := p.out.Bytes()
	for len(answer) > 0 && answer[0] == 'N' && (len(answer) == 1 || answer[1] != 0) {
		answer = answer[1:] // encryption refused
	}
	var frames []pgwire.Frame
	for r := pgwire.NewReader(bytes.NewReader(answer), 1<<20); ; {
		f, err := r.Next()
		if err == io.EOF {
			return frames
		}
		if err != nil {
			t.Fatalf("the answer %q is not whole: %v", answer, err)
		}
		frames = append(frames, pgwire.Frame{Type: f.Type, Body: bytes.Clone(f.Body)})
	}
}

// A calm fake does not panic or sleep, so that a panic is the front's.
type calm struct{ *fake }

func (c calm) Query(ctx context.Context, sql string) error {
	if bytes.Contains([]byte(sql), []byte("panic")) || bytes.Contains([]byte(sql), []byte("sleep")) ||
		bytes.Contains([]byte(sql), []byte("badstatus")) || len(sql) > 40 {
		return nil
	}
	if verb, n, _ := bytes.Cut([]byte(sql), []byte(" ")); string(verb) == "rows" && len(n) > 2 {
		return nil
	}
	return c.fake.Query(ctx, sql)
}

func (c calm) Execute(ctx context.Context, portal string, _ int) error {
	return c.Query(ctx, c.portals[portal])
}

// FuzzMessages feeds any bytes to the message loop: every answer is made of
// whole frames, an error ends it or is followed by at most one ReadyForQuery
// for each Sync and Query, and the session hears of Close exactly once.
func FuzzMessages(f *testing.F) {
	for _, script := range []string{
		"Query \"rows 2\"\nQuery \"copyin\"\nCopyData \"x\"\nCopyDone\n",
		"Parse \"s\" \"rows $1\"\nDescribe S \"s\"\nBind \"\" \"s\" \"2\"\nExecute \"\" 1\nFlush\nClose P \"\"\nSync\n",
		"Parse \"\" \"!\"\nBind \"\" \"\"\nSync\nQuery \"begin; error 1 2\"\nTerminate\n",
		"Query \"failframe\"\nMessage F 00\nQuery \"refuse\"\nQuery \"copyin\"\nCopyFail \"x\"\nRaw 51ffffffff\n",
	} {
		f.Add(encodeScript(nil, script))
	}
	server := fuzzServer(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newConn(t.Context(), server, nil)
		session := calm{newFake(Principal{}, &Client{c})}
		frames := feed(t, c, data, func(c *conn) error {
			c.begin()
			c.r.SetLimit(1 << 16)
			c.session, c.live = session, true
			defer c.closeSession()
			return c.loop()
		})
		syncs, ready, closed := 0, 0, 0
		for _, call := range session.noted() {
			switch call {
			case "Sync":
				syncs++
			case "Close":
				closed++
			}
		}
		for i, f := range frames {
			if f.Type == 'Z' {
				ready++
			}
			if e, err := pgwire.DecodeError(f.Body); f.Type == 'E' && (err != nil || e.Severity == "FATAL" && i != len(frames)-1) {
				t.Errorf("an error that cannot be read, or is fatal and not the last: %q %v", f.Body, err)
			}
		}
		if ready != syncs || closed != 1 {
			t.Errorf("%d Sync, %d ReadyForQuery, %d Close", syncs, ready, closed)
		}
	})
}

// FuzzAuthenticate sends any bytes as the messages of SCRAM: nobody gets in.
func FuzzAuthenticate(f *testing.F) {
	message := func(body string) string {
		return "p" + string(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))) + body
	}
	first := "SCRAM-SHA-256\x00\x00\x00\x00\x18n,,n=,r=aaaaaaaaaaaaaaaa"
	for _, seed := range []string{message(first), message(first) + message("c=biws,r=aaaaaaaaaaaaaaaa,p=AAAA"), message("SCRAM-SHA-256\x00\xff\xff\xff\xff") + message("y,,n=,r=a"),
		message("SCRAM-SHA-256-PLUS\x00\x00\x00\x00\x18p=tls-server-end-point,,n=,r=a"), message("PLAIN\x00\x00\x00\x00\x00"), message(""), "Q\x00\x00\x00\x05\x00"} {
		f.Add([]byte(seed))
	}
	server := fuzzServer(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		feed(t, newConn(t.Context(), server, nil), append([]byte(hello), data...), func(c *conn) error {
			err := c.guard(c.converse)
			if c.session != nil {
				t.Errorf("%q opened a session", data)
			}
			return err
		})
	})
}
