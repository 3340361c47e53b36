package oracle_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// TestDatabases makes and drops databases by SQL on plain PostgreSQL and
// through Clarus, which say the same; then it looks at what only Clarus has:
// what it remembers over a restart, what it finishes, and that two databases
// have nothing in common that their provider could exchange.
func TestDatabases(t *testing.T) {
	i, err := world.Clarus(t.Context(), "databases", "testdata/policy-sealed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	answers := map[*oracle.Target][]string{}
	for _, on := range []*oracle.Target{world.Plain, i.Target} {
		answers[on] = makeAndDrop(t, on)
	}
	for n, want := range answers[world.Plain] {
		if got := answers[i.Target][n]; got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
	t.Run("exchanged", func(t *testing.T) { exchange(t, i) })
	t.Run("restarted", func(t *testing.T) { restartDatabases(t, i) })
}

// makeAndDrop tells what a target says to each statement.
func makeAndDrop(t *testing.T, on *oracle.Target) (answers []string) {
	app := connect(t, on)
	other, err := oracle.Open(t.Context(), on.As("report"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	say := func(s *oracle.Session, sql string) {
		t.Helper()
		list, err := s.Simple(sql, nil)
		if err != nil {
			t.Fatalf("%s: %s: %v", on.Name, sql, err)
		}
		var b strings.Builder
		b.WriteString(sql)
		for _, o := range list {
			b.WriteString("\n" + o.Tag)
			for _, notice := range o.Notices {
				b.WriteString("\n" + notice)
			}
			if o.Err != nil {
				b.WriteString("\n" + o.Err.Severity + " " + o.Err.Code)
				if o.Err.Code != "42809" { // the provider's words do not reach the client
					b.WriteString(" " + o.Err.Message + " " + o.Err.Detail)
				}
			}
		}
		answers = append(answers, b.String())
	}
	for _, sql := range []string{
		"CREATE DATABASE d_one", "CREATE DATABASE d_one", "CREATE DATABASE d_two OWNER app ENCODING 'UTF8' TEMPLATE template0 LOCALE 'C.UTF-8' CONNECTION LIMIT -1",
		"CREATE DATABASE d_three OWNER nobody_there", "CREATE DATABASE d_three LOCALE 'xx_YY'", "CREATE DATABASE d_three ENCODING 'UTF8' STRATEGY file_copy",
		"DROP DATABASE IF EXISTS d_missing", "DROP DATABASE d_missing", "DROP DATABASE " + on.Database, "DROP DATABASE d_three",
		"BEGIN", "CREATE DATABASE d_three", "ROLLBACK", "BEGIN", "DROP DATABASE d_one", "ROLLBACK",
		"SELECT 1; CREATE DATABASE d_three",
	} {
		say(app, sql)
	}
	say(other, "CREATE DATABASE d_four")
	say(other, "DROP DATABASE d_one")
	inside, err := oracle.Open(t.Context(), in(on, "d_one").As("app"))
	if err != nil {
		t.Fatal(err)
	}
	say(inside, "CREATE TABLE t (id int PRIMARY KEY, note text)")
	say(inside, "INSERT INTO t VALUES (1, 'cnryinsideone')")
	say(app, "DROP DATABASE d_one")
	say(inside, "SELECT * FROM t")
	say(app, "DROP DATABASE d_one WITH (FORCE)")
	if _, err := inside.Simple("SELECT 1", nil); err == nil {
		t.Errorf("%s: the session in the dropped database goes on", on.Name)
	}
	inside.Close()
	if s, err := oracle.Open(t.Context(), in(on, "d_one").As("app")); err == nil {
		t.Errorf("%s: the dropped database is there", on.Name)
		s.Close()
	} else {
		answers = append(answers, codeOf(err))
	}
	say(app, "CREATE DATABASE d_one")
	inside = connect(t, in(on, "d_one"))
	say(inside, "SELECT * FROM t")
	say(inside, "SELECT current_database()")
	return answers
}

// exchange has the provider put the cells of one database into another with
// the same table.
func exchange(t *testing.T, i *oracle.Instance) {
	var physical []string
	for _, p := range remembered(t, i) {
		s := connect(t, in(i.Target, p["Name"].(string)))
		mustRows(t, s, "CREATE TABLE account (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)")
		mustRows(t, s, "INSERT INTO account (note) VALUES ('cnryaccount')")
		physical = append(physical, p["Physical"].(string))
	}
	if len(physical) != 2 {
		t.Fatalf("there are %q", physical)
	}
	from, err := i.Provider.Super(t.Context(), physical[0])
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	list, err := oracle.Simple(from, "SELECT clarus_c2 FROM account_1_1")
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Provider.Admin(t.Context(), physical[1], "UPDATE account_1_1 SET clarus_c2 = '"+string(list[0].Rows[0][0])+"'"); err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"", "XX001"} {
		if _, err := rows(connect(t, in(i.Target, remembered(t, i)[n]["Name"].(string))), "SELECT note FROM account"); codeOf(err) != want {
			t.Errorf("database %d: %v, want %q", n, err, want)
		}
	}
}

// remembered is the record of databases on this side.
func remembered(t *testing.T, i *oracle.Instance) (list []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(i.Dir, "state", "databases.json"))
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// restartDatabases ends Clarus, leaves a physical database behind as a crash
// in the middle of each statement would, and starts Clarus again.
func restartDatabases(t *testing.T, i *oracle.Instance) {
	if err := i.Kill(t.Context(), "proxy", nil); err != nil {
		t.Fatal(err)
	}
	if got := mustRows(t, connect(t, in(i.Target, "d_two")), "SELECT count(*) FROM account"); got[0][0] != "1" {
		t.Errorf("after a restart: %v", got)
	}
	// The configured database is dropped from within another, and is not missed at the next start.
	inside := connect(t, in(i.Target, "d_two"))
	mustRows(t, inside, "DROP DATABASE app")
	inside.Close()
	list := append(remembered(t, i), map[string]any{"Name": "d_half", "Provider": "cloud-a", "Physical": "d_half_1", "Number": 1, "State": "making"},
		map[string]any{"Name": "d_gone", "Provider": "cloud-a", "Physical": "d_gone_1", "Number": 2, "State": "dropping"})
	text, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(filepath.Join(i.Dir, "state", "databases.json"), text, 0o600)
	}
	if err == nil {
		err = i.Provider.Admin(t.Context(), "postgres", "CREATE DATABASE d_half_1 OWNER clarus", "CREATE DATABASE d_gone_1 OWNER clarus")
	}
	if err == nil {
		err = i.Kill(t.Context(), "proxy", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	super, err := i.Provider.Super(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close()
	left, err := oracle.Simple(super, "SELECT string_agg(regexp_replace(datname, '_[0-9a-f]{8}$', '_N'), ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'second'")
	if err != nil || string(left[0].Rows[0][0]) != "d_one_N d_two_N postgres" {
		t.Errorf("at the provider there are %s (%v)", left[0].Rows, err)
	}
	inside = connect(t, in(i.Target, "d_two"))
	mustRows(t, inside, "CREATE DATABASE app")
	mustRows(t, connect(t, i.Target), "CREATE TABLE again (id int PRIMARY KEY)")
	if n := bytes.Count([]byte(strings.Join(names(remembered(t, i)), " ")), []byte("app")); n != 1 {
		t.Errorf("the database that was made again is remembered %d times", n)
	}
}

func names(list []map[string]any) (names []string) {
	for _, p := range list {
		names = append(names, p["Name"].(string))
	}
	return names
}
