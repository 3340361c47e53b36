//go:build soak

package oracle_test

// soaking says that the long tests were asked for.
const soaking = true
