package oracle_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// The Chinook script lies beside the project for its developers and in CI. A
// clone without it uses a small stand-in with the same tables.
const chinookSmall = "testdata/chinook-small.sql"

var chinookFull = flag.String("chinook", "../../../shared/data/chinook/Chinook_PostgreSql.sql", "the Chinook script")

// chinook returns the script. It drops and makes the database chinook, and
// goes on in it.
func chinook() (string, error) {
	text, err := os.ReadFile(*chinookFull)
	if os.IsNotExist(err) {
		text, err = os.ReadFile(chinookSmall)
	}
	return string(text), err
}

// emails are the customers' addresses: what is searched for at the provider.
func emails(script string) []string {
	return regexp.MustCompile(`[a-z0-9._]+@[a-z0-9-]+(\.[a-z]+)+`).FindAllString(script, -1)
}

var chinookTables = []string{"album", "artist", "customer", "employee", "genre", "invoice", "invoice_line", "media_type",
	"playlist", "playlist_track", "track"}

// chinookPlain is what psql prints when plain PostgreSQL runs the script.
var chinookPlain = sync.OnceValues(func() (string, error) { return runChinook(context.Background(), world.Plain) })

func runChinook(ctx context.Context, on *oracle.Target) (string, error) {
	script, err := chinook()
	if err != nil {
		return "", err
	}
	stdout, stderr, err := world.Program(ctx, on, "app", script, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-")
	return stdout + stderr, err
}

// runChinookTables runs what follows the making of the database.
func runChinookTables(ctx context.Context, on *oracle.Target) error {
	script, err := chinook()
	if err != nil {
		return err
	}
	_, tables, found := strings.Cut(script, "\\c chinook;")
	if !found {
		return errors.New("the script does not connect to its database")
	}
	_, _, err = world.Program(ctx, on, "app", tables, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-")
	return err
}

// testChinook has psql run the whole script on both sides, compares every table
// of the database that it makes and asks twelve analytical questions.
func testChinook(t *testing.T, policy string, target *oracle.Target) {
	said, err := chinookPlain()
	if err != nil {
		t.Fatal(err)
	}
	database := "chinook"
	if policy == "clouds" {
		// No database made by SQL has tables at two providers.
		database = "app"
		if err := runChinookTables(t.Context(), target); err != nil {
			t.Fatalf("%s: %v", target.Name, err)
		}
	} else if target.Name != world.Self.Name {
		got, err := runChinook(t.Context(), target)
		if err != nil {
			t.Fatalf("%s: %v", target.Name, err)
		}
		if got != said {
			t.Errorf("psql prints %q, on plain PostgreSQL %q", got, said)
		}
	}
	plain := in(world.Plain, "chinook")
	target = in(target, database)
	for _, table := range chinookTables {
		want, err := world.TableDigest(t.Context(), plain, table)
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
	t.Run("queries", func(t *testing.T) { ask(t, s, policy, plain, target) })
}

// in is another database of a target.
func in(t *oracle.Target, database string) *oracle.Target {
	other := *t
	other.Database = database
	return &other
}

// ask compares a target with plain PostgreSQL as it answers now. The files of
// answers are not compared: they differ between the whole data and the stand-in.
func ask(t *testing.T, s *oracle.Script, policy string, plain, target *oracle.Target) {
	want, err := world.Run(t.Context(), s, plain)
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
