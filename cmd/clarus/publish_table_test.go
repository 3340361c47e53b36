package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

const patients = `CREATE TABLE patient (id int PRIMARY KEY, name text NOT NULL, born date, "Post, code" char(5), ward text, cost numeric(8,2), seen timestamptz);
INSERT INTO patient SELECT i, 'Name '||i, date '1950-01-01' + i * 37, 53100 + i % 7, CASE WHEN i % 5 > 0 THEN 'a "ward", '||i % 3 END, i / 8.0, timestamptz '2026-01-01 10:00+02' + i * interval '1 hour'
FROM generate_series(1, 200) i;
CREATE SCHEMA release`

// TestPublishTables publishes tables of a PostgreSQL server; the scripts have
// the mistakes of command lines.
func TestPublishTables(t *testing.T) {
	address := startCloud(t, nil, "ALTER DATABASE app OWNER TO clarus")
	c := dial(t, address, "clarus", "b-password")
	defer c.Close()
	ask := func(sql string) string {
		t.Helper()
		rows, err := c.query(sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		var lines []string
		for _, r := range rows {
			lines = append(lines, strings.Join(r, "|"))
		}
		return strings.Join(lines, "\n")
	}
	ask(patients)
	t.Run("scripts", func(t *testing.T) { // which run to their end before what follows
		runScripts(t, "tables", func(e *testscript.Env) {
			e.Setenv("AT", "postgres://clarus@"+address+"/app")
			if err := os.WriteFile(filepath.Join(e.WorkDir, "password"), []byte("b-password\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		})
	})
	for sql, want := range map[string]string{
		"SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'release.patient'::regclass AND attnum > 0": "born text, Post, code text, ward text, cost numeric(8,2), seen timestamp with time zone",
		"SELECT count(*), count(ward), sum(cost), min(seen)::text FROM release.patient":                                                                                             ask("SELECT count(*), count(ward), sum(cost), min(seen)::text FROM patient"),
		`SELECT bool_and(n >= 5) FROM (SELECT count(*) n FROM release.patient GROUP BY born, "Post, code") g`:                                                                       "t",
		"SELECT count(*) FROM pg_class WHERE relname = 'narrow'":                                                                                                                    "0",
		"SELECT obj_description('release.patient'::regclass) ~ '^A release, anonymised by Clarus: local, k = 5, policy sha256:[0-9a-f]{64}, made'":                                  "t",
		"SELECT count(*), bool_and(a ~ '^[{]') FROM release.from_file":                                                                                                              "4|t",
	} {
		if got := ask(sql); got != want {
			t.Errorf("%s: %s, not %s", sql, got, want)
		}
	}
}
