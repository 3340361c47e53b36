package policy

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// A configReader turns a checked tree into a Config and reports what the
// schema cannot say: units, addresses, and values that contradict each other.
type configReader struct {
	*report
	dir  string            // what relative paths are relative to
	told map[position]bool // places that the schema complained of
}

// wrong reports a mistake, unless the schema has complained of the place.
func (r *configReader) wrong(n *node, msg, remedy string) {
	if !r.told[n.at] {
		r.add(n.at, msg, remedy)
	}
}

// wrongAt reports whether the schema has complained of the value.
func (r *configReader) wrongAt(n *node) bool { return n != nil && r.told[n.at] }

func (r *configReader) config(root *node) *Config {
	c := &Config{File: r.file}
	c.Listen = r.listen(root.get("listen"))
	c.Users = r.users(root)
	c.Providers = r.providers(root.get("providers"), c.Listen.Postgres)
	c.Databases = r.databases(root.get("databases"), c.Providers)
	c.Created = r.created(root.get("created-databases"), c.Providers)
	k := root.get("keyring")
	c.Keyring = Keyring{r.path(k, "file"), r.secret(k, "passphrase"), r.secret(k, "root-key")}
	c.Audit = r.path(root.get("audit"), "file")
	c.State = r.path(root, "state")
	t := root.get("twin")
	c.Twin = Twin{
		Directory: cmp.Or(r.path(t, "directory"), "/dev/shm/clarus"),
		User:      cmp.Or(t.text("user"), "postgres"),
		Memory:    r.size(t, "memory", 256<<20),
		Temporary: r.size(t, "temporary", 1<<30),
		Timeout:   r.duration(t, "timeout", 60*time.Second),
	}
	l := root.get("limits")
	c.Limits = Limits{
		Message:      r.size(l, "message", 64<<20),
		ResidualRows: cmp.Or(value[int64](l.get("residual-rows")), 5_000_000),
		Connections:  int(cmp.Or(value[int64](l.get("connections")), 100)),
	}
	if m := c.Limits.Message; m < 64<<10 || m > 1<<30 {
		r.wrong(l.get("message"), "message must be between 64kB and 1GB", "PostgreSQL takes no larger value than 1GB")
	}
	r.distinct(root, c)
	return c
}

// distinct reports files of Clarus's own that would overwrite each other.
func (r *configReader) distinct(root *node, c *Config) {
	keyring := root.get("keyring").get("file")
	audit := root.get("audit").get("file")
	if c.Audit != "" && c.Audit == c.Keyring.File {
		r.wrong(audit, "the audit log and the keyring are one file", fmt.Sprintf("the keyring's is named at line %d; give the log its own", keyring.at.line))
	}
	if c.State == "" {
		return
	}
	if c.State == c.Audit || c.State == c.Keyring.File {
		r.wrong(root.get("state"), "state names a file that is used otherwise", "name a directory of its own")
	}
}

func (r *configReader) listen(n *node) Listen {
	l := Listen{Postgres: n.text("postgres")}
	if at := n.get("postgres"); l.Postgres != "" {
		if err := checkAddress(l.Postgres, true); err != nil {
			r.wrong(at, "postgres "+err.Error(), "for example 127.0.0.1:6432")
		}
	}
	tls := n.get("tls")
	l.TLS = ServerTLS{Off: value[string](tls) == "off", Certificate: r.path(tls, "certificate"), Key: r.path(tls, "key")}
	if l.TLS.Off && checkAddress(l.Postgres, true) == nil && !Loopback(l.Postgres) {
		r.wrong(tls, "tls: off is allowed on loopback addresses only", "listen on 127.0.0.1, or name a certificate and a key")
	}
	return l
}

func (r *configReader) users(root *node) map[string]User {
	users := map[string]User{}
	owner := false
	n := root.get("users")
	if n == nil {
		return users
	}
	for _, f := range n.fields {
		u := User{Verifier: f.value.text("verifier"), Password: r.secret(f.value, "password"), Owner: value[bool](f.value.get("owner")),
			Private: f.value.text("aggregate") != "", Release: f.value.text("sees") == "release"}
		if u.Owner && u.Private {
			r.wrong(f.value.get("aggregate"), "aggregate: dp contradicts owner: true, who sees everything", "keep one of the two")
		}
		if u.Release && (u.Owner || u.Private) {
			r.wrong(f.value.get("sees"), "sees: release contradicts owner and aggregate", "keep one of them")
		}
		if u.Verifier != "" {
			if err := checkVerifier(u.Verifier); err != nil {
				r.wrong(f.value.get("verifier"), "verifier "+err.Error(), "make it anew, or use password-env or password-file")
			}
		}
		if f.name == "" {
			r.add(f.at, "the user's name is empty", "")
		}
		users[f.name] = u
		owner = owner || u.Owner || r.wrongAt(f.value.get("owner"))
	}
	if !owner && len(n.fields) > 0 {
		r.add(n.at, "no user is an owner", "give one of them owner: true")
	}
	return users
}

