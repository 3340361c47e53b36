// Package canary makes values that occur nowhere else, and searches files,
// streams and processes for them: the tests plant them in protected columns
// and then prove that no provider, log or twin ever held them readable.
//
// A canary is recognised wherever it appears, without a list kept beside the
// tests: a text canary is "cnry" and twelve base32 letters, a number canary is
// a twelve-digit number that begins with 7309.
package canary

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
)

// Pattern is the regular expression of every canary, text or number.
const Pattern = `cnry[a-z2-7]{12}|\b7309[0-9]{8}\b`

var pattern = regexp.MustCompile(Pattern)

var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// A Source makes canaries that depend only on its seed.
type Source struct {
	seed string
	next uint64
}

// NewSource returns a source; two sources with one seed make the same canaries.
func NewSource(seed string) *Source { return &Source{seed: seed} }

func (s *Source) sum() [sha256.Size]byte {
	s.next++
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(s.seed), s.next))
}

// Text makes the next text canary: "cnry" and 60 random bits.
func (s *Source) Text() string {
	h := s.sum()
	return "cnry" + lower.EncodeToString(h[:])[:12]
}

// Number makes the next number canary, 730900000000 to 730999999999.
func (s *Source) Number() int64 {
	h := s.sum()
	return 7309e8 + int64(binary.BigEndian.Uint64(h[:8])%1e8)
}

// Find returns the canaries in a text, each once, sorted.
func Find(text string) []string {
	list := pattern.FindAllString(text, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

// isNumber reports whether a canary is of the number kind.
func isNumber(canary string) bool { return strings.HasPrefix(canary, "7309") && len(canary) == 12 }
