package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
)

// An evil provider says hello as it should, and then what it is told to.
type evil struct {
	hello string
	says  string // after the first message of a session
	mute  bool   // then it keeps the connection open and silent
}

func message(kind byte, body string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))) + body
}

func setting(name, value string) string { return message('S', name+"\x00"+value+"\x00") }

const authenticated = "R\x00\x00\x00\x08\x00\x00\x00\x00"

func greeting() string {
	return authenticated + setting("server_version", "15.4") + setting("client_encoding", "UTF8") + setting("standard_conforming_strings", "on") +
		setting("integer_datetimes", "on") + message('K', "\x00\x00\x00\x01\x00\x00\x00\x02") + message('Z', "I")
}

func (e evil) listen(t *testing.T) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go e.talk(c)
		}
	}()
	addr := l.Addr().(*net.TCPAddr)
	s := New("evil", pgwire.Target{Host: "127.0.0.1", Port: uint16(addr.Port), User: "u", Password: "not-for-you", Timeout: 2 * time.Second})
	s.grace = 200 * time.Millisecond
	return s
}

func (e evil) talk(c net.Conn) {
	defer c.Close()
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[:]))-4)
	_, _ = io.WriteString(c, e.hello)
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil {
		return
	}
	_, _ = io.WriteString(c, e.says)
	if e.mute {
		_, _ = io.Copy(io.Discard, c)
		return
	}
	_ = c.(*net.TCPConn).CloseWrite() // what the other side still sends must not reset the connection
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, _ = io.Copy(io.Discard, c)
}

// states are what a session may be doing, with the messages that lead there.
var states = []struct {
	name, before string
	do           func(ctx context.Context, s provider.Session, row func([]byte) error) error
}{
	{"parse", "", run}, {"bind", message('1', ""), run}, {"describe", message('1', "") + message('2', ""), run},
	{"execute", message('1', "") + message('2', "") + message('T', oneField), run},
	{"rows", message('1', "") + message('2', "") + message('T', oneField) + message('D', "\x00\x01\x00\x00\x00\x01x"), run},
	{"batch", message('1', "") + message('2', "") + message('C', "INSERT 0 1\x00"), batch},
	{"copy in", message('1', "") + message('2', ""), copyIn}, {"copy in, sent", message('1', "") + message('2', "") + message('G', "\x00\x00\x00"), copyIn},
	{"copy out", message('1', "") + message('2', ""), copyOut}, {"copy out, begun", message('1', "") + message('2', "") + message('H', "\x00\x00\x00"), copyOut},
	{"fail", "", func(ctx context.Context, s provider.Session, _ func([]byte) error) error { return s.Fail(ctx) }},
	{"sync", message('1', "") + message('2', "") + message('T', oneField) + message('C', "SELECT 0\x00"), func(ctx context.Context, s provider.Session, row func([]byte) error) error {
		if err := run(ctx, s, row); err != nil {
			return err
		}
		_, err := s.Sync(ctx)
		return err
	}},
	{"kept, parse", once, times(2)}, {"kept, bind", once + message('1', ""), times(2)}, {"kept, describe", once + message('1', "") + message('2', ""), times(2)},
	{"kept, again", once + once, times(3)}, {"kept, rows", once + once + message('2', ""), times(3)},
	{"ends", once, func(ctx context.Context, s provider.Session, row func([]byte) error) error {
		if _, err := s.Run(ctx, provider.Statement{SQL: "SELECT a", Ends: true}, oneColumn, row); err != nil {
			return err
		}
		_, err := s.Sync(ctx)
		return err
	}},
}

// once is a statement from Parse to its end. The second time it is the same,
// since the statement gets a name, and then it is described no more.
const once = "1\x00\x00\x00\x04" + "2\x00\x00\x00\x04" + "T\x00\x00\x00\x1a" + oneField + "C\x00\x00\x00\x0dSELECT 0\x00"

func times(n int) func(context.Context, provider.Session, func([]byte) error) error {
	return func(ctx context.Context, s provider.Session, row func([]byte) error) error {
		for range n - 1 {
			if err := run(ctx, s, row); err != nil {
				return fmt.Errorf("too early: %w", err)
			}
		}
		return run(ctx, s, row)
	}
}

const oneField = "\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"

func run(ctx context.Context, s provider.Session, row func([]byte) error) error {
	_, err := s.Run(ctx, provider.Statement{SQL: "SELECT a"}, oneColumn, row)
	return err
}

func oneColumn(f []pgwire.Field) error {
	if len(f) != 1 || f[0].Type != 25 || f[0].Format != 0 {
		return fmt.Errorf("other columns")
	}
	return nil
}

