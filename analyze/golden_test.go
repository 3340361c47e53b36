package analyze

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "record testdata/trees with a PostgreSQL 15 server")

// A recorded case: what was asked, what PostgreSQL logged, what Parse says.
// A file under testdata/trees holds cases as
//
//	=== name
//	--- statement
//	--- tree
//	--- meaning
//
// with the text of each under its heading.
type recorded struct{ name, statement, tree, meaning string }

func readCases(t testing.TB, file string) []recorded {
	t.Helper()
	data, err := os.ReadFile(file)
	check(t, err)
	var out []recorded
	for part := range strings.SplitSeq("\n"+string(data), "\n=== ") {
		name, rest, ok := strings.Cut(part, "\n--- statement\n")
		if !ok {
			continue
		}
		c := recorded{name: name}
		rest, c.meaning, _ = strings.Cut(rest, "\n--- meaning\n")
		c.statement, c.tree, _ = strings.Cut(rest, "\n--- tree\n")
		c.statement, c.meaning = strings.TrimSpace(c.statement), strings.TrimSpace(c.meaning)
		out = append(out, c)
	}
	return out
}

func writeCases(t *testing.T, file string, cases []recorded) {
	t.Helper()
	var b strings.Builder
	for i, c := range cases {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "=== %s\n--- statement\n%s\n--- tree\n%s\n--- meaning\n%s\n", c.name, c.statement, c.tree, c.meaning)
	}
	check(t, os.WriteFile(file, []byte(b.String()), 0o644))
}

func caseFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/trees/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded trees: %v", err)
	}
	return files
}

func TestRecordedTrees(t *testing.T) {
	if *update {
		record(t)
	}
	names := readNames(t)
	n := 0
	for _, file := range caseFiles(t) {
		for _, c := range readCases(t, file) {
			n++
			t.Run(c.name, func(t *testing.T) {
				if got := names.meaning(c.tree); got != c.meaning {
					t.Errorf("%s: %s\ngot:\n%s\nwant:\n%s", file, c.statement, got, c.meaning)
				}
			})
		}
	}
	if n < 60 {
		t.Errorf("only %d recorded cases", n)
	}
}

// record asks a fresh server for every tree, and for the names of every
// number that Parse found in them.
func record(t *testing.T) {
	s := startServer(t)
	schema, err := os.ReadFile("testdata/schema.sql")
	check(t, err)
	s.rows(string(schema))
	s.rows("SET ROLE clerk")
	asked := map[string]bool{}
	for _, file := range caseFiles(t) {
		cases := readCases(t, file)
		for i := range cases {
			if cases[i].tree, err = s.analyse(cases[i].statement); err != nil {
				t.Fatalf("%s: %v", cases[i].statement, err)
			}
			for _, st := range mustParse(cases[i].tree) {
				collectNames(asked, st)
			}
		}
		writeCases(t, file, cases)
	}
	writeNames(t, s, asked)
	names := readNames(t)
	for _, file := range caseFiles(t) {
		cases := readCases(t, file)
		for i := range cases {
			cases[i].meaning = names.meaning(cases[i].tree)
		}
		writeCases(t, file, cases)
	}
}

// mustParse is Parse with no statements for an error; the error shows in the meaning.
func mustParse(tree string) []*Statement {
	out, _ := Parse(tree)
	return out
}

// readNames reads testdata/names.txt, lines of "catalogue number name".
func readNames(t *testing.T) catalogue {
	t.Helper()
	f, err := os.Open("testdata/names.txt")
	check(t, err)
	defer f.Close()
	out := catalogue{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if w := strings.SplitN(sc.Text(), " ", 3); len(w) == 3 {
			out[w[0]+" "+w[1]] = w[2]
		}
	}
	return out
}
