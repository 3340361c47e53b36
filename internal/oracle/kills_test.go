//go:build !soak

package oracle_test

// defaultKills is enough to meet each kind of victim.
const defaultKills = 6

// privateDraws is how many answers TestPrivate compares.
const privateDraws = 60
