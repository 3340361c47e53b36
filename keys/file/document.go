package file

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/clarus-project/clarus/secret"
)

const (
	format      = "clarus-keyring-1"
	passphrase  = "argon2id-aes256gcm"
	environment = "environment"

	maxSize  = 64 << 20 // bytes: more than half a million epochs
	saltSize = 16
	sealed   = 12 + 32 + 16 // nonce, root key, tag
	macSize  = 32
)

// A document is the keyring file as JSON.
type document struct {
	Format     string  `json:"format"`
	Deployment octets  `json:"deployment"`
	Root       wrap    `json:"root"`
	Check      octets  `json:"check"`
	Fixed      octets  `json:"fixed"`
	Epochs     []entry `json:"epochs"`
	MAC        octets  `json:"mac"`
}

// A wrap says where the root key comes from. The fields but By belong to
// argon2id-aes256gcm.
type wrap struct {
	By        string `json:"by"`
	Salt      octets `json:"salt,omitempty"`
	Time      uint32 `json:"time,omitempty"`
	MemoryKiB uint32 `json:"memory_kib,omitempty"`
	Threads   uint8  `json:"threads,omitempty"`
	Sealed    octets `json:"sealed,omitempty"`
}

// An entry is an epoch that this side drew.
type entry struct {
	ID    octets    `json:"id"`
	Drawn time.Time `json:"drawn"`
}

// octets are bytes, in JSON in lower-case hexadecimal digits.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

func (o *octets) UnmarshalText(text []byte) (err error) {
	if !bytes.Equal(text, bytes.ToLower(text)) {
		return errors.New("hexadecimal digits must be in lower case")
	}
	*o, err = hex.AppendDecode(nil, text)
	return err
}

// parse reads a document and checks its form, not its authenticity.
func parse(data []byte) (*document, error) {
	d := new(document)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(d); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is something after the end")
	}
	if d.Format != format {
		return nil, fmt.Errorf("the format is %q, not %q", d.Format, format)
	}
	for _, f := range []struct {
		name string
		have octets
		want int
	}{{"deployment", d.Deployment, 16}, {"check", d.Check, 16}, {"fixed", d.Fixed, 16}, {"mac", d.MAC, macSize}} {
		if len(f.have) != f.want {
			return nil, fmt.Errorf("%s has %d bytes, not %d", f.name, len(f.have), f.want)
		}
	}
	seen := map[secret.Epoch]bool{secret.Epoch(d.Fixed): true}
	for i, e := range d.Epochs {
		if len(e.ID) != 16 {
			return nil, fmt.Errorf("epoch %d has %d bytes, not 16", i, len(e.ID))
		}
		if seen[secret.Epoch(e.ID)] {
			return nil, fmt.Errorf("epoch %d stands there twice", i)
		}
		seen[secret.Epoch(e.ID)] = true
	}
	return d, d.Root.check()
}

// accepted returns the epochs that keys of rolling scopes are handed out for.
func (d *document) accepted() map[secret.Epoch]bool {
	out := make(map[secret.Epoch]bool, len(d.Epochs))
	for _, e := range d.Epochs {
		out[secret.Epoch(e.ID)] = true
	}
	return out
}

// check holds the parameters within bounds, so that a damaged file cannot ask
// for all memory or for hours.
func (w wrap) check() error {
	switch w.By {
	case environment:
		if w.Salt != nil || w.Sealed != nil || w.Time != 0 || w.MemoryKiB != 0 || w.Threads != 0 {
			return errors.New("root has parameters that do not belong to a root key from the environment")
		}
		return nil
	case passphrase:
	default:
		return fmt.Errorf("root.by is %q, neither %q nor %q", w.By, passphrase, environment)
	}
	switch {
	case len(w.Salt) != saltSize:
		return fmt.Errorf("root.salt has %d bytes, not %d", len(w.Salt), saltSize)
	case len(w.Sealed) != sealed:
		return fmt.Errorf("root.sealed has %d bytes, not %d", len(w.Sealed), sealed)
	case w.Time < 1 || w.Time > 64:
		return errors.New("root.time is not between 1 and 64")
	case w.MemoryKiB < 8<<10 || w.MemoryKiB > 4<<20:
		return errors.New("root.memory_kib is not between 8 MiB and 4 GiB")
	case w.Threads < 1 || w.Threads > 64:
		return errors.New("root.threads is not between 1 and 64")
	}
	return nil
}

// marshal writes the document for people and for parse.
func (d *document) marshal() ([]byte, error) {
	data, err := json.MarshalIndent(d, "", "  ")
	return append(data, '\n'), err
}
