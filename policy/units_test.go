package policy

import (
	"testing"
	"time"
)

func TestUnits(t *testing.T) {
	for s, want := range map[string]int64{"1B": 1, "2 kB": 2048, "256MB": 256 << 20, "1GB": 1 << 30, "3TB": 3 << 40,
		"": -1, "256": -1, "0MB": -1, "1.5GB": -1, "1mb": -1, "-1MB": -1, "999999999999TB": -1} {
		got, err := parseSize(s)
		if (err == nil) != (want >= 0) || (err == nil && got != want) {
			t.Errorf("parseSize(%q) = %d, %v", s, got, err)
		}
	}
	for s, want := range map[string]time.Duration{"60s": time.Minute, "5m": 5 * time.Minute, "250ms": 250 * time.Millisecond, "1h": time.Hour,
		"": 0, "60": 0, "0s": 0, "1d": 0, "-1s": 0, "1h30m": 0, "999999999h": 0} {
		got, err := parseDuration(s)
		if (err == nil) != (want > 0) || (err == nil && got != want) {
			t.Errorf("parseDuration(%q) = %d, %v", s, got, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "localhost.example.org:1": false, "127.0.0.1": false, "127.1:1": false,
	} {
		if got := Loopback(address); got != want {
			t.Errorf("Loopback(%q) = %v", address, got)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"seal", "sael", 1}, {"preserve", "preserves", 1}, {"kitten", "sitting", 3}, {"ä", "a", 1}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]tableName{
		"t": {"public", "t"}, "s.t": {"s", "t"}, "Order": {"public", "Order"}, `"a.b"`: {"public", "a.b"},
		`"a.b"."c""d"`: {"a.b", `c"d`}, `s."t"`: {"s", "t"}, "public.t": {"public", "t"},
	} {
		got, err := parseTable(s)
		if err != nil || got != want {
			t.Errorf("parseTable(%s) = %#v, %v", s, got, err)
		}
		if again, err := parseTable(got.String()); err != nil || again != got {
			t.Errorf("%s does not read back: %#v, %v", got, again, err)
		}
	}
	for _, s := range []string{"", ".", "a.", ".a", "a.b.c", `"a`, `"a"b`, `a"b`, `""`, `"a".`} {
		if got, err := parseTable(s); err == nil {
			t.Errorf("parseTable(%s) = %#v", s, got)
		}
	}
}
