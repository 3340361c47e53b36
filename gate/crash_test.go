package gate

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/audittest"
	"github.com/clarus-project/clarus/audit/jsonl"
)

const childVar = "CLARUS_TEST_GATE_CHILD"

// TestMain lets this test binary be the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(childVar); path != "" {
		runForever(path)
	}
	os.Exit(m.Run())
}

// runForever prints, for every permit, its session and when it was asked for
// and given.
func runForever(path string) {
	sink, err := jsonl.Open(path, jsonl.Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	g := New(sink)
	var out sync.Mutex
	for s := range 4 {
		go func() {
			r := request()
			r.Session = fmt.Sprint(s)
			for {
				asked := time.Now().UnixNano()
				p, err := g.Authorise(context.Background(), r)
				given := time.Now().UnixNano()
				out.Lock()
				fmt.Println("ran", r.Session, asked, given, err)
				out.Unlock()
				p.Done(context.Background(), Outcome{Rows: 1})
			}
		}()
	}
	select {}
}

// TestKill kills a process with SIGKILL while statements run: for each that was
// permitted the log has an intent that covers it.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	type run struct {
		session      string
		asked, given int64
	}
	var runs []run
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var r run
		var failed string
		fmt.Sscan(strings.TrimPrefix(lines.Text(), "ran "), &r.session, &r.asked, &r.given, &failed)
		if failed == "" {
			continue // the line that the kill cut off
		}
		if failed != "<nil>" {
			t.Fatalf("child: %s", lines.Text())
		}
		runs = append(runs, r)
	}
	cmd.Wait()

	intents, details := recovered(t, path)
	for _, r := range runs {
		covered := false
		for _, in := range intents[r.session] {
			covered = covered || in.Time.UnixNano() <= r.given && r.asked < in.Time.Add(in.Covers).UnixNano()
		}
		if !covered {
			t.Fatalf("session %s ran at %d and no intent tells of it", r.session, r.asked)
		}
	}
	t.Logf("%d statements ran, %d details and %d sessions in the log", len(runs), details, len(intents))
	if len(runs) < 100 || details == 0 {
		t.Errorf("%d statements, %d details: too few to show anything", len(runs), details)
	}
}

// recovered opens the log that a crash left and returns its intents by session
// and the number of its other events.
func recovered(t *testing.T, path string) (map[string][]audit.Event, int) {
	t.Helper()
	sink, err := jsonl.Open(path, jsonl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	intents := map[string][]audit.Event{}
	details := 0
	for e, err := range jsonl.Events(path) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Outcome == audit.OutcomeIntent {
			intents[e.Session] = append(intents[e.Session], e)
		} else {
			details++
		}
	}
	return intents, details
}

// TestOutcomesFollow looks at the file, not at the sink: without anybody
// waiting, the outcome is there soon. The promise is 10 ms; a busy machine gets more.
func TestOutcomesFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	sink, err := jsonl.Open(path, jsonl.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	g := New(sink)
	authorise(t, g, request()).Done(t.Context(), Outcome{Rows: 4711})
	began := time.Now()
	for {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), `"rows":4711`) {
			break
		}
		if time.Since(began) > time.Second {
			t.Fatal("the outcome did not follow")
		}
		time.Sleep(time.Millisecond)
	}
	t.Logf("after %v", time.Since(began))
}

// BenchmarkCovered is what the gate adds to a hot point statement.
func BenchmarkCovered(b *testing.B) {
	sink, err := jsonl.Open(filepath.Join(b.TempDir(), "audit.log"), jsonl.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	g := New(sink)
	r := request()
	for b.Loop() {
		p, err := g.Authorise(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		p.Done(b.Context(), Outcome{Rows: 1})
	}
}

// BenchmarkCoveredNoDisk leaves the sink's work out.
func BenchmarkCoveredNoDisk(b *testing.B) {
	g := New(&audittest.Memory{})
	r := request()
	for b.Loop() {
		if _, err := g.Authorise(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
