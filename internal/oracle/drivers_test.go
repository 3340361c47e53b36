package oracle_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// TestPsycopg runs a small application on psycopg 3, unchanged, on plain
// PostgreSQL and through Clarus: it must print the same.
func TestPsycopg(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which has Debian's modules
	if err := exec.Command(python, "-c", "import psycopg").Run(); err != nil {
		if os.Getenv("CI") != "" || os.Getuid() == 0 {
			t.Fatalf("psycopg 3 is missing, which scripts/setup installs: %v", err)
		}
		t.Skip("psycopg 3 is missing (Debian: python3-psycopg)")
	}
	drive(t, python, "testdata/drivers/app.py")
}

// drive runs an application on plain PostgreSQL and through Clarus under two
// policies, and compares what it prints.
func drive(t *testing.T, program string, args ...string) {
	want := application(t, world.Plain, program, args...)
	if len(want) < 1000 {
		t.Fatalf("the application printed only:\n%s", want)
	}
	for _, policy := range []string{"sealed", "equality"} {
		t.Run(policy, func(t *testing.T) {
			i, err := world.Clarus(t.Context(), strings.ReplaceAll(t.Name(), "/", "-"), "testdata/policy-"+policy+".yaml")
			if err != nil {
				t.Fatal(err)
			}
			defer i.Stop()
			got := strings.Split(application(t, i.Target, program, args...), "\n")
			for n, line := range strings.Split(want, "\n") {
				if n >= len(got) || got[n] != line {
					t.Fatalf("line %d is\n%s\ninstead of\n%s", n+1, strings.Join(got[min(n, len(got)):min(n+1, len(got))], "\n"), line)
				}
			}
		})
	}
}

// application runs a program with the target in its environment.
func application(t *testing.T, target *oracle.Target, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "PGHOST=" + target.Host, "PGPORT=" + strconv.Itoa(int(target.Port)),
		"PGUSER=app", "PGPASSWORD=" + oracle.Password, "PGDATABASE=" + target.Database, "PGSSLMODE=disable"}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s on %s: %v\n%s\nafter\n%s", args, target.Name, err, stderr.String(), out)
	}
	return string(out)
}
