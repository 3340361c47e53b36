// Package figures puts measured tables into the documents that show them.
package figures

import (
	"os"
	"strings"
	"testing"
)

// Write replaces what stands in the document between the marks of the table
// called name, <!-- name --> and <!-- end of name -->, by the table's lines.
func Write(t *testing.T, document, name, table string) {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	head, rest, ok := strings.Cut(string(text), from)
	_, tail, found := strings.Cut(rest, to)
	if !ok || !found {
		t.Fatalf("%s has no marks for %s", document, name)
	}
	if err := os.WriteFile(document, []byte(head+from+table+to+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
