package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCommands runs the scripts of testdata/command. At PROVIDER is a server
// where the role clarus, with the password b-password, owns the database app;
// at OTHER one where it owns nothing.
func TestCommands(t *testing.T) {
	cloud, other := startCloud(t, nil, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 OWNER clarus", "ALTER DATABASE app OWNER TO clarus"), startCloud(t, nil)
	runScripts(t, "command", func(e *testscript.Env) {
		e.Setenv("PROVIDER", cloud)
		e.Setenv("OTHER", other)
	})
}

// TestInitServes takes the README's way: init with a schema, serve, and create
// the tables under the guessed policy.
func TestInitServes(t *testing.T) {
	const schema = `CREATE TABLE patient (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, last_name text NOT NULL, born date, email text UNIQUE);
CREATE TABLE code (code text PRIMARY KEY, what text);
CREATE TABLE visit (id serial PRIMARY KEY, patient int REFERENCES patient, code text REFERENCES code (code), day date, UNIQUE (patient, day));
CREATE TABLE late (id int NOT NULL, patient int NOT NULL, note text);
ALTER TABLE late ADD PRIMARY KEY (id);
ALTER TABLE late ADD FOREIGN KEY (patient) REFERENCES patient;`
	h := newHouse(t, "", "")
	if err := os.WriteFile(filepath.Join(h.dir, "schema.sql"), []byte(schema), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"PROVIDER_PASSWORD=b-password"}
	first := h.command(t, good, "init", "--provider", startCloud(t, nil, "ALTER DATABASE app OWNER TO clarus"), "--listen", "127.0.0.1:0", "--from", "schema.sql", "mine")
	first.Env = append(first.Env, env...)
	if out, err := first.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	serve := h.command(t, good, "serve", "--config", "mine/clarus.yaml")
	serve.Env = append(serve.Env, env...)
	said, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		_ = serve.Wait()
	}()
	var log strings.Builder
	lines := bufio.NewScanner(io.TeeReader(said, &log))
	address := ""
	for address == "" && lines.Scan() {
		_, address, _ = strings.Cut(lines.Text(), "listening on postgres ")
	}
	if address == "" {
		t.Fatalf("it does not serve:\n%s", log.String())
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	c := dial(t, address, "app", "a-password")
	defer c.Close()
	for _, sql := range append(strings.Split(schema, "\n"), "INSERT INTO patient (last_name, born, email) VALUES ('Lovelace', '1815-12-10', 'ada@example.org')",
		"INSERT INTO code VALUES ('A1', 'cold')", "INSERT INTO visit (patient, code, day) VALUES (1, 'A1', '2024-02-29')", "INSERT INTO late VALUES (7, 1, 'x')",
		"SELECT 1/count(*) FROM patient JOIN visit ON visit.patient = patient.id JOIN code USING (code) JOIN late ON late.patient = patient.id WHERE last_name = 'Lovelace'") {
		if _, err := c.query(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
