package postgres

import (
	"encoding/hex"
	"io"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/pgwire"
)

// packet makes a start-up packet of a code and zero-terminated strings.
func packet(code int, texts ...string) []byte {
	var body strings.Builder
	w := pgwire.NewWriter(&body)
	w.Int32(code)
	for _, s := range texts {
		w.String(s)
	}
	if code>>16 == 3 {
		w.Byte(0)
	}
	_ = w.Flush()
	var out strings.Builder
	w = pgwire.NewWriter(&out)
	w.Int32(4 + body.Len()).Bytes([]byte(body.String()))
	_ = w.Flush()
	return []byte(out.String())
}

var (
	askSSL = string(packet(pgwire.SSLCode))
	askGSS = string(packet(pgwire.GSSCode))
	hello  = string(packet(pgwire.Protocol30, "user", "alice"))
)

// TestStartup sends bytes and checks what comes first: answers to requests for
// encryption, and then one message.
func TestStartup(t *testing.T) {
	const sasl = "R 10"
	tests := []struct {
		name, send, answers, want string
	}{
		{"plain", hello, "", sasl},
		{"no TLS", askSSL + hello, "N", sasl},
		{"no GSS", askGSS + hello, "N", sasl},
		{"GSS, then SSL", askGSS + askSSL + hello, "NN", sasl},
		{"SSL, then GSS", askSSL + askGSS + hello, "NN", sasl},
		{"SSL twice", askSSL + askSSL, "N", "FATAL 08P01 encryption was asked for twice"},
		{"GSS twice", askGSS + askGSS, "N", "FATAL 08P01 encryption was asked for twice"},
		{"3.2", string(packet(3<<16|2, "user", "alice")), "", "v 196608 []"},
		{"3.0 with options", string(packet(3<<16, "_pq_.x", "1", "user", "alice")), "", "v 196608 [_pq_.x]"},
		{"2.0", string(packet(2 << 16)), "", "FATAL 0A000 unsupported frontend protocol 2.0: Clarus supports 3.0"},
		{"4.1", string(packet(4<<16 | 1)), "", "FATAL 0A000 unsupported frontend protocol 4.1: Clarus supports 3.0"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "", "FATAL 08P01 start-up packet announces a length of 1195725856 bytes"},
		{"TLS without TLS", "\x16\x03\x01\x02\x00", "", "FATAL 08P01 start-up packet announces a length of 369295618 bytes"},
		{"too short", "\x00\x00\x00\x07\x00\x03\x00", "", "FATAL 08P01 start-up packet announces a length of 7 bytes"},
		{"no end", "\x00\x00\x00\x0d\x00\x03\x00\x00user\x00", "", "FATAL 08P01 message is shorter than its contents say"},
		{"bytes after the end", "\x00\x00\x00\x0a\x00\x03\x00\x00\x00x", "", "FATAL 08P01 message has 1 bytes too many"},
		{"no user", string(packet(3<<16, "database", "x")), "", "FATAL 28000 no PostgreSQL user name specified in startup packet"},
		{"Latin-1", string(packet(3<<16, "user", "alice", "client_encoding", "latin1")), "",
			`FATAL 22023 client_encoding "latin1" is not supported: Clarus speaks UTF8 only`},
		{"Latin-1 by options", string(packet(3<<16, "user", "alice", "options", "-c client_encoding=latin1")), "",
			`FATAL 22023 client_encoding "latin1" is not supported: Clarus speaks UTF8 only`},
		{"UTF-8 spelled otherwise", string(packet(3<<16, "user", "alice", "client_encoding", "'utf-8'")), "", sasl},
		{"not UTF-8", string(packet(3<<16, "user", "\xff")), "", "FATAL 22021 a start-up parameter is not valid UTF-8"},
		{"replication", string(packet(3<<16, "user", "alice", "replication", "database")), "",
			"FATAL 0A000 replication connections are not supported"},
		{"bad options", string(packet(3<<16, "user", "alice", "options", "-B 10")), "",
			`FATAL 22023 invalid command-line argument "-B" in the start-up parameter options`},
		{"a query before the password", hello + "Q\x00\x00\x00\x05\x00", "", sasl},
	}
	h := start(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nc := h.dial()
			if _, err := io.WriteString(nc, tt.send); err != nil {
				t.Fatal(err)
			}
			answers := make([]byte, len(tt.answers))
			if _, err := io.ReadFull(nc, answers); err != nil || string(answers) != tt.answers {
				t.Fatalf("answers %q, %v, want %q", answers, err, tt.answers)
			}
			f, err := pgwire.NewReader(nc, 1<<16).Next()
			if err != nil {
				t.Fatal(err)
			}
			if got := describeStart(t, f); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func describeStart(t *testing.T, f pgwire.Frame) string {
	d := pgwire.NewBody(f.Body)
	switch f.Type {
	case 'R':
		if kind := d.Int32(); kind != 10 {
			t.Fatalf("authentication request %d", kind)
		}
		if first, end := d.String(), d.Byte(); first != scheme || end != 0 {
			t.Fatalf("mechanism %q", first)
		}
		return "R 10"
	case 'v':
		s := "v " + strconv.Itoa(d.Int32()) + " ["
		for range d.Int32() {
			s += d.String()
		}
		return s + "]"
	}
	e, err := pgwire.DecodeError(f.Body)
	if err != nil || f.Type != 'E' {
		t.Fatalf("message %q: %v", f.Type, err)
	}
	return e.Severity + " " + e.Code + " " + e.Message
}

// TestSASL sends messages in place of a proper exchange.
func TestSASL(t *testing.T) {
	initial := func(mechanism, data string) string {
		var out strings.Builder
		w := pgwire.NewWriter(&out)
		w.Begin('p').String(mechanism).Datum([]byte(data)).End()
		_ = w.Flush()
		return out.String()
	}
	tests := []struct{ name, send, want string }{
		{"unknown mechanism", initial("PLAIN", "x"), "08P01 client selected an invalid SASL authentication mechanism"},
		{"PLUS without TLS", initial(plusScheme, "p=tls-server-end-point,,n=,r=abc"),
			"08P01 client selected an invalid SASL authentication mechanism"},
		{"binding without PLUS", initial(scheme, "p=tls-server-end-point,,n=,r=abc"),
			"08P01 the SASL mechanism and the channel binding of the client do not fit each other"},
		{"not SCRAM", initial(scheme, "hello"), "08P01 malformed SCRAM message"},
		{"empty", initial(scheme, ""), "08P01 malformed SCRAM message"},
		{"broken frame", "p\x00\x00\x00\x06xx", "08P01 invalid message 'p': message is shorter than its contents say"},
		{"a Query", "Q\x00\x00\x00\x05\x00", "08P01 expected SASL response, got message type 'Q'"},
		{"too much", "p\x00\x01\x00\x05", "54000 message 'p' of 65537 bytes: message is larger than the limit of 65535"},
		{"no proof", initial(scheme, "n,,n=,r=abc") + "p\x00\x00\x00\x05x", `28P01 password authentication failed for user "alice"`},
	}
	h := start(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nc := h.dial()
			if _, err := io.WriteString(nc, hello+tt.send); err != nil {
				t.Fatal(err)
			}
			for r := pgwire.NewReader(nc, 1<<16); ; {
				f, err := r.Next()
				if err != nil {
					t.Fatal(err)
				}
				if f.Type == 'R' {
					continue
				}
				if got := describeStart(t, f); got != "FATAL "+tt.want {
					t.Errorf("got %s\nwant %s", got, tt.want)
				}
				break
			}
		})
	}
}

