package jsonl

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit/audittest"
)

var bg = context.Background()

const (
	childVar = "CLARUS_TEST_AUDIT_CHILD"
	roundVar = "CLARUS_TEST_AUDIT_ROUND"
)

// TestMain lets this test binary be the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv(childVar); path != "" {
		appendForever(path)
	}
	os.Exit(m.Run())
}

// appendForever appends from eight goroutines and prints, for every event that
// was awaited, which one it was.
func appendForever(path string) {
	s, err := Open(path, Options{MaxBytes: 64 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var out sync.Mutex
	for w := range 8 {
		go func() {
			session := fmt.Sprintf("%s-%d", os.Getenv(roundVar), w)
			for i := 0; ; i++ {
				f := s.Append(bg, audittest.Event(session, i))
				if i%4 == 3 {
					continue // nobody waits for this one
				}
				err := f.Wait(bg)
				out.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("durable", session, i)
				}
				out.Unlock()
			}
		}()
	}
	select {}
}

// TestKill kills a process that appends, again and again on the same log: each
// awaited event is in it, and it opens and verifies.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	var promised []string
	for round := range 4 {
		promised = append(promised, killed(t, path, round, 150+100*round)...)
		s := open(t, path)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		all := files(t, path)
		if err := Verify(all...); err != nil {
			t.Fatal(err)
		}
		have := map[string]int{}
		for _, p := range all {
			for _, e := range events(t, p) {
				have[fmt.Sprintf("%s %d", e.Session, e.Rows)]++
			}
		}
		for _, p := range promised {
			if have[p] != 1 {
				t.Fatalf("round %d: event %q was durable and is there %d times", round, p, have[p])
			}
		}
	}
}

// killed runs a child until it has told of n durable events, kills it with
// SIGKILL and returns everything it told.
func killed(t *testing.T, path string, round, n int) (promised []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+path, roundVar+"="+strconv.Itoa(round))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		event, ok := strings.CutPrefix(lines.Text(), "durable ")
		if !ok {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("child: %s", lines.Text())
		}
		if promised = append(promised, event); len(promised) == n {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
	if len(promised) < n {
		t.Fatalf("the child told of %d events only", len(promised))
	}
	return promised
}

// TestTornTail leaves behind the good lines what an interrupted write can
// leave. It is set aside, recorded, and the log goes on.
func TestTornTail(t *testing.T) {
	half := `{"seq":12,"prev":"00`
	cases := map[string]string{
		"half a line":                half,
		"one byte":                   "{",
		"zeros":                      strings.Repeat("\x00", 4096),
		"zeros, then whole lines":    strings.Repeat("\x00", 512) + "\n{\"seq\":13}\n",
		"a whole line without break": "WHOLE",
	}
	for name, tail := range cases {
		t.Run(name, func(t *testing.T) {
			path, lines := written(t, 10)
			if tail == "WHOLE" {
				tail = strings.TrimSuffix(lines[10], "\n")
				lines = lines[:10]
			}
			good := strings.Join(lines, "")
			if err := os.WriteFile(path, []byte(good+tail), 0o600); err != nil {
				t.Fatal(err)
			}
			wantKind(t, Verify(path), clarus.Integrity, fmt.Sprintf("line %d is bad", len(lines)+1))
			s := open(t, path)
			append1(t, s, 99)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := Verify(path); err != nil {
				t.Error(err)
			}
			b, _ := os.ReadFile(path)
			rest, ok := strings.CutPrefix(string(b), good)
			if !ok || !strings.Contains(rest, `"torn":[{"file":"audit.log.torn-`) || strings.Count(rest, "\n") != 2 {
				t.Errorf("after the good lines: %s", rest)
			}
			aside, err := filepath.Glob(path + ".torn-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("%v, %v", aside, err)
			}
			if kept, _ := os.ReadFile(aside[0]); string(kept) != tail {
				t.Errorf("set aside: %q", kept)
			}
			if err := open(t, path).Close(); err != nil { // and is not told twice
				t.Fatal(err)
			}
			if again, _ := os.ReadFile(path); len(again) != len(b) {
				t.Error("opening a good log changed it")
			}
		})
	}
}

// TestTornTwice stands where a crash between setting aside and recording left
// the log, with a second torn tail since.
func TestTornTwice(t *testing.T) {
	path, lines := written(t, 3)
	if err := os.WriteFile(path+".torn-5-0000", []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "")+"second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	if strings.Count(string(b), `"bytes":5`) != 1 || strings.Count(string(b), `"bytes":6`) != 1 {
		t.Errorf("%s", b)
	}
	if err := Verify(path); err != nil {
		t.Error(err)
	}
}
