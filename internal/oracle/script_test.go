package oracle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.test")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const sample = `# A comment.
@a query ordered limit=2
refused(0A000) under sealed, mixed: because
SELECT $1,
  $2
$1 int4 = 5
$2 = NULL
----
old
answer

copyin
COPY t FROM STDIN
<<<
1	a
2	b
----
`

func TestScriptIsReadAndWrittenBack(t *testing.T) {
	path := write(t, sample)
	s, err := oracle.ReadScript(path)
	if err != nil || len(s.Sections) != 2 {
		t.Fatal(s, err)
	}
	q, c := s.Sections[0], s.Sections[1]
	if q.Session != "a" || q.Kind != "query" || q.SQL != "SELECT $1,\n  $2" || q.Options["limit"] != "2" || q.Line != 2 ||
		q.Expected != "old\nanswer\n" {
		t.Errorf("%+v", q)
	}
	if len(q.Params) != 2 || q.Params[0] != (oracle.Param{Type: "int4", Text: "5"}) || !q.Params[1].Null {
		t.Errorf("%+v", q.Params)
	}
	if r := q.Refused("mixed"); r == nil || r.Code != "0A000" || q.Refused("clear") != nil {
		t.Errorf("%+v", q.Refusals)
	}
	if c.Session != "main" || string(c.Data) != "1\ta\n2\tb\n" || c.SQL != "COPY t FROM STDIN" {
		t.Errorf("%+v", c)
	}
	q.Expected = "new\n"
	if err := s.Write(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := strings.Replace(sample, "old\nanswer\n", "new\n", 1); err != nil || string(got) != want {
		t.Errorf("%s %v", got, err)
	}
}

func TestScriptRefusesMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"qery\nSELECT 1\n----\n":                           "kind of section",
		"query orderd\nSELECT 1\n----\n":                   "option",
		"query\nSELECT 1\n":                                "has no ----",
		"# nothing\n----\n":                                "without a kind",
		"query\nSELECT 1\n----\n1\n\nSELECT 2 forgotten\n": "has no ----",
	} {
		if _, err := oracle.ReadScript(write(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %q", text, err, want)
		}
	}
}

func TestJudge(t *testing.T) {
	marked := &oracle.Section{Kind: "query", Refusals: []oracle.Refusal{{Code: "0A000", Policies: []string{"sealed"}}}}
	plain := oracle.Reply{{Mode: "simple", Text: "1\n"}, {Mode: "binary", Text: `\x01` + "\n"}}
	reply := func(texts ...string) (r oracle.Reply) {
		for i, text := range texts {
			r = append(r, oracle.Answer{Mode: plain[i].Mode, Text: text})
		}
		return r
	}
	for _, c := range []struct {
		what, policy string
		got          oracle.Reply
		wrong        string // "" is right
	}{
		{"equal", "clear", plain, ""},
		{"other rows", "clear", reply("2\n", plain[1].Text), "simple\nwant:\n1\ngot:\n2\n"},
		{"binary differs", "clear", reply("1\n", `\x02`), "binary"},
		{"one mode missing", "clear", reply("cannot connect"), "cannot connect"},
		{"refused without a mark", "clear", reply("ERROR 0A000\n", "ERROR 0A000\n"), "ERROR 0A000"},
		{"refused as marked", "sealed", reply("ERROR 0A000\n", "ERROR 0A000\n"), ""},
		{"refused otherwise", "sealed", reply("ERROR 42501\n", "ERROR 0A000\n"), "ERROR 42501"},
		{"wrong instead of refused", "sealed", reply("2\n", "ERROR 0A000\n"), "got:\n2"},
		{"no longer refused", "sealed", plain, "no longer happens"},
	} {
		got := marked.Judge(c.policy, plain, c.got)
		if (got == "") != (c.wrong == "") || !strings.Contains(got, c.wrong) {
			t.Errorf("%s: %q, not %q", c.what, got, c.wrong)
		}
	}
}

func TestShape(t *testing.T) {
	fields := []pgwire.Field{{Name: "f", Type: 701, Typmod: -1}, {Name: "t", Type: 1043, Typmod: 24}}
	row := func(f, s string) [][]byte { return [][]byte{[]byte(f), []byte(s)} }
	list := []oracle.Outcome{{Fields: fields, Tag: "SELECT 4", Rows: [][][]byte{
		row("2.0000000000000001", "b"), row("1", ""), row("1", "a | b"), {nil, []byte("NULL")}}}}
	types := func(oid uint32) string { return map[uint32]string{701: "float8", 1043: "varchar"}[oid] }
	want := "[f float8, t varchar(20)]\n1 | \"\"\n1 | \"a | b\"\n2 | b\nNULL | \"NULL\"\nSELECT 4\n"
	if got := (oracle.Shape{Types: types}).Text(list); got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	list[0].Rows = append(list[0].Rows, row("0", "z"))
	if got := (oracle.Shape{Types: types, Ordered: true}).Text(list); !strings.Contains(got, "NULL | \"NULL\"\n0 | z\n") {
		t.Errorf("an ordered list was sorted:\n%s", got)
	}
	failed := []oracle.Outcome{{Err: &pgwire.ServerError{Severity: "ERROR", Code: "22012", Message: "division by zero", Position: 8}}}
	if got := (oracle.Shape{}).Text(failed); got != "ERROR 22012\n" {
		t.Error(got)
	}
	if got := (oracle.Shape{Message: true}).Text(failed); got != "ERROR 22012: division by zero\nPOSITION: 8\n" {
		t.Error(got)
	}
}
