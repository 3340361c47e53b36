package oracle_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/canary"
	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

// releases is an instance with published tables, and the names of the patients.
type releases struct {
	*oracle.Instance
	names []string // canaries
	next  int
}

// open connects as a user.
func (r *releases) open(t *testing.T, user string) *oracle.Session {
	t.Helper()
	return opened(t, r.Target.As(user))
}

// outside connects to the second provider itself, as anybody there might.
func (r *releases) outside(t *testing.T) *oracle.Session {
	t.Helper()
	return opened(t, pgwire.Target{Host: "127.0.0.1", Port: r.Second.Port, Database: "second", User: "clarus", Password: oracle.Password, Timeout: time.Minute})
}

func opened(t *testing.T, target pgwire.Target) *oracle.Session {
	t.Helper()
	s, err := oracle.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// admit adds patients.
func (r *releases) admit(t *testing.T, s *oracle.Session, n int) {
	t.Helper()
	var rows []string
	for range n {
		i := r.next
		r.next++
		rows = append(rows, fmt.Sprintf("(%d, '%s', date '1940-01-01' + %d, '%s', 'illness %d', '%s')", i, r.names[i], i*7919%25000, []string{"Bonn", "Köln", "Trier"}[i%3], i*31%7, openWard))
	}
	mustRows(t, s, "INSERT INTO patient VALUES "+strings.Join(rows, ", "))
}

// openWard is a canary that is published: the search at the end must find it.
var openWard = canary.NewSource("a ward").Text()

// satisfied checks by SQL at the provider that the release has k = 4 and two
// illnesses in each class, and returns its number of rows.
func satisfied(t *testing.T, at *oracle.Session) int {
	t.Helper()
	wantRows(t, at, "SELECT count(*) FILTER (WHERE n < 4), count(*) FILTER (WHERE ills < 2) FROM (SELECT count(*) n, count(DISTINCT illness) ills FROM release.patient GROUP BY born, town) c", "0|0")
	n := 0
	if _, err := fmt.Sscan(mustRows(t, at, "SELECT count(*) FROM release.patient")[0][0], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestReleases publishes tables at a second provider, reads them there and
// through Clarus, changes the originals, and searches for identifiers.
func TestReleases(t *testing.T) {
	i, relay, err := world.Releasing(t.Context(), "releases", "testdata/policy-releases.yaml", "testdata/patient.publish.yaml", "testdata/visit.publish.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := &releases{Instance: i}
	source := canary.NewSource("patients")
	for range 200 {
		r.names = append(r.names, source.Text())
	}
	t.Cleanup(func() {
		if log, _ := os.ReadFile(i.Log); t.Failed() {
			said, _ := os.ReadFile(i.Second.Log)
			t.Logf("clarus printed:\n%s\nthe second cloud's last words:\n%s", log, said[max(0, len(said)-4000):])
		}
		if relay != nil {
			_ = relay.Close()
		}
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	owner := r.open(t, "app")
	wantCode(t, owner, "REFRESH MATERIALIZED VIEW release.patient", "42P01") // there is no such table yet
	mustRows(t, owner, "CREATE TABLE patient (id int PRIMARY KEY, name text NOT NULL, born date NOT NULL, town text NOT NULL, illness text NOT NULL, ward text)")
	r.admit(t, owner, 60)
	mustRows(t, owner, "REFRESH MATERIALIZED VIEW release.patient")
	at := r.outside(t)
	if n := satisfied(t, at); n != 60 {
		t.Errorf("%d rows are released, not 60", n)
	}
	wantRows(t, at, "SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'release.patient'::regclass AND attnum > 0",
		"born text, town text, illness text, ward text")
	wantRows(t, at, "SELECT name, state, rows FROM release.releases WHERE name = 'patient'", "patient|1|60")
	t.Run("roles", func(t *testing.T) { r.testRoles(t) })
	t.Run("attacked", func(t *testing.T) { r.testAttacked(t) })
	t.Run("kept", func(t *testing.T) { r.testKept(t) })
	t.Run("changes", func(t *testing.T) { r.testChanges(t) })
	t.Run("killed", func(t *testing.T) { r.testKilled(t, relay.Path()) })
	t.Run("every", func(t *testing.T) { r.testEvery(t) })
	t.Run("state lost", func(t *testing.T) { r.testLost(t) })
	t.Run("withdrawn", func(t *testing.T) { r.testWithdrawn(t) })
	t.Run("canary", func(t *testing.T) {
		if err := relay.Close(); err != nil {
			t.Error(err)
		}
		r.search(t, relay.Path())
		relay = nil
	})
}

// testRoles reads as a user who sees releases, who must not get at the original.
func (r *releases) testRoles(t *testing.T) {
	owner, analyst := r.open(t, "app"), r.open(t, "analyst")
	mustRows(t, owner, "CREATE TABLE hidden (a text)")
	mustRows(t, owner, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO analyst")
	mustRows(t, owner, "CREATE VIEW seen AS SELECT name FROM patient")
	mustRows(t, owner, "GRANT SELECT ON seen TO analyst")
	mustRows(t, owner, "CREATE FUNCTION named() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT min(name) FROM public.patient'")
	wantRows(t, owner, "SELECT count(*), count(name) FROM patient", "60|60")
	wantRows(t, analyst, "SELECT count(*) FROM patient", "60")
	wantRows(t, analyst, "SELECT count(*) FROM release.patient WHERE ward = '"+openWard+"'", "60")
	wantRows(t, analyst, "SELECT min(n) >= 4 FROM (SELECT count(*) n FROM patient GROUP BY born, town) c", "t")
	wantRows(t, analyst, "SELECT state FROM releases", "1")
	if r := mustRows(t, owner, "SHOW clarus.releases"); !strings.Contains(r[0][0], "release.patient: state 1 ") {
		t.Errorf("SHOW clarus.releases: %q", r)
	}
	wantCode(t, analyst, "SELECT name FROM patient", "42703")
	for _, sql := range []string{
		"SELECT count(*) FROM public.patient", "EXPLAIN SELECT 1 FROM public.patient WHERE name = 'a'", "TABLE hidden", "TABLE seen", "SELECT named()", "SELECT 1 FROM release.patient, public.patient", "COPY public.patient TO STDOUT", "COPY (SELECT name FROM seen) TO STDOUT",
		"BEGIN; DECLARE c CURSOR FOR SELECT name FROM public.patient", "ROLLBACK; PREPARE p AS SELECT name FROM public.patient; EXECUTE p",
		"SELECT 1 FROM patient FOR UPDATE", "DELETE FROM patient", "INSERT INTO patient VALUES ('a')", "CREATE TABLE mine (a int)", "DO $$BEGIN PERFORM 1; END$$", "TRUNCATE patient", "COPY patient FROM STDIN",
		"REFRESH MATERIALIZED VIEW release.patient", "LOCK TABLE patient", "SET clarus.view = 'cloud-b'", "SHOW clarus.releases", "WITH d AS (DELETE FROM patient RETURNING 1) SELECT 1",
	} {
		wantCode(t, analyst, sql, "42501")
	}
	mustRows(t, owner, "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM analyst")
	wantCode(t, r.open(t, "report"), "SELECT 1 FROM release.patient", "42501")
	mustRows(t, owner, "DROP VIEW seen; DROP FUNCTION named(); DROP TABLE hidden")
}

// testKept has an owner try to write and change releases: only Clarus does.
func (r *releases) testKept(t *testing.T) {
	owner := r.open(t, "app")
	mustRows(t, owner, "CREATE VIEW over AS SELECT * FROM release.patient")
	mustRows(t, owner, "CREATE FUNCTION clean() RETURNS void LANGUAGE plpgsql AS 'BEGIN DELETE FROM release.patient; END'")
	mustRows(t, owner, "CREATE TABLE plain (a text); CREATE SCHEMA elsewhere; CREATE SCHEMA open")
	wantCode(t, owner, "ALTER SCHEMA release RENAME TO other", "0A000")
	for _, sql := range []string{
		"INSERT INTO release.patient VALUES ('" + r.names[0] + "')", "UPDATE release.patient SET born = 'x'", "DELETE FROM release.patient", "TRUNCATE release.patient", "COPY release.patient FROM STDIN",
		"DELETE FROM over", "SELECT clean()", "DO $$BEGIN DELETE FROM release.patient; END$$", "MERGE INTO release.patient USING plain ON false WHEN NOT MATCHED THEN INSERT (born) VALUES ('x')",
		"DROP TABLE release.patient CASCADE", "DROP SCHEMA release CASCADE", "ALTER TABLE release.patient ADD COLUMN name text", "ALTER TABLE release.patient RENAME TO person",
		"ALTER TABLE release.patient SET SCHEMA elsewhere", "CREATE TABLE open.visit (name text)", "CREATE TABLE open.visit AS SELECT name FROM patient", "DELETE FROM release.releases",
		"BEGIN; ALTER TABLE plain RENAME TO visit; ALTER TABLE visit SET SCHEMA open",
	} {
		wantCode(t, owner, sql, "42501")
		if strings.HasPrefix(sql, "BEGIN") {
			mustRows(t, owner, "ROLLBACK")
		}
	}
	wantCode(t, owner, "REFRESH MATERIALIZED VIEW plain", "42809")
	wantCode(t, owner, "BEGIN; REFRESH MATERIALIZED VIEW release.patient", "25001")
	mustRows(t, owner, "ROLLBACK; DROP VIEW over; DROP FUNCTION clean(); DROP TABLE plain; DROP SCHEMA elsewhere")
	if n := satisfied(t, r.outside(t)); n != 60 {
		t.Errorf("the release has %d rows, not 60", n)
	}
}

// testChanges has the release follow inserts, updates and deletions.
func (r *releases) testChanges(t *testing.T) {
	owner, at := r.open(t, "app"), r.outside(t)
	gone := canary.NewSource("an illness").Text()
	mustRows(t, owner, "UPDATE patient SET illness = '"+gone+"' WHERE id = 7")
	mustRows(t, owner, "REFRESH MATERIALIZED VIEW release.patient")
	before := satisfied(t, at)
	r.admit(t, owner, 3)
	mustRows(t, owner, "REFRESH MATERIALIZED VIEW release.patient")
	if n := satisfied(t, at); n != before {
		t.Errorf("three new rows are fewer than k, yet %d rows were released after %d", n, before)
	}
	r.admit(t, owner, 20)
	mustRows(t, owner, "DELETE FROM patient WHERE id IN (7, 8)")
	mustRows(t, owner, "UPDATE patient SET town = 'Mainz' WHERE id BETWEEN 20 AND 22")
	mustRows(t, owner, "REFRESH MATERIALIZED VIEW patient")
	if n := satisfied(t, at); n < before || n > 81 {
		t.Errorf("%d rows are released after %d and 23 new ones", n, before)
	}
	wantRows(t, at, "SELECT count(*) FROM release.patient WHERE illness = '"+gone+"'", "0")
	mustRows(t, owner, "ALTER TABLE patient ALTER COLUMN ward TYPE varchar(40)")
	mustRows(t, owner, "REFRESH MATERIALIZED VIEW release.patient")
	satisfied(t, at)
	wantRows(t, at, "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'release.patient'::regclass AND attname = 'ward'", "character varying(40)")
	wantRows(t, r.open(t, "analyst"), "SELECT count(*) = (SELECT rows FROM releases WHERE name = 'patient') FROM patient", "t")
	state := mustRows(t, at, "SELECT state FROM release.releases WHERE name = 'patient'")
	mustRows(t, owner, "REFRESH MATERIALIZED VIEW release.patient")
	wantRows(t, at, "SELECT state FROM release.releases WHERE name = 'patient'", state[0][0]) // nothing changed
}

// covers are the generalised dates in a text.
func covers(text string) []string {
	list := regexp.MustCompile(`\[\d{4}-\d\d-\d\d,\d{4}-\d\d-\d\d\]`).FindAllString(text, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

// testKilled ends Clarus when it has made a state durable and sent it, and the
// provider has not committed: the next start shows that state, and no other.
func (r *releases) testKilled(t *testing.T, traffic string) {
	owner, at := r.open(t, "app"), r.outside(t)
	before := mustRows(t, at, "SELECT state FROM release.releases WHERE name = 'patient'")[0][0]
	r.admit(t, owner, 12)
	mustRows(t, at, "BEGIN; LOCK TABLE release.releases IN SHARE MODE")
	heard, err := os.ReadFile(traffic)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = rows(owner, "REFRESH MATERIALIZED VIEW release.patient") }()
	watch := r.outside(t)
	await(t, "the step waits at the provider", func() bool {
		return mustRows(t, watch, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'release.releases'::regclass")[0][0] != "0"
	})
	r.Slay()
	mustRows(t, at, "ROLLBACK")
	var sent []string
	await(t, "what the provider heard is recorded", func() bool {
		all, err := os.ReadFile(traffic)
		if err != nil {
			t.Fatal(err)
		}
		sent = covers(string(all[len(heard):]))
		return len(sent) > 0
	})
	wantRows(t, at, "SELECT state FROM release.releases WHERE name = 'patient'", before)
	if err := r.Kill(t.Context(), "proxy", nil); err != nil {
		t.Fatal(err)
	}
	await(t, "the release is shown that was made durable", func() bool {
		return mustRows(t, watch, "SELECT state FROM release.releases WHERE name = 'patient'")[0][0] != before
	})
	satisfied(t, at)
	shown := mustRows(t, at, "SELECT * FROM release.patient ORDER BY 1, 2, 3")
	mustRows(t, r.open(t, "app"), "REFRESH MATERIALIZED VIEW release.patient")
	if here := covers(fmt.Sprint(shown)); !slices.Equal(sent, here) {
		t.Errorf("the provider heard %d covers before the kill, and shows %d, which are not the same", len(sent), len(here))
	}
	if again := mustRows(t, at, "SELECT * FROM release.patient ORDER BY 1, 2, 3"); fmt.Sprint(again) != fmt.Sprint(shown) {
		t.Error("another release is shown, although nothing changed")
	}
}

// await waits for what comes by itself.
func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

// testEvery has a release follow by itself, at the provider of the original.
func (r *releases) testEvery(t *testing.T) {
	owner := r.open(t, "app")
	home := opened(t, pgwire.Target{Host: "127.0.0.1", Port: r.Provider.Port, Database: "app", User: "clarus", Password: oracle.Password, Timeout: time.Minute})
	mustRows(t, owner, "CREATE TABLE visit (id int PRIMARY KEY, person text, age int)")
	mustRows(t, owner, fmt.Sprintf("INSERT INTO visit SELECT i, '%s', 20 + i FROM generate_series(1, 9) i", r.names[0]))
	count := func() string {
		if list, err := rows(home, "SELECT count(*), bool_and(age LIKE '[%') FROM open.visit"); err == nil {
			return strings.Join(list[0], "|")
		}
		return "none"
	}
	await(t, "nine visits are released", func() bool { return count() == "9|t" })
	mustRows(t, owner, "DELETE FROM visit")
	await(t, "all visits are withdrawn", func() bool { return strings.HasPrefix(count(), "0|") })
}

// testLost takes the state away, and then gives it another policy: what was seen is
// not known, or not what is promised, so nothing more is shown.
func (r *releases) testLost(t *testing.T) {
	state := filepath.Join(r.Dir, "state", "releases")
	if err := os.Rename(state, state+"-away"); err != nil {
		t.Fatal(err)
	}
	r.rewrite(t, "patient.publish.yaml", "k: 4", "k: 3")
	owner := r.open(t, "app")
	wantCode(t, owner, "REFRESH MATERIALIZED VIEW release.patient", "XX001")
	if err := os.Rename(state+"-away", state); err != nil {
		t.Fatal(err)
	}
	wantCode(t, owner, "REFRESH MATERIALIZED VIEW release.patient", "F0000") // it was made with k = 4
	r.rewrite(t, "patient.publish.yaml", "k: 3", "k: 4")
	mustRows(t, r.open(t, "app"), "REFRESH MATERIALIZED VIEW release.patient")
}

// testWithdrawn takes a dataset's release out of the policy: then it may go, and the
// original stays closed.
func (r *releases) testWithdrawn(t *testing.T) {
	r.rewrite(t, "policy.yaml", "published: {at: cloud-b, policy: patient.publish.yaml}", "")
	owner, analyst := r.open(t, "app"), r.open(t, "analyst")
	wantCode(t, owner, "REFRESH MATERIALIZED VIEW release.patient", "42809")
	wantCode(t, owner, "INSERT INTO release.patient VALUES ('a', 'b', 'c', 'd')", "42501")
	mustRows(t, owner, "DROP TABLE release.patient; DROP TABLE release.releases")
	mustRows(t, owner, "GRANT SELECT ON patient TO analyst")
	wantCode(t, analyst, "SELECT count(*) FROM patient", "42501")
	wantRows(t, r.outside(t), "SELECT count(*) FROM pg_class WHERE relname IN ('patient', 'releases')", "0")
}

// rewrite starts Clarus again with other words in a file.
func (r *releases) rewrite(t *testing.T, name, old, new string) {
	t.Helper()
	file := filepath.Join(r.Dir, name)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Kill(t.Context(), "proxy", nil); err != nil {
		t.Fatal(err)
	}
}

// search looks for the patients' names at the second provider, in the traffic with
// the first, and in what Clarus keeps and prints.
func (r *releases) search(t *testing.T, traffic string) {
	if err := r.Second.Admin(t.Context(), "postgres", "CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.StopClarus(), r.Relay.Close()); err != nil {
		t.Fatal(err)
	}
	home := r.Relay.Path()
	r.Relay = nil
	open, err := canary.NewSet([]string{openWard})
	if err != nil {
		t.Fatal(err)
	}
	names, err := canary.NewSet(r.names[:20])
	if err != nil {
		t.Fatal(err)
	}
	tree := func(dir string) func(*canary.Set) ([]canary.Hit, error) {
		return func(s *canary.Set) ([]canary.Hit, error) { hits, _, err := s.Tree(dir); return hits, err }
	}
	file := func(path string) func(*canary.Set) ([]canary.Hit, error) {
		return func(s *canary.Set) ([]canary.Hit, error) { return s.File(path) }
	}
	for place, look := range map[string]func(*canary.Set) ([]canary.Hit, error){
		"second provider's data": tree(r.Second.Dir), "second provider's log": file(r.Second.Log), "second provider's traffic": file(traffic),
		"first provider's traffic": file(home), "state": tree(filepath.Join(r.Dir, "state")), "audit": file(filepath.Join(r.Dir, "audit.jsonl")), "log": file(r.Log),
	} {
		if hits, err := look(names); err != nil || len(hits) > 0 {
			t.Errorf("the %s has names: %v %v", place, hits[:min(len(hits), 3)], err)
		}
		if hits, err := look(open); place == "second provider's data" || place == "second provider's traffic" {
			if err != nil || len(hits) == 0 {
				t.Errorf("what is published is not found in the %s: the search is blind (%v)", place, err)
			}
		}
	}
}
