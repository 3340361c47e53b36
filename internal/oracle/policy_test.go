package oracle_test

import (
	"path/filepath"
	"testing"

	"github.com/clarus-project/clarus/internal/toy"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/cell"
	"github.com/clarus-project/clarus/technique/equality"
)

// TestPolicies holds the policies of the oracle to the program's own reader.
func TestPolicies(t *testing.T) {
	paths, err := filepath.Glob("testdata/policy-*.yaml")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%v %v", paths, err)
	}
	for _, p := range paths {
		if _, err := policy.Load(p, technique.List{cell.Technique{}, equality.Technique{}, toy.Technique{}}); err != nil {
			t.Error(err)
		}
	}
}
