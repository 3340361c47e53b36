package oracle_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/canary"
	"github.com/clarus-project/clarus/internal/oracle"
)

// planted lists every canary in the scripts and the tests, and the addresses
// of the Chinook customers.
func planted(t *testing.T) []string {
	t.Helper()
	script, err := chinook()
	if err != nil {
		t.Fatal(err)
	}
	list := emails(script)
	for _, glob := range []string{"testdata/*.test", "*_test.go"} {
		paths, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, canary.Find(string(text))...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// testCanary searches an instance. Where nothing is protected, canaries must
// be found at the provider: that proves that the search looks in the right
// places. On this side they must never be.
func testCanary(t *testing.T, policy string, i *oracle.Instance) {
	set, err := canary.NewSet(planted(t))
	if err != nil {
		t.Fatal(err)
	}
	found, err := i.Search(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d canaries were searched for", set.Len())
	at := []string{oracle.ProviderData, oracle.ProviderWAL, oracle.ProviderLog, oracle.Traffic}
	if policy != "clear" {
		none(t, found, append(at, oracle.OwnFiles, oracle.TwinFiles, oracle.Processes)...)
		return
	}
	for _, place := range at {
		if len(found[place]) == 0 {
			t.Errorf("nothing is protected, yet no canary was found in the %s: the search is blind", place)
		}
	}
	none(t, found, oracle.OwnFiles, oracle.TwinFiles, oracle.Processes)
}

// ofSchema begins a canary that stands in the schema (a default, a view, an
// enum's label): the twin holds the schema, a provider must not.
const ofSchema = "cnryschema"

func none(t *testing.T, found oracle.Findings, places ...string) {
	t.Helper()
	const enough = 20
	for _, place := range places {
		hits := slices.DeleteFunc(found[place], func(h canary.Hit) bool {
			return place == oracle.TwinFiles && strings.HasPrefix(h.Canary, ofSchema)
		})
		for n, h := range hits {
			if n == enough {
				t.Errorf("%s: and %d more", place, len(hits)-n)
				break
			}
			t.Errorf("%s: %s", place, h)
		}
	}
}

// TestPlanted proves that the search finds one canary in each place, each its
// own and no other.
func TestPlanted(t *testing.T) {
	src := canary.NewSource("planted")
	env, file, twin, data, wire, comment := src.Text(), src.Text(), src.Text(), src.Text(), src.Text(), src.Text()
	i, err := world.Planted(t.Context(), "planted", `echo `+file+` >left; mkdir twin; echo `+twin+` >twin/base
		echo "clarus: listening on postgres 127.0.0.1:1" >&2
		trap 'kill $!; exit 0' TERM
		sleep 600 & wait`, "LEAK="+env)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
	}()
	err = i.Provider.Admin(t.Context(), "app", "CREATE TABLE leak AS SELECT '"+data+"' AS x", "SELECT 1 -- "+comment)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := world.Program(t.Context(), relayed(t, i), "clarus", "", "psql", "-c", "SELECT '"+wire+"'"); err != nil {
		t.Fatal(err)
	}
	set, err := canary.NewSet([]string{env, file, twin, data, wire, comment})
	if err != nil {
		t.Fatal(err)
	}
	found, err := i.Search(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{oracle.Processes: {env, file, twin}, oracle.OwnFiles: {file}, oracle.TwinFiles: {twin}, oracle.ProviderData: {data},
		oracle.ProviderWAL: {data}, oracle.ProviderLog: {data, wire, comment}, oracle.Traffic: {wire}}
	for place, canaries := range want {
		got := map[string]bool{}
		for _, h := range found[place] {
			got[h.Canary] = true
		}
		for _, c := range canaries {
			if !got[c] {
				t.Errorf("%s: %s was not found", place, c)
			}
		}
		if len(got) != len(canaries) {
			t.Errorf("%s: found %v, want %v", place, got, canaries)
		}
	}
}

// relayed is the provider itself, reached through the relay.
func relayed(t *testing.T, i *oracle.Instance) *oracle.Target {
	t.Helper()
	host, port, err := net.SplitHostPort(i.Relay.Addr())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	return &oracle.Target{Host: host, Port: uint16(n), Database: "app"}
}
