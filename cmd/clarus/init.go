package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/front/postgres"
	"github.com/clarus-project/clarus/keys/file"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/secret"
)

// Where init finds secrets, and where serve does.
const (
	passphraseEnv = "CLARUS_PASSPHRASE"
	providerEnv   = "PROVIDER_PASSWORD"
	appEnv        = "APP_PASSWORD"
)

type initOptions struct {
	dir, provider, database, user, tls, ca string
	listen, certificate, key, app, from    string
	offline                                bool
}

func initCommand() *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Write a configuration to start from",
		Long: `init writes a directory that clarus serve can be started in: the configuration
clarus.yaml, a policy, a new keyring under your passphrase, and the state
directory. It never replaces a file, and asks what it was not told, if it runs
at a terminal.

Before it writes anything it looks at the provider: it must be reached, have
PostgreSQL 15 or later and a database in UTF-8 in which the role may create
schemas. --offline leaves that out.

Secrets are taken from the environment or asked for, and not written down:
  ` + passphraseEnv + `  opens the keyring: 14 characters or more
  ` + providerEnv + `  the role's password at the provider, if it has one
  ` + appEnv + `       what applications log in with; made up if there is none,
                     and kept as a verifier only

With --from the policy is guessed from the tables that a file of SQL creates;
every guess says that it is one.

Exit codes: 0 done, 1 something is there already, or is not good enough, 2 the command line is wrong.`,
		Example: `  clarus init --provider 127.0.0.1:5432 --database app --user clarus mydir
  clarus init --provider db.example.org:5432 --tls verify-full --ca ca.pem --from schema.sql mydir`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.dir = "."
			if len(args) == 1 {
				o.dir = args[0]
			}
			a := newAsker(os.Stdin, cmd.ErrOrStderr())
			if err := o.complete(a); err != nil {
				return err
			}
			return o.run(cmd.Context(), a, cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.provider, "provider", "", "the provider's address, host:port")
	f.StringVar(&o.database, "database", "app", "the database, at the provider and for applications")
	f.StringVar(&o.user, "user", "clarus", "Clarus's role at the provider")
	f.StringVar(&o.tls, "tls", "", "verify-full, verify-ca or off; by default off on this machine and verify-full elsewhere")
	f.StringVar(&o.ca, "ca", "", "PEM file of the authority that signed the provider's certificate")
	f.StringVar(&o.listen, "listen", "127.0.0.1:6432", "where applications connect, host:port")
	f.StringVar(&o.certificate, "certificate", "", "PEM file of Clarus's own certificate, for applications elsewhere")
	f.StringVar(&o.key, "key", "", "PEM file of its key")
	f.StringVar(&o.app, "app", "app", "the user that applications log in as")
	f.StringVar(&o.from, "from", "", "a file of SQL that creates the tables: the policy is guessed from it")
	f.BoolVar(&o.offline, "offline", false, "do not look at the provider")
	return c
}

// complete asks for what is missing and checks what the command line says.
func (o *initOptions) complete(a *asker) (err error) {
	if o.provider == "" {
		if o.provider, err = a.line("The provider's address, host:port", ""); err != nil {
			return err
		}
	}
	if o.provider == "" {
		return usageError{errors.New("--provider is missing: the address of the PostgreSQL server that stores, host:port")}
	}
	host, _, err := net.SplitHostPort(o.provider)
	if err != nil {
		return usageError{fmt.Errorf("--provider %s is not host:port", o.provider)}
	}
	if ip := net.ParseIP(host); o.tls == "" {
		if o.tls = "verify-full"; ip != nil && ip.IsLoopback() || host == "localhost" {
			o.tls = "off"
		}
	}
	if o.tls != "off" && o.tls != "verify-full" && o.tls != "verify-ca" {
		return usageError{fmt.Errorf("--tls %s: it is verify-full, verify-ca or off", o.tls)}
	}
	if (o.certificate == "") != (o.key == "") {
		return usageError{errors.New("--certificate and --key belong together")}
	}
	for _, path := range []*string{&o.ca, &o.certificate, &o.key} {
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
	}
	return nil
}

// run writes the directory, once everything is known to be good.
func (o *initOptions) run(ctx context.Context, a *asker, out io.Writer) error {
	if err := o.vacant(); err != nil {
		return err
	}
	wishes := emptyPolicy
	if o.from != "" {
		script, err := os.ReadFile(o.from)
		if err == nil {
			wishes, err = guessPolicy(filepath.Base(o.from), string(script))
		}
		if err != nil {
			return &clarus.Error{Op: "init", Attr: o.from, Kind: clarus.Misconfigured, Msg: "no policy can be guessed from it: " + err.Error(),
				Hint: "Give a file of PostgreSQL's CREATE TABLE statements, or leave --from out."}
		}
	}
	providerPassword, err := o.secret(a, providerEnv, "Password of "+o.user+" at the provider (empty: none)")
	if err != nil {
		return err
	}
	passphrase, err := o.passphrase(a)
	if err != nil {
		return err
	}
	password, made, err := o.appPassword(a)
	if err != nil {
		return err
	}
	verifier, err := postgres.MakeVerifier(password)
	if err != nil {
		return err
	}
	config := o.config(verifier.Encode(), providerPassword != "")
	cfg, err := policy.ParseConfig(o.path("clarus.yaml"), []byte(config))
	if err != nil {
		return err
	}
	if _, err := policy.Parse(o.policyFile(), []byte(wishes), techniques); err != nil {
		return err
	}
	if !o.offline {
		if providerPassword != "" {
			if err := os.Setenv(providerEnv, providerPassword); err != nil {
				return err
			}
		}
		if err := lookAt(ctx, cfg, o.database, out); err != nil {
			return err
		}
	}
	if err := o.write(config, wishes, passphrase); err != nil {
		return err
	}
	o.next(out, password, made, providerPassword != "")
	return nil
}

