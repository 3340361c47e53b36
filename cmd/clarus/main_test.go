package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/pgserver"
	"github.com/clarus-project/clarus/pgwire"
)

// The test binary is the command itself where this is set.
const asCommand = "CLARUS_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A house is a directory with a configuration that would work.
type house struct {
	dir    string
	config string
	policy string
}

const wholesome = `version: 1
listen: {postgres: LISTEN, tls: off}
users: {app: {password-env: APP_PASSWORD, owner: true}}
databases: {app: {policy: policy.yaml}}
providers: {cloud-a: {postgres: {address: "PROVIDER", database: app, user: clarus, password-env: CLOUD_A_PASSWORD, tls: off}, jurisdiction: DE}}
keyring: {file: keyring.json, passphrase-env: CLARUS_PASSPHRASE}
audit: {file: audit.jsonl}
limits: {message: 1MB}
state: state/
twin: {directory: TWIN}
`

func newHouse(t *testing.T, listen, provider string) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), policy: "version: 1\ndefaults: {unlisted: seal, leak: 1}\n"}
	if err := os.Chmod(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.config = strings.NewReplacer("LISTEN", listen, "PROVIDER", provider, "TWIN", filepath.Join(tempDir(t), "twin")).Replace(wholesome)
	return h
}

// command prepares the command in the house.
func (h *house) command(t *testing.T, passphrase string, args ...string) *exec.Cmd {
	t.Helper()
	for name, text := range map[string]string{"clarus.yaml": h.config, "policy.yaml": h.policy} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Dir = h.dir
	cmd.Env = []string{asCommand + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "APP_PASSWORD=a-password", "CLOUD_A_PASSWORD=b-password",
		"CLARUS_PASSPHRASE=" + passphrase}
	return cmd
}

// run carries the command out and returns what it printed and its exit code.
func (h *house) run(t *testing.T, passphrase string, args ...string) (string, int) {
	t.Helper()
	out, err := h.command(t, passphrase, args...).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

const good = "correct horse battery staple"

func TestWrongCommandLines(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "127.0.0.1:1")
	for _, args := range [][]string{{"sevre"}, {"serve", "now"}, {"serve", "--confg", "x"}, {"policy", "check", "--x"}} {
		if out, code := h.run(t, good, args...); code != exitUsage || !strings.HasPrefix(out, "clarus: unknown") {
			t.Errorf("%v: exit %d, want %d:\n%s", args, code, exitUsage, out)
		}
	}
	if out, code := h.run(t, good, "--help"); code != 0 || !strings.Contains(out, "Exit codes") {
		t.Errorf("help: exit %d\n%s", code, out)
	}
}

func TestServeSaysWhatIsWrong(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	old := fakeServer(t, "12.22")
	cloud := startCloud(t, nil)
	for _, c := range []struct {
		name   string
		change func(h *house)
		want   []string
	}{
		{"no configuration", func(h *house) { h.config = "" }, []string{"clarus.yaml"}},
		{"unknown key", func(h *house) { h.config += "colour: red\n" }, []string{"clarus.yaml", "11:1", "colour"}},
		{"typo in a value", func(h *house) { h.config = strings.Replace(h.config, "1MB", "1 elephant", 1) }, []string{"clarus.yaml", "8:19", "size with a unit"}},
		{"policy with a typo", func(h *house) { h.policy += "dataset: {}\n" }, []string{"policy.yaml", "3:1", "dataset"}},
		{"policy that contradicts itself", func(h *house) { h.policy = strings.Replace(h.policy, "leak: 1", "leak: 1, preserve: [equality]", 1) }, []string{"policy.yaml", "2:", "equality"}},
		{"secret that is not there", func(h *house) { h.config = strings.Replace(h.config, "CLARUS_PASSPHRASE", "NOT_SET", 1) }, []string{"NOT_SET"}},
		{"busy port", func(h *house) { h.config = strings.Replace(h.config, "127.0.0.1:0", busy.Addr().String(), 1) },
			[]string{busy.Addr().String(), "address already in use", "listen.postgres"}},
		{"provider that is absent", func(h *house) {}, []string{"cloud-a", "cannot be reached"}},
		{"provider that is too old", func(h *house) { h.config = strings.Replace(h.config, "127.0.0.1:1\"", old+"\"", 1) }, []string{"cloud-a", "12", "15"}},
		{"provider without privileges", func(h *house) { h.config = strings.Replace(h.config, "127.0.0.1:1\"", cloud+"\"", 1) },
			[]string{"app", "cannot be prepared", "owner"}},
		{"provider with another password", func(h *house) {
			h.config = strings.NewReplacer("127.0.0.1:1\"", cloud+"\"", "CLOUD_A_PASSWORD", "APP_PASSWORD").Replace(h.config)
		}, []string{"cloud-a", "28P01", "credentials"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, "127.0.0.1:0", "127.0.0.1:1")
			c.change(h)
			out, code := h.run(t, good, "serve")
			if code != exitFailed {
				t.Errorf("exit %d, want %d", code, exitFailed)
			}
			for _, w := range c.want {
				if !strings.Contains(out, w) {
					t.Errorf("it does not say %q:\n%s", w, out)
				}
			}
			for _, secret := range []string{"a-password", "b-password", good, "goroutine", "panic"} {
				if strings.Contains(out, secret) {
					t.Errorf("it says %q:\n%s", secret, out)
				}
			}
		})
	}
}

