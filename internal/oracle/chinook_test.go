package oracle_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// The Chinook script lies beside the project for its developers and in CI. A
// clone without it uses a small stand-in with the same tables.
const chinookSmall = "testdata/chinook-small.sql"

var chinookFull = flag.String("chinook", "../../../shared/data/chinook/Chinook_PostgreSql.sql", "the Chinook script")

// chinook returns the script from its first CREATE TABLE on.
func chinook(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(*chinookFull)
	if os.IsNotExist(err) {
		t.Logf("%s is not here: %s is used instead", *chinookFull, chinookSmall)
		text, err = os.ReadFile(chinookSmall)
	}
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(text), "CREATE TABLE")
	if i < 0 {
		t.Fatal("the script creates no table")
	}
	return string(text[i:])
}

// emails are the customers' addresses: what is searched for at the provider.
func emails(script string) []string {
	return regexp.MustCompile(`[a-z0-9._]+@[a-z0-9-]+(\.[a-z]+)+`).FindAllString(script, -1)
}

var chinookTables = []string{"album", "artist", "customer", "employee", "genre", "invoice", "invoice_line", "media_type",
	"playlist", "playlist_track", "track"}

// testChinook loads the script on both sides with psql, compares every table
// and asks twelve analytical questions.
func testChinook(t *testing.T, policy string, target *oracle.Target) {
	script := chinook(t)
	for _, on := range []*oracle.Target{world.Plain, target} {
		if on == world.Plain && loaded(t, on) {
			continue
		}
		if _, stderr, err := world.Program(t.Context(), on, "app", script, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"); err != nil {
			t.Fatalf("%s: %v", on.Name, err)
		} else if stderr != "" {
			t.Fatalf("%s: psql complained: %s", on.Name, stderr)
		}
	}
	for _, table := range chinookTables {
		want, err := world.TableDigest(t.Context(), world.Plain, table)
		if err != nil {
			t.Fatal(err)
		}
		got, err := world.TableDigest(t.Context(), target, table)
		if err != nil || got != want {
			t.Errorf("%s: got %v (%v), plain PostgreSQL has %v", table, got, err, want)
		}
	}
	s, err := oracle.ReadScript("testdata/chinook/queries.test")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("queries", func(t *testing.T) { ask(t, s, policy, target) })
}

// loaded reports whether the Chinook tables are there already.
func loaded(t *testing.T, on *oracle.Target) bool {
	t.Helper()
	tables, err := world.Tables(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tables {
		if name == "playlist_track" {
			return true
		}
	}
	return false
}

// ask compares a target with plain PostgreSQL as it answers now. The files of
// answers are not compared: they differ between the whole data and the stand-in.
func ask(t *testing.T, s *oracle.Script, policy string, target *oracle.Target) {
	want, err := world.Run(t.Context(), s, world.Plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := world.Run(t.Context(), s, target)
	if err != nil {
		t.Fatal(err)
	}
	for i, sec := range s.Sections {
		if wrong := sec.Check(want[i]); wrong != "" {
			t.Errorf("%s:%d: on plain PostgreSQL: %s", s.Path, sec.Line, wrong)
		}
		if !strings.Contains(want[i][0].Text, " | ") {
			t.Errorf("%s:%d: plain PostgreSQL finds nothing to compare: %s", s.Path, sec.Line, want[i][0].Text)
		}
		if wrong := sec.Judge(policy, want[i], got[i]); wrong != "" {
			t.Errorf("%s:%d: %s", s.Path, sec.Line, wrong)
		}
	}
}
