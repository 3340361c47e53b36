package jsonl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
)

// TestVectors holds the stored format: testdata/vectors/INDEX names each file
// and what is to be said of it, either its head or why it is refused.
func TestVectors(t *testing.T) {
	dir := filepath.Join("testdata", "vectors")
	index, err := os.ReadFile(filepath.Join(dir, "INDEX"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for text := range strings.Lines(string(index)) {
		text = strings.TrimSpace(text)
		if text == "" || text[0] == '#' {
			continue
		}
		names, want, ok := strings.Cut(text, ": ")
		if !ok {
			t.Fatalf("INDEX: %q", text)
		}
		seen++
		var paths []string
		for _, name := range strings.Fields(names) {
			paths = append(paths, filepath.Join(dir, name))
		}
		head, err := HeadOf(paths...)
		if hash, good := strings.CutPrefix(want, "head "); good {
			if err != nil || head.Hash.String() != hash {
				t.Errorf("%s: %v, head %s", names, err, head.Hash)
			}
			continue
		}
		wantKind(t, err, clarus.Integrity, want)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.log")); seen < len(files) {
		t.Errorf("%d of %d files are in the INDEX", seen, len(files))
	}
}
