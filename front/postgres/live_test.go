package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/clarus-project/clarus/pgwire"
)

func TestPgx(t *testing.T) {
	h, ctx := start(t, nil), context.Background()
	pc := h.connect("application_name=test options='-c work_mem=1MB'", "search_path=a")
	if got := pc.ParameterStatus("server_version"); got != "15.0 (Clarus)" {
		t.Errorf("server_version %q", got)
	}
	results, err := pc.Exec(ctx, "who; rows 2").ReadAll()
	if err != nil || len(results) != 2 || results[1].CommandTag.String() != "SELECT 2" {
		t.Fatalf("%v, %v", results, err)
	}
	if got, want := string(results[0].Rows[0][0]), "alice ward test tls=false map[search_path:a work_mem:1MB]"; got != want {
		t.Errorf("principal %s, want %s", got, want)
	}
	sd, err := pc.Prepare(ctx, "s", "rows $1", nil)
	if err != nil || len(sd.Fields) != 2 || !slices.Equal(sd.ParamOIDs, []uint32{25}) {
		t.Fatalf("%v, %v", sd, err)
	}
	r := pc.ExecPrepared(ctx, "s", [][]byte{[]byte("3")}, nil, nil).Read()
	if r.Err != nil || len(r.Rows) != 3 {
		t.Errorf("%d rows, %v", len(r.Rows), r.Err)
	}
	many := make([][]byte, 65535)
	for i := range many {
		many[i] = []byte("1")
	}
	if r := pc.ExecParams(ctx, "rows $65535", many, nil, nil, nil).Read(); r.Err != nil || len(r.Rows) != 1 {
		t.Errorf("65535 parameters: %d rows, %v", len(r.Rows), r.Err)
	}
	tag, err := pc.CopyFrom(ctx, strings.NewReader(strings.Repeat("x", 200_000)), "copyin")
	if err != nil || tag.String() != "COPY 200000" {
		t.Errorf("COPY in: %s, %v", tag, err)
	}
	var out bytes.Buffer
	if tag, err = pc.CopyTo(ctx, &out, "copyout"); err != nil || out.String() != "one\n" || tag.String() != "COPY 1" {
		t.Errorf("COPY out: %s, %q, %v", tag, out.String(), err)
	}
	_, err = pc.Exec(ctx, "refuse").ReadAll()
	if pe, ok := errors.AsType[*pgconn.PgError](err); !ok || pe.Code != "0A000" || pe.Hint != "declare order" || pe.Position != 8 {
		t.Errorf("%v", err)
	}
}

