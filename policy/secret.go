package policy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// A SecretRef says where a secret is, never what it is. The zero SecretRef
// names none.
type SecretRef struct {
	Env  string // an environment variable, or
	File string // a file; one line end at its end is not part of the secret

	at position
}

// IsZero reports whether ref names no secret.
func (ref SecretRef) IsZero() bool { return ref.Env == "" && ref.File == "" }

// maxSecret limits a secret's file, so that a wrong path is told at once.
const maxSecret = 64 << 10

// Secret reads the secret that ref names. The caller owns the bytes and may
// wipe them. An absent or empty secret is an *Error of kind Misconfigured at
// ref's place in the file; it holds no part of the secret.
func (c *Config) Secret(ref SecretRef) ([]byte, error) {
	r := report{file: c.File}
	fail := func(msg, remedy string) ([]byte, error) {
		r.add(ref.at, msg, remedy)
		return nil, r.errs[0]
	}
	switch {
	case ref.Env != "":
		v := os.Getenv(ref.Env)
		if v == "" {
			return fail("the environment variable "+ref.Env+" is not set or empty", "set it before Clarus starts")
		}
		return []byte(v), nil
	case ref.File != "":
		word, msg, remedy := readSecret(ref.File)
		if msg != "" {
			return fail(msg, remedy)
		}
		return word, nil
	default:
		return fail("no secret is named", "name one with password-env or password-file")
	}
}

// ReadSecret reads the secret in a file, as the configuration may name one.
func ReadSecret(file string) ([]byte, error) {
	word, msg, remedy := readSecret(file)
	if msg != "" {
		return nil, fmt.Errorf("%s (%s)", msg, remedy)
	}
	return word, nil
}

func readSecret(file string) (word []byte, msg, remedy string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, "the secret's file " + file + " cannot be read: " + cause(err), "name a file that Clarus may read"
	}
	if len(b) > maxSecret {
		clear(b)
		return nil, fmt.Sprintf("the secret's file %s is larger than %d bytes", file, maxSecret), "name the file that holds the secret alone"
	}
	word = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(word) == 0 {
		return nil, "the secret's file " + file + " is empty", "write the secret into it"
	}
	return word, "", ""
}

// cause is a file error without the path that the message names already.
func cause(err error) string {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
