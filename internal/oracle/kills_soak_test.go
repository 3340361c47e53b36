//go:build soak

package oracle_test

const defaultKills = 50

const privateDraws = 1500
