package session

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for sql, want := range map[string]time.Duration{
		"SET statement_timeout = '100ms'": 100 * time.Millisecond, "SET statement_timeout TO 2500": 2500 * time.Millisecond,
		`SET "statement_timeout" = '1.5 s'`: 1500 * time.Millisecond, "SET statement_timeout TO \"2min\"": 2 * time.Minute, "SET statement_timeout TO '1h'": time.Hour,
		"SET statement_timeout TO '1d'": 24 * time.Hour, "SET statement_timeout = 0": 0, "SET statement_timeout TO '0x10'": 0, "RESET statement_timeout": 0,
		"SET statement_timeout TO DEFAULT": 0, "SET statement_timeout = '200us'": 200 * time.Microsecond, "SET statement_timeout = '99999999999999d'": 0,
	} {
		if got := duration(sql); got != want {
			t.Errorf("%s: %v, want %v", sql, got, want)
		}
	}
}
