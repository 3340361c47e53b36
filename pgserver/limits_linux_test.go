package pgserver_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/pgserver"
)

func TestLimitsOfEveryProcess(t *testing.T) {
	s := start(t, pgserver.Config{Memory: 1 << 30})
	for what, want := range map[string]string{"Max core file size": "0", "Max address space": strconv.Itoa(1 << 30)} {
		limits, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.PID()), "limits"))
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(what + ` +(\S+) +(\S+)`).FindStringSubmatch(string(limits))
		if line == nil || strings.Join(line[1:], " ") != want+" "+want {
			t.Errorf("%s: %v, want %s", what, line, want)
		}
	}
}
