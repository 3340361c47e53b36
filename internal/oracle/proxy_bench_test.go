//go:build bench

package oracle_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/figures"
	"github.com/clarus-project/clarus/internal/oracle"
)

// A load is one statement that pgbench repeats. Its name is that of its file in
// testdata/bench.
type load struct{ name, class, what string }

var loads = []load{
	{"pass", "pass", "select one row by its key, nothing protected"},
	{"point", "push", "select one row by its clear key, two sealed columns"},
	{"tag", "push", "select one row by a sealed column with equality"},
	{"hundred", "push", "select 100 rows by a clear range, two sealed columns"},
	{"range", "refine", "select 10 of 1,000 rows by a sealed range"},
	{"insert", "direct", "insert one row with two sealed columns"},
	{"update", "direct", "update a sealed column of one row by its clear key"},
	{"delete", "direct", "delete one row by its clear key (most are gone)"},
	{"change", "residual", "update a sealed column of one row to what is computed from it"},
	{"filter", "residual", "LIKE on a sealed column of 1,000 rows"},
}

const benchRounds = 7

// TestProxyBench measures statements a second through Clarus, plain PostgreSQL
// and pgbouncer, in turn, and writes the medians into docs/benchmarks.md.
// BENCHTIME is the time of one measurement in whole seconds (1). Where BENCH
// chooses among the loads by a regular expression, nothing is written.
func TestProxyBench(t *testing.T) {
	seconds := strings.TrimSuffix(os.Getenv("BENCHTIME"), "s")
	if _, err := strconv.Atoi(seconds); err != nil {
		seconds = "1"
	}
	i, direct, err := world.Bare(t.Context(), "bench", "testdata/policy-bench.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	defer func() {
		if log, err := os.ReadFile(i.Log); t.Failed() && err == nil {
			t.Logf("clarus printed:\n%s", log)
		}
	}()
	bouncer, err := world.Bouncer(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer bouncer.Stop()
	targets := []*oracle.Target{direct, bouncer.Target, i.Target}
	for _, target := range []*oracle.Target{direct, i.Target} {
		if _, _, err := world.Program(t.Context(), target, "app", "", "psql", "-Xqv", "ON_ERROR_STOP=1", "-f", script(t, "schema")); err != nil {
			t.Fatalf("%s: %v", target.Name, err)
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| statement | class | protocol | clients | PostgreSQL | pgbouncer | Clarus | of pgbouncer | CPU of Clarus | of its twin |\n|---|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	chosen := regexp.MustCompile(os.Getenv("BENCH"))
	for _, l := range loads {
		if !chosen.MatchString(l.name) {
			continue
		}
		for _, protocol := range []string{"simple", "prepared"} {
			for _, clients := range []int{1, 8} {
				rates := make([][]float64, len(targets))
				var own, twin []float64
				for range benchRounds {
					for at, target := range targets {
						before := i.CPU()
						rate, done := pgbench(t, target, l.name, protocol, clients, seconds)
						rates[at] = append(rates[at], rate)
						if target == i.Target {
							after := i.CPU()
							own = append(own, (after.Clarus-before.Clarus).Seconds()*1e6/done)
							twin = append(twin, (after.Twin-before.Twin).Seconds()*1e6/done)
						}
					}
				}
				plain, pooled, clarus := median(rates[0]), median(rates[1]), median(rates[2])
				fmt.Fprintf(&table, "| %s | %s | %s | %d | %.0f | %.0f | %.0f | %.2f | %.0f µs | %.0f µs |\n",
					l.what, l.class, protocol, clients, plain, pooled, clarus, clarus/pooled, median(own), median(twin))
				t.Logf("%s %s %d: %.0f %.0f %.0f a second, %.0f and %.0f µs", l.name, protocol, clients, plain, pooled, clarus, median(own), median(twin))
			}
		}
	}
	if os.Getenv("BENCH") == "" {
		figures.Write(t, "../../docs/benchmarks.md", "proxy", table.String())
	}
}

var (
	tps      = regexp.MustCompile(`tps = ([0-9.]+)`)
	finished = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
)

// pgbench repeats one statement and returns transactions a second, and how many.
func pgbench(t *testing.T, target *oracle.Target, name, protocol string, clients int, seconds string) (rate, done float64) {
	t.Helper()
	stdout, stderr, err := world.Program(t.Context(), target, "app", "", "pgbench", "-n", "-f", script(t, name),
		"-M", protocol, "-c", strconv.Itoa(clients), "-j", "1", "-T", seconds)
	r, d := tps.FindStringSubmatch(stdout), finished.FindStringSubmatch(stdout)
	if err != nil || r == nil || d == nil {
		t.Fatalf("%s on %s: %v\n%s%s", name, target.Name, err, stdout, stderr)
	}
	rate, _ = strconv.ParseFloat(r[1], 64)
	done, _ = strconv.ParseFloat(d[1], 64)
	return rate, done
}

func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs("testdata/bench/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
