package postgres

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/clarus-project/clarus/pgwire"
)

func code(err error) string {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pe.Severity + " " + pe.Code
	}
	return ""
}

// sleeping starts a query that runs until it is cancelled.
func sleeping(t *testing.T, h *harness) (*pgconn.PgConn, *fake, chan error) {
	t.Helper()
	pc := h.connect()
	f := <-h.opened
	result := make(chan error, 1)
	go func() {
		_, err := pc.Exec(context.Background(), "sleep").ReadAll()
		result <- err
	}()
	<-f.started
	return pc, f, result
}

func TestCancelRequest(t *testing.T) {
	h := start(t, nil)
	pc, f, result := sleeping(t, h)
	key := slices.Clone(pc.SecretKey())
	key[3] ^= 1
	for _, wrong := range [][]byte{key, key[:3], nil, append(slices.Clone(pc.SecretKey()), 0)} {
		nc := h.dial()
		w := pgwire.NewWriter(nc)
		w.Int32(12 + len(wrong)).Int32(pgwire.CancelCode).Int32(int(pc.PID())).Bytes(wrong)
		_ = w.Flush()
		if all, err := io.ReadAll(nc); err != nil || (len(all) > 0 && len(wrong) == 4) {
			t.Errorf("a cancel request was answered: %q, %v", all, err)
		}
	}
	if slices.Contains(f.noted(), "Cancel") {
		t.Fatal("a wrong key cancels")
	}
	if err := pc.CancelRequest(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-result; code(err) != "ERROR 57014" {
		t.Errorf("%v", err)
	}
	if _, err := pc.Exec(context.Background(), "rows 1").ReadAll(); err != nil {
		t.Errorf("after the cancel: %v", err)
	}
}

// TestClientLeaves hangs up while a query runs: the session is cancelled and closed.
func TestClientLeaves(t *testing.T) {
	for _, tls := range []bool{false, true} {
		h := start(t, func(o *Options) {
			if tls {
				o.TLS = serverConfig(t)
			}
		})
		cfg := h.config()
		if tls {
			cfg = h.config("sslmode=require")
		}
		pc, err := pgconn.ConnectConfig(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		f := <-h.opened
		hj, err := pc.Hijack()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = hj.Conn.Write(encodeScript(t, `Query "sleep"`))
		<-f.started
		time.Sleep(patience + patience/2)
		_ = hj.Conn.Close()
		eventually(t, "cancelled and closed", func() bool {
			calls := f.noted()
			return slices.Contains(calls, "Cancel") && slices.Contains(calls, "Close")
		})
	}
}

// TestLongCall checks that the watch does not take bytes away from what follows.
func TestLongCall(t *testing.T) {
	for _, mode := range []string{"sslmode=disable", "sslmode=require"} {
		h := start(t, func(o *Options) { o.TLS, o.AllowPlain = serverConfig(t), true })
		pc, err := pgconn.ConnectConfig(context.Background(), h.config(mode))
		if err != nil {
			t.Fatal(err)
		}
		f := <-h.opened
		for range 3 {
			go func() { <-f.started; time.Sleep(3 * patience / 2); f.Cancel() }()
			if _, err := pc.Exec(context.Background(), "sleep").ReadAll(); code(err) != "ERROR 57014" {
				t.Fatalf("%v", err)
			}
			if r, err := pc.Exec(context.Background(), "rows 3").ReadAll(); err != nil || len(r[0].Rows) != 3 {
				t.Fatalf("%v, %v", r, err)
			}
		}
		_ = pc.Close(context.Background())
	}
}

// TestSendWhileBusy sends a second query while the first is watched.
func TestSendWhileBusy(t *testing.T) {
	h := start(t, nil)
	nc, f := h.raw()
	_, _ = nc.Write(encodeScript(t, `Query "sleep"`))
	<-f.started
	time.Sleep(2 * patience)
	_, _ = nc.Write(encodeScript(t, `Query "rows 1"`))
	time.Sleep(patience)
	f.Cancel()
	var types []byte
	for r := pgwire.NewReader(nc, 1<<16); strings.Count(string(types), "Z") < 2; {
		frame, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, frame.Type)
	}
	if string(types) != "EZTDCZ" {
		t.Errorf("answers %s", types)
	}
}

func TestNotification(t *testing.T) {
	h := start(t, nil)
	nc, f := h.raw()
	r := pgwire.NewReader(nc, 1<<16)
	read := func() string {
		t.Helper()
		frame, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		return string(frame.Type) + string(frame.Body)
	}
	f.c.Notification(7, "ch", "idle")
	if got := read(); got != "A\x00\x00\x00\x07ch\x00idle\x00" {
		t.Errorf("%q", got)
	}
	_, _ = nc.Write(encodeScript(t, `Query "sleep"`))
	<-f.started
	f.c.Notification(8, "ch", "busy")
	_ = nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := r.Next(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a busy client was told something: %v", err)
	}
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	f.Cancel()
	if got := read() + read() + read(); got[0] != 'E' || !strings.HasSuffix(got, "A\x00\x00\x00\x08ch\x00busy\x00ZI") {
		t.Errorf("%q", got)
	}
}

func TestShutdown(t *testing.T) {
	h := start(t, nil)
	idle, _ := h.raw()
	stranger := h.dial()
	inside, _ := h.raw()
	_, _ = inside.Write(encodeScript(t, `Query "begin"`))
	if got := readTypes(t, inside, 2); got != "CZ" {
		t.Fatal(got)
	}
	_, f, result := sleeping(t, h)

	patient, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.server.Shutdown(patient) }()
	for what, nc := range map[string]io.Reader{"idle": idle, "stranger": stranger} {
		if all, err := io.ReadAll(nc); err != nil || !strings.Contains(string(all), "SFATAL\x00VFATAL\x00C57P01\x00") {
			t.Errorf("%s: %q, %v", what, all, err)
		}
	}
	if _, err := pgconn.ConnectConfig(context.Background(), h.config()); err == nil {
		t.Error("a stopped server accepts clients")
	}
	_, _ = inside.Write(encodeScript(t, `Query "rows 1"`))
	if got := readTypes(t, inside, 4); got != "TDCZ" {
		t.Errorf("a transaction was not waited for: %s", got)
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown did not wait: %v", err)
	default:
	}
	cancel()
	if err := <-result; code(err) != "FATAL 57P01" {
		t.Errorf("the running query: %v", err)
	}
	if all, err := io.ReadAll(inside); err != nil || !strings.Contains(string(all), "C57P01\x00") {
		t.Errorf("the transaction: %q, %v", all, err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if calls := f.noted(); calls[len(calls)-1] != "Close" {
		t.Errorf("calls %q", calls)
	}
}

func TestShutdownWithoutClients(t *testing.T) {
	h := start(t, nil)
	h.connect().Close(context.Background())
	if err := h.server.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := h.server.Serve(context.Background(), nopListener{}); err != ErrStopped {
		t.Errorf("Serve after Shutdown: %v", err)
	}
}

// readTypes reads n messages and returns their types.
func readTypes(t *testing.T, nc io.Reader, n int) (types string) {
	t.Helper()
	for r := pgwire.NewReader(nc, 1<<16); len(types) < n; {
		f, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		types += string(f.Type)
	}
	return types
}
