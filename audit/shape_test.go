package audit

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// shapeCases reads testdata/shapes.txt: pairs of lines, statement and shape.
func shapeCases(t testing.TB) [][2]string {
	t.Helper()
	b, err := os.ReadFile("testdata/shapes.txt")
	if err != nil {
		t.Fatal(err)
	}
	unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\0`, "\x00")
	var lines []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines)%2 != 0 {
		t.Fatal("a statement without a shape")
	}
	var cases [][2]string
	for i := 0; i < len(lines); i += 2 {
		cases = append(cases, [2]string{unescape.Replace(lines[i]), lines[i+1]})
	}
	return cases
}

func TestShapes(t *testing.T) {
	cases := shapeCases(t)
	if len(cases) < 30 {
		t.Fatalf("only %d cases were read", len(cases))
	}
	for _, c := range cases {
		if got := ShapeOf(c[0]).String(); got != c[1] {
			t.Errorf("%q\n got %q\nwant %q", c[0], got, c[1])
		}
		if strings.Contains(c[1], "CANARY") {
			t.Errorf("%q: the expected shape holds data", c[0])
		}
	}
}

func TestShapeIsBounded(t *testing.T) {
	long := "select " + strings.Repeat("größe, ", MaxShape)
	s := ShapeOf(long).String()
	if len(s) > MaxShape || !strings.HasSuffix(s, " …") || !utf8.ValidString(s) {
		t.Errorf("length %d, end %q", len(s), s[len(s)-10:])
	}
	if name := ShapeOf(`select "` + strings.Repeat("x", MaxShape) + `"`).String(); name != "select …" {
		t.Errorf("a name longer than a shape: %.40q", name)
	}
}

func TestShapeFromText(t *testing.T) {
	var s Shape
	if err := s.UnmarshalText([]byte("select 'CANARY'")); err != nil || s.String() != "select ?" {
		t.Errorf("%q, %v", s, err)
	}
	if !(Shape{}).IsZero() || s.IsZero() {
		t.Error("IsZero")
	}
}

// FuzzShape holds what must be true of every shape: it is the shape of itself,
// it is short, and no literal is left in it.
func FuzzShape(f *testing.F) {
	for _, c := range shapeCases(f) {
		f.Add(c[0])
	}
	f.Fuzz(func(t *testing.T, in string) {
		s := ShapeOf(in).String()
		if again := ShapeOf(s).String(); again != s {
			t.Errorf("%q\nonce  %q\ntwice %q", in, s, again)
		}
		if len(s) > MaxShape || !utf8.ValidString(s) {
			t.Errorf("length %d, valid %v", len(s), utf8.ValidString(s))
		}
		if strings.IndexByte(outsideNames(s), '\'') >= 0 {
			t.Errorf("%q: a quote is left in %q", in, s)
		}
	})
}

// outsideNames cuts quoted identifiers out of a shape.
func outsideNames(s string) string {
	var out strings.Builder
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 0 {
			out.WriteString(part)
		}
	}
	return out.String()
}

func BenchmarkShapeOf(b *testing.B) {
	for b.Loop() {
		ShapeOf("select name, birth from patient p join visit v on v.patient = p.id where p.id = $1 order by v.day limit $2")
	}
}
