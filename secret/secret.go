// Package secret holds key bytes so that they are not printed by accident, and
// the public names (Scope, Epoch) by which keys are asked for.
package secret

import (
	"bytes"
	"crypto/subtle"
	"fmt"
)

// Bytes are key bytes or a passphrase. They sit behind a function, so that fmt,
// log/slog and encoding/json do not reach them, also not through an unexported
// field of another struct. The zero Bytes is empty. Bytes cannot be compared
// with ==; use Equal.
type Bytes struct {
	reveal func() []byte
}

// New copies b. The caller may clear b afterwards.
func New(b []byte) Bytes {
	own := bytes.Clone(b)
	return Bytes{func() []byte { return own }}
}

// Reveal returns the bytes themselves, not a copy: the caller must neither
// change them nor keep them longer than it needs them.
func (b Bytes) Reveal() []byte {
	if b.reveal == nil {
		return nil
	}
	return b.reveal()
}

// Len returns the number of bytes.
func (b Bytes) Len() int { return len(b.Reveal()) }

// Equal compares in a time that depends on the lengths only.
func (b Bytes) Equal(c Bytes) bool {
	return subtle.ConstantTimeCompare(b.Reveal(), c.Reveal()) == 1
}

const hidden = "(secret)"

// String never shows the bytes.
func (b Bytes) String() string { return hidden }

// GoString never shows the bytes.
func (b Bytes) GoString() string { return hidden }

// Format hides the bytes under every verb.
func (b Bytes) Format(s fmt.State, _ rune) { fmt.Fprint(s, hidden) }

// MarshalText hides the bytes from encoding/json and log/slog.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(hidden), nil }
