//go:build drivers

package oracle_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNodePg runs the same kind of application on node-pg, which npm brings.
func TestNodePg(t *testing.T) {
	dir := t.TempDir()
	npm := exec.CommandContext(t.Context(), "npm", "install", "--silent", "--no-audit", "--no-fund", "pg@8")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("npm install pg: %v\n%s", err, out)
	}
	app, err := os.ReadFile("testdata/drivers/app.js")
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "app.js")
	if err := os.WriteFile(script, app, 0o600); err != nil {
		t.Fatal(err)
	}
	drive(t, "node", script)
}

// TestJDBC runs the same kind of application on PostgreSQL's JDBC driver.
func TestJDBC(t *testing.T) {
	drive(t, "java", "-cp", "/usr/share/java/postgresql.jar", "testdata/drivers/App.java")
}
