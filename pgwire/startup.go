package pgwire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The codes that a start-up packet begins with.
const (
	Protocol30    = 3 << 16
	CancelCode    = 1234<<16 | 5678
	SSLCode       = 1234<<16 | 5679
	GSSCode       = 1234<<16 | 5680
	MaxStartup    = 10000 // bytes; PostgreSQL's own limit
	pqOptionStart = "_pq_."
)

// A Startup is the packet that opens a connection: a request for encryption, a
// request to cancel (PID and Key are set), or a start of version Code
// (Parameters and Options are set).
type Startup struct {
	Code       uint32
	PID        uint32
	Key        []byte
	Parameters map[string]string
	Options    []string // protocol options asked for, "_pq_.…", as they came
}

// Major is the major protocol version asked for.
func (s *Startup) Major() int { return int(s.Code >> 16) }

// Minor is the minor protocol version asked for.
func (s *Startup) Minor() int { return int(s.Code & 0xffff) }

// ReadStartup reads the rest of a start-up packet whose first four bytes, the
// length, are head. It reads not one byte more than the packet, so that what
// follows can be TLS.
func ReadStartup(r io.Reader, head [4]byte) (*Startup, error) {
	n := int(int32(binary.BigEndian.Uint32(head[:])))
	if n < 8 || n > MaxStartup {
		return nil, &ProtocolError{fmt.Sprintf("start-up packet announces a length of %d bytes", n)}
	}
	body := make([]byte, n-4)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return DecodeStartup(body)
}

// DecodeStartup decodes a start-up packet without its length. A packet of a
// major version other than 3 has only its Code decoded.
func DecodeStartup(body []byte) (*Startup, error) {
	d := NewBody(body)
	s := &Startup{Code: d.Uint32()}
	switch {
	case s.Code == SSLCode || s.Code == GSSCode:
		return s, d.Done()
	case s.Code == CancelCode:
		s.PID, s.Key = d.Uint32(), append([]byte(nil), d.Rest()...)
		return s, d.Done()
	case s.Major() != 3:
		return s, d.err
	}
	s.Parameters = make(map[string]string)
	for {
		name := d.String()
		if d.err != nil || name == "" {
			return s, d.Done()
		}
		value := d.String()
		if len(name) >= len(pqOptionStart) && name[:len(pqOptionStart)] == pqOptionStart {
			s.Options = append(s.Options, name)
			continue
		}
		s.Parameters[name] = value
	}
}
