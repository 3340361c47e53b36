package pgserver_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgserver"
)

func TestRestartAfterCrash(t *testing.T) {
	s := start(t, pgserver.Config{Restart: true})
	ask(t, s, "CREATE TABLE kept AS SELECT 42 AS answer")
	for n := 1; n <= 2; n++ {
		before := s.PID()
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		gone(t, before)
		for s.Restarts() < n {
			select {
			case <-s.Done():
				t.Fatalf("the server was not restarted: %v", s.Err())
			case <-time.After(5 * time.Millisecond):
			}
		}
		if got := ask(t, s, "SELECT answer FROM kept"); got != "42" {
			t.Errorf("answer after crash %d is %q", n, got)
		}
	}
}

func TestStopDuringRestart(t *testing.T) {
	for _, wait := range []time.Duration{0, 110 * time.Millisecond, 150 * time.Millisecond} {
		s := start(t, pgserver.Config{Restart: true})
		if err := s.Kill(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(wait)
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		gone(t, s.PID())
	}
}

func TestCrashWithoutRestart(t *testing.T) {
	s := start(t, pgserver.Config{})
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	if clarus.KindOf(s.Err()) != clarus.Unavailable || !strings.Contains(s.Err().Error(), "killed") {
		t.Errorf("Err is %v", s.Err())
	}
}

func TestGivesUpWhenItCannotRestart(t *testing.T) {
	s := start(t, pgserver.WithPause(pgserver.Config{Restart: true}, time.Millisecond))
	if err := os.Rename(s.DataDir(), s.DataDir()+".away"); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	for s.Restarts() == 0 {
		select {
		case <-s.Done():
			if clarus.KindOf(s.Err()) != clarus.Unavailable {
				t.Errorf("Err is %v", s.Err())
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Error("a server without data was restarted")
}
