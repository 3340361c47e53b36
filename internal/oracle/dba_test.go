package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// dbaSetup are objects of most kinds that there are.
const dbaSetup = `CREATE TABLE dba (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, n int DEFAULT 3 CHECK (n > 0));
CREATE VIEW dba_view AS SELECT name FROM dba;
CREATE FUNCTION dba_double(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 2';
CREATE SCHEMA dba_more; CREATE TABLE dba_more.t (a int PRIMARY KEY);
GRANT SELECT ON dba TO report;
INSERT INTO dba (name) VALUES ('cnrydbaone7x2'), ('cnrydbatwo7x2');`

// completions are what psql asks when the tabulator is pressed.
const completions = `SELECT c.relname, NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND (c.relname) LIKE 'dba%'
 AND pg_catalog.pg_table_is_visible(c.oid) AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
 UNION ALL SELECT NULL::pg_catalog.text, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname LIKE 'dba%' AND n.nspname NOT LIKE E'pg\\_%' ORDER BY 1, 2 LIMIT 1000;
SELECT attname FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped AND (attname) LIKE 'n%'
 AND (c.relname) = 'dba' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1 LIMIT 1000;
SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser') AND pg_catalog.lower(name) LIKE 'work%' ORDER BY 1 LIMIT 1000;
SELECT p.proname FROM pg_catalog.pg_proc p WHERE p.prokind IN ('f', 'w') AND (p.proname) LIKE 'dba%' AND pg_catalog.pg_function_is_visible(p.oid) ORDER BY 1;`

