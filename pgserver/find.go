package pgserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
)

// Oldest is the oldest major version of PostgreSQL that is accepted.
const Oldest = 15

// Binaries is a directory with a PostgreSQL server's programs.
type Binaries struct {
	Dir     string
	Major   int
	Version string // as the server prints it
}

func (b Binaries) path(program string) string { return filepath.Join(b.Dir, program) }

// Find looks for a server of version Oldest or later: in PATH, then where
// pg_config points, then where Debian and Homebrew put it, there the latest,
// then where scripts/setup unpacks npm's.
// The error says what was found instead.
func Find() (Binaries, error) { return findIn(candidates()) }

// candidates lists the directories where a server may be, best first.
func candidates() []string {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			p = real
		}
		dirs = append(dirs, filepath.Dir(p))
	}
	if out, err := output("pg_config", "--bindir"); err == nil {
		dirs = append(dirs, out)
	}
	cache, _ := os.UserCacheDir()
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // PGDG on Red Hat and its relatives
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/var/cache/clarus/postgresql-*/bin", // scripts/setup, as root
		filepath.Join(cache, "clarus/postgresql-*/bin"),
	} {
		found, _ := filepath.Glob(pattern) // the pattern is well-formed
		slices.SortStableFunc(found, func(a, b string) int { return number(b) - number(a) })
		dirs = append(dirs, found...)
	}
	return dirs
}

// findIn returns the first of dirs that has a server new enough.
func findIn(dirs []string) (Binaries, error) {
	var rejected []string
	for _, dir := range dirs {
		b, err := inspect(dir)
		if err == nil {
			return b, nil
		}
		if text := err.Error(); !slices.Contains(rejected, text) {
			rejected = append(rejected, text)
		}
	}
	msg := "no PostgreSQL server was found"
	if len(rejected) > 0 {
		msg += " that can be used: " + strings.Join(rejected, "; ")
	}
	return Binaries{}, &clarus.Error{Op: "find postgres", Kind: clarus.Misconfigured, Msg: msg,
		Hint: fmt.Sprintf("Install PostgreSQL %d or later with its server programs (Debian: apt-get install postgresql-%d; "+
			"macOS: brew install postgresql@%d), or say in which directory postgres and initdb are.", Oldest, Oldest, Oldest)}
}

// inspect reads the version of the server in dir.
func inspect(dir string) (Binaries, error) {
	b := Binaries{Dir: dir}
	for _, program := range []string{"postgres", "initdb"} {
		if _, err := exec.LookPath(b.path(program)); err != nil {
			return b, fmt.Errorf("%s has no program %s", dir, program)
		}
	}
	out, err := output(b.path("postgres"), "--version")
	if err != nil {
		return b, fmt.Errorf("%s does not run: %w", b.path("postgres"), err)
	}
	if b.Major = majorOf(out); b.Major == 0 {
		return b, fmt.Errorf("%s gives its version as %q", b.path("postgres"), out)
	}
	b.Version = out
	if b.Major < Oldest {
		return b, fmt.Errorf("%s is version %d", dir, b.Major)
	}
	return b, nil
}

var versionText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// majorOf takes the major version out of "postgres (PostgreSQL) 17beta1 ..."; 0 if it is none.
func majorOf(version string) int {
	m := versionText.FindStringSubmatch(version)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

var digits = regexp.MustCompile(`\d+`)

// number is the first number in a path, 0 if it has none.
func number(path string) int {
	n, _ := strconv.Atoi(digits.FindString(path))
	return n
}

// output runs a program that should answer at once and returns its trimmed output.
func output(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).Output()
	return strings.TrimSpace(string(out)), err
}
