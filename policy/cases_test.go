package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// A testCase is a block of a testdata file:
//
//	=== name
//	input
//	---- tables        (policy files only)
//	tables
//	----
//	expected output
type testCase struct{ name, input, tables, want string }

// runCases runs every case of the files that the pattern names and compares,
// or with -update rewrites, the expected output.
func runCases(t *testing.T, pattern string, run func(t *testing.T, c testCase) string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			head, cases := readCases(t, file)
			var out strings.Builder
			out.WriteString(head)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					got := run(t, c)
					if !*update {
						if diff := cmp.Diff(c.want, got); diff != "" {
							t.Errorf("-want +got:\n%s", diff)
						}
					}
					c.want = got
				})
				out.WriteString(c.String())
			}
			if *update {
				if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func readCases(t *testing.T, file string) (head string, cases []testCase) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split("\n"+string(src), "\n=== ")
	head = strings.TrimPrefix(blocks[0], "\n")
	if head != "" {
		head += "\n"
	}
	for _, b := range blocks[1:] {
		name, body, _ := strings.Cut(b, "\n")
		body, want, found := strings.Cut(body+"\n", "----\n")
		if !found {
			t.Fatalf("%s: %s has no ----", file, name)
		}
		input, tables, _ := strings.Cut(body, "---- tables\n")
		cases = append(cases, testCase{name, input, tables, strings.TrimRight(want, "\n") + "\n"})
	}
	if len(cases) == 0 {
		t.Fatalf("%s has no cases", file)
	}
	return head, cases
}

func (c testCase) String() string {
	s := "=== " + c.name + "\n" + c.input
	if c.tables != "" {
		s += "---- tables\n" + c.tables
	}
	return s + "----\n" + c.want + "\n"
}