func (o *initOptions) path(name string) string { return filepath.Join(o.dir, name) }

func (o *initOptions) policyFile() string { return o.path(o.database + ".policy.yaml") }

// vacant reports what is there already.
func (o *initOptions) vacant() error {
	for _, path := range []string{o.path("clarus.yaml"), o.policyFile(), o.path("keyring.json"), o.path("audit.jsonl"), o.path("state")} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return &clarus.Error{Op: "init", Attr: path, Kind: clarus.Misconfigured, Msg: "it is there already, and is never replaced", Hint: "Choose another directory."}
		}
	}
	return nil
}

// secret is a secret from the environment, or asked for.
func (o *initOptions) secret(a *asker, env, question string) (string, error) {
	if text, ok := os.LookupEnv(env); ok || !a.terminal {
		return text, nil
	}
	return a.secret(question)
}

func (o *initOptions) passphrase(a *asker) (string, error) {
	text, err := o.secret(a, passphraseEnv, "Passphrase for the new keyring, 14 characters or more")
	if err != nil {
		return "", err
	}
	if err := strongEnough(text); err != nil {
		return "", err
	}
	if _, given := os.LookupEnv(passphraseEnv); given {
		return text, nil
	}
	again, err := a.secret("The same again")
	if err == nil && again != text {
		err = &clarus.Error{Op: "init", Kind: clarus.Misconfigured, Msg: "the two passphrases differ", Hint: "Try again."}
	}
	return text, err
}

// strongEnough refuses what is guessed soon. The keyring can be tried offline
// by whoever gets a copy.
func strongEnough(text string) error {
	different := map[rune]bool{}
	for _, r := range text {
		different[r] = true
	}
	const hint = "Take five words or more that do not belong together, in " + passphraseEnv + " or when you are asked."
	switch {
	case text == "":
		return &clarus.Error{Op: "init", Kind: clarus.Misconfigured, Msg: "there is no passphrase for the keyring", Hint: hint}
	case utf8.RuneCountInString(text) < 14 || len(different) < 8:
		return &clarus.Error{Op: "init", Kind: clarus.Misconfigured, Msg: "the passphrase is too weak: it needs 14 characters or more, 8 of them different", Hint: hint}
	}
	return nil
}

func (o *initOptions) appPassword(a *asker) (text string, made bool, err error) {
	if text, err = o.secret(a, appEnv, "Password for "+o.app+", which applications log in with (empty: one is made up)"); err != nil || text != "" {
		return text, false, err
	}
	return rand.Text(), true, nil
}

// config is the text of clarus.yaml.
func (o *initOptions) config(verifier string, password bool) string {
	frontTLS, providerTLS, word := "off", "off", ""
	if o.certificate != "" {
		frontTLS = fmt.Sprintf("{certificate: %s, key: %s}", quoted(o.certificate), quoted(o.key))
	}
	if o.tls != "off" {
		providerTLS = "{mode: " + o.tls + "}"
		if o.ca != "" {
			providerTLS = fmt.Sprintf("{mode: %s, ca: %s}", o.tls, quoted(o.ca))
		}
	}
	if password {
		word = "\n      password-env: " + providerEnv
	}
	return fmt.Sprintf(`# Where Clarus listens, who logs in, who stores. docs/policy.md is the reference.
version: 1
listen:
  postgres: %s
  tls: %s   # elsewhere than on this machine: {certificate: server.crt, key: server.key}
users:
  # owner: may create tables. The verifier stands for a password that Clarus does not have.
  %s: {verifier: %s, owner: true}
databases:
  %s: {policy: %s}
providers:
  cloud-a:
    postgres:
      address: %s
      database: %s
      user: %s%s
      tls: %s
keyring: {file: keyring.json, passphrase-env: %s}
audit: {file: audit.jsonl}   # grows: give it room
state: state/                # decides what is protected: back it up with the keyring
`, quoted(o.listen), frontTLS, quoted(o.app), quoted(verifier), quoted(o.database), quoted(o.database+".policy.yaml"),
		quoted(o.provider), quoted(o.database), quoted(o.user), word, providerTLS, passphraseEnv)
}

// quoted writes a scalar of YAML.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// write makes the files, for the owner's eyes only.
func (o *initOptions) write(config, wishes, passphrase string) error {
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return err
	}
	unlock, err := file.Passphrase(secret.New([]byte(passphrase)))
	if err != nil {
		return err
	}
	if _, err := file.Create(o.path("keyring.json"), unlock); err != nil {
		return err
	}
	if err := os.Mkdir(o.path("state"), 0o700); err != nil {
		return err
	}
	for path, text := range map[string]string{o.policyFile(): wishes, o.path("clarus.yaml"): config} {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.WriteString(f, text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// next says what to do with it.
func (o *initOptions) next(out io.Writer, password string, made, provider bool) {
	host, port, err := net.SplitHostPort(o.listen)
	if host == "" || err != nil {
		host = "127.0.0.1"
	}
	if made {
		fmt.Fprintf(out, "Password of %s, shown once: %s\n\n", o.app, password)
	}
	env := passphraseEnv + "=…"
	if provider {
		env += " " + providerEnv + "=…"
	}
	fmt.Fprintf(out, `%s has clarus.yaml, %s, keyring.json and state/. Next:

  clarus policy explain %s
  %s clarus serve --config %s
  psql -h %s -p %s -U %s %s

Keep keyring.json, its passphrase and state/, and back them up: without the keyring nobody can open the data.
`, o.dir, filepath.Base(o.policyFile()), o.policyFile(), env, o.path("clarus.yaml"), host, port, o.app, o.database)
}
