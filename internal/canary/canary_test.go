package canary_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/clarus-project/clarus/internal/canary"
)

func newSet(t testing.TB, canaries ...string) *canary.Set {
	t.Helper()
	s, err := canary.NewSet(canaries)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSourceIsReproducible(t *testing.T) {
	a, b := canary.NewSource("s"), canary.NewSource("s")
	seen := map[string]bool{}
	for range 1000 {
		x, y := a.Text(), b.Text()
		if x != y || seen[x] || len(canary.Find("id "+x+",")) != 1 {
			t.Fatalf("%s %s", x, y)
		}
		seen[x] = true
		n := strconv.FormatInt(a.Number(), 10)
		if b.Number(); len(n) != 12 || len(canary.Find("("+n+")")) != 1 {
			t.Fatal(n)
		}
	}
}

// encodings says how a text may be hidden, each with what comes out.
func encodings(text string) map[string][]byte {
	var wide []byte
	for _, u := range utf16.Encode([]rune(text)) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}
	m := map[string][]byte{
		"raw":         []byte(text),
		"inside":      []byte("Dr " + text + " said"),
		"upper case":  []byte(strings.ToUpper(text)),
		"hex":         []byte(`\x` + hex.EncodeToString([]byte(text))),
		"HEX":         []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))),
		"UTF-16":      wide,
		"UTF-16 hex":  []byte(hex.EncodeToString(wide)),
		"UTF-16 b64":  []byte(base64.StdEncoding.EncodeToString(wide)),
		"URL base64":  []byte(base64.URLEncoding.EncodeToString([]byte(text))),
		"base64 of 1": []byte(base64.StdEncoding.EncodeToString([]byte("x" + text + "y"))),
		"base64 of 2": []byte(base64.StdEncoding.EncodeToString([]byte("xx" + text + "yy"))),
		"base64 of 3": []byte(base64.StdEncoding.EncodeToString([]byte("xxx" + text + "yyy"))),
	}
	return m
}

func TestFindsEveryForm(t *testing.T) {
	src := canary.NewSource("forms")
	text, other, number := src.Text(), src.Text(), src.Number()
	digits := strconv.FormatInt(number, 10)
	s := newSet(t, text, digits)
	plants := map[string]map[string][]byte{text: encodings(text), digits: encodings(digits)}
	plants[text]["cut short"] = []byte(text[:12])
	n := plants[digits]
	n["int8 wire"] = binary.BigEndian.AppendUint64(nil, uint64(number))
	n["int8 heap"] = binary.LittleEndian.AppendUint64(nil, uint64(number))
	n["float8 wire"] = binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(number)))
	n["float8 heap"] = binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(number)))
	for _, part := range []int64{number / 1e8, number / 1e4 % 1e4, number % 1e4} {
		n["numeric wire"] = binary.BigEndian.AppendUint16(n["numeric wire"], uint16(part))
		n["numeric heap"] = binary.LittleEndian.AppendUint16(n["numeric heap"], uint16(part))
	}
	for want, forms := range plants {
		for name, b := range forms {
			hits := s.Bytes("x", append(append([]byte("before"), b...), "after"...))
			if len(hits) == 0 || hits[0].Canary != want {
				t.Errorf("%s of %s was not found: %v", name, want, hits)
			}
		}
	}
	for name, b := range encodings(other) {
		if hits := s.Bytes("x", b); len(hits) > 0 {
			t.Errorf("another canary's %s was taken for ours: %v", name, hits)
		}
	}
}

func TestFindsAtEveryOffsetAndAcrossReads(t *testing.T) {
	text := canary.NewSource("offsets").Text()
	s := newSet(t, text)
	for offset := range 40 {
		b := append(bytes.Repeat([]byte{0}, offset), text...)
		if hits := s.Bytes("x", b); len(hits) != 1 || hits[0].Offset != int64(offset) {
			t.Fatalf("at %d: %v", offset, hits)
		}
	}
	for _, offset := range []int{1<<20 - 9, 1<<20 - 1, 1 << 20, 2<<20 - 70, 2<<20 - 5} {
		b := bytes.Repeat([]byte{'c'}, 3<<20)
		copy(b[offset:], text)
		hits, err := s.Reader("x", iotest.HalfReader(bytes.NewReader(b)))
		if err != nil || len(hits) != 1 || hits[0].Offset != int64(offset) {
			t.Fatalf("at %d: %v %v", offset, hits, err)
		}
	}
	if _, err := s.Reader("x", iotest.ErrReader(io.ErrClosedPipe)); err != io.ErrClosedPipe {
		t.Fatalf("a failing stream was taken for a clean one: %v", err)
	}
}

func TestRefusesWhatCannotBeSearchedFor(t *testing.T) {
	for _, list := range [][]string{nil, {"short"}} {
		if _, err := canary.NewSet(list); err == nil {
			t.Errorf("%q was accepted", list)
		}
	}
}

func TestTree(t *testing.T) {
	text, named := canary.NewSource("tree").Text(), canary.NewSource("name").Text()
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"1": "nothing", "2": "x" + text, named: "nothing"} {
		if err := os.WriteFile(filepath.Join(deep, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hits, size, err := newSet(t, text, named).Tree(dir)
	if err != nil || len(hits) != 2 || size != 7+7+17 {
		t.Fatalf("%v, %d bytes, %v", hits, size, err)
	}
	if _, _, err := newSet(t, text).Tree(filepath.Join(dir, "missing")); err == nil {
		t.Fatal("a missing directory was taken for a clean one")
	}
}

func TestProcess(t *testing.T) {
	text := canary.NewSource("process").Text()
	cmd := exec.Command("sleep", "60")
	cmd.Env = []string{"SECRET=" + text}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	children, err := canary.Children(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	var hits []canary.Hit
	for _, pid := range children {
		found, err := newSet(t, text).Process(pid)
		if err != nil {
			t.Fatal(err)
		}
		hits = append(hits, found...)
	}
	if len(hits) != 1 || !strings.HasSuffix(hits[0].Where, "/environ") {
		t.Fatalf("children %v: %v", children, hits)
	}
}

func TestRelay(t *testing.T) {
	src := canary.NewSource("relay")
	ask, answer := src.Text(), src.Text()
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
		if _, err := io.ReadFull(c, make([]byte, len(ask))); err == nil {
			_, _ = io.WriteString(c, answer[:5])
			_, _ = io.WriteString(c, answer[5:])
		}
	}()
	r, err := canary.NewRelay(l.Addr().String(), filepath.Join(t.TempDir(), "traffic"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, ask[:7])
	_, _ = io.WriteString(c, ask[7:])
	got, err := io.ReadAll(c)
	if err != nil || string(got) != answer {
		t.Fatalf("%q %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	hits, err := newSet(t, ask, answer).File(r.Path())
	if err != nil || len(hits) != 2 {
		t.Fatalf("%v %v", hits, err)
	}
}

func BenchmarkSearch(b *testing.B) {
	src := canary.NewSource("bench")
	var list []string
	for range 100 {
		list = append(list, src.Text(), strconv.FormatInt(src.Number(), 10))
	}
	s := newSet(b, list...)
	random := make([]byte, 64<<20)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(random[:32<<20]) // the rest is zero, as in much of a data directory
	b.SetBytes(int64(len(random)))
	for b.Loop() {
		if hits := s.Bytes("x", random); len(hits) > 0 {
			b.Fatal(hits)
		}
	}
}
