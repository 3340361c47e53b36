package jsonl

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/clarus-project/clarus/audit"
)

// Format is the name and version in every first line.
const Format = "clarus-audit/1"

// envelope is more than the bytes of a line besides its event.
const envelope = 256

// A Hash is the SHA-256 of a line without its line break.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes h in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if n, err := hex.Decode(h[:min(len(h), len(b)/2)], b[:min(len(b), 2*len(h))]); err != nil || n != len(h) || len(b) != 2*n {
		return errors.New("a hash is 64 hexadecimal digits")
	}
	return nil
}

// A Head is the end of a log: kept elsewhere, it shows whether lines up to it
// were altered or cut off.
type Head struct {
	Seq  uint64 // number of the last line, from 1
	Hash Hash
}

// A line is one line of the file. It has exactly one of Start, Event and, in a
// line of its own, Torn.
type line struct {
	Seq   uint64       `json:"seq"`
	Prev  Hash         `json:"prev"` // of the line before, also across files; of the very first: zero
	Time  time.Time    `json:"time"`
	Start *start       `json:"start,omitempty"`
	Torn  []torn       `json:"torn,omitempty"`
	Event *audit.Event `json:"event,omitempty"`
}

// A start opens each file.
type start struct {
	Format string `json:"format"`
	Log    string `json:"log"` // 128 random bits that name the log, the same in all its files
}

// A torn tells of bytes that a crash left behind the last good line.
type torn struct {
	File   string `json:"file"` // where they are now, in the log's directory
	Bytes  int64  `json:"bytes"`
	SHA256 Hash   `json:"sha256"`
}

// appendLine appends the line that follows h, with body (`"event":{…}`), and
// its line break to b; it returns the head after it.
func appendLine(b []byte, h Head, t time.Time, name string, body []byte) ([]byte, Head) {
	from := len(b)
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, h.Seq+1, 10)
	b = append(b, `,"prev":"`...)
	b = hex.AppendEncode(b, h.Hash[:])
	b = append(b, `","time":"`...)
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","`...)
	b = append(b, name...)
	b = append(b, `":`...)
	b = append(b, body...)
	b = append(b, '}')
	h = Head{h.Seq + 1, sha256.Sum256(b[from:])}
	return append(b, '\n'), h
}

// parseLine reads one line without its line break and checks that it stands
// rightly after h. The very first line of a file is checked by the caller
// against what it must follow.
func parseLine(b []byte) (*line, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var l line
	if err := d.Decode(&l); err != nil {
		return nil, errors.New("is not an audit line: " + err.Error())
	}
	if d.InputOffset() != int64(len(b)) {
		return nil, errors.New("goes on after its end")
	}
	kinds := 0
	for _, is := range []bool{l.Start != nil, l.Torn != nil, l.Event != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return nil, errors.New("must have exactly one of start, torn and event")
	}
	if l.Event != nil {
		if err := l.Event.Check(); err != nil {
			return nil, err
		}
		l.Event.Seq, l.Event.Time = l.Seq, l.Time
	}
	return &l, nil
}
