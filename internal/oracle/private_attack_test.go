package oracle_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// attacked has an owner leave whatever might help an analyst lying about, and the
// analyst try it by every form of the protocol: no value is told, and nothing is
// answered that is not paid for.
func attacked(t *testing.T, i *oracle.Instance, owner *oracle.Session) {
	for _, sql := range []string{
		"CREATE VIEW lying AS SELECT * FROM precise",
		"CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER IMMUTABLE AS $$BEGIN RAISE NOTICE '%', $1; RETURN true; END$$",
		"CREATE FUNCTION steal() RETURNS text LANGUAGE sql SECURITY DEFINER IMMUTABLE AS 'SELECT min(patient) FROM public.precise'",
		"CREATE FUNCTION steals() RETURNS text LANGUAGE plpgsql SECURITY DEFINER IMMUTABLE AS $$DECLARE x text; BEGIN EXECUTE 'SELECT min(pat' || 'ient) FROM pre' || 'cise' INTO x; RETURN x; END$$",
		"CREATE DOMAIN stolen AS text CHECK (leak(VALUE))",
		"CREATE FUNCTION fine(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END'",
		"CREATE TABLE careless (patient text, fine boolean GENERATED ALWAYS AS (fine(patient)) STORED)", "INSERT INTO careless VALUES ('cnrypatientseven')", "GRANT SELECT ON careless TO analyst",
		"CREATE OR REPLACE FUNCTION fine(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE EXCEPTION '%', $1 USING ERRCODE = '57014'; END$$",
		"CREATE SCHEMA lent",
		"CREATE FUNCTION lent.count(text) RETURNS bigint LANGUAGE sql AS 'SELECT length($1)::bigint'",
		"CREATE FUNCTION lent.upper(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT min(patient) FROM public.precise'",
		"GRANT ALL ON SCHEMA lent, public TO analyst", "GRANT ALL ON precise, episode, lying TO analyst", "GRANT ALL ON SEQUENCE precise_id_seq TO analyst",
	} {
		mustRows(t, owner, sql)
	}
	t.Cleanup(func() {
		for _, sql := range []string{"DROP SCHEMA lent CASCADE", "DROP DOMAIN stolen", "DROP VIEW lying", "DROP TABLE careless",
			"DROP FUNCTION fine, leak, steal, steals", "REVOKE ALL ON SCHEMA public FROM analyst", "REVOKE ALL ON precise, episode FROM analyst", "GRANT SELECT ON precise, episode TO analyst"} {
			mustRows(t, owner, sql)
		}
	})
	s := as(t, i, "analyst")
	for _, sql := range attacks {
		for _, c := range []oracle.Call{{SQL: sql}, {SQL: sql, Binary: true}, {SQL: sql, Limit: 1}} {
			list, err := s.Extended(c, nil)
			if err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
			refusedAll(t, sql, list)
		}
		list, err := s.Simple(sql, nil)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		refusedAll(t, sql, list)
	}
}

