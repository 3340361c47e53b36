package postgres

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

const (
	iterations = 4096 // PostgreSQL's default; also shown for unknown users
	saltSize   = 16
	scheme     = "SCRAM-SHA-256"
	plusScheme = "SCRAM-SHA-256-PLUS"
)

// A Verifier checks a password without knowing it. It does not print what it
// holds; Encode does. The zero Verifier accepts no password.
type Verifier struct {
	reveal func() scram.StoredCredentials
}

// MakeVerifier makes a verifier for a password, with a random salt. As in
// PostgreSQL the password is normalised by SASLprep where that is possible.
func MakeVerifier(password string) (Verifier, error) {
	if password == "" {
		return Verifier{}, errors.New("a password must not be empty")
	}
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt)
	return derive(password, salt)
}

func derive(password string, salt []byte) (Verifier, error) {
	client, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		if client, err = scram.SHA256.NewClientUnprepped("", password, ""); err != nil {
			return Verifier{}, err
		}
	}
	c, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return Verifier{}, err
	}
	return holding(c), nil
}

func holding(c scram.StoredCredentials) Verifier {
	return Verifier{func() scram.StoredCredentials { return c }}
}

// ParseVerifier reads PostgreSQL's form, as in pg_authid.rolpassword:
//
//	SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>
func ParseVerifier(s string) (Verifier, error) {
	bad := errors.New("not a SCRAM-SHA-256 verifier as PostgreSQL stores it")
	parts := strings.Split(s, "$")
	if len(parts) != 3 || parts[0] != scheme || strings.ContainsAny(s, "\r\n") { // base64 passes over line ends
		return Verifier{}, bad
	}
	iter, salt64, ok1 := strings.Cut(parts[1], ":")
	stored64, server64, ok2 := strings.Cut(parts[2], ":")
	n, err := strconv.ParseUint(iter, 10, 31)
	if !ok1 || !ok2 || err != nil || n == 0 {
		return Verifier{}, bad
	}
	var raw [3][]byte
	for i, text := range []string{salt64, stored64, server64} {
		if raw[i], err = base64.StdEncoding.Strict().DecodeString(text); err != nil {
			return Verifier{}, bad
		}
	}
	if len(raw[0]) == 0 || len(raw[1]) != sha256.Size || len(raw[2]) != sha256.Size {
		return Verifier{}, bad
	}
	return holding(scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(raw[0]), Iters: int(n)},
		StoredKey: raw[1], ServerKey: raw[2]}), nil
}

// Encode returns PostgreSQL's form. It is as secret as a hash of the password.
func (v Verifier) Encode() string {
	if v.reveal == nil {
		return ""
	}
	c, b64 := v.reveal(), base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", scheme, c.Iters, b64([]byte(c.Salt)), b64(c.StoredKey), b64(c.ServerKey))
}

// String shows nothing of the verifier.
func (v Verifier) String() string { return "postgres.Verifier(…)" }

// GoString is String.
func (v Verifier) GoString() string { return v.String() }

// mock is the verifier of a user who does not exist: the same salt every time,
// so that asking twice tells nothing, and keys that no password has.
func mock(key []byte, user string) Verifier {
	mac := func(label string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(label + "\x00" + user))
		return h.Sum(nil)
	}
	return holding(scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(mac("salt")[:saltSize]), Iters: iterations},
		StoredKey:  mac("stored"), ServerKey: mac("server")})
}