func (r *configReader) providers(n *node, listen string) map[string]Provider {
	providers := map[string]Provider{}
	if n == nil {
		return providers
	}
	for _, f := range n.fields {
		if f.name == "" {
			r.add(f.at, "the provider's name is empty", "")
		}
		providers[f.name] = Provider{
			Postgres:     r.postgres(f.value.get("postgres"), listen),
			Jurisdiction: f.value.text("jurisdiction"),
		}
	}
	return providers
}

func (r *configReader) postgres(n *node, listen string) Postgres {
	p := Postgres{Address: n.text("address"), Database: n.text("database"), User: n.text("user"), Password: r.secret(n, "password")}
	if at := n.get("address"); p.Address != "" {
		if err := checkAddress(p.Address, false); err != nil {
			r.wrong(at, "address "+err.Error(), "for example db.example.org:5432")
		}
		if p.Address == listen {
			r.wrong(at, "the provider's address is the one that Clarus listens on", "name the server that stores")
		}
	}
	if n.get("password-env") != nil && n.get("password-file") != nil {
		r.wrong(n.get("password-file"), "password-env and password-file contradict each other", "keep one")
	}
	tls := n.get("tls")
	p.TLS = ClientTLS{Off: value[string](tls) == "off", Mode: tls.text("mode"), CA: r.path(tls, "ca")}
	if tls == nil {
		p.TLS.Mode = "verify-full"
	}
	if p.TLS.Off && checkAddress(p.Address, false) == nil && !Loopback(p.Address) {
		r.wrong(tls, "tls: off is allowed with a loopback address only", "for example tls: {mode: verify-full, ca: ca.pem}")
	}
	return p
}

func (r *configReader) databases(n *node, providers map[string]Provider) map[string]Database {
	databases := map[string]Database{}
	if n == nil {
		return databases
	}
	names := slices.Sorted(maps.Keys(providers))
	all := true
	for _, f := range n.fields {
		if f.name == "" {
			r.add(f.at, "the database's name is empty", "")
		}
		d := Database{Policy: r.path(f.value, "policy"), DefaultProvider: f.value.text("default-provider"), BySQL: value[bool](f.value.get("created-by-sql"))}
		_, known := providers[d.DefaultProvider]
		switch {
		case len(names) == 0 || known:
		case d.DefaultProvider != "":
			r.noProvider(f.value.get("default-provider"), names)
		case len(names) == 1:
			d.DefaultProvider = names[0]
		default:
			r.wrong(&node{at: f.at}, fmt.Sprintf("database %s needs default-provider: there are %d providers", f.name, len(names)),
				"choose one of "+enumerate(names, "and"))
		}
		databases[f.name] = d
		all = all && d.BySQL
	}
	if all && len(n.fields) > 0 {
		r.wrong(n, "every database is created by SQL", "name one that exists: it is where CREATE DATABASE can be said")
	}
	return databases
}

func (r *configReader) noProvider(n *node, names []string) {
	r.wrong(n, "there is no provider "+value[string](n), suggest(value[string](n), names))
}

func (r *configReader) created(n *node, providers map[string]Provider) Created {
	c := Created{Policy: r.path(n, "policy"), DefaultProvider: n.text("default-provider")}
	if _, known := providers[c.DefaultProvider]; c.DefaultProvider != "" && !known && len(providers) > 0 {
		r.noProvider(n.get("default-provider"), slices.Sorted(maps.Keys(providers)))
	}
	return c
}

// secret reads the fields stem-env and stem-file.
func (r *configReader) secret(n *node, stem string) SecretRef {
	ref := SecretRef{Env: n.text(stem + "-env"), File: r.path(n, stem+"-file")}
	for _, suffix := range []string{"-env", "-file"} {
		if at := n.get(stem + suffix); at != nil {
			ref.at = at.at
		}
	}
	return ref
}

// path reads a field as a path, made absolute; "" if it is absent.
func (r *configReader) path(n *node, name string) string {
	p := n.text(name)
	if p == "" {
		return ""
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(r.dir, p)
	}
	return filepath.Clean(p)
}

func (r *configReader) size(n *node, name string, otherwise int64) int64 {
	return measure(r, n, name, otherwise, parseSize)
}

func (r *configReader) duration(n *node, name string, otherwise time.Duration) time.Duration {
	return measure(r, n, name, otherwise, parseDuration)
}

// measure reads a field with a unit; absent or wrong, it is as otherwise.
func measure[T any](r *configReader, n *node, name string, otherwise T, parse func(string) (T, error)) T {
	s := n.text(name)
	if s == "" {
		return otherwise
	}
	v, err := parse(s)
	if err != nil {
		r.wrong(n.get(name), name+" "+err.Error(), "")
		return otherwise
	}
	return v
}
