package postgres

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const testPassword = "correct horse"

// A harness is a running server with fake sessions.
type harness struct {
	t      *testing.T
	server *Server
	addr   *net.TCPAddr
	log    *lockedLog
	opened chan *fake
}

// A lockedLog collects what is logged.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs a server until the test ends; change adapts its options.
func start(t *testing.T, change func(*Options)) *harness {
	t.Helper()
	verifier, err := MakeVerifier(testPassword)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, log: &lockedLog{}, opened: make(chan *fake, 200)}
	o := Options{
		Users: func(name string) (Verifier, bool) { return verifier, name == "alice" },
		Open: func(_ context.Context, p Principal, c *Client) (Session, error) {
			f := newFake(p, c)
			h.opened <- f
			return f, nil
		},
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	if h.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().(*net.TCPAddr)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-served:
			if err != nil {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve does not return")
		}
	})
	return h
}

// config is how pgx connects; settings are of the form "name=value".
func (h *harness) config(settings ...string) *pgconn.Config {
	h.t.Helper()
	cfg, err := pgconn.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=alice password='%s' dbname=ward sslmode=disable %s",
		h.addr.Port, testPassword, strings.Join(settings, " ")))
	if err != nil {
		h.t.Fatal(err)
	}
	return cfg
}

// connect opens a connection by pgx.
func (h *harness) connect(settings ...string) *pgconn.PgConn {
	h.t.Helper()
	pc, err := pgconn.ConnectConfig(context.Background(), h.config(settings...))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { pc.Close(context.Background()) })
	return pc
}

// raw opens an authenticated connection of bytes, and returns its session too.
func (h *harness) raw() (*net.TCPConn, *fake) {
	h.t.Helper()
	hj, err := h.connect().Hijack()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { hj.Conn.Close() })
	_ = hj.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	return hj.Conn.(*net.TCPConn), <-h.opened
}

// dial opens a connection that has not said anything yet.
func (h *harness) dial() net.Conn {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.addr.String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	return nc
}

// serverConfig makes a server's TLS configuration with a fresh certificate.
func serverConfig(t *testing.T) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// A nopListener can only be closed.
type nopListener struct{ net.Listener }

func (nopListener) Close() error { return nil }
