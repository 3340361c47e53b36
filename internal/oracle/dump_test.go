package oracle_test

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// dumpSetup makes objects of all kinds that Clarus has, in both databases alike.
const dumpSetup = `CREATE TYPE d_mood AS ENUM ('sad', 'ok'); CREATE DOMAIN d_short AS varchar(20) CHECK (length(VALUE) > 1);
CREATE TABLE d_person (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, n int DEFAULT 3 CHECK (n > 0), m d_mood, s d_short, twice int GENERATED ALWAYS AS (n * 2) STORED,
  born date, amount numeric(10,2), raw bytea, doc jsonb, list int[], at timestamptz, span interval, flag boolean, tag uuid, fix char(4));
CREATE TABLE d_visit (id serial PRIMARY KEY, person int REFERENCES d_person ON DELETE CASCADE, day date, note text);
CREATE INDEX d_visit_day ON d_visit (day); CREATE UNIQUE INDEX d_visit_two ON d_visit (person, day);
CREATE SEQUENCE d_seq START 5 INCREMENT 2; SELECT nextval('d_seq'), nextval('d_seq'); CREATE SEQUENCE d_fresh;
CREATE VIEW d_view AS SELECT name, n FROM d_person WHERE n > 1;
CREATE FUNCTION d_double(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 2';
CREATE FUNCTION d_block() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
CREATE SCHEMA d_more; CREATE TABLE d_more.t (a int, "Odd name" text); CREATE TABLE d_empty (a int);
COMMENT ON TABLE d_person IS 'people'; COMMENT ON COLUMN d_person.name IS 'their name'; COMMENT ON SCHEMA d_more IS 'more';
GRANT SELECT ON d_person TO report; GRANT USAGE ON SEQUENCE d_seq TO report; GRANT SELECT (note) ON d_visit TO report; REVOKE ALL ON FUNCTION d_double(int) FROM PUBLIC;
CREATE POLICY d_policy ON d_visit USING (id > 0); ALTER TABLE d_visit ENABLE ROW LEVEL SECURITY;
INSERT INTO d_person (name, n, m, s, born, amount, raw, doc, list, at, span, flag, tag, fix) VALUES
  ('cnrydumpone7x2', 7, 'ok', 'cnrydumpsix7x2', '2024-02-29', 12.30, '\x00ff', '{"a": "cnrydumpdoc7x2"}', '{1,NULL,3}', '2024-02-29 12:00+02', '1 mon 2 days 03:00', true, '00000000-0000-0000-0000-000000000001', 'ab'),
  (E'cnrydumptwo7x2\ttab\\ \n', 2, NULL, NULL, '-infinity', 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO d_visit (person, day, note) VALUES (1, '2024-01-01', 'cnrydumpnote7x2'), (2, NULL, NULL), (1, '2024-01-02', '');
INSERT INTO d_more.t VALUES (1, 'cnrydumpodd7x2'); DELETE FROM d_visit WHERE id = 2;`

// once is what pg_dump writes differently each time.
var once = regexp.MustCompile(`(?m)^\\(un)?restrict .*$`)

// dump has pg_dump write a script of a database.
func dump(t *testing.T, target *oracle.Target, args ...string) string {
	t.Helper()
	out, said, err := world.Program(t.Context(), target, "app", "", "pg_dump", args...)
	if err != nil {
		t.Fatalf("pg_dump %s of %s: %v\n%s", strings.Join(args, " "), target.Name, err, said)
	}
	return once.ReplaceAllString(out, "")
}

