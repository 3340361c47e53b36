package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
	"github.com/clarus-project/clarus/release"
)

// A dsn is the end of a publication that is a table at a server.
type dsn struct {
	flag         string
	text         string // as given; "": the end is a file
	passwordFile string
	name         release.Name
	target       pgwire.Target
	connected    *pgwire.Simple
}

// tables are the two ends of a publication, where they are tables.
type tables struct {
	from, to dsn
	types    map[string]string // of the original's columns
}

func (t *tables) flags(f *pflag.FlagSet) {
	t.from.flag, t.to.flag = "from", "to"
	f.StringVar(&t.from.text, "from", "", "read the table from this PostgreSQL server, or Clarus: postgres://user@host:port/database")
	f.StringVar(&t.to.text, "to", "", "write a table to this PostgreSQL server; --out then is its name, and it must not exist")
	f.StringVar(&t.from.passwordFile, "from-password-file", "", "the file with the password for --from; otherwise PGPASSWORD has it")
	f.StringVar(&t.to.passwordFile, "to-password-file", "", "the file with the password for --to; otherwise PGPASSWORD has it")
}

// check reads what was given on the command line.
func (t *tables) check(data, out string) error {
	for end, name := range map[*dsn]string{&t.from: data, &t.to: out} {
		if end.text == "" {
			if end.passwordFile != "" {
				return usageError{fmt.Errorf("--%s-password-file is for --%s", end.flag, end.flag)}
			}
			continue
		}
		if err := end.read(name); err != nil {
			return err
		}
	}
	return nil
}

// read reads the address and the table's name.
func (d *dsn) read(name string) (err error) {
	wrong := func(format string, args ...any) error {
		return usageError{fmt.Errorf("--"+d.flag+": "+format, args...)}
	}
	if d.name.Schema, d.name.Table, err = policy.TableName(name); err != nil {
		return wrong("the table's name %w", err)
	}
	u, err := url.Parse(d.text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.User.Username() == "" { // the error may hold a password
		return wrong("give postgres://user@host:port/database")
	}
	if _, ok := u.User.Password(); ok {
		return wrong("whoever lists processes sees a password there: set PGPASSWORD, or name a file with --%s-password-file", d.flag)
	}
	d.target = pgwire.Target{Host: u.Hostname(), Port: 5432, User: u.User.Username(), Timeout: 15 * time.Second}
	d.target.Database = cmp.Or(strings.TrimPrefix(u.Path, "/"), d.target.User)
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return wrong("%s is no port", p)
		}
		d.target.Port = uint16(n)
	}
	tls := policy.ClientTLS{Mode: "verify-full"}
	for key, values := range u.Query() {
		switch value := values[len(values)-1]; {
		case key == "sslmode" && (value == "verify-full" || value == "verify-ca"):
			tls.Mode = value
		case key == "sslmode" && value == "disable":
			tls.Off = true
		case key == "sslmode":
			return wrong("sslmode=%s verifies nobody: verify-full or verify-ca, or disable on this machine", value)
		case key == "sslrootcert":
			tls.CA = value
		case key == "host" && filepath.IsAbs(value):
			d.target.Host = value
		default:
			return wrong("%s is not understood: sslmode, sslrootcert, and host with a socket's directory are", key)
		}
	}
	local := filepath.IsAbs(d.target.Host)
	switch {
	case d.target.Host == "":
		return wrong("it names no host")
	case local:
		return nil
	case tls.Off && !policy.Loopback(net.JoinHostPort(d.target.Host, "1")):
		return wrong("sslmode=disable is allowed with a loopback address only")
	case !tls.Off:
		d.target.TLS, err = clientTLS(tls, d.target.Host, slog.New(slog.DiscardHandler))
	}
	return err
}

// connect connects, once.
func (d *dsn) connect(ctx context.Context) (*pgwire.Simple, error) {
	if d.connected != nil {
		return d.connected, nil
	}
	d.target.Password = os.Getenv("PGPASSWORD")
	if d.passwordFile != "" {
		word, err := policy.ReadSecret(d.passwordFile)
		if err != nil {
			return nil, err
		}
		d.target.Password = string(word)
	}
	var err error
	if d.connected, err = release.Connect(ctx, d.target); err != nil {
		return nil, fmt.Errorf("--%s: %w", d.flag, err)
	}
	return d.connected, nil
}

// close ends the connections.
func (t *tables) close() {
	for _, d := range []*dsn{&t.from, &t.to} {
		if d.connected != nil {
			d.connected.Close()
		}
	}
}

// read reads the original.
func (t *tables) read(ctx context.Context, bars *bars) (*table.Table, error) {
	c, err := t.from.connect(ctx)
	if err != nil {
		return nil, err
	}
	data, types, err := release.Read(c, t.from.name, bars.step)
	if err != nil {
		return nil, ended(ctx, fmt.Errorf("%s: %w", t.from.name, err))
	}
	t.types = types
	return data, nil
}

// write writes the release.
func (t *tables) write(ctx context.Context, r *publish.Release, p *model.Policy, policyFile string, bars *bars) error {
	c, err := t.to.connect(ctx)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return err
	}
	model := fmt.Sprintf("k = %d", p.K)
	if p.Synthetic != nil {
		model = fmt.Sprintf("epsilon = %g, delta = %g", p.Synthetic.Epsilon, p.Synthetic.Delta)
	}
	comment := fmt.Sprintf("A release, anonymised by Clarus: %s, %s, policy sha256:%x, made %s.", p.Method, model, sha256.Sum256(text), time.Now().UTC().Format("2006-01-02"))
	err = release.Create(c, t.to.name, r.Table, release.Types(p, r.Table, t.types), comment, bars.step)
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok && se.Code == "42P07" {
		return fmt.Errorf("%s is there already: a second release of the same rows can be intersected with the first; write it elsewhere only if that one never left", t.to.name)
	}
	if err != nil {
		return ended(ctx, fmt.Errorf("%s: %w", t.to.name, err))
	}
	return nil
}

// ended is the reason for an error: the command was told to end, if it was. What
// is not known stays what it is.
func ended(ctx context.Context, err error) error {
	if _, told := errors.AsType[*clarus.Error](err); ctx.Err() != nil && !told {
		return ctx.Err()
	}
	return err
}
