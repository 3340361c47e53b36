package oracle_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
)

// TestTwoClouds is about tables at two servers: z_left at the default
// provider, z_right at the other.
func TestTwoClouds(t *testing.T) {
	i, err := world.TwoClouds(t.Context(), "two", "testdata/policy-clouds.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if log, _ := os.ReadFile(i.Log); t.Failed() {
			said, _ := os.ReadFile(i.Second.Log)
			t.Logf("clarus printed:\n%s\nthe second cloud:\n%s", log, said)
		}
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE z_left (id int PRIMARY KEY, name text, note text)")
	mustRows(t, s, "CREATE TABLE z_right (id serial PRIMARY KEY, name text, amount numeric NOT NULL)")
	mustRows(t, s, "CREATE TABLE z_under (id int PRIMARY KEY REFERENCES z_right, note text)")
	for _, table := range []string{"z_left", "z_right"} {
		mustRows(t, s, "INSERT INTO "+table+" SELECT i, 'cnryclouds7name'||i, 0 FROM generate_series(1, 4) i")
	}
	mustRows(t, s, "INSERT INTO z_under SELECT id, name FROM z_right")
	t.Run("view", func(t *testing.T) { testView(t, i) })
	t.Run("one state", func(t *testing.T) { testOneState(t, i) })
	t.Run("away", func(t *testing.T) { testAway(t, i) })
	t.Run("schema", func(t *testing.T) { testSchemaElsewhere(t, i) })
}

