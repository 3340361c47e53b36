package oracle_test

import (
	"path/filepath"
	"testing"

	"github.com/clarus-project/clarus/policy"
)

// TestPolicies holds the policies of the oracle to the program's own reader.
func TestPolicies(t *testing.T) {
	paths, err := filepath.Glob("testdata/policy-*.yaml")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%v %v", paths, err)
	}
	for _, p := range paths {
		if _, err := policy.Load(p); err != nil {
			t.Error(err)
		}
	}
}