// TestPgxPipeline has many batches under way, one of them failing.
func TestPgxPipeline(t *testing.T) {
	h, ctx := start(t, nil), context.Background()
	p := h.connect().StartPipeline(ctx)
	const n = 200
	for i := range n {
		sql := fmt.Sprintf("rows %d", i%7)
		if i == 100 {
			sql = "error 22012 division by zero"
		}
		p.SendQueryParams(sql, nil, nil, nil, nil)
		if err := p.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	rows, failed, syncs := 0, 0, 0
	want := -2 // of the statement that fails
	for i := range n {
		want += i % 7
	}
	for syncs < n {
		result, err := p.GetResults()
		if code(err) == "ERROR 22012" {
			failed++
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		switch r := result.(type) {
		case *pgconn.PipelineSync:
			syncs++
		case *pgconn.ResultReader:
			read := r.Read()
			if rows += len(read.Rows); read.Err != nil {
				t.Error(read.Err)
			}
		default:
			t.Fatalf("%T", result)
		}
	}
	if err := p.Close(); err != nil || failed != 1 || rows != want {
		t.Errorf("%d rows, %d failed, %v", rows, failed, err)
	}
}

func TestPasswords(t *testing.T) {
	h := start(t, nil)
	for _, tt := range []struct{ user, password, code string }{
		{"alice", testPassword, ""}, {"alice", "wrong", "28P01"}, {"mallory", testPassword, "28P01"},
	} {
		cfg := h.config()
		cfg.User, cfg.Password = tt.user, tt.password
		pc, err := pgconn.ConnectConfig(context.Background(), cfg)
		if tt.code == "" {
			if err != nil {
				t.Fatal(err)
			}
			pc.Close(context.Background())
			continue
		}
		want := fmt.Sprintf("password authentication failed for user %q", tt.user)
		if pe, ok := errors.AsType[*pgconn.PgError](err); !ok || pe.Code != tt.code || pe.Message != want || pe.Severity != "FATAL" {
			t.Errorf("%s, %s: %v", tt.user, tt.password, err)
		}
	}
	if strings.Contains(h.log.String(), testPassword) {
		t.Error("the log holds a password")
	}
}

func TestVersion32(t *testing.T) {
	h := start(t, nil)
	pc := h.connect("max_protocol_version=3.2")
	if _, err := pc.Exec(context.Background(), "rows 1").ReadAll(); err != nil {
		t.Error(err)
	}
}

func TestUnixSocket(t *testing.T) {
	verifier, _ := MakeVerifier("pw")
	server, err := New(Options{TLS: serverConfig(t), Open: openFake, Users: func(string) (Verifier, bool) { return verifier, true }})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ln, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.7000"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, ln) }()
	pc, err := pgconn.Connect(ctx, "host="+dir+" port=7000 user=u password=pw")
	if err != nil {
		t.Fatal(err) // TLS is not required here
	}
	if _, err := pc.Exec(ctx, "rows 1").ReadAll(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// psql runs psql against the server; it is skipped where there is none.
func (h *harness) psql(t *testing.T, conninfo string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("no psql")
	}
	info := fmt.Sprintf("host=127.0.0.1 port=%d user=alice dbname=ward %s", h.addr.Port, conninfo)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-X", "-A", "-t", "-d", info}, args...)...)
	cmd.Env = []string{"PGPASSWORD=" + testPassword, "PGCLIENTENCODING=UTF8", "HOME=" + t.TempDir()}
	cmd.Stdin = strings.NewReader("one\ntwo\n")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestPsql(t *testing.T) {
	h := start(t, nil)
	out, err := h.psql(t, "", "-c", "rows 2", "-c", "notice hello", "-c", "error 42601 no", "-c", "copyout")
	if want := "1|\n2|\nNOTICE:  hello\nDO\nERROR:  no\none\n"; err != nil || out != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	if out, err := h.psql(t, "", "-c", "copyin"); err != nil || out != "COPY 8\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPsqlTLS(t *testing.T) {
	plain := "FATAL:  this server accepts encrypted connections only\nHINT:  Connect with sslmode=require or stronger.\n"
	h := start(t, func(o *Options) { o.TLS = serverConfig(t) })
	for _, tt := range []struct{ info, want string }{
		{"sslmode=require", "tls=true"},
		{"sslmode=require channel_binding=require", "tls=true"},
		{"sslmode=require channel_binding=disable", "tls=true"},
		{"sslmode=prefer gssencmode=prefer", "tls=true"},
		{"sslmode=disable", plain},
	} {
		out, err := h.psql(t, tt.info, "-c", "who")
		if !strings.Contains(out, tt.want) {
			t.Errorf("%s: %v\n%s", tt.info, err, out)
		}
	}
}

func TestPlainAllowed(t *testing.T) {
	h := start(t, func(o *Options) { o.TLS, o.AllowPlain = serverConfig(t), true })
	h.connect("sslmode=disable")
}

func TestTooManyClients(t *testing.T) {
	h := start(t, func(o *Options) { o.MaxConnections = 2 })
	first := h.connect()
	h.connect()
	_, err := pgconn.ConnectConfig(context.Background(), h.config())
	if pe, ok := errors.AsType[*pgconn.PgError](err); !ok || pe.Code != "53300" || pe.Severity != "FATAL" {
		t.Fatalf("%v", err)
	}
	first.Close(context.Background())
	eventually(t, "a place is free again", func() bool {
		pc, err := pgconn.ConnectConfig(context.Background(), h.config())
		if err == nil {
			pc.Close(context.Background())
		}
		return err == nil
	})
}

func TestCrowdOfStrangers(t *testing.T) {
	h := start(t, func(o *Options) { o.MaxConnections = 1 })
	for range 18 {
		h.dial()
	}
	if n, err := h.dial().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the nineteenth stranger read %d bytes, %v", n, err)
	}
}

func TestOpenErrors(t *testing.T) {
	var failure error
	h := start(t, func(o *Options) {
		o.Open = func(context.Context, Principal, *Client) (Session, error) {
			if failure == nil {
				panic("patient Smith")
			}
			return nil, failure
		}
	})
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&pgwire.ServerError{Severity: "ERROR", Code: "3D000", Message: "no such database"}, "3D000 no such database"},
		{errors.New("dial 10.1.2.3"), "XX000 internal error"},
		{nil, "XX000 internal error"},
	} {
		failure = tt.err
		_, err := pgconn.ConnectConfig(context.Background(), h.config())
		pe, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || pe.Severity != "FATAL" || pe.Code+" "+pe.Message != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if log := h.log.String(); strings.Contains(log, "Smith") || !strings.Contains(log, "live_test.go") {
		t.Errorf("the log holds the panic's value or no stack:\n%s", log)
	}
}

// TestOversizedIsTold sends far more than the limit in one go, as a client that
// does not read before it has written: it must still learn why it was refused.
func TestOversizedIsTold(t *testing.T) {
	h := start(t, func(o *Options) { o.MaxMessage = 1 << 20 })
	nc, _ := h.raw()
	if _, err := nc.Write(encodeScript(t, `Query "`+strings.Repeat("x", 32<<20)+`"`)); err != nil {
		t.Fatalf("the connection was reset while the client wrote: %v", err)
	}
	f, err := pgwire.NewReader(nc, 1<<16).Next()
	const want = "FATAL 54000 message 'Q' of 33554433 bytes: message is larger than the limit of 1048576"
	if err != nil || describeStart(t, f) != want {
		t.Errorf("%q, %v", f.Body, err)
	}
}
