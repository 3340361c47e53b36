package secret

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/clarus-project/clarus"
)

// The purposes that keys serve. A key never serves two.
const (
	PurposeCell  = "cell"   // sealing cells: rolling epochs
	PurposeTag   = "tag"    // equality tags: PRF only, one fixed epoch
	PurposeRowID = "row-id" // row identities: PRF only, one fixed epoch
)

// Grant is how often a key that was handed out for sealing may be used before
// the keyring is asked again. Keyrings count grants to roll epochs in time.
const Grant = 1 << 12

// RollAfter is the number of uses of one key after which its epoch ends.
const RollAfter = 1 << 30

// An Epoch names one version of the keys. It is public and stands in headers.
type Epoch [16]byte

func (e Epoch) String() string { return hex.EncodeToString(e[:]) }

// A Scope names what a key is for; it is public. Either Group is set, for a key
// that several attributes share (a join group), or Dataset and Attribute are, or
// none, for a key of the whole deployment.
type Scope struct {
	Purpose   string
	Dataset   clarus.DatasetID
	Attribute uint32
	Group     string
}

// Stable reports whether the scope's key must outlive a restart: keys of pure
// functions, which need no uniqueness, stay in one fixed epoch.
func (s Scope) Stable() bool { return s.Purpose == PurposeTag || s.Purpose == PurposeRowID }

// Check returns an error for a scope that does not name exactly one key.
func (s Scope) Check() error {
	switch {
	case s.Purpose == "":
		return &clarus.Error{Op: "keys", Kind: clarus.Internal, Msg: "a key was asked for without a purpose"}
	case s.Group != "" && (s.Dataset != 0 || s.Attribute != 0):
		return &clarus.Error{Op: "keys", Kind: clarus.Internal, Msg: "a key was asked for by group and by attribute at once"}
	}
	return nil
}

// Fields joins fields so that different lists never give equal bytes: before
// each field stands its length as 32 bits, big endian.
func Fields(fields ...[]byte) []byte {
	n := 0
	for _, f := range fields {
		n += 4 + len(f)
	}
	return AppendFields(make([]byte, 0, n), fields...)
}

// AppendFields appends what Fields returns.
func AppendFields(out []byte, fields ...[]byte) []byte {
	for _, f := range fields {
		out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
		out = append(out, f...)
	}
	return out
}
