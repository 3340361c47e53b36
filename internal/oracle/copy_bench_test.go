//go:build bench

package oracle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/figures"
	"github.com/clarus-project/clarus/internal/oracle"
)

const copiedRows = 100_000

// TestCopyBench measures COPY FROM into a table with a clear key, two sealed
// columns and a clear one, on plain PostgreSQL and through Clarus in turn, and
// what both then take on the provider's disk. It writes docs/benchmarks.md.
func TestCopyBench(t *testing.T) {
	i, direct, err := world.Bare(t.Context(), "bench-copy", "testdata/policy-bench.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	var data strings.Builder
	for n := range copiedRows {
		fmt.Fprintf(&data, "%d\tname of %d\ta note of some length on case %d\t%d\n", n, n, n*7, n%100)
	}
	targets := []*oracle.Target{direct, i.Target}
	psql := func(target *oracle.Target, input string, sql string) {
		t.Helper()
		if _, stderr, err := world.Program(t.Context(), target, "app", input, "psql", "-Xqv", "ON_ERROR_STOP=1", "-c", sql); err != nil {
			t.Fatalf("%s: %v\n%s", target.Name, err, stderr)
		}
	}
	took := make([][]float64, len(targets))
	for _, target := range targets {
		psql(target, "", "CREATE TABLE z_load (id bigint PRIMARY KEY, name text, note text, n int)")
	}
	var own, twin []float64
	for range benchRounds {
		for at, target := range targets {
			psql(target, "", "TRUNCATE z_load")
			before, began := i.CPU(), time.Now()
			psql(target, data.String(), "COPY z_load FROM STDIN")
			took[at] = append(took[at], time.Since(began).Seconds())
			if target == i.Target {
				after := i.CPU()
				own, twin = append(own, (after.Clarus-before.Clarus).Seconds()), append(twin, (after.Twin-before.Twin).Seconds())
			}
		}
	}
	plain, clarus := median(took[0]), median(took[1])
	ask := func(database, sql string) [][]string {
		c, err := i.Provider.Super(t.Context(), database)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return mustRows(t, &oracle.Session{Client: c}, sql)
	}
	var stored, sealed int64
	for _, row := range ask("postgres", "SELECT datname FROM pg_database WHERE NOT datistemplate") {
		var n int64
		_, _ = fmt.Sscan(ask(row[0], "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'z\\_load%'")[0][0], &n)
		if row[0] == direct.Database {
			stored = n
		} else {
			sealed += n
		}
	}
	text := fmt.Sprintf("| %d rows: bigint key, two sealed texts, a clear int | PostgreSQL | Clarus | ratio |\n|---|--:|--:|--:|\n"+
		"| COPY FROM STDIN, text format | %.2f s | %.2f s (CPU %.2f s, of the twin %.2f s) | %.1f |\n| bytes at the provider, index included | %d | %d | %.1f |\n",
		copiedRows, plain, clarus, median(own), median(twin), clarus/plain, stored, sealed, float64(sealed)/float64(stored))
	t.Log("\n" + text)
	figures.Write(t, "../../docs/benchmarks.md", "copy", text)
}
