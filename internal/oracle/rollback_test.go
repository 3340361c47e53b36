package oracle_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

// Where epoch and nonce stand in a cell, in hexadecimal digits (docs/spec/cell.md).
const (
	epochFrom, epochTo = 2 * 2, 2 * 18
	nonceFrom, nonceTo = 2 * 34, 2 * 46
)

func codeOf(err error) string {
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok {
		return se.Code
	}
	return ""
}

// TestRolledBack has the provider take back the newest version of the schema,
// under which a column that it knows as clear was sealed anew: Clarus neither
// goes on nor starts, until the version is there again.
func TestRolledBack(t *testing.T) {
	i, err := world.Clarus(t.Context(), "rolledback", "testdata/policy-equality.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE rb_note (id int PRIMARY KEY, note text)")
	mustRows(t, s, "INSERT INTO rb_note VALUES (1, 'cnryrolledone')")
	mustRows(t, s, "ALTER TABLE rb_note ADD COLUMN more text")
	provider := func(statements ...string) {
		t.Helper()
		if err := i.Provider.Admin(t.Context(), "app", statements...); err != nil {
			t.Fatal(err)
		}
	}
	provider("CREATE TABLE kept AS SELECT * FROM clarus.catalog", "DELETE FROM clarus.catalog WHERE version = (SELECT max(version) FROM clarus.catalog)")
	if _, err := rows(s, "CREATE TABLE rb_next (id int)"); codeOf(err) != "40001" {
		t.Errorf("DDL after the rollback: %v", err)
	}
	for range 2 {
		if r, err := rows(s, "INSERT INTO rb_note VALUES (2, 'cnryrolledtwo', 'cnryrolledmore')"); codeOf(err) != "XX001" {
			t.Errorf("a write after the rollback was found out: %v, %v", r, err)
		}
	}
	err = i.Kill(t.Context(), "proxy", nil)
	if err == nil || !strings.Contains(err.Error(), "rolled the database back") {
		t.Errorf("the start after the rollback: %v", err)
	}
	// The same entry under the next number opens nowhere.
	provider("INSERT INTO clarus.catalog SELECT max(version) + 1, (SELECT entry FROM kept ORDER BY version LIMIT 1) FROM clarus.catalog")
	if err := i.Restart(); err == nil || !strings.Contains(err.Error(), "was altered") {
		t.Errorf("the start on an entry of another place: %v", err)
	}
	provider("DELETE FROM clarus.catalog WHERE version = (SELECT max(version) FROM kept)")
	provider("INSERT INTO clarus.catalog SELECT * FROM kept ORDER BY version DESC LIMIT 1", "DROP TABLE kept")
	if err := i.Restart(); err != nil {
		t.Fatal(err)
	}
	s = connect(t, i.Target)
	mustRows(t, s, "INSERT INTO rb_note VALUES (2, 'cnryrolledtwo', 'cnryrolledmore')")
	if r := mustRows(t, s, "SELECT note, more FROM rb_note ORDER BY id"); len(r) != 2 || r[1][1] != "cnryrolledmore" {
		t.Errorf("after the repair: %v", r)
	}
}

