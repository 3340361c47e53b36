package oracle_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
)

// hostile is SQL that tries to leave its place on the twin. Each must end with
// one of the SQLSTATEs; setup runs before and must not fail.
var hostile = []struct {
	what  string
	setup []string
	sql   string
	codes string
}{
	{"become another", nil, "SET ROLE clarus_twin", "0A000"},
	{"become another", nil, "SET SESSION AUTHORIZATION clarus_twin", "0A000"},
	{"become another", nil, "RESET ROLE", "0A000"},
	{"become another", nil, "SELECT set_config('role', 'clarus_twin', false)", "0A000 42501 22023 42704"},
	{"become another in a function", []string{
		"CREATE FUNCTION h_role() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SET ' || 'ROLE clarus_twin'; END $$"}, "SELECT h_role()", "42501 0A000"},
	{"become another in a function", []string{
		"CREATE FUNCTION h_config() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT set_config('session_replication_role', 'origin', false) $$"}, "SELECT h_config()", "42501"},
	{"run a program", nil, "COPY (SELECT 1) TO PROGRAM 'id'", "0A000"},
	{"run a program", []string{
		"CREATE FUNCTION h_program() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id'''; END $$"}, "SELECT h_program()", "42501 0A000"},
	{"read a file", nil, "SELECT pg_read_file('/etc/passwd')", "0A000"},
	{"read a file", nil, "COPY h_own FROM '/etc/passwd'", "0A000"},
	{"read a file", []string{
		"CREATE FUNCTION h_file() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE r text; BEGIN EXECUTE 'SELECT pg_read_' || 'file(''/etc/passwd'')' INTO r; RETURN r; END $$"}, "SELECT h_file()", "42501"},
	{"read a file", nil, "SELECT lo_import('/etc/passwd')", "0A000"},
	{"list files", nil, "SELECT pg_ls_dir('.')", "0A000"},
	{"reach out", nil, "CREATE EXTENSION dblink", "0A000"},
	{"reach out", []string{
		"CREATE FUNCTION h_extension() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'CREATE EXTENSION dblink'; END $$"}, "SELECT h_extension()", "0A000 42501"},
	{"other languages", nil, "CREATE FUNCTION h_c() RETURNS int LANGUAGE c AS '/lib/x86_64-linux-gnu/libc.so.6', 'getpid'", "0A000"},
	{"other languages", nil, "CREATE FUNCTION h_internal() RETURNS int LANGUAGE internal AS 'pg_backend_pid'", "0A000"},
	{"watch others", nil, "SELECT query FROM pg_stat_activity", "0A000"},
	{"watch others", []string{
		"CREATE FUNCTION h_watch() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN EXECUTE 'SELECT count(*) FROM pg_stat_get_activity(NULL)' INTO n; RETURN n; END $$"}, "SELECT h_watch()", "42501"},
	{"end others", nil, "SELECT pg_terminate_backend(1)", "0A000"},
	{"end others", []string{
		"CREATE FUNCTION h_end() RETURNS bool LANGUAGE plpgsql AS $$ DECLARE b bool; BEGIN EXECUTE 'SELECT pg_terminate_backend(pg_backend_pid())' INTO b; RETURN b; END $$"}, "SELECT h_end()", "42501"},
	{"what Clarus keeps", nil, "SELECT * FROM pg_clarus.token", "42501 0A000"},
	{"what Clarus keeps", nil, "SELECT * FROM pg_clarus.rows('', 'SELECT 1') AS (n int)", "42501 0A000"},
	{"what Clarus keeps", []string{
		"CREATE FUNCTION h_token() RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE 'SELECT token FROM pg_clarus.token' INTO r; RETURN r; END $$"}, "SELECT h_token()", "42501"},
	{"what Clarus keeps", []string{
		"CREATE FUNCTION h_door() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'UPDATE pg_clarus.door SET open = true'; END $$"}, "SELECT h_door()", "42501"},
	{"system tables", []string{
		"CREATE FUNCTION h_super() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'UPDATE pg_authid SET rolsuper = true'; END $$"}, "SELECT h_super()", "42501"},
	{"passwords", []string{
		"CREATE FUNCTION h_shadow() RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; BEGIN EXECUTE 'SELECT string_agg(rolpassword, '','') FROM pg_authid' INTO r; RETURN r; END $$"}, "SELECT h_shadow()", "42501"},
	{"time", nil, "SELECT count(*) FROM generate_series(1, 1000000000000)", "57014 53400"},
	{"time", nil, "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r", "57014 53400"},
	{"time", []string{"CREATE FUNCTION h_loop() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOOP NULL; END LOOP; END $$"}, "SELECT h_loop()", "57014"},
	{"time", []string{"CREATE FUNCTION h_sleep() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3600); END $$"}, "SELECT h_sleep()", "57014"},
	{"time, catching its own end", []string{"CREATE FUNCTION h_catch() RETURNS int LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$"}, "SELECT h_catch()", "57014"},
	{"memory", nil, "SELECT length(repeat(repeat('x', 1000000), 900))", "53200 54000"},
	{"memory", nil, "SELECT array_length(array_agg(n), 1) FROM (SELECT generate_series(1, 200000000) AS n) q", "53200 57014"},
	{"memory", []string{"CREATE FUNCTION h_grow() RETURNS int LANGUAGE plpgsql AS $$ DECLARE a text := 'x'; BEGIN FOR i IN 1..40 LOOP a := a || a; END LOOP; RETURN length(a); END $$"}, "SELECT h_grow()", "53200 54000"},
	{"temporary space", nil, "SELECT count(*) FROM (SELECT n, repeat('x', 500) AS t FROM generate_series(1, 3000000) n ORDER BY t, n DESC OFFSET 1) q", "53400 57014"},
	{"depth", []string{"CREATE FUNCTION h_deep(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN h_deep(n + 1); END $$"}, "SELECT h_deep(1)", "54001"},
}

