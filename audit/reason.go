package audit

import "github.com/clarus-project/clarus"

// A Reason says why something was refused or failed, in words written into the
// program. It cannot carry data: only constants become reasons.
type Reason struct{ text string }

// constant has no name outside this package, so that a caller of Because can
// pass an untyped string constant and nothing else: no variable, no
// concatenation with one, no result of Sprintf compiles.
type constant string

// Because makes a reason of a constant.
func Because(why constant) Reason { return Reason{string(why)} }

// BecauseKind makes a reason of the kind of an error, without its text.
func BecauseKind(k clarus.Kind) Reason {
	why, ok := kinds[k]
	if !ok {
		return Because("error of an unknown kind")
	}
	return Because(why)
}

var kinds = map[clarus.Kind]constant{
	clarus.Internal:      "defect of Clarus",
	clarus.Unsupported:   "statement shape not supported",
	clarus.Denied:        "denied by policy or privilege",
	clarus.Integrity:     "provider's answer does not open",
	clarus.Unavailable:   "provider, twin or log not available",
	clarus.Invalid:       "invalid input",
	clarus.Protocol:      "protocol broken",
	clarus.Limit:         "limit exceeded",
	clarus.Conflict:      "transaction conflict",
	clarus.Canceled:      "canceled by the user",
	clarus.TxState:       "does not fit the transaction's state",
	clarus.Aborted:       "transaction has failed already",
	clarus.Duplicate:     "name taken",
	clarus.Missing:       "name unknown",
	clarus.AuthFailed:    "not authenticated",
	clarus.Misconfigured: "configuration or policy wrong",
	clarus.Shutdown:      "Clarus is stopping",
}

// String returns the reason's words, empty where none was given.
func (r Reason) String() string { return r.text }

// IsZero reports whether no reason was given.
func (r Reason) IsZero() bool { return r.text == "" }

// MarshalText writes the words.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.text), nil }

// UnmarshalText is for readers of a log: what comes back is what was logged.
func (r *Reason) UnmarshalText(b []byte) error {
	r.text = string(b)
	return nil
}