// TestStateLost takes the state directory away: Clarus does not start before
// the owner confirmed the digest of what the provider shows, and an older
// version does not pass for the one that was noted.
func TestStateLost(t *testing.T) {
	i, err := world.Clarus(t.Context(), "statelost", "testdata/policy-sealed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE lost_note (id int PRIMARY KEY, note text)")
	mustRows(t, s, "ALTER TABLE lost_note ADD COLUMN more text")
	mustRows(t, s, "INSERT INTO lost_note VALUES (1, 'cnrystatelost', 'cnrystatemore')")
	mustRows(t, s, "CREATE DATABASE lost_made")
	within := in(i.Target, "lost_made")
	mustRows(t, connect(t, within), "CREATE TABLE made_note (id int PRIMARY KEY, note text)")
	mustRows(t, connect(t, within), "INSERT INTO made_note VALUES (1, 'cnrystatemade')")
	command := func(want int, args ...string) string {
		t.Helper()
		out, code, err := i.Command(t.Context(), append([]string{"recover"}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		if code != want {
			t.Errorf("recover %v: exit %d, want %d\n%s", args, code, want, out)
		}
		return out
	}
	provider := func(statements ...string) {
		t.Helper()
		if err := i.Provider.Admin(t.Context(), "app", statements...); err != nil {
			t.Fatal(err)
		}
	}
	starts := func(want int, says string) {
		t.Helper()
		err := i.Restart()
		exit, _ := errors.AsType[*exec.ExitError](err)
		if exit == nil || exit.ExitCode() != want || !strings.Contains(err.Error(), says) {
			t.Errorf("the start: %v, want exit %d and %q", err, want, says)
		}
	}
	shown := regexp.MustCompile(`holds in app version 2 of the schema, digest ([0-9a-f]{64})\n.*knows version 2 as reached`).FindStringSubmatch(command(0))
	if shown == nil {
		t.Fatal("the digest is not shown while Clarus runs")
	}
	noted := shown[1]
	if out := command(1, "--digest", noted); !strings.Contains(out, "audit") {
		t.Errorf("a confirmation beside a running Clarus: %s", out)
	}
	if err := i.StopClarus(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(i.Dir, "state")); err != nil {
		t.Fatal(err)
	}
	starts(3, "digest "+noted)
	if out := command(0); !strings.Contains(out, noted) || !strings.Contains(out, "does not know this database") {
		t.Errorf("what is shown after the loss: %s", out)
	}
	provider("CREATE TABLE kept AS SELECT * FROM clarus.catalog", "DELETE FROM clarus.catalog WHERE version = 2")
	if out := command(1, "--digest", noted); !strings.Contains(out, "version 1 of the schema with another digest") {
		t.Errorf("an older version under the newer one's digest: %s", out)
	}
	starts(3, "recover")
	provider("INSERT INTO clarus.catalog SELECT * FROM kept WHERE version = 2", "DROP TABLE kept")
	command(2, "--digest", noted[:10])
	command(2, "--digest", noted, "--database", "other")
	command(0, "--digest", noted)
	made := regexp.MustCompile(`lost_made: .* holds in lost_made_[0-9a-f]{8} version 1 of the schema, digest ([0-9a-f]{64})\n.*does not know`).FindStringSubmatch(command(0, "--database", "lost_made"))
	if made == nil {
		t.Fatal("a database that SQL made is not found")
	}
	command(1, "--digest", noted, "--database", "lost_made")
	command(0, "--digest", made[1], "--database", "lost_made")
	if err := i.Restart(); err != nil {
		t.Fatal(err)
	}
	within.Port = i.Port
	if r := mustRows(t, connect(t, within), "SELECT note FROM made_note"); len(r) != 1 || r[0][0] != "cnrystatemade" {
		t.Errorf("in the database that SQL made, after the confirmation: %v", r)
	}
	if r := mustRows(t, connect(t, i.Target), "SELECT note, more FROM lost_note"); len(r) != 1 || r[0][1] != "cnrystatemore" {
		t.Errorf("after the confirmation: %v", r)
	}
	// What is pinned is the version itself, not its number only.
	if err := i.StopClarus(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(i.Dir, "state", "versions.json")
	text, err := os.ReadFile(state)
	if err != nil || !strings.Contains(string(text), noted) {
		t.Fatalf("the state holds %s, %v", text, err)
	}
	other := strings.Map(func(r rune) rune { return '0' + (r-'0'+1)%10 }, noted[:1]) + noted[1:]
	if err := os.WriteFile(state, []byte(strings.Replace(string(text), noted, other, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	starts(1, "not the one that was reached")
	log, err := os.ReadFile(filepath.Join(i.Dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, outcome := range []string{"intent", "failed", "done"} {
		if !regexp.MustCompile(`"action":"recover".*"outcome":"` + outcome + `"`).Match(log) {
			t.Errorf("the audit log has no recover with outcome %s", outcome)
		}
	}
}

// TestCloned runs two copies of this side at one provider, as after a restored
// backup: what both seal for equal values never has a nonce, an identity or a
// cell in common, and neither takes the other's rows for its own.
func TestCloned(t *testing.T) {
	i, err := world.Clarus(t.Context(), "original", "testdata/policy-sealed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	mustRows(t, connect(t, i.Target), "CREATE TABLE clone_note (note text)")
	clone, err := i.Clone("copied")
	if err != nil {
		t.Fatal(err)
	}
	defer clone.StopClarus()
	const each = 40
	for _, side := range []*oracle.Instance{i, clone} {
		s := connect(t, side.Target)
		for range each {
			mustRows(t, s, "INSERT INTO clone_note VALUES ('cnryclonedsame')")
		}
	}
	// Epochs are recorded in the keyring: one copy does not open what the other sealed.
	if _, err := rows(connect(t, i.Target), "SELECT note FROM clone_note"); codeOf(err) != "XX001" {
		t.Errorf("the original reads rows of an epoch that it never had: %v", err)
	}
	c, err := i.Provider.Super(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := oracle.Simple(c, "SELECT clarus_row::text, encode(clarus_c1, 'hex') FROM clone_note_1_1")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	epochs := map[string]int{}
	for _, r := range list[0].Rows {
		id, cell := string(r[0]), string(r[1])
		epoch, nonce := cell[epochFrom:epochTo], cell[nonceFrom:nonceTo]
		epochs[epoch]++
		for _, part := range []string{id, cell, epoch + nonce} {
			if seen[part] {
				t.Errorf("%q was used twice", part)
			}
			seen[part] = true
		}
	}
	if len(epochs) != 2 || len(list[0].Rows) != 2*each {
		t.Errorf("%d rows, by epoch: %v", len(list[0].Rows), epochs)
	}
}