// attacks are statements that tell nothing and do nothing.
var attacks = []string{
	"SELECT count(*) FROM careless", "SELECT count(*) FROM lying", "SELECT count(*) FROM precise WHERE leak(patient)",
	"SELECT steal()", "SELECT steals()", "SELECT steal(), count(*) FROM precise", "SELECT count(*) FROM precise GROUP BY steals()", "SELECT count(*) FROM precise ORDER BY steal()", "SELECT count(*) FROM precise LIMIT length(steal())",
	"SELECT lent.upper(ward), count(*) FROM precise GROUP BY ward", "SELECT lent.count(patient) FROM precise", "SELECT count(*) FROM precise WHERE patient::stolen = 'a'",
	"SELECT steal()::stolen", "VALUES (steal())", "SELECT ARRAY(SELECT patient FROM precise)", "SELECT EXISTS (SELECT FROM precise WHERE patient = 'cnrypatient1')", "SELECT (SELECT patient FROM precise LIMIT 1)",
	"SELECT (precise).patient FROM precise", "SELECT precise FROM precise", "SELECT count(precise) FROM precise", "SELECT count(precise.*) FROM precise", "SELECT to_json(precise) FROM precise GROUP BY precise", "SELECT sum(tableoid::int) FROM precise", "SELECT count(*) FROM precise WHERE ctid = '(0,1)'", "SELECT xmin FROM precise GROUP BY xmin",
	"SELECT table_to_xml('precise', true, true, '')", "SELECT query_to_xml('SELECT * FROM precise', true, true, '')", "SELECT count(*), query_to_xml('SELECT * FROM precise', true, true, '') FROM precise", "SELECT ts_stat('SELECT to_tsvector(patient) FROM precise')",
	"SELECT count(*) FROM precise WHERE 'precise'::regclass IS NULL", "SELECT last_value FROM precise_id_seq", "SELECT count(*) FROM precise_id_seq", "SELECT currval('precise_id_seq')", "SELECT setval('precise_id_seq', 1)", "SELECT * FROM pg_sequences", "SELECT pg_sequence_last_value('precise_id_seq')",
	"SELECT * FROM pg_stats", "SELECT n_live_tup FROM pg_stat_user_tables", "SELECT reltuples FROM pg_class", "SELECT pg_total_relation_size('precise')", "SELECT pg_current_wal_lsn()", "SELECT pg_database_size('app')", "SELECT * FROM information_schema.columns", "SELECT query FROM pg_stat_activity", "SELECT * FROM pg_prepared_statements", "SELECT pg_get_viewdef('lying')",
	"SELECT lo_create(0)", "SELECT lo_get(1)", "SELECT pg_notify('a', 'b')", "NOTIFY a", "SELECT pg_try_advisory_lock(1)", "SELECT pg_advisory_xact_lock(1)", "SELECT pg_sleep(1)", "SELECT dblink('a')", "SELECT pg_read_file('/etc/passwd')",
	"COPY (DELETE FROM precise RETURNING *) TO STDOUT", "COPY precise (patient) TO STDOUT WITH (FORMAT binary)", "COPY precise TO '/tmp/a'", "COPY precise TO PROGRAM 'cat'", "DECLARE c BINARY CURSOR WITH HOLD FOR SELECT * FROM precise", "FETCH ALL FROM c", "MOVE c", "CLOSE c",
	"PREPARE a AS DELETE FROM precise RETURNING patient", "EXPLAIN (ANALYZE, VERBOSE) SELECT count(*) FROM precise WHERE patient = 'cnrypatient1'", "EXPLAIN (GENERIC_PLAN) SELECT $1::int", "CALL steal()", "DO LANGUAGE plpgsql 'BEGIN RAISE NOTICE ''%'', steal(); END'",
	"WITH d AS (DELETE FROM precise RETURNING 1) SELECT count(*) FROM d", "SELECT count(*) FROM precise FOR SHARE", "LOCK TABLE precise IN ACCESS SHARE MODE", "SELECT 1 FROM precise FOR UPDATE SKIP LOCKED", "REFRESH MATERIALIZED VIEW precise", "CLUSTER precise", "REINDEX TABLE precise", "CHECKPOINT", "LOAD 'auto_explain'",
	"CREATE VIEW lent.v AS SELECT * FROM precise", "CREATE TABLE lent.t AS SELECT * FROM precise", "CREATE TABLE lent.t (a text DEFAULT steal())", "CREATE FUNCTION lent.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TEMP VIEW v AS SELECT 1", "CREATE INDEX ON precise (leak(patient))", "ALTER TABLE precise DISABLE TRIGGER ALL", "ALTER ROLE analyst SUPERUSER", "ALTER USER analyst SET clarus.view = 'cloud-a'",
	"COMMENT ON TABLE precise IS 'a'", "SECURITY LABEL ON TABLE precise IS 'a'", "REVOKE SELECT ON precise FROM other", "REASSIGN OWNED BY app TO analyst", "SET SESSION AUTHORIZATION app", "SET debug_print_plan = on", "SET auto_explain.log_min_duration = 0; LISTEN a", "SET log_statement_stats = on", "SET trace_sort = on", "SET session_replication_role = replica", "SET row_security = off; TABLE precise", "SHOW ALL", "SHOW clarus.releases", "SHOW data_directory", "SET TRANSACTION SNAPSHOT '1'", "PREPARE TRANSACTION 'a'", "DISCARD TEMP",
	"SELECT count(*) FROM precise WHERE age > (SELECT max(age) FROM precise)", "SELECT count(*) FROM ONLY precise p (x), LATERAL (SELECT p.x) q", "SELECT count(*) FROM precise NATURAL JOIN episode", "SELECT CASE WHEN count(*) > 1 THEN 1 / 0 END FROM precise", "SELECT grouping(ward), count(*) FROM precise GROUP BY CUBE (ward)", "SELECT sum(age) OVER () FROM precise", "SELECT corr(age, cost) FROM precise", "SELECT count(*) FROM precise WHERE NULLIF(age, 3) IS NULL", "SELECT count(*) FROM precise WHERE (age, cost) < (1, 2)", "SELECT count(*) FROM precise WHERE patient IS DISTINCT FROM 'a'", "SELECT bit_and(age) FROM precise", "SELECT every(age > 3) FROM precise", "SELECT count(*) FROM precise WHERE weight = ANY (ARRAY[age])",
	"SELECT count(*) FROM app.public.hidden", "SELECT count(*) FROM other.public.precise",
}

