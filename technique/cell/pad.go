package cell

import (
	"math/bits"

	"github.com/clarus-project/clarus/pgvalue"
)

// lenSize is the size of the length that stands before the value: a signed
// 32-bit integer, big endian, -1 for NULL, as in PostgreSQL's binary COPY.
const lenSize = 4

// step is the least difference between two padded lengths.
const step = 16

// padded returns the length that a value of n bytes is padded to, n < 2^30: at
// least least; above that the next multiple of a step, which is 16 bytes up to
// 256 bytes and an eighth of the power of two below n beyond. So a padded length tells
// one of at most eight classes for each doubling, and costs at most one eighth.
// If fixed, every value of up to least bytes has one length.
func padded(n, least int) int {
	if n <= least {
		return least
	}
	s := step
	if e := bits.Len(uint(n-1)) - 1 - 3; e > 4 {
		s = 1 << e
	}
	return (n + s - 1) / s * s
}

// least returns the least padded length for a type: its width where that is
// fixed, else one step, and never less than pad.
func least(oid uint32, pad int) int {
	n, ok := pgvalue.Width(oid)
	if !ok {
		n = step
	}
	return max(n, pad)
}