// TestHostile runs SQL of an evil client, while another client works on.
func TestHostile(t *testing.T) {
	i, err := world.Limited(t.Context(), "hostile", "testdata/policy-sealed.yaml", ", memory: 192MB, temporary: 32MB, timeout: 3s")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	evil, other := connect(t, i.Target), connect(t, i.Target)
	must := func(s *oracle.Session, sql string) {
		t.Helper()
		if _, err := rows(s, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	must(evil, "CREATE TABLE h_own (a text)")
	must(evil, "INSERT INTO h_own VALUES ('one')")
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serveBeside(ctx, other) }()
	for _, h := range hostile {
		for _, sql := range h.setup {
			must(evil, sql)
		}
		outcomes, err := evil.Simple(h.sql, nil)
		if err != nil {
			t.Errorf("%s: %s: the session ended: %v", h.what, h.sql, err)
			evil = connect(t, i.Target)
			continue
		}
		code := ""
		if o := outcomes[len(outcomes)-1]; o.Err != nil {
			code = o.Err.Code
		}
		if code == "" || !strings.Contains(h.codes, code) {
			t.Errorf("%s: %s: SQLSTATE %q, want one of %s", h.what, h.sql, code, h.codes)
		}
		if got, err := rows(evil, "SELECT a FROM h_own"); err != nil || len(got) != 1 || got[0][0] != "one" {
			t.Errorf("%s: %s: afterwards: %v, %v", h.what, h.sql, got, err)
		}
	}
	stop()
	if err := <-served; err != nil {
		t.Error("the other session:", err)
	}
	if t.Failed() {
		log, _ := os.ReadFile(i.Log)
		t.Logf("clarus printed:\n%s", log)
	}
}

// serveBeside asks until ctx ends and fails where an answer takes too long.
func serveBeside(ctx context.Context, s *oracle.Session) error {
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		got, err := rows(s, "SELECT a FROM h_own")
		if err != nil || len(got) != 1 {
			return fmt.Errorf("question %d: %v, %v", n, got, err)
		}
		if took := time.Since(began); took > 20*time.Second {
			return fmt.Errorf("question %d took %s", n, took)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}
