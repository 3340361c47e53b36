package pgserver

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMajorOf(t *testing.T) {
	for text, want := range map[string]int{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)": 15,
		"postgres (PostgreSQL) 9.6.24":                         9,
		"postgres (PostgreSQL) 18beta1":                        18,
		"postgres (PostgreSQL) devel":                          0,
		"postgres (EnterpriseDB) 15":                           0,
		"":                                                     0,
	} {
		if got := majorOf(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestFindPrefersPathThenPgConfig(t *testing.T) {
	inPath, byConfig := t.TempDir(), t.TempDir()
	install := func(dir, version string) {
		for _, program := range []string{"postgres", "initdb"} {
			script(t, dir, program, "echo 'postgres (PostgreSQL) "+version+"'")
		}
	}
	t.Setenv("PATH", inPath+":/bin:/usr/bin")
	script(t, inPath, "pg_config", "echo "+byConfig)
	install(byConfig, "17.2")
	if b, err := Find(); err != nil || b.Dir != byConfig || b.Major != 17 {
		t.Errorf("found %+v, %v; want version 17 in %s", b, err, byConfig)
	}
	install(inPath, "14.1")
	if b, err := Find(); err != nil || b.Dir != byConfig {
		t.Errorf("found %+v, %v: version 14 in PATH should not count", b, err)
	}
	install(inPath, "16.3")
	if b, err := Find(); err != nil || b.Dir != inPath || b.Major != 16 {
		t.Errorf("found %+v, %v; want version 16 in %s", b, err, inPath)
	}
}

func script(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestNothingToFind(t *testing.T) {
	if _, err := findIn(nil); err == nil || err.Error() != "no PostgreSQL server was found" {
		t.Errorf("error is %v", err)
	}
}

// The vector is RFC 7677's: user "user", password "pencil". Its server
// signature and client proof follow from these two keys.
func TestScramVerifier(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	got, err := scramVerifier("pencil", salt)
	if err != nil {
		t.Fatal(err)
	}
	want := "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTailKeepsTheLastLines(t *testing.T) {
	var log tail
	for range 30 {
		_, _ = log.Write([]byte("ol"))
		_, _ = log.Write([]byte("d\nolder\n"))
	}
	_, _ = log.Write([]byte(strings.Repeat("x", 10_000) + "\nla"))
	_, _ = log.Write([]byte("st"))
	got := strings.Split(log.String(), "; ")
	if len(got) != tailLines+1 || got[tailLines] != "last" || got[tailLines-1] != strings.Repeat("x", tailWidth) || got[0] != "older" {
		t.Errorf("%d lines: %q", len(got), got)
	}
}

func TestSweepRemovesOnlyWhatIsAbandoned(t *testing.T) {
	dir := t.TempDir()
	cluster := func(name string, age time.Duration) string {
		root := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(root, "data"), 0o700); err != nil {
			t.Fatal(err)
		}
		l := &layout{root: root}
		if err := l.acquire(); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(root, "lock"), then, then); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(name, "locked") {
			t.Cleanup(func() { l.lock.Close() })
		} else {
			l.lock.Close()
		}
		return root
	}
	old, hour := cluster(tempPrefix+"old", time.Hour), time.Hour
	kept := []string{cluster(tempPrefix+"locked", hour), cluster(tempPrefix+"young", 0), cluster("of-somebody-else", hour), cluster(tempPrefix+"running", hour)}
	pid := []byte("1\n") // a process that runs
	if err := os.WriteFile(filepath.Join(kept[3], "data/postmaster.pid"), pid, 0o600); err != nil {
		t.Fatal(err)
	}
	sweep(dir)
	if _, err := os.Lstat(old); err == nil {
		t.Errorf("%s was not removed", old)
	}
	for _, root := range kept {
		if _, err := os.Lstat(root); err != nil {
			t.Errorf("%s was removed", root)
		}
	}
}