// TestDBA has psql print what a database administrator looks at, as on plain
// PostgreSQL.
func TestDBA(t *testing.T) {
	i, err := world.Clarus(t.Context(), "dba", "testdata/policy-equality.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	both(t, i.Target, unchanged, dbaSetup)
	defer both(t, i.Target, unchanged, "DROP TABLE dba_more.t; DROP SCHEMA dba_more;") // which psql's other test would list
	for _, c := range []string{`\d+ dba`, `\d dba_view`, `\d+ dba_view`, `\df`, `\df+ dba_double`, `\sf dba_double`, `\sv dba_view`, `\dn dba*`, `\dp dba`, `\z dba*`,
		`\ds dba*`, `\di dba*`, `\dv dba*`, `\dT`, `\dD`, `\dx`, `\dC int4`, `\do =`, `\dA`, `\dc`, `\dd`, `\ddp`, `\dE`, `\det`, `\des`, `\dew`, `\dF`, `\dFd`, `\dFp`, `\dFt`,
		`\dl`, `\dm`, `\dO`, `\dP`, `\dRp`, `\dX`, `\dconfig work_mem`, `\dt *.dba*`, `\dt dba_more.*`, `\d dba_more.t`, `\dS pg_class`, `\encoding`,
		`\x \\ SELECT * FROM dba ORDER BY id;`, `SELECT id, name AS x FROM dba \gdesc`, `SELECT format('SELECT %s', id) FROM dba ORDER BY id \gexec`,
		"SELECT name FROM dba WHERE id = 1 \\gset p_\n\\echo :p_name", `\copy (SELECT * FROM dba ORDER BY id) TO STDOUT WITH (FORMAT csv, HEADER)`,
		`SELECT * FROM dba ORDER BY id \crosstabview id n name`, "\\set FETCH_COUNT 1\nSELECT * FROM dba ORDER BY id;", completions,
		"\\timing on\n\\timing off\nSELECT count(*) FROM dba;"} {
		t.Run(c, func(t *testing.T) { both(t, i.Target, unchanged, c) })
	}
	t.Run("sequences", func(t *testing.T) {
		both(t, i.Target, unchanged, `CREATE SEQUENCE dba_seq START 7; SELECT last_value, is_called FROM dba_seq; SELECT nextval('dba_seq'), nextval('dba_seq');
SELECT is_called, s.last_value FROM public.dba_seq s; SELECT last_value, is_called FROM dba_id_seq; BEGIN; SELECT nextval('dba_seq'); ROLLBACK; SELECT last_value FROM dba_seq;
BEGIN; CREATE SEQUENCE dba_other; SELECT last_value, is_called FROM dba_other; ROLLBACK; ALTER SEQUENCE dba_seq RENAME TO dba_named; SELECT last_value + last_value AS twice FROM dba_named;
DROP SEQUENCE dba_named;`)
		for _, sql := range []string{"SELECT last_value FROM dba_id_seq, dba", "SELECT last_value FROM dba_id_seq WHERE last_value > 5", "SELECT 'cnrydbaseq7x2' FROM dba_id_seq", "SELECT tableoid, last_value FROM dba_id_seq", "SELECT xmin FROM dba_id_seq",
			"SELECT (SELECT last_value FROM dba_id_seq) FROM dba"} {
			if _, err := rows(connect(t, i.Target), sql); codeOf(err) != "0A000" {
				t.Errorf("%s: %v", sql, err)
			}
		}
		report, err := oracle.Open(t.Context(), i.Target.As("report"))
		if err != nil {
			t.Fatal(err)
		}
		defer report.Close()
		if _, err := rows(report, "SELECT last_value FROM dba_id_seq"); codeOf(err) != "42501" {
			t.Errorf("without privileges: %v", err)
		}
	})
	t.Run("databases", func(t *testing.T) {
		s := connect(t, i.Target)
		mustRows(t, s, "CREATE DATABASE dba_second")
		want := "[[app app UTF8 true] [dba_second app UTF8 false]]"
		for _, sql := range []string{"SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datname = current_database() FROM pg_database ORDER BY 1",
			"SELECT d.datname, r.rolname, pg_encoding_to_char(d.encoding), d.datname = current_catalog FROM pg_catalog . \"pg_database\" d JOIN pg_roles r ON r.oid = d.datdba ORDER BY pg_database.datname",
			"WITH x AS (SELECT * FROM pg_database) SELECT datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datname = current_database() FROM x ORDER BY 1"} {
			got, err := rows(s, sql)
			if strings.Contains(sql, "pg_database.datname") {
				if codeOf(err) != "42P01" {
					t.Errorf("%s: %v %v", sql, got, err)
				}
				continue
			}
			if list := strings.NewReplacer(" t]", " true]", " f]", " false]").Replace(fmt.Sprint(got)); list != want || err != nil {
				t.Errorf("%s: %s %v", sql, list, err)
			}
		}
		if out, _, err := world.Program(t.Context(), i.Target, "app", "", "psql", "-XAt", "-c", `\l`); err != nil || !strings.Contains(out, "dba_second|app|UTF8|C.UTF-8|C.UTF-8") || strings.Contains(out, "scr_") {
			t.Errorf("%v %s", err, out)
		}
		for _, sql := range []string{"SELECT * FROM pg_database FOR UPDATE", "SELECT tableoid, * FROM pg_database", "WITH pg_database AS (SELECT 1) SELECT * FROM pg_catalog.pg_database", "SELECT pg_catalog.pg_database.datname FROM pg_catalog.pg_database"} {
			if _, err := rows(s, sql); codeOf(err) != "0A000" && codeOf(err) != "42501" && codeOf(err) != "42P01" {
				t.Errorf("%s: %v", sql, err)
			}
		}
	})
	t.Run("pg_backend_pid", func(t *testing.T) {
		s := connect(t, i.Target)
		mustRows(t, s, "CREATE FUNCTION dba_pid() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN pg_backend_pid(); END'")
		for _, sql := range []string{"SELECT pg_backend_pid()", "SELECT * FROM pg_backend_pid()", "SELECT dba_pid()", "BEGIN; SELECT pg_backend_pid()",
			"SELECT pg_backend_pid() FROM dba WHERE id = 1", "SELECT max(pg_backend_pid()) FROM dba", "COMMIT; SELECT pg_backend_pid()",
			"RESET ALL; SELECT pg_backend_pid()", "DISCARD ALL", "SELECT pg_backend_pid()"} {
			if got := mustRows(t, s, sql); len(got) > 0 && got[0][0] != fmt.Sprint(s.PID()) {
				t.Errorf("%s: %v, want %d", sql, got, s.PID())
			}
		}
		if _, err := rows(s, "SET pg_clarus.pid = 7"); codeOf(err) != "0A000" {
			t.Errorf("SET of Clarus's own setting: %v", err)
		}
	})
}