func wantRows(t *testing.T, s *oracle.Session, sql string, want ...string) {
	t.Helper()
	var got []string
	for _, r := range mustRows(t, s, sql) {
		got = append(got, strings.Join(r, "|"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, not %q", sql, got, want)
	}
}

func wantCode(t *testing.T, s *oracle.Session, sql, code string) {
	t.Helper()
	if r, err := rows(s, sql); codeOf(err) != code {
		t.Errorf("%s: %v %v, not SQLSTATE %s", sql, r, err, code)
	}
}

// testView looks at what the second cloud holds.
func testView(t *testing.T, i *oracle.Instance) {
	s := connect(t, i.Target)
	mustRows(t, s, "SET clarus.view = 'cloud-b'")
	wantRows(t, s, "SHOW clarus.view", "cloud-b")
	wantRows(t, s, "SELECT count(*) FROM z_right", "4")
	wantRows(t, s, "SELECT id FROM z_right LIMIT 1 OFFSET 1", "2")
	list, err := oracle.Simple(s.Client, "TABLE z_right")
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	for _, f := range list[0].Fields {
		columns = append(columns, fmt.Sprintf("%s %d", f.Name, f.Type))
	}
	if want := []string{"id 23", "clarus_c2 17", "clarus_t2 2950", "clarus_c3 17"}; !slices.Equal(columns, want) {
		t.Errorf("the columns are %v, not %v", columns, want)
	}
	for _, r := range list[0].Rows {
		if len(r) != 4 || !strings.HasPrefix(string(r[1]), `\x`) {
			t.Errorf("a row is %q", r)
		}
	}
	if call, err := s.Extended(oracle.Call{SQL: "SELECT clarus_c2 FROM public.z_right", Binary: true}, nil); err != nil || len(call[0].Rows) != 4 {
		t.Errorf("in binary: %v %v", call, err)
	}
	for sql, code := range map[string]string{
		"SELECT name FROM z_right": "42703", "SELECT * FROM z_right WHERE name = 'cnryclouds7none'": "0A000", "SELECT 'cnryclouds7none' FROM z_right": "0A000",
		"INSERT INTO z_right VALUES (9, 'cnryclouds7none', 1)": "0A000", "BEGIN": "0A000", "CREATE TABLE view_t (a int)": "0A000", "SELECT * FROM nowhere": "42P01",
		"SET clarus.view = 'cloud-c'": "22023", "SET LOCAL clarus.view = 'cloud-a'": "0A000", "COPY z_right TO STDOUT": "0A000", "EXPLAIN TABLE z_right": "0A000",
		"SELECT set_config('clarus.view', 'cloud-a', false)": "0A000",
	} {
		wantCode(t, s, sql, code)
	}
	list, err = oracle.Simple(s.Client, "TABLE z_left")
	if err != nil || len(list[0].Fields) != 0 || len(list[0].Rows) != 0 {
		t.Errorf("of a table at the other: %v %v", list, err)
	}
	mustRows(t, s, "SET clarus.view TO \"cloud-a\"")
	wantRows(t, s, "SELECT count(*) FROM z_left", "4")
	mustRows(t, s, "RESET clarus.view")
	wantRows(t, s, "SELECT name FROM z_right WHERE id = 1", "cnryclouds7name1")

	report, err := oracle.Open(t.Context(), i.As("report"))
	if err != nil {
		t.Fatal(err)
	}
	defer report.Close()
	wantCode(t, report, "SET clarus.view = 'cloud-b'", "42501")
	log, err := os.ReadFile(filepath.Join(i.Dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"action":"view"`, `"providers":["cloud-a","cloud-b"]`} {
		if !strings.Contains(string(log), want) {
			t.Errorf("the audit log has no %s", want)
		}
	}
}

// testOneState has writers count in one row at the first cloud and then, in
// another transaction, at the second: whoever reads both finds the same
// number, or one more at the first. The second is far away, so that without
// the barrier between commits and snapshots they would not.
func testOneState(t *testing.T, i *oracle.Instance) {
	i.Far.Delay(20 * time.Millisecond)
	defer i.Far.Delay(0)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var work sync.WaitGroup
	var reads, writes atomic.Int64
	session := func() *oracle.Session {
		s, err := oracle.Open(t.Context(), i.As("app"))
		if err != nil {
			t.Error(err)
			stop()
		}
		return s
	}
	for writer := 1; writer <= 4; writer++ {
		work.Go(func() {
			s := session()
			defer s.Close()
			for n := 1; ctx.Err() == nil; n++ {
				left, right := fmt.Sprintf("UPDATE z_left SET note = '%d' WHERE id = %d", n, writer), fmt.Sprintf("UPDATE z_right SET amount = %d WHERE id = %d", n, writer)
				if n%2 == 0 {
					left, right = "BEGIN; "+left+"; COMMIT", "BEGIN; "+right+"; COMMIT"
				}
				for _, sql := range []string{left, right} {
					if _, err := rows(s, sql); err != nil {
						t.Errorf("%s: %v", sql, err)
						stop()
						return
					}
				}
				writes.Add(1)
			}
		})
	}
	for range 2 {
		work.Go(func() {
			s := session()
			defer s.Close()
			for ctx.Err() == nil && reads.Load() < 150 {
				r, err := rows(s, "SELECT l.id, l.note::int, r.amount, l.note::int - r.amount FROM z_left l JOIN z_right r USING (id)")
				if err != nil || len(r) != 4 {
					t.Errorf("%v %v", r, err)
					stop()
					return
				}
				for _, row := range r {
					if row[3] != "0" && row[3] != "1" {
						t.Errorf("writer %s: %s at the first, %s at the second", row[0], row[1], row[2])
						stop()
					}
				}
				reads.Add(1)
			}
			stop()
		})
	}
	work.Wait()
	t.Logf("%d reads, %d pairs of writes", reads.Load(), writes.Load())
	if reads.Load() < 10 || writes.Load() < 10 {
		t.Errorf("%d reads and %d writes are too few to tell", reads.Load(), writes.Load())
	}
}

// testAway takes the second cloud away and gives it back.
func testAway(t *testing.T, i *oracle.Instance) {
	s, idle := connect(t, i.Target), connect(t, i.Target)
	mustRows(t, s, "SELECT count(*) FROM z_right")
	mustRows(t, idle, "SELECT count(*) FROM z_right")
	mustRows(t, idle, "BEGIN; UPDATE z_left SET note = '77' WHERE id = 1; SELECT count(*) FROM z_right")
	if err := i.Second.Stop(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, idle, "SELECT count(*) FROM z_right", "08006")
	wantCode(t, idle, "SELECT count(*) FROM z_left", "25P02")
	wantRows(t, idle, "ROLLBACK")
	for range 2 {
		wantCode(t, s, "SELECT count(*) FROM z_right", "08006")
		wantCode(t, s, "SELECT count(*) FROM z_left JOIN z_right USING (id)", "08006")
		wantCode(t, s, "INSERT INTO z_right VALUES (8, 'cnryclouds7away', 1)", "08006")
		wantRows(t, s, "SELECT count(*) FROM z_left", "4")
		mustRows(t, s, "BEGIN; UPDATE z_left SET note = '5' WHERE id = 1; COMMIT")
	}
	wantCode(t, s, "CREATE INDEX z_right_away ON z_right (name)", "08006")
	mustRows(t, s, "CREATE TABLE z_away (a int)")
	if err := i.Second.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantRows(t, s, "SELECT count(*) FROM z_left l JOIN z_right r USING (id) WHERE l.note = '5'", "1")
	mustRows(t, idle, "BEGIN; INSERT INTO z_right VALUES (8, 'cnryclouds7back', 1); DELETE FROM z_right WHERE id = 8; COMMIT")
}

// testSchemaElsewhere has the default provider fail, or end, or Clarus end,
// in the very moment between the two commits of a schema's change.
func testSchemaElsewhere(t *testing.T, i *oracle.Instance) {
	home := func(statements ...string) {
		t.Helper()
		if err := i.Provider.Admin(t.Context(), "app", statements...); err != nil {
			t.Fatal(err)
		}
	}
	trap := func(body string) {
		home("CREATE FUNCTION public.trap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "+body+" RETURN NULL; END $$",
			"CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON clarus.catalog DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.trap()")
	}
	untrap := func() { home("DROP FUNCTION public.trap() CASCADE") }
	const columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'z_right'"
	check := func(want string) {
		t.Helper()
		s := connect(t, i.Target)
		wantRows(t, s, columns, want)
		wantRows(t, s, "SELECT count(*), count(DISTINCT name) FROM z_right", "4|4")
		wantRows(t, s, "SELECT count(*) FROM z_right r JOIN z_under USING (id) JOIN z_left USING (id)", "4")
		mustRows(t, s, "BEGIN; INSERT INTO z_right (id, name, amount) VALUES (30, 'cnryclouds7new', 1); INSERT INTO z_under VALUES (30, 'x'); ROLLBACK")
		wantCode(t, s, "DELETE FROM z_right WHERE id = 1", "23503")
		second(t, i, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'clarus') AND tablename LIKE 'z\\_%'", "2")
		second(t, i, "SELECT count(*) FROM clarus.fragment", "2")
	}
	second(t, i, "CREATE TABLE public.z_right_2_9 (a int)", "") // looks like Clarus's, and is not
	s := connect(t, i.Target)
	trap("RAISE 'no';")
	for _, sql := range []string{"ALTER TABLE z_right ADD COLUMN extra text DEFAULT 'cnryclouds7xtra'", "BEGIN; CREATE INDEX z_right_i ON z_right (name); DROP TABLE z_under; COMMIT",
		"CREATE TABLE t_docs (a int)"} {
		wantCode(t, s, sql, "P0001")
	}
	untrap()
	second(t, i, "DROP TABLE public.z_right_2_9", "")
	check("3")

	trap("PERFORM pg_sleep(60);")
	ended := later(s, "ALTER TABLE z_right ADD COLUMN extra text")
	asleep(t, i, ended)
	if err := i.Provider.Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !crashed(err) {
		t.Errorf("the default provider ended: %v", err)
	}
	untrap()
	check("3")

	trap("PERFORM pg_sleep(2);")
	s = connect(t, i.Target)
	ended = later(s, "ALTER TABLE z_right ADD COLUMN extra text")
	asleep(t, i, ended)
	if err := i.Kill(t.Context(), "proxy", nil); err != nil {
		t.Fatal(err)
	}
	<-ended
	untrap()
	check("4") // the default provider committed, and nobody was there to hear it
}

// later runs a statement and tells how it ended.
func later(s *oracle.Session, sql string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := rows(s, sql)
		ended <- err
	}()
	return ended
}

// asleep waits until the default provider sleeps in the trap.
func asleep(t *testing.T, i *oracle.Instance, ended <-chan error) {
	t.Helper()
	const sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		c, err := i.Provider.Super(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		list, err := oracle.Simple(c, sql)
		_ = c.Close()
		if err != nil {
			t.Fatal(err)
		}
		if string(list[0].Rows[0][0]) != "0" {
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended before: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("the trap was not reached")
}

// second asks the second cloud itself; want is the only value, "" for none.
func second(t *testing.T, i *oracle.Instance, sql, want string) {
	t.Helper()
	c, err := i.Second.Super(t.Context(), "second")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := oracle.Simple(c, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	got := ""
	if len(list[0].Rows) > 0 {
		got = string(list[0].Rows[0][0])
	}
	if got != want {
		t.Errorf("the second cloud: %s: %q, not %q", sql, got, want)
	}
}
