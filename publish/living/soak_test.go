//go:build soak

package living_test

import "testing"

// TestNothingIsLearnedForLong is 20,000 tables.
func TestNothingIsLearnedForLong(t *testing.T) {
	for range 200 {
		testNothingIsLearned(t)
	}
}