// TestDump has pg_dump write what it writes of plain PostgreSQL, and restores
// that through Clarus, and what Clarus's has written on plain PostgreSQL.
func TestDump(t *testing.T) {
	plain := fresh(t, world.Plain, "d_source")
	psqlScript(t, plain, dumpSetup)
	for _, policy := range []string{"equality", "mixed", "sealed", "clear"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			i, err := world.Clarus(t.Context(), "dump-"+policy, "testdata/policy-"+policy+".yaml")
			if err != nil {
				t.Fatal(err)
			}
			defer i.Stop()
			here := fresh(t, i.Target, "d_source")
			psqlScript(t, here, dumpSetup)
			same(t, here, plain)
			switch policy {
			case "mixed":
				restored := fresh(t, i.Target, "d_restored")
				psqlScript(t, restored, dump(t, plain))
				same(t, restored, plain)
			case "equality":
				options(t, here, plain)
				moved := fresh(t, world.Plain, "d_moved")
				psqlScript(t, moved, dump(t, here))
				same(t, moved, plain)
				archives(t, i.Target, here, plain)
			}
		})
	}
}

// options compares what pg_dump writes of parts and in other forms.
func options(t *testing.T, got, want *oracle.Target) {
	for _, args := range [][]string{{"--schema-only"}, {"--data-only"}, {"-t", "d_person"}, {"--inserts"}, {"--column-inserts", "-t", "d_visit", "--rows-per-insert=2"},
		{"-n", "d_more"}, {"-N", "d_more", "--no-owner", "--no-privileges"}, {"--clean", "--if-exists"}, {"--section=pre-data"}, {"-T", "d_visit", "--quote-all-identifiers"},
		{"--no-comments", "--disable-triggers", "--data-only"}, {"--serializable-deferrable", "--schema-only"}} {
		same(t, got, want, args...)
	}
}

// fresh makes a database of a target, which ends with the test.
func fresh(t *testing.T, on *oracle.Target, name string) *oracle.Target {
	t.Helper()
	psqlScript(t, on, "CREATE DATABASE "+name)
	t.Cleanup(func() {
		if on == world.Plain { // others end with their cloud
			_, _, err := world.Program(context.WithoutCancel(t.Context()), on, "app", "DROP DATABASE "+name+" WITH (FORCE)", "psql", "-Xq")
			if err != nil {
				t.Error(err)
			}
		}
	})
	return in(on, name)
}

// psqlScript has psql run a script to its end.
func psqlScript(t *testing.T, on *oracle.Target, sql string) {
	t.Helper()
	if _, _, err := world.Program(t.Context(), on, "app", sql, "psql", "-Xq", "-v", "ON_ERROR_STOP=1"); err != nil {
		t.Fatalf("%s: %v", on.Name, err)
	}
}

// same compares what pg_dump writes of two databases.
func same(t *testing.T, got, want *oracle.Target, args ...string) {
	t.Helper()
	if g, w := dump(t, got, args...), dump(t, want, args...); g != w {
		t.Errorf("pg_dump %s of %s:\n%s", strings.Join(args, " "), got.Database, difference(g, w))
	} else if !strings.Contains(g, "PostgreSQL database dump complete") {
		t.Errorf("pg_dump %s writes %q", strings.Join(args, " "), g)
	}
}

// archives writes archives of a database that stands behind Clarus and restores them there.
func archives(t *testing.T, clarus, here, plain *oracle.Target) {
	dir := t.TempDir()
	for n, args := range [][]string{{"-Fc"}, {"-Fd"}} {
		archive := filepath.Join(dir, args[0])
		dump(t, here, append(args, "-f", archive)...)
		to := fresh(t, clarus, fmt.Sprintf("d_archive%d", n))
		if _, said, err := world.Program(t.Context(), to, "app", "", "pg_restore", "-d", to.Database, "--exit-on-error", archive); err != nil {
			t.Errorf("pg_restore %s: %v\n%s", args[0], err, said)
		}
		same(t, to, plain)
	}
	out, _, err := world.Program(t.Context(), here, "app", "", "pg_dump", "-Fd", "-j", "2", "-f", filepath.Join(dir, "parallel"))
	if err == nil || !strings.Contains(err.Error(), "is not supported through Clarus") {
		t.Errorf("pg_dump -j: %v %s", err, out)
	}
}

// difference is the first lines in which two texts differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			return "got  " + strings.Join(g[min(i, len(g)):min(i+8, len(g))], "\n     ") + "\nwant " + strings.Join(w[min(i, len(w)):min(i+8, len(w))], "\n     ")
		}
	}
	return ""
}