// refusedAll requires an error that says no more than what is wrong.
func refusedAll(t *testing.T, sql string, list []oracle.Outcome) {
	t.Helper()
	last := list[len(list)-1]
	if last.Err == nil {
		t.Errorf("%s: %q, %s", sql, last.Tag, listed(list))
		return
	}
	if text := strings.ReplaceAll(fmt.Sprint(listed(list), last.Err), "cnrypatient1'", ""); strings.Contains(text, "cnry") {
		t.Errorf("%s told %s", sql, text)
	}
}

// raced has sessions ask at once: one question is paid for once and has one answer,
// and many together cost no more than there is.
func raced(t *testing.T, i *oracle.Instance) {
	ledger := func() int { return entries(t, i, "tight") }
	ask := func(sql func(n int) string) (answers []string) {
		var group sync.WaitGroup
		answers = make([]string, 6)
		for n := range answers {
			s := as(t, i, "analyst")
			group.Go(func() {
				if list, err := rows(s, sql(n)); err == nil {
					answers[n] = fmt.Sprint(list)
				}
			})
		}
		group.Wait()
		return answers
	}
	same := ask(func(int) string { return "SELECT count(*) FROM tight" })
	for _, a := range same {
		if a == "" || a != same[0] {
			t.Errorf("the same question at once: %s", same)
		}
	}
	if n := ledger(); n != 2 {
		t.Errorf("it made %d entries, not a payment and an answer", n)
	}
	got := 0
	for _, a := range ask(func(n int) string { return fmt.Sprintf("SELECT count(*) FROM tight WHERE patient > %d", n) }) {
		if a != "" {
			got++
		}
	}
	if n := ledger(); got != 2 || n != 6 {
		t.Errorf("%d questions were answered, with %d entries, and the budget is for 2 more", got, n)
	}
}

// readOnce asks with a parameter as text, which settings read in several ways: its
// value makes the question, and what is no value costs nothing.
func readOnce(t *testing.T, i *oracle.Instance) {
	s := as(t, i, "analyst")
	ask := func(sql, style, value string) oracle.Outcome {
		t.Helper()
		mustRows(t, s, "SET datestyle = '"+style+"'")
		list, err := s.Extended(oracle.Call{SQL: sql, Params: [][]byte{[]byte(value)}}, nil)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %v, %v", value, list, err)
		}
		return list[0]
	}
	const admitted = "SELECT count(*) FROM precise WHERE admitted <= $1"
	for _, c := range []struct {
		style, value, truth string
		costs               int
	}{
		{"ISO, MDY", "01/02/2024", "120", 1}, {"ISO, DMY", "01/02/2024", "300", 1}, {"ISO, DMY", "2.1.2024", "120", 0}, {"ISO, MDY", "2024-01-02", "120", 0}, {"ISO, MDY", "infinity", "300", 1},
	} {
		o := ask(admitted, c.style, c.value)
		if o.Err != nil || len(o.Notices) != c.costs {
			t.Errorf("%s: %v, %s", c.value, o.Err, o.Notices)
			continue
		}
		nearly(t, c.value, o.Rows, [][][]byte{{[]byte(c.truth)}})
	}
	for sql, value := range map[string]string{admitted: "no date", "SELECT count(*) FROM precise WHERE weight < float8($1::numeric)": "1e400"} {
		if o := ask(sql, "ISO", value); o.Err == nil || o.Err.Code[:2] != "22" || len(o.Notices) > 0 {
			t.Errorf("%s: %v, %s", value, o.Err, o.Notices)
		}
	}
}
