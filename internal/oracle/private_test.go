package oracle_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

// TestPrivate has an analyst ask for differentially private answers: they are near
// the truth where the noise is small, cost what the policy says and once only, also
// over kill -9, and nothing else is to be had.
func TestPrivate(t *testing.T) {
	i, err := world.Private(t.Context(), "private", "testdata/policy-private.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	owner := connect(t, i.Target)
	for _, sql := range []string{
		"CREATE TYPE urgency AS ENUM ('cnryschemalow', 'cnryschemahigh')",
		"CREATE TABLE precise (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient text, ward varchar(20), urgency urgency, admitted date, cost numeric(10,2), age int, weight float8, note text, decade int GENERATED ALWAYS AS (age / 10) STORED)",
		`INSERT INTO precise (patient, ward, urgency, admitted, cost, age, weight, note) SELECT 'cnrypatient' || n, CASE n % 3 WHEN 0 THEN 'east' ELSE 'west' END,
			CASE WHEN n % 4 = 0 THEN 'cnryschemalow' ELSE 'cnryschemahigh' END::urgency, DATE '2024-01-01' + n % 5, n * 1.37, n % 90, 50 + n % 40 * 0.5, 'cnrynote' || n FROM generate_series(1, 300) n`,
		"INSERT INTO precise (patient, ward, age) VALUES ('cnrypatientodd', 'cnrysecretward', 33), (NULL, 'east', 1), ('cnrypatient2', 'west', NULL)",
		"CREATE TABLE episode (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, patient int, ward text, age int)",
		"INSERT INTO episode (patient, ward, age) SELECT n, CASE n % 2 WHEN 0 THEN 'east' ELSE 'west' END, n % 80 FROM generate_series(1, 400) n",
		"INSERT INTO episode (patient, ward, age) VALUES (1000, 'cnrysecretward', 5)",
		"CREATE TABLE fresh (patient int)",
		"INSERT INTO fresh SELECT generate_series(1, 10)",
		"CREATE TABLE tight (patient int)", "INSERT INTO tight SELECT generate_series(1, 10)",
		"CREATE TABLE one (patient int, age int)", "CREATE TABLE another (patient int, age int)",
		"INSERT INTO one SELECT n, n FROM generate_series(1, 20) n", "INSERT INTO another SELECT n, n FROM generate_series(1, 20) n UNION ALL SELECT 77, n FROM generate_series(1, 9) n",
		"CREATE TABLE hidden (id int PRIMARY KEY, note text)",
		"GRANT SELECT ON precise, episode, fresh, tight, one, another, hidden TO analyst, other",
	} {
		mustRows(t, owner, sql)
	}
	t.Run("near", func(t *testing.T) { nearTruth(t, i, owner) })
	t.Run("noise", func(t *testing.T) { noisy(t, i) })
	t.Run("refused", func(t *testing.T) { refusedPrivately(t, i) })
	t.Run("attacked", func(t *testing.T) { attacked(t, i, owner) })
	t.Run("raced", func(t *testing.T) { raced(t, i) })
	t.Run("parameters", func(t *testing.T) { readOnce(t, i) })
	t.Run("apart", func(t *testing.T) { apart(t, i, owner) })
	t.Run("piped", func(t *testing.T) { piped(t, i) })
	t.Run("unhurried", func(t *testing.T) { unhurried(t, i, owner) })
	t.Run("elsewhere", func(t *testing.T) { elsewhere(t, i, owner) })
	t.Run("spent", func(t *testing.T) { spent(t, i, owner) })
	t.Run("cut off", func(t *testing.T) { cutOff(t, i) })
}

// as opens a session of another user.
func as(t *testing.T, i *oracle.Instance, user string) *oracle.Session {
	t.Helper()
	s, err := oracle.Open(t.Context(), i.As(user))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// nearTruth compares answers with next to no noise with the owner's: columns, types
// and order are the same, numbers nearly.
func nearTruth(t *testing.T, i *oracle.Instance, owner *oracle.Session) {
	analyst := as(t, i, "analyst")
	only := " patient IS NOT NULL AND ward IN ('east', 'west')"
	for _, q := range []struct {
		ask, truth string
		call       oracle.Call
	}{
		{ask: "SELECT ward, count(*), sum(cost), avg(age) AS years, count(DISTINCT patient) FROM precise WHERE ward <> 'none' GROUP BY ward ORDER BY count(*) DESC, ward LIMIT 2",
			truth: "SELECT ward, count(*), sum(cost), avg(age) AS years, count(DISTINCT patient) FROM precise WHERE" + only + " GROUP BY ward ORDER BY count(*) DESC, ward"},
		{ask: "SELECT count(*), count(age), sum(weight), avg(weight), stddev(age), var_pop(weight), avg(cost) FROM precise WHERE ward IN ('east', 'west')",
			truth: "SELECT count(*), count(age), sum(weight), avg(weight), stddev(age), var_pop(weight), avg(cost) FROM precise WHERE" + only},
		{ask: "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY age), percentile_cont(0.25) WITHIN GROUP (ORDER BY weight), percentile_disc(0.9) WITHIN GROUP (ORDER BY cost), percentile_cont(0.5) WITHIN GROUP (ORDER BY age) FROM precise",
			truth: "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY age), percentile_cont(0.25) WITHIN GROUP (ORDER BY weight), percentile_disc(0.9) WITHIN GROUP (ORDER BY cost), percentile_cont(0.5) WITHIN GROUP (ORDER BY age) FROM precise WHERE patient IS NOT NULL"},
		{ask: "SELECT admitted, urgency, count(*) FROM precise WHERE NOT (age < 10 OR cost IS NULL) AND weight >= 50 GROUP BY 1, 2 ORDER BY 2 DESC, 1",
			truth: "SELECT admitted, urgency, count(*) FROM precise WHERE NOT (age < 10 OR cost IS NULL) AND weight >= 50 GROUP BY 1, 2 ORDER BY 2 DESC, 1"},
		{ask: "SELECT count(*) FROM precise WHERE age >= $1 AND admitted < $2 AND ward = $3 AND cost < 300.5",
			truth: "SELECT count(*) FROM precise WHERE age >= $1 AND admitted < $2 AND ward = $3 AND cost < 300.5 AND patient IS NOT NULL",
			call:  oracle.Call{Params: [][]byte{[]byte("20"), []byte("2024-01-04"), []byte("west")}}},
		{ask: "SELECT upper(ward) AS w, round(avg(age), 0) r, sum(cost) / count(*), 'per ' || ward, count(*) > 3, to_char(0 * count(*), '999') FROM precise WHERE note LIKE 'cnryn%' AND note NOT ILIKE '%X' GROUP BY ward HAVING count(*) > 20 AND ward <> 'none' ORDER BY -count(*)",
			truth: "SELECT upper(ward) AS w, round(avg(age), 0) r, sum(cost) / count(*), 'per ' || ward, count(*) > 3, to_char(0 * count(*), '999') FROM precise WHERE note LIKE 'cnryn%' AND" + only + " GROUP BY ward HAVING count(*) > 20 ORDER BY -count(*)"},
		{ask: "SELECT ward, count(*) FROM precise GROUP BY ward ORDER BY 2 DESC LIMIT $1", truth: "SELECT ward, count(*) FROM precise WHERE" + only + " GROUP BY ward ORDER BY 2 DESC LIMIT $1",
			call: oracle.Call{Params: [][]byte{[]byte("1")}}},
		{ask: "SELECT decade * 10 AS age, count(*) FROM precise GROUP BY decade ORDER BY decade", truth: "SELECT decade * 10 AS age, count(*) FROM precise WHERE patient IS NOT NULL AND decade IS NOT NULL GROUP BY decade ORDER BY decade"},
		{ask: "SELECT count(*) FROM precise WHERE weight > 1e6", truth: "SELECT 0::bigint AS count"},
	} {
		for _, binary := range []bool{false, true} {
			ask, truth := q.call, q.call
			ask.SQL, truth.SQL, ask.Binary = q.ask, q.truth, binary
			got, want := outcome(t, analyst, ask), outcome(t, owner, truth)
			if got.Tag != want.Tag {
				t.Errorf("%s: %s, want %s", q.ask, got.Tag, want.Tag)
				continue
			}
			for n, f := range got.Fields {
				if w := want.Fields[n]; f.Name != w.Name || f.Type != w.Type {
					t.Errorf("%s: column %s of type %d, want %s of %d", q.ask, f.Name, f.Type, w.Name, w.Type)
				}
			}
			if !binary {
				nearly(t, q.ask, got.Rows, want.Rows)
			}
		}
	}
}

func outcome(t *testing.T, s *oracle.Session, c oracle.Call) oracle.Outcome {
	t.Helper()
	list, err := s.Extended(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Err != nil {
		t.Fatalf("%s: %+v", c.SQL, list)
	}
	return list[0]
}

// nearly compares numbers up to a twentieth and 3, which is several deviations of
// the noise of each, and the rest exactly.
func nearly(t *testing.T, sql string, got, want [][][]byte) {
	t.Helper()
	for i, row := range got {
		for j, v := range row {
			x, e1 := strconv.ParseFloat(string(v), 64)
			y, e2 := strconv.ParseFloat(string(want[i][j]), 64)
			if e1 != nil || e2 != nil {
				if !bytes.Equal(v, want[i][j]) {
					t.Errorf("%s: %q, want %q", sql, v, want[i][j])
				}
			} else if math.Abs(x-y) > 3+math.Abs(y)/20 {
				t.Errorf("%s: row %d, column %d: %v, want about %v", sql, i, j, x, y)
			}
		}
	}
}

// noisy asks many questions of one meaning about two tables that differ by all rows
// of one subject: answers scatter as the noise should, and tell the tables apart no
// better than the policy's epsilon.
func noisy(t *testing.T, i *oracle.Instance) {
	s := as(t, i, "analyst")
	epsilon := math.Sqrt(2 * 0.25)
	scale := 2 / epsilon // 2 rows of a subject count
	seen := map[string]map[int]int{}
	for _, table := range []string{"one", "another"} {
		seen[table] = map[int]int{}
		sum := 0.0
		for n := range privateDraws {
			n, err := strconv.Atoi(mustRows(t, s, fmt.Sprintf("SELECT count(*) FROM %s WHERE age > -%d", table, n))[0][0])
			if err != nil {
				t.Fatal(err)
			}
			seen[table][n]++
			sum += math.Abs(float64(n - map[string]int{"one": 20, "another": 22}[table]))
		}
		// The mean of |x| is about scale; that of this many draws is within 8 deviations.
		if mean := sum / privateDraws; math.Abs(mean-scale) > 0.1+8*scale/math.Sqrt(privateDraws) {
			t.Errorf("%s: answers are off by %.2f on average, and should be by %.2f", table, mean, scale)
		}
	}
	groups := ""
	for _, r := range mustRows(t, s, "SELECT age FROM another GROUP BY age HAVING count(*) >= 0 ORDER BY age DESC") {
		groups += r[0] + " "
	}
	if groups != "99 3 1 " {
		t.Errorf("groups are %s, not those of the policy", groups)
	}
	for x, n := range seen["one"] {
		if m := seen["another"][x]; n >= 100 && m >= 100 && math.Abs(math.Log(float64(n)/float64(m))) > epsilon+6*math.Sqrt(1/float64(n)+1/float64(m)) {
			t.Errorf("%d was told %d times of one, %d times of the other", x, n, m)
		}
	}
}

// refusedPrivately sends what an analyst may not: every statement fails with a
// code that says so, and no value is in any answer.
func refusedPrivately(t *testing.T, i *oracle.Instance) {
	s := as(t, i, "analyst")
	for _, sql := range []string{
		"SELECT * FROM precise", "SELECT patient FROM precise GROUP BY patient", "SELECT age FROM precise", "TABLE precise", "SELECT count(*), patient FROM precise GROUP BY patient LIMIT abs(3)",
		"SELECT min(age) FROM precise", "SELECT max(patient) FROM precise", "SELECT string_agg(patient, ',') FROM precise", "SELECT array_agg(age) FROM precise",
		"SELECT count(*) FILTER (WHERE age = 3) FROM precise", "SELECT count(DISTINCT age) FROM precise", "SELECT sum(id) FROM precise", "SELECT sum(age + 1) FROM precise",
		"SELECT sum(age) + max(age) FROM precise", "SELECT count(*) FROM precise HAVING max(age) > 3",
		"SELECT count(*) * random() FROM precise", "SELECT pg_sleep(count(*)) FROM precise", "SELECT count(*) FROM precise HAVING (SELECT true FROM hidden)", "SELECT DISTINCT count(*) FROM precise", "SELECT count(*) FROM precise WHERE 1 / age > 2",
		"SELECT count(*) FROM precise WHERE age::text::int > 2", "SELECT count(*) FROM precise WHERE note LIKE ward", "SELECT count(*) FROM precise WHERE note LIKE 'a\\'", "SELECT count(*) FROM precise WHERE note ~ 'a'", "SELECT count(*) FROM precise WHERE note LIKE '%a%a%'",
		"SELECT count(*) FROM precise WHERE age IN (1" + strings.Repeat(", 1", 1000) + ")", "SELECT count(*) FROM precise WHERE true" + strings.Repeat(" AND age IS NULL", 1000), "SELECT count(*) FROM precise WHERE length(note) > 3",
		"SELECT count(*) FROM precise WHERE (SELECT true)", "SELECT count(*) FROM precise WHERE random() < 0.5", "SELECT count(*) FROM precise WHERE admitted < now()",
		"SELECT count(*) FROM precise WHERE note < 'b' COLLATE \"C\"", "SELECT count(*) FROM precise WHERE cost::float8 > 1", "SELECT count(*) FROM precise a JOIN precise b ON true",
		"SELECT count(*) FROM precise, episode", "SELECT count(*) FROM (SELECT 1 FROM precise) q", "WITH q AS (SELECT 1 FROM precise) SELECT count(*) FROM q",
		"SELECT count(*) FROM precise UNION SELECT 3", "SELECT count(*) OVER () FROM precise", "SELECT count(*) FROM precise GROUP BY ROLLUP (ward)", "SELECT count(*) FROM precise GROUP BY cost",
		"SELECT count(*) FROM precise GROUP BY age % 2", "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY age DESC) FROM precise", "SELECT percentile_disc(ARRAY[0.5]) WITHIN GROUP (ORDER BY age) FROM precise",
		"SELECT mode() WITHIN GROUP (ORDER BY age) FROM precise", "SELECT count(*) FROM precise FOR UPDATE", "SELECT count(*) FROM precise TABLESAMPLE BERNOULLI (50)", "SELECT ctid FROM precise",
		"SELECT count(*) FROM hidden", "SELECT 1 FROM precise LIMIT 1", "SELECT avg(note::int) FROM precise", "SELECT version()", "SELECT relname, reltuples FROM pg_class", "SELECT count(*) FROM pg_class",
		"SELECT current_setting('clarus.purpose')", "SELECT pg_relation_size('precise')", "SELECT nextval('precise_id_seq')", "SELECT set_config('a.b', 'c', false)", "SELECT pg_advisory_lock(1)",
		"INSERT INTO precise (age) VALUES (3)", "UPDATE precise SET age = 3", "DELETE FROM precise", "MERGE INTO precise p USING episode e ON false WHEN MATCHED THEN DELETE", "TRUNCATE precise",
		"CREATE TABLE mine (id int)", "CREATE TABLE mine AS SELECT * FROM precise", "CREATE TEMP TABLE mine (id int)", "SELECT * INTO mine FROM precise", "DROP TABLE precise", "CREATE VIEW v AS SELECT * FROM precise",
		"COPY precise TO STDOUT", "COPY (SELECT count(*) FROM precise) TO STDOUT", "COPY precise FROM STDIN", "EXPLAIN SELECT count(*) FROM precise", "EXPLAIN ANALYZE SELECT * FROM precise",
		"DECLARE c CURSOR FOR SELECT count(*) FROM precise", "DO $$BEGIN PERFORM * FROM precise; END$$", "PREPARE p AS SELECT patient FROM precise", "LOCK TABLE precise", "ANALYZE precise", "VACUUM precise",
		"SET clarus.view = 'cloud-a'", "SET ROLE app", "GRANT SELECT ON precise TO other", "CREATE DATABASE mine", "SELECT count(*) FROM precise; SELECT patient FROM precise", "LISTEN a", "SET clarus.other = 'a'",
	} {
		list, err := s.Simple(sql, nil)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		last := list[len(list)-1]
		if last.Err == nil || last.Err.Code != "42501" && last.Err.Code != "0A000" {
			t.Errorf("%s: %q, %v", sql, last.Tag, last.Err)
		}
		if text := fmt.Sprint(listed(list), last.Err); strings.Contains(text, "cnry") {
			t.Errorf("%s told %s", sql, text)
		}
	}
	// What is no question and says nothing goes on working.
	for _, sql := range []string{"SELECT 1", "BEGIN", "SELECT 'a', NULL", "SELECT count(*) FROM precise", "COMMIT", "SHOW timezone", "SET timezone = 'UTC'", "PREPARE p (int) AS SELECT count(*) FROM precise WHERE age > $1",
		"EXECUTE p (3)", "DEALLOCATE p", "RESET ALL", "DISCARD ALL"} {
		mustRows(t, s, sql)
	}
	// A group of one subject is not told, and there is no group that only the policy could name.
	for _, r := range mustRows(t, s, "SELECT admitted, count(*) FROM precise GROUP BY admitted") {
		if r[0] == "" {
			t.Errorf("the group of one subject was told: %s", r)
		}
	}
}

// listed is all that came, as text.
func listed(list []oracle.Outcome) string {
	var b strings.Builder
	for _, o := range list {
		for _, r := range o.Rows {
			fmt.Fprintf(&b, "%s\n", r)
		}
		fmt.Fprintf(&b, "%s %s %s\n", o.Copy, o.Notices, o.Tag)
	}
	return b.String()
}

// spent asks until budgets end: a question costs once, whoever asks, and what was
// spent and told is so after kill -9.
func spent(t *testing.T, i *oracle.Instance, owner *oracle.Session) {
	analyst := as(t, i, "analyst")
	mustCode(t, analyst, "SELECT count(*) FROM episode", "42501") // for which of the two purposes?
	mustRows(t, analyst, "SET clarus.purpose = 'study'")
	told := map[string]string{}
	ask := func(s *oracle.Session, sql string) {
		t.Helper()
		got := fmt.Sprint(mustRows(t, s, sql))
		if was, ok := told[sql]; ok && was != got {
			t.Errorf("%s: first %s, then %s", sql, was, got)
		}
		if told[sql] = got; strings.Contains(got, "cnry") {
			t.Errorf("%s told %s", sql, got)
		}
	}
	questions := []string{"SELECT count(*) FROM episode", "SELECT ward, count(*) FROM episode GROUP BY ward", "SELECT avg(age) FROM episode WHERE age > 20", "SELECT count(DISTINCT patient) FROM episode WHERE age < 70"}
	// Giving up takes no payment back, and the answer comes later at no cost.
	canceled := giveUp(t, i)
	if list, err := analyst.Simple(canceled, nil); err != nil || list[0].Err != nil || len(list[0].Notices) != 0 {
		t.Errorf("%s, asked again: %v, %v", canceled, list, err)
	}
	for n, sql := range questions {
		list, err := analyst.Simple(sql, nil)
		if err != nil || len(list) != 1 || list[0].Err != nil || len(list[0].Notices) != 1 || !strings.Contains(list[0].Notices[0], fmt.Sprintf("left: rho %.9f", 0.75-0.25*float64(n))) {
			t.Errorf("%s: %v, %v", sql, list, err)
		}
		ask(analyst, sql)
		list, err = analyst.Simple(sql, nil)
		if err != nil || len(list) != 1 || list[0].Err != nil || len(list[0].Notices) != 0 {
			t.Errorf("%s, asked again: %v, %v", sql, list, err)
		}
		if n == 1 {
			if err := i.Kill(t.Context(), "proxy", rand.New(rand.NewPCG(1, 1))); err != nil {
				t.Fatal(err)
			}
			owner, analyst = connect(t, i.Target), as(t, i, "analyst")
			mustRows(t, analyst, "SET clarus.purpose TO study")
			mustRows(t, owner, "INSERT INTO episode (patient, ward, age) SELECT n, 'east', 30 FROM generate_series(5000, 9000) n") // remembered answers do not tell of it
		}
		for _, old := range questions[:n+1] {
			ask(analyst, old)
		}
	}
	mustCode(t, analyst, "SELECT count(*) FROM episode WHERE age = 7", "53400")
	if err := i.Kill(t.Context(), "proxy", rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	owner, analyst = connect(t, i.Target), as(t, i, "analyst")
	mustRows(t, analyst, "SET clarus.purpose TO study")
	mustCode(t, analyst, "SELECT count(*) FROM episode WHERE age = 7", "53400")
	ask(analyst, questions[0])
	mustRows(t, analyst, "SET clarus.purpose TO billing") // another budget, of two questions
	ask(analyst, questions[3])
	ask(analyst, "SELECT count(*) FROM episode WHERE age = 7")
	ask(analyst, "SELECT count(*) FROM episode WHERE age IN (8, 9)")
	mustCode(t, analyst, "SELECT count(*) FROM episode WHERE age = 8", "53400")
	other := as(t, i, "other")
	ask(other, questions[1]) // what was paid for
	ask(other, "SELECT count(*) FROM episode WHERE age = 8")
	ask(other, "SELECT count(*) FROM episode WHERE age = 9")
	mustCode(t, other, "SELECT count(*) FROM episode WHERE age = 10", "53400") // the dataset's total
	mustCode(t, other, "SELECT count(*) FROM precise", "42501")                // no budget
	mustRows(t, owner, "REVOKE ALL ON episode FROM other")
	mustCode(t, other, questions[1], "42501")
	mustRows(t, owner, "GRANT SELECT (age, ward) ON episode TO other") // not the subject
	mustCode(t, other, questions[1], "42501")
	mustRows(t, owner, "GRANT SELECT (patient) ON episode TO other")
	ask(other, questions[1])
	mustRows(t, analyst, "SET clarus.purpose TO study")
	for range 2 { // after a refresh it costs anew
		mustRows(t, analyst, "SELECT count(*) FROM fresh")
		time.Sleep(time.Second)
	}
	text, err := os.ReadFile(filepath.Join(i.Dir, "state", "budgets.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte(`episode`)); n != 16 {
		t.Errorf("%d payments and answers, not 16:\n%s", n, text)
	}
	if n := bytes.Count(text, []byte(`fresh`)); n != 4 {
		t.Errorf("%d payments and answers that are refreshed, not 4:\n%s", n, text)
	}
	out, code, err := i.Command(t.Context(), "budgets")
	if err != nil || code != 0 || !strings.Contains(out, "analyst  billing  0.500000000  ") {
		t.Errorf("clarus budgets: %d, %v\n%s", code, err, out)
	}
	log, err := os.ReadFile(filepath.Join(i.Dir, "audit.jsonl"))
	if err != nil || !bytes.Contains(log, []byte(`"class":"private"`)) {
		t.Errorf("the audit log does not tell of private answers: %v", err)
	}
}

// giveUp cancels a question as soon as it is paid for, before its answer is told, and
// returns it.
func giveUp(t *testing.T, i *oracle.Instance) string {
	s := as(t, i, "analyst")
	paid := func() int64 {
		info, err := os.Stat(filepath.Join(i.Dir, "state", "budgets.jsonl"))
		if err != nil {
			t.Error(err)
			return 0
		}
		return info.Size()
	}
	for n := range 20 { // a cancel may come late on a busy machine
		sql, before, done := fmt.Sprintf("SELECT count(*) FROM one WHERE age = %d", n), paid(), make(chan bool)
		var canceling sync.WaitGroup
		canceling.Go(func() {
			for paid() == before {
				select {
				case <-done:
					return
				default:
				}
			}
			_ = s.Cancel(t.Context())
		})
		_, err := rows(s, sql)
		close(done)
		canceling.Wait()
		if se, ok := errors.AsType[*pgwire.ServerError](err); ok && se.Code == "57014" {
			return sql
		}
	}
	t.Fatal("no question could be canceled")
	return ""
}

func mustCode(t *testing.T, s *oracle.Session, sql, code string) {
	t.Helper()
	_, err := rows(s, sql)
	if se, ok := errors.AsType[*pgwire.ServerError](err); !ok || se.Code != code {
		t.Errorf("%s: %v, want %s", sql, err, code)
	}
}