func TestAuthTimeout(t *testing.T) {
	h := start(t, func(o *Options) { o.AuthTimeout = 50 * time.Millisecond })
	nc := h.dial()
	_, _ = io.WriteString(nc, hello)
	all, err := io.ReadAll(nc)
	if err != nil || !strings.Contains(string(all), "C57014\x00Mcanceling authentication due to timeout") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestParseOptions(t *testing.T) {
	tests := []struct {
		line string
		want map[string]string // nil: an error
	}{
		{"", map[string]string{}},
		{" -c work_mem=1MB  --Search-Path=a,b ", map[string]string{"work_mem": "1MB", "search_path": "a,b"}},
		{`-csearch_path=a\ b\\c`, map[string]string{"search_path": `a b\c`}},
		{"-c a=1 -c a=2", map[string]string{"a": "2"}},
		{"-c a==", map[string]string{"a": "="}},
		{"-c", nil}, {"-c a", nil}, {"--", nil}, {"-B 3", nil}, {"word", nil}, {"-c =1", nil}, {"-c user=bob", nil},
	}
	for _, tt := range tests {
		got := map[string]string{}
		err := parseOptions(tt.line, got)
		if (err == nil) != (tt.want != nil) || err == nil && !maps.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v, want %v", tt.line, got, err, tt.want)
		}
	}
}

// FuzzStartup starts connections with any bytes: the server answers in whole
// frames or closes.
func FuzzStartup(f *testing.F) {
	for _, seed := range []string{hello, askSSL + hello, askGSS + askSSL, "GET / HTTP/1.1\r\n",
		string(packet(pgwire.CancelCode, "1234567")), string(packet(3<<16|2, "user", "a", "_pq_.a", "b", "options", `-c a=\`))} {
		f.Add([]byte(seed))
	}
	garbled, _ := hex.DecodeString("0000000804d2162f16030100")
	f.Add(garbled)
	server := fuzzServer(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		feed(t, newConn(t.Context(), server, nil), data, func(c *conn) error { return c.guard(c.converse) })
	})
}