func batch(ctx context.Context, s provider.Session, row func([]byte) error) error {
	_, _, err := s.Batch(ctx, provider.Statement{SQL: "INSERT"}, [][][]byte{{}, {}}, nil)
	return err
}

func copyIn(ctx context.Context, s provider.Session, _ func([]byte) error) error {
	sent := false
	_, err := s.CopyIn(ctx, "COPY a FROM STDIN", func() ([]byte, error) {
		if sent {
			return nil, io.EOF
		}
		sent = true
		return []byte("x"), nil
	})
	return err
}

func copyOut(ctx context.Context, s provider.Session, _ func([]byte) error) error {
	_, err := s.CopyOut(ctx, "COPY a TO STDOUT", func(pgwire.Frame) error { return nil })
	return err
}

// frames are one message of every type, known or not, with bodies that fit and
// that do not, and lengths that lie.
func frames() map[string]string {
	list := map[string]string{"length 0": "D\x00\x00\x00\x00", "length 3": "D\x00\x00\x00\x03", "negative length": "D\xff\xff\xff\xff",
		"1 GB": "D\x40\x00\x00\x00abc", "half a header": "D\x00\x00", "half a body": "D\x00\x00\x00\x20abc", "noise": strings.Repeat("\xa5", 64),
		"an error without an end": message('E', "SERROR\x00C22000"), "a row of 1000 columns": message('D', "\x03\xe8"),
		"a row that lies": message('D', "\x00\x01\x00\xff\xff\xff"), "a good error": message('E', "SERROR\x00C22012\x00Mx\x00\x00"),
		"a binary column": message('T', strings.TrimSuffix(oneField, "\x00\x00")+"\x00\x01"), "1000 columns": message('T', "\x03\xe8"),
		"another encoding": setting("client_encoding", "SQL_ASCII"), "backslashes": setting("standard_conforming_strings", "off"),
		"ready, of no state": message('Z', "?"), "ready twice": message('Z', "I") + message('Z', "I"), "ask for the password": message('R', "\x00\x00\x00\x03")}
	for kind := range 256 {
		for _, body := range []string{"", "\x00", "\x00\x01\x00\x00\x00\x01x", "SELECT 1\x00"} {
			list[fmt.Sprintf("%q %q", rune(kind), body)] = message(byte(kind), body)
		}
	}
	return list
}

// TestEveryMessageInEveryState has a provider send any message at any time: it
// is what is expected there, or the session ends with a clear error.
func TestEveryMessageInEveryState(t *testing.T) {
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			for name, frame := range frames() {
				s := evil{hello: greeting(), says: state.before + frame}.listen(t)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				began := time.Now()
				p, err := s.Open(ctx, "d")
				if err != nil {
					t.Fatalf("%s: open: %v", name, err)
				}
				rows := 0
				err = state.do(ctx, p, func(body []byte) error {
					if _, err := pgwire.Row(body, nil); err != nil {
						return err
					}
					rows++
					return nil
				})
				switch expected := strings.Count(state.before+frame, "D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x01x"); {
				case rows > expected:
					t.Errorf("%s: %d rows were handed on", name, rows)
				case err == nil && clarus.KindOf(broken(p)) == 0 && !finished(state.name, frame):
					t.Errorf("%s: nothing is wrong with it", name)
				case slices.Contains([]string{"length 0", "length 3", "negative length", "an error without an end", "noise"}, name) && clarus.KindOf(err) != clarus.Integrity:
					t.Errorf("%s: it is not taken for a breach: %v", name, err)
				case time.Since(began) > 8*time.Second:
					t.Errorf("%s: it took %s", name, time.Since(began))
				}
				_ = p.Close()
				cancel()
			}
		})
	}
}

func broken(p provider.Session) error { return p.(*session).broken }

// finished reports whether a message is what a state waits for last.
func finished(state, frame string) bool {
	last := map[string]string{"execute": "CI", "rows": "CI", "batch": "", "copy in, sent": "CI", "fail": "E", "sync": "Z",
		"kept, rows": "CI", "ends": "Z"}[state]
	return strings.IndexByte(last, frame[0]) >= 0
}