func TestRecoverSaysWhatIsWrong(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "127.0.0.1:1")
	digest := strings.Repeat("0", 64)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"recover"}, exitFailed, "keyring.json"},
		{[]string{"recover", "--database", "app", "--digest", digest}, exitFailed, "keyring.json"},
	} {
		if out, code := h.run(t, good, c.args...); code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: exit %d, want %d and %q\n%s", c.args, code, c.code, c.want, out)
		}
	}
	if out, _ := h.run(t, good, "serve"); !strings.Contains(out, "cannot be reached") {
		t.Fatal(out) // the keyring was made before
	}
	if out, code := h.run(t, good, "recover", "--database", "other"); code != exitFailed || !strings.Contains(out, "cannot be reached") {
		t.Errorf("a database that only the provider may know: exit %d\n%s", code, out)
	}
	if out, code := h.run(t, good, "recover", "--digest", "123"); code != exitUsage || !strings.Contains(out, "64 hexadecimal digits") {
		t.Errorf("a malformed digest: exit %d\n%s", code, out)
	}
	if out, code := h.run(t, good, "recover", "--digest", digest); code != exitFailed || !strings.Contains(out, "cannot be reached") {
		t.Errorf("a provider that is away: exit %d\n%s", code, out)
	}
	h = newHouse(t, "127.0.0.1:0", startCloud(t, nil))
	h.run(t, good, "serve") // makes the keyring, and fails: the role may not prepare the database
	if out, code := h.run(t, good, "recover", "--database", "other"); code != exitUsage || !strings.Contains(out, "the configuration has app") {
		t.Errorf("a database that is not there: exit %d\n%s", code, out)
	}
}

func TestWrongPassphrase(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "127.0.0.1:1")
	if out, code := h.run(t, good, "serve"); code != exitFailed || !strings.Contains(out, "cannot be reached") {
		t.Fatalf("exit %d\n%s", code, out) // the keyring was made before
	}
	out, code := h.run(t, "another one", "serve")
	if code != exitFailed || !strings.Contains(out, "passphrase") || !strings.Contains(out, "keyring.json") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// startCloud starts a provider where the role clarus may do nothing but what
// statements give it.
func startCloud(t *testing.T, settings map[string]string, statements ...string) string {
	t.Helper()
	s, err := pgserver.Start(t.Context(), pgserver.Config{Dir: filepath.Join(tempDir(t), "cloud"), Temporary: true, Locale: "C.UTF-8", Listen: "127.0.0.1:0",
		Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		quick, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Stop(quick); err != nil {
			t.Error(err)
		}
	})
	if err := asSuperuser(t.Context(), s, append([]string{"CREATE ROLE clarus LOGIN PASSWORD 'b-password'", "CREATE DATABASE app"}, statements...)...); err != nil {
		t.Fatal(err)
	}
	return s.Addr()
}

// dial opens a session in the database app at host:port.
func dial(t *testing.T, address, user, password string) *demoSession {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dialDemo(t.Context(), pgwire.Target{Host: host, Port: uint16(n), Database: "app", User: user, Password: password, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tempDir is a directory that the server's account can reach.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "clarus-command-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

// fakeServer accepts everyone and says that it is PostgreSQL of a version.
func fakeServer(t *testing.T, version string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	message := func(kind byte, body string) string {
		return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))) + body
	}
	hello := message('R', "\x00\x00\x00\x00") + message('S', "server_version\x00"+version+"\x00") + message('S', "server_encoding\x00UTF8\x00") +
		message('S', "client_encoding\x00UTF8\x00") + message('S', "standard_conforming_strings\x00on\x00") +
		message('S', "integer_datetimes\x00on\x00") + message('K', "\x00\x00\x00\x01\x00\x00\x00\x01") + message('Z', "I")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				var length [4]byte
				if _, err := io.ReadFull(c, length[:]); err == nil {
					_, _ = io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(length[:]))-4)
					_, _ = io.Copy(c, bytes.NewBufferString(hello))
					_, _ = io.Copy(io.Discard, c)
				}
			}()
		}
	}()
	return l.Addr().String()
}
