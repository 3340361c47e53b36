package oracle_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

var (
	update = flag.Bool("update", false, "write what plain PostgreSQL answers into the scripts")
	under  = flag.String("under", "self,clear,sealed,equality,mixed,clouds",
		"run under these policies; self: plain PostgreSQL against itself")
)

// world is shared by all tests.
var world *oracle.World

func TestMain(m *testing.M) {
	flag.Parse()
	w, err := oracle.NewWorld(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
	world = w
	code := m.Run()
	if err := stageDone(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		code = 1
	}
	if err := world.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		code = 1
	}
	os.Exit(code)
}

func scripts(t *testing.T) []*oracle.Script {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.test")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var list []*oracle.Script
	for _, p := range paths {
		s, err := oracle.ReadScript(p)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s.Vary())
	}
	return list
}

func name(s *oracle.Script) string { return strings.TrimSuffix(filepath.Base(s.Path), ".test") }

// plainReplies are what plain PostgreSQL said to each script, asked once.
var plainReplies = struct {
	sync.Mutex
	byPath map[string][]oracle.Reply
}{byPath: map[string][]oracle.Reply{}}

// plain runs a script on plain PostgreSQL, checks it against its file, or
// updates the file.
func plain(t *testing.T, s *oracle.Script) []oracle.Reply {
	t.Helper()
	plainReplies.Lock()
	defer plainReplies.Unlock()
	if r, ok := plainReplies.byPath[s.Path]; ok {
		return r
	}
	replies, err := world.Run(t.Context(), s, world.Plain)
	if err != nil {
		t.Fatal(err)
	}
	for i, sec := range s.Sections {
		if wrong := sec.Check(replies[i]); wrong != "" {
			t.Errorf("%s:%d: on plain PostgreSQL: %s", s.Path, sec.Line, wrong)
		}
		if sec.Varied {
			continue
		}
		if *update {
			sec.Expected = replies[i][0].Text
		} else if sec.Expected != replies[i][0].Text {
			t.Errorf("%s:%d: plain PostgreSQL answers (-update writes it):\n%s", s.Path, sec.Line, replies[i][0].Text)
		}
	}
	if *update && !t.Failed() {
		if err := s.Write(); err != nil {
			t.Fatal(err)
		}
	}
	plainReplies.byPath[s.Path] = replies
	return replies
}

// TestScripts holds the scripts against plain PostgreSQL.
func TestScripts(t *testing.T) {
	for _, s := range scripts(t) {
		t.Run(name(s), func(t *testing.T) { plain(t, s) })
	}
}

// varied are the policies under which each query is asked with other literals
// too: those with the most kinds of plan.
var varied = map[string]bool{"equality": true, "mixed": true}

// unvaried leaves out the queries with other literals, and the answers to them.
func unvaried(s *oracle.Script, replies []oracle.Reply) (*oracle.Script, []oracle.Reply) {
	short := *s
	short.Sections = nil
	var kept []oracle.Reply
	for i, sec := range s.Sections {
		if !sec.Varied {
			short.Sections, kept = append(short.Sections, sec), append(kept, replies[i])
		}
	}
	return &short, kept
}

// TestOracle asks each target everything, and at the end searches it for
// canaries. The order matters: canaries come last.
func TestOracle(t *testing.T) {
	for policy := range strings.SplitSeq(*under, ",") {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			target, instance := world.Self, (*oracle.Instance)(nil)
			if policy != "self" {
				instance = start(t, policy)
				target = instance.Target
			}
			for _, s := range scripts(t) {
				t.Run("text/"+name(s), func(t *testing.T) { compare(t, s, policy, target) })
			}
			t.Run("psql", func(t *testing.T) { testPsql(t, policy, target) })
			t.Run("chinook", func(t *testing.T) { testChinook(t, policy, target) })
			t.Run("pgbench", func(t *testing.T) { testPgbench(t, target) })
			t.Run("queue", func(t *testing.T) { testQueue(t, target) })
			t.Run("transfer", func(t *testing.T) { testTransfer(t, target) })
			t.Run("races", func(t *testing.T) { testRaces(t, target) })
			if instance != nil {
				t.Run("canary", func(t *testing.T) { testCanary(t, policy, instance) })
			}
		})
	}
}

func start(t *testing.T, policy string) *oracle.Instance {
	t.Helper()
	i, err := world.Clarus(t.Context(), policy, "testdata/policy-"+policy+".yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(i.Log)
			t.Logf("clarus printed:\n%s", log)
		}
	})
	return i
}

// compare runs a script on a target and judges every answer.
func compare(t *testing.T, s *oracle.Script, policy string, target *oracle.Target) {
	want := plain(t, s)
	if !varied[policy] {
		s, want = unvaried(s, want)
	}
	got, err := world.Run(t.Context(), s, target)
	if err != nil {
		t.Fatal(err)
	}
	differ := false // the last section of the file did
	for i, sec := range s.Sections {
		wrong := sec.Judge(policy, want[i], got[i])
		if !sec.Varied {
			differ = wrong != ""
		} else if differ {
			continue
		}
		if wrong != "" {
			t.Errorf("%s:%d: %s\n%s", s.Path, sec.Line, firstLine(sec.SQL), wrong)
		}
	}
	if policy == "equality" {
		comparePlans(t, s, target)
	}
}

// comparePlans asks for the plan of each section that says what it must be.
func comparePlans(t *testing.T, s *oracle.Script, target *oracle.Target) {
	session, err := oracle.Open(t.Context(), target.As("app"))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	for _, sec := range s.Sections {
		want, ok := sec.Options["plan"]
		if !ok {
			continue
		}
		list, err := session.Simple("EXPLAIN "+sec.SQL, nil)
		if err != nil || len(list) == 0 || len(list[0].Rows) == 0 {
			t.Errorf("%s:%d: no plan: %v %v", s.Path, sec.Line, list, err)
		} else if got := string(list[0].Rows[0][0]); got != "Clarus plan: "+want {
			t.Errorf("%s:%d: %s\n%s, not %s: %s", s.Path, sec.Line, firstLine(sec.SQL), got, want, list[0].Rows[1][0])
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