func TestSilenceEnds(t *testing.T) {
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			s := evil{hello: greeting(), says: state.before, mute: true}.listen(t)
			p, err := s.Open(t.Context(), "d")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if state.name == "fail" {
				ctx = t.Context() // it comes when others' time is over
			}
			began := time.Now()
			if err := state.do(ctx, p, func([]byte) error { return nil }); err == nil {
				t.Error("it is taken for an answer")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestGreetings(t *testing.T) {
	for name, hello := range map[string]string{
		"cleartext password": message('R', "\x00\x00\x00\x03"), "MD5 password": message('R', "\x00\x00\x00\x05salt"), "GSS": message('R', "\x00\x00\x00\x07"),
		"SSPI": message('R', "\x00\x00\x00\x09"), "unknown authentication": message('R', "\x00\x00\x00\x63"),
		"another SASL": message('R', "\x00\x00\x00\x0aPLAIN\x00\x00"), "old version": strings.Replace(greeting(), "15.4", "14.9", 1),
		"no version": strings.Replace(greeting(), "server_version", "server_colours", 1), "another encoding": strings.Replace(greeting(), "UTF8", "LATI", 1),
		"backslashes": strings.Replace(greeting(), "strings\x00on", "strings\x00of", 1), "noise": strings.Repeat("\xa5", 64), "nothing": "",
		"an error": message('E', "SFATAL\x00C28000\x00Mgo away\x00\x00"), "a row": authenticated + message('D', "\x00\x00"),
		"ready at once": message('Z', "I"), "copy both ways": authenticated + message('W', "\x00\x00\x00"), "a function's result": authenticated + message('V', "\x00\x00\x00\x01x"),
		"copy in": authenticated + message('G', "\x00\x00\x00"), "length 0": "R\x00\x00\x00\x00", "negative length": "R\xff\xff\xff\xff", "1 GB": "R\x40\x00\x00\x00\x00\x00\x00\x00",
		"half a header": "R\x00\x00", "half a body": "R\x00\x00\x00\x08\x00", "no body": message('R', ""), "a key too long": authenticated + message('K', strings.Repeat("x", 1<<16)),
		"a setting without an end": authenticated + message('S', "server_version"), "SASL goes on by itself": message('R', "\x00\x00\x00\x0b") + greeting(),
		"SASL ends at once":            message('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00") + message('R', "\x00\x00\x00\x0cv=AAAA") + greeting(),
		"SASL without a proof":         message('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00") + greeting(),
		"SASL of very many rounds":     message('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00") + message('R', "\x00\x00\x00\x0br=x,s=AAAA,i=2147483647"),
		"SASL of another conversation": message('R', "\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00") + message('R', "\x00\x00\x00\x0br=x,s=AAAA,i=4096"),
		"settings and no end":          authenticated + strings.Repeat(setting("a", "b"), 100_000), "notices and no end": authenticated + strings.Repeat(message('N', "SNOTICE\x00C00000\x00Mx\x00\x00"), 100_000),
		"another protocol": message('v', "\x00\x00\x00\x02\x00\x00\x00\x00"), "a notification": authenticated + message('A', "\x00\x00\x00\x01ch\x00x\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			heard := make(chan string, 1)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(c, hello)
				_ = c.SetReadDeadline(time.Now().Add(time.Second))
				all, _ := io.ReadAll(c)
				heard <- string(all)
				_ = c.Close()
			}()
			s := New("evil", pgwire.Target{Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port), User: "u", Password: "not-for-you", Timeout: 3 * time.Second})
			began := time.Now()
			_, err = s.Open(t.Context(), "d")
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			if err == nil {
				t.Fatal("it is taken for a provider")
			}
			if strings.Contains(err.Error(), "go away") || !strings.Contains(err.Error(), "evil") {
				t.Errorf("the error is %v", err)
			}
			if text := <-heard; strings.Contains(text, "not-for-you") || strings.Contains(text, "md5") {
				t.Errorf("the provider was told %q", text)
			}
		})
	}
}

// TestBatchReadsOn has a row refused in the middle of a batch: the provider did
// nothing wrong, and what it still sends is read.
func TestBatchReadsOn(t *testing.T) {
	one := message('2', "") + message('D', "\x00\x01\x00\x00\x00\x01x") + message('C', "SELECT 1\x00")
	s := evil{hello: greeting(), says: message('1', "") + one + one + one + message('E', "SERROR\x00C42601\x00Mx\x00\x00") + message('Z', "E")}.listen(t)
	p, err := s.Open(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	tags, failed, err := p.Batch(t.Context(), provider.Statement{SQL: "SELECT"}, [][][]byte{{}, {}, {}}, func(i int, _ []byte) error {
		if i == 1 {
			return io.ErrNoProgress
		}
		return nil
	})
	if err != io.ErrNoProgress || failed != 1 || len(tags) != 1 || broken(p) != nil {
		t.Errorf("tags %v, failed at %d: %v; the session: %v", tags, failed, err, broken(p))
	}
}

// TestSlowGreeting has a provider say hello so slowly that it never ends.
func TestSlowGreeting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for _, b := range []byte(strings.Repeat(greeting(), 100)) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	s := New("evil", pgwire.Target{Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port), User: "u", Timeout: time.Second})
	if _, err := s.Open(t.Context(), "d"); err == nil || clarus.KindOf(err) != clarus.Unavailable {
		t.Errorf("the error is %v", err)
	}
}
