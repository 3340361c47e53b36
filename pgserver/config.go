// Package pgserver runs a real PostgreSQL server as a child of this process:
// it finds the binaries, makes the cluster, starts it as an unprivileged user
// with an empty environment, restarts it after a crash, and leaves nothing
// running or on disk that should not stay.
//
// Who may connect: by default every connection needs a password (SCRAM), also
// over the Unix socket, whose directory moreover only root and the server's own
// user can enter. The password is random unless given, and never on disk.
// Another process of the server's own user can still read its files: give a
// server that holds secrets a user that nothing else runs as.
package pgserver

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
)

// A Config says which server to run. The zero value of every field but Dir is a
// sound default.
type Config struct {
	// Dir is where the cluster lives. It is created if missing; its parents must
	// let the server's user through, which those of testing.T.TempDir do not when
	// root runs the test. "" makes a directory for temporary files; Temporary only.
	Dir string
	// Temporary clusters are removed by Stop, Dir included, and not synced to disk.
	Temporary bool

	BinDir       string // where postgres and initdb are; "" is what Find finds
	Locale       string // initdb --locale; "" is "C". The encoding is always UTF-8
	WALSegmentMB int    // initdb --wal-segsize; 0 is PostgreSQL's default

	// Settings are for postgresql.conf and override the defaults; of these, one
	// may surprise: log_min_messages is fatal, so that nothing that a client sent
	// is logged. Whoever wants log_statement must also set log_min_messages = log.
	Settings map[string]string

	Superuser string   // "" is "postgres"
	Password  string   // printable ASCII; "" is a random one. It is set anew by every Start
	HBA       []string // lines of pg_hba.conf; nil: the password is needed everywhere, and TCP is for this machine only

	// Listen is an address and port for TCP, as "127.0.0.1:5432". Port 0 is a free
	// one; no address is 127.0.0.1. "" is the Unix socket only.
	Listen string

	User string   // the user to run as when this process is root; "" is postgres, else nobody
	Env  []string // added to the server's environment, which otherwise has PGDATA, TZ and LC_* only

	Log io.Writer // the server's log; nil drops it. Its last lines are in error messages anyway
	// Memory is the most address space that each of the server's processes may
	// have, in bytes, what they share included; 0: no limit. A statement that
	// needs more fails with SQLSTATE 53200.
	Memory int64

	Restart bool // start the server again after a crash, with growing pauses

	pause time.Duration // before the first restart; 0 is firstPause. For tests
}

// superuserName is stricter than PostgreSQL: initdb itself fails on a quote.
var superuserName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// complete checks a configuration and fills in the defaults.
func (c Config) complete() (Config, error) {
	if c.Locale == "" {
		c.Locale = "C"
	}
	if c.pause == 0 {
		c.pause = firstPause
	}
	if c.Superuser == "" {
		c.Superuser = "postgres"
	}
	if c.Password == "" {
		c.Password = rand.Text()
	}
	if strings.ContainsFunc(c.Password, func(r rune) bool { return r < ' ' || r > '~' }) {
		return c, misconfigured("the superuser's password has characters that are not printable ASCII", "Choose a password of letters, digits and signs.")
	}
	if !superuserName.MatchString(c.Superuser) || strings.HasPrefix(c.Superuser, "pg_") {
		return c, misconfigured(fmt.Sprintf("%q cannot be the superuser's name", c.Superuser),
			"Choose letters, digits and underscores; names that begin with pg_ are PostgreSQL's own.")
	}
	for _, text := range []string{c.Dir, c.Locale} {
		if strings.ContainsAny(text, "\n\r\x00") {
			return c, misconfigured(fmt.Sprintf("%q has more than one line", text), "")
		}
	}
	if err := checkSettings(c.Settings); err != nil {
		return c, err
	}
	if err := checkHBA(c.HBA); err != nil {
		return c, err
	}
	if strings.HasPrefix(c.Listen, ":") {
		c.Listen = "127.0.0.1" + c.Listen
	}
	if _, err := netip.ParseAddrPort(c.Listen); c.Listen != "" && err != nil {
		return c, misconfigured(fmt.Sprintf("%q is not an address to listen on", c.Listen), `Give an IP address and a port, as "127.0.0.1:5432".`)
	}
	return c, nil
}

// binaries are those in BinDir, else those that Find finds.
func (c Config) binaries() (Binaries, error) {
	if c.BinDir == "" {
		return Find()
	}
	return findIn([]string{c.BinDir})
}

// misconfigured makes the error for what the owner has to change.
func misconfigured(msg, hint string) *clarus.Error {
	return &clarus.Error{Op: "start postgres", Kind: clarus.Misconfigured, Msg: msg, Hint: hint}
}
