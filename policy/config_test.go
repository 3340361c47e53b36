package policy_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/policy"
)

func TestConfig(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	runCases(t, "config*.txt", func(t *testing.T, c testCase) string {
		config, err := policy.ParseConfig("clarus.yaml", []byte(c.input))
		if err != nil {
			return err.Error() + "\n"
		}
		return strings.ReplaceAll(show(config), here, "DIR")
	})
}

var secretPlace = regexp.MustCompile(` at:\{line:\d+ column:\d+\}`)

// show prints a Config's parts, one a line.
func show(c *policy.Config) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen %+v\n", c.Listen)
	fmt.Fprintf(&b, "users %+v\n", c.Users)
	fmt.Fprintf(&b, "databases %+v\n", c.Databases)
	fmt.Fprintf(&b, "created %+v\n", c.Created)
	fmt.Fprintf(&b, "providers %+v\n", c.Providers)
	fmt.Fprintf(&b, "keyring %+v\n", c.Keyring)
	fmt.Fprintf(&b, "audit %s, state %s\n", c.Audit, c.State)
	fmt.Fprintf(&b, "twin %+v\n", c.Twin)
	fmt.Fprintf(&b, "limits %+v\n", c.Limits)
	return secretPlace.ReplaceAllString(b.String(), "")
}

const minimal = `version: 1
listen: {postgres: 127.0.0.1:6432, tls: off}
users:
  app: {password-env: CLARUS_TEST_SECRET, owner: true}
  file: {password-file: secret.txt}
databases: {app: {policy: app.policy.yaml}}
providers: {a: {postgres: {address: "localhost:5432", user: u, tls: off}}}
keyring: {file: keyring.json, passphrase-env: P}
audit: {file: audit.jsonl}
state: state
`

// load writes the files into a fresh directory and loads clarus.yaml.
func load(t *testing.T, files map[string]string) (*policy.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return policy.LoadConfig(filepath.Join(dir, "clarus.yaml"))
}

func TestSecret(t *testing.T) {
	for _, test := range []struct{ name, env, file, want, err string }{
		{name: "line end is not part", env: "e1", file: "f1\n", want: "e1 f1"},
		{name: "only one line end", env: "e1", file: " f1 \n\r\n", want: "e1  f1 \n"},
		{name: "unset", file: "f1", err: ":4:23: the environment variable CLARUS_TEST_SECRET is not set or empty (set it before Clarus starts)"},
		{name: "empty file", env: "e1", file: "\n", err: "secret.txt is empty (write the secret into it)"},
		{name: "no file", env: "e1", file: "-", err: "secret.txt cannot be read: no such file or directory (name a file that Clarus may read)"},
		{name: "a large file", env: "e1", file: strings.Repeat("x", 70000), err: "secret.txt is larger than 65536 bytes (name the file that holds the secret alone)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"clarus.yaml": minimal, "secret.txt": test.file}
			if test.file == "-" {
				delete(files, "secret.txt")
			}
			c, err := load(t, files)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("CLARUS_TEST_SECRET", test.env)
			e, err1 := c.Secret(c.Users["app"].Password)
			f, err2 := c.Secret(c.Users["file"].Password)
			err = errors.Join(err1, err2)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || clarus.KindOf(err) != clarus.Misconfigured {
					t.Fatalf("got %v, want %s", err, test.err)
				}
				return
			}
			if got := string(e) + " " + string(f); err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
	c, err := load(t, map[string]string{"clarus.yaml": minimal})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Secret(policy.SecretRef{}); err == nil {
		t.Error("the zero SecretRef gave a secret")
	}
}

func TestPolicyOf(t *testing.T) {
	for _, test := range []struct{ name, policy, want string }{
		{"good", "version: 1\ndatasets: {t: {at: a}}\n", ""},
		{"unknown provider", "version: 1\ndatasets: {t: {at: b}}\n", "app.policy.yaml:2:20: there is no provider b (known: a)"},
		{"unknown user", "version: 1\ndatasets: {t: {subject: s, aggregate: {question: {rho: 1}, rows: 1, budgets: {ap: {study: {rho: 1}}}}}}\n",
			"app.policy.yaml:2:79: there is no user ap (did you mean app?)"},
		{"a user with exact answers", "version: 1\ndatasets: {t: {subject: s, aggregate: {question: {rho: 1}, rows: 1, budgets: {app: {study: {rho: 1}}}}}}\n",
			"app.policy.yaml:2:79: user app has a budget, and gets exact answers (add aggregate: dp to the user in the configuration, or remove the budget)"},
		{"bad", "version: 2\n", "app.policy.yaml:1:10: version must be 1 (write 1)"},
		{"absent", "-", "app.policy.yaml: cannot be read: no such file or directory (name a file that Clarus may read)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"clarus.yaml": minimal, "app.policy.yaml": test.policy}
			if test.policy == "-" {
				delete(files, "app.policy.yaml")
			}
			c, err := load(t, files)
			if err != nil {
				t.Fatal(err)
			}
			p, err := c.PolicyOf("app", offers)
			if test.want == "" {
				if err != nil || p == nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestLoadConfigAbsent(t *testing.T) {
	_, err := policy.LoadConfig(filepath.Join(t.TempDir(), "none.yaml"))
	if err == nil || !strings.HasSuffix(err.Error(), "none.yaml: cannot be read: no such file or directory (name a file that Clarus may read)") {
		t.Error(err)
	}
}

// A secret that stands where it should not must not be repeated in the error.
func TestErrorsHideValues(t *testing.T) {
	const secret = "hunter2hunter2"
	for _, wrong := range []string{
		"password: " + secret, "verifier: " + secret, "password-env: " + secret + "!", "owner: " + secret, "passwort: " + secret,
		"password-env: [" + secret + "]", `verifier: "SCRAM-SHA-256$4096:` + secret + `$AAAA:AAAA"`,
	} {
		_, err := policy.ParseConfig("clarus.yaml", []byte("version: 1\nusers:\n  app:\n    "+wrong+"\n"))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte("{listen: {tls: [off]}}"))
	f.Add([]byte("a: &x [*x]\n<<: *x\n? k\n: !!int 1\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := policy.ParseConfig("clarus.yaml", src)
		checkOutcome(t, c != nil, err)
		if c != nil && (len(c.Users) == 0 || len(c.Providers) == 0 || c.Keyring.File == "" || c.Audit == "" || c.State == "") {
			t.Errorf("accepted without what is required: %+v", c)
		}
	})
}

// checkOutcome holds what both parsers promise: a result or located mistakes.
func checkOutcome(t *testing.T, ok bool, err error) {
	t.Helper()
	if ok == (err != nil) {
		t.Fatalf("result %v, error %v", ok, err)
	}
	if err == nil {
		return
	}
	all, isErrors := errors.AsType[policy.Errors](err)
	if !isErrors || len(all) == 0 {
		t.Fatalf("not Errors: %#v", err)
	}
	for _, e := range all {
		if e.Msg == "" || e.Line < 0 || (e.Line > 0) != (e.Column > 0) {
			t.Errorf("bad place: %#v", e)
		}
	}
	if k := clarus.KindOf(err); k != clarus.Misconfigured && k != clarus.Unsupported {
		t.Errorf("kind %v", k)
	}
}
