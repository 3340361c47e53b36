package oracle_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/canary"
	"github.com/clarus-project/clarus/internal/oracle"
)

// TestStrangersTechnique adds a technique as docs/adding.md tells: a package,
// and one line in a list. The program built so answers as plain PostgreSQL does,
// with the technique's carrier at work, and keeps what it protects to itself.
func TestStrangersTechnique(t *testing.T) {
	const list = "cmd/clarus/techniques.go"
	text, err := os.ReadFile("../../" + list)
	if err != nil {
		t.Fatal(err)
	}
	added := strings.Replace(string(text), "\tequality.Technique{},\n", "\tequality.Technique{},\n\ttoy.Technique{},\n", 1)
	added = strings.Replace(added, "import (\n", "import (\n\t\"github.com/clarus-project/clarus/internal/toy\"\n", 1)
	if strings.Count(added, "\n") != strings.Count(string(text), "\n")+2 {
		t.Fatalf("%s is not a list of lines any more", list)
	}
	i, err := world.Altered(t.Context(), "toy", "testdata/policy-toy.yaml", map[string]string{list: added})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	here, there := connect(t, i.Target), connect(t, world.Plain)
	script, err := os.ReadFile("testdata/toy.txt")
	if err != nil {
		t.Fatal(err)
	}
	shape := oracle.Shape{Types: func(oid uint32) string { return fmt.Sprint(oid) }, Mask: func(b []byte) []byte { return b }}
	for sql := range strings.SplitSeq(strings.TrimSpace(string(script)), "\n\n") {
		want, err := there.Simple(sql, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := here.Simple(sql, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want, got := shape.Text(want), shape.Text(got); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
		}
		if !strings.HasPrefix(sql, "CREATE") {
			continue
		}
		plan, err := rows(here, "EXPLAIN SELECT id FROM y_toy WHERE age > 40")
		if err != nil || !strings.Contains(fmt.Sprint(plan), `"clarus_toy_2" OPERATOR(pg_catalog.>) $1`) {
			t.Errorf("the carrier is not compared at the provider: %v, %v", plan, err)
		}
	}
	_ = here.Close()
	set, err := canary.NewSet(canary.Find(string(script)))
	if err != nil {
		t.Fatal(err)
	}
	found, err := i.Search(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	none(t, found, oracle.ProviderData, oracle.ProviderWAL, oracle.ProviderLog, oracle.Traffic, oracle.OwnFiles, oracle.TwinFiles)
}
