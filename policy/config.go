package policy

import (
	"path/filepath"
	"time"

	"github.com/clarus-project/clarus/technique"
)

// A Config is a checked configuration file. Its paths are absolute, its
// defaults are filled in, and its secrets are not read yet.
type Config struct {
	File      string // as given to LoadConfig
	Listen    Listen
	Users     map[string]User
	Databases map[string]Database
	Created   Created
	Providers map[string]Provider
	Keyring   Keyring
	Audit     string // the audit log's file
	State     string // the directory of what is pinned on this side
	Twin      Twin
	Limits    Limits
}

// Listen says where applications connect.
type Listen struct {
	Postgres string // host:port; an empty host means every interface, port 0 a free one
	TLS      ServerTLS
}

// ServerTLS is Clarus's own certificate. Off occurs on loopback addresses only.
type ServerTLS struct {
	Off              bool
	Certificate, Key string // PEM files
}

// A User is someone who may log in. Exactly one of Verifier and Password is set.
type User struct {
	Verifier string    // SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
	Password SecretRef // the password itself
	Owner    bool
	Private  bool // aggregate: dp: gets differentially private answers only
	Release  bool // sees releases in place of their originals, and changes nothing
}

// A Database is one logical database.
type Database struct {
	Policy          string // the policy's file; "": everything is sealed
	DefaultProvider string // a key of Providers
	BySQL           bool   // CREATE DATABASE makes it
}

// Created is what holds for databases that CREATE DATABASE makes and Databases
// does not name.
type Created struct {
	Policy          string // the policy's file; "": everything is sealed
	DefaultProvider string // a key of Providers; "": that of the database where the statement was given
}

// A Provider is an untrusted service.
type Provider struct {
	Postgres     Postgres
	Jurisdiction string // ISO 3166-1 code, or ""
}

// Postgres says how to connect to a PostgreSQL server.
type Postgres struct {
	Address  string // host:port
	Database string // "": the logical database's name
	User     string
	Password SecretRef // zero: the server asks for none
	TLS      ClientTLS
}

// ClientTLS says how a provider's certificate is checked. Off occurs with
// loopback addresses only.
type ClientTLS struct {
	Off  bool
	Mode string // verify-full, or verify-ca: the host name is not compared
	CA   string // PEM file; "": the system's authorities
}

// A Keyring is the file of wrapped keys and what opens it: exactly one of
// Passphrase and RootKey is set.
type Keyring struct {
	File       string
	Passphrase SecretRef
	RootKey    SecretRef // 64 hexadecimal digits
}

// Twin is the settings of the logical twin.
type Twin struct {
	Directory string
	User      string // of the operating system, where Clarus runs as root
	Memory    int64  // bytes
	Temporary int64  // bytes
	Timeout   time.Duration
}

// Limits bound what clients can make Clarus do.
type Limits struct {
	Message      int64 // bytes
	ResidualRows int64
	Connections  int
}

// PolicyOf loads the policy of a logical database and checks that the
// providers and users it names exist. A database without one has everything sealed.
func (c *Config) PolicyOf(database string, offers technique.List) (*Policy, error) {
	file := c.Created.Policy
	if d, ok := c.Databases[database]; ok {
		file = d.Policy
	}
	if file == "" {
		return Sealed(offers), nil
	}
	p, err := Load(file, offers)
	if err != nil {
		return nil, err
	}
	if err := p.CheckProviders(c.Providers); err != nil {
		return nil, err
	}
	return p, p.CheckUsers(c.Users)
}

// LoadConfig reads and checks a configuration file. The error is an Errors
// with every mistake in it. Nothing that the file names is opened.
func LoadConfig(path string) (*Config, error) {
	src, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return ParseConfig(path, src)
}

// ParseConfig is LoadConfig with the file's bytes; path is what relative
// paths are relative to, and what errors name.
func ParseConfig(path string, src []byte) (*Config, error) {
	r := &report{file: path}
	root := r.parse(src)
	if root == nil {
		return nil, r.err()
	}
	r.check(configGrammar(), root)
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		r.add(position{}, "the current directory is unknown", "give an absolute path")
		return nil, r.err()
	}
	cr := configReader{report: r, dir: dir, told: r.places()}
	c := cr.config(root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}
