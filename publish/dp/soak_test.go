//go:build soak

package dp

import "testing"

// TestMillion is the goodness of fit at a million draws for each parameter.
func TestMillion(t *testing.T) {
	testLaplace(t, 1_000_000)
	testGaussian(t, 1_000_000)
}
