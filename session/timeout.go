package session

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// errTimeout is why a statement's context ends.
var errTimeout = errors.New("statement timeout")

// late is how long after statement_timeout this side ends a statement. The
// provider and the twin do so in time; one that hangs does not.
const late = time.Second

// timed bounds a statement by the client's statement_timeout.
func (s *Session) timed(ctx context.Context) (context.Context, context.CancelFunc) {
	if set, ok := s.settings.current["statement_timeout"]; ok {
		if d := duration(set); d > 0 {
			return context.WithTimeoutCause(ctx, d+late, errTimeout)
		}
	}
	return ctx, func() {}
}

var durationValue = regexp.MustCompile(`(?i)(?:=|\bTO\b)\s*['"]?\s*([0-9]*\.?[0-9]+)\s*(us|ms|s|min|h|d)?\s*['"]?\s*$`)

var durationUnits = map[string]time.Duration{"us": time.Microsecond, "": time.Millisecond, "ms": time.Millisecond, "s": time.Second,
	"min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

// duration is the value of a SET statement of a time; 0 if there is none, or
// it is written in a way that only PostgreSQL reads.
func duration(sql string) time.Duration {
	m := durationValue.FindStringSubmatch(sql)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || n > 1e10 {
		return 0
	}
	return time.Duration(n * float64(durationUnits[strings.ToLower(m[2])]))
}
