package policy

import (
	"encoding/base64"
	"errors"
	"math"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var sizePattern = regexp.MustCompile(`^([1-9][0-9]{0,11}) ?(B|kB|MB|GB|TB)$`)

// parseSize reads a size with PostgreSQL's units, which are powers of 1024.
func parseSize(s string) (int64, error) {
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, errors.New("must be a number with a unit (B, kB, MB, GB, TB)")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := map[string]int{"B": 0, "kB": 10, "MB": 20, "GB": 30, "TB": 40}[m[2]]
	if err != nil || n > math.MaxInt64>>shift {
		return 0, errors.New("is too large")
	}
	return n << shift, nil
}

var durationPattern = regexp.MustCompile(`^[1-9][0-9]{0,8}(ms|s|m|h)$`)

// parseDuration reads one number with one unit: ms, s, m or h.
func parseDuration(s string) (time.Duration, error) {
	if !durationPattern.MatchString(s) {
		return 0, errors.New("must be a number with a unit (ms, s, m, h)")
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("is too long")
	}
	return d, nil
}

// Loopback reports whether an address host:port stays on this machine.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkAddress reports what is wrong with host:port; an empty host, which
// means every interface, is allowed only where Clarus listens, as is port 0.
func checkAddress(address string, listens bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("must be host:port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return errors.New("has a port above 65535")
	case n == 0 && !listens:
		return errors.New("has the port 0")
	case host == "" && !listens:
		return errors.New("lacks a host")
	}
	return nil
}

// checkVerifier reports what is wrong with SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
// (RFC 5803, as PostgreSQL writes it).
func checkVerifier(s string) error {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '$' || r == ':' })
	if len(parts) != 5 || parts[0] != "SCRAM-SHA-256" {
		return errors.New("must be a SCRAM-SHA-256 verifier")
	}
	if n, err := strconv.ParseUint(parts[1], 10, 31); err != nil || n < 4096 {
		return errors.New("has fewer than 4096 iterations, or far too many")
	}
	if salt, err := base64.StdEncoding.DecodeString(parts[2]); err != nil || len(salt) < 8 {
		return errors.New("has a salt that is not base64 of at least 8 bytes")
	}
	for _, key := range parts[3:] {
		if b, err := base64.StdEncoding.DecodeString(key); err != nil || len(b) != 32 {
			return errors.New("has a key that is not base64 of 32 bytes")
		}
	}
	return nil
}
