//go:build soak

package oracle_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// harmless are the tags of what an analyst may do beside asking.
var harmless = regexp.MustCompile(`^(BEGIN|START TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|RESET|SHOW|DISCARD ALL|DEALLOCATE.*|PREPARE|UNLISTEN|EMPTY|)$`)

// TestPrivateScripts sends every statement of the scripts as an analyst who may read
// all of their tables, and for whom the policy has nothing: nothing is answered that
// has a table.
func TestPrivateScripts(t *testing.T) {
	i, err := world.Private(t.Context(), "scripted", "testdata/policy-private.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	owner := connect(t, i.Target)
	for _, sql := range append(furniture[:len(furniture):len(furniture)], scriptTables()...) {
		mustRows(t, owner, sql)
	}
	mustRows(t, owner, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO analyst")
	files, err := filepath.Glob("testdata/*.test")
	if err != nil {
		t.Fatal(err)
	}
	answered, refused, unknown := 0, 0, 0
	s := as(t, i, "analyst")
	for _, file := range files {
		script, err := oracle.ReadScript(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, section := range script.Sections {
			if section.SQL == "" {
				continue
			}
			list, err := s.Simple(section.SQL, nil)
			if err != nil {
				s = as(t, i, "analyst") // the statement ended the session
				continue
			}
			for _, o := range list {
				switch {
				case o.Err != nil && (o.Err.Code == "42501" || o.Err.Code == "0A000"):
					refused++
				case o.Err != nil: // it is wrong in itself, or about what is not there
					unknown++
				case harmless.MatchString(o.Tag):
				case strings.HasPrefix(o.Tag, "SELECT ") && !strings.Contains(strings.ToUpper(section.SQL), "FROM"):
					answered++
				default:
					t.Errorf("%s:%d: %s: %s %s", file, section.Line, section.SQL, o.Tag, listed(list))
				}
				if text := listed(list); strings.Contains(text, "cnryfuzzed") {
					t.Errorf("%s:%d: %s told %s", file, section.Line, section.SQL, text)
				}
			}
			if s.Status != 'I' {
				if _, err := s.Simple("ROLLBACK", nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("%d statements refused, %d wrong in themselves, %d without tables answered", refused, unknown, answered)
	if refused < 500 {
		t.Errorf("only %d statements were refused", refused)
	}
}
