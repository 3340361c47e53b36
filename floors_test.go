package clarus_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the module's path; its packages are named below without it, and the
// root is ".".
const module = "github.com/clarus-project/clarus"

// floors is the policy: a package imports only packages of lower floors. A
// package that is not in it has no place yet; give it one. Those of floor T are
// for tests: they import anything, and only tests import them.
const floors = `
0  .
1  durable secret sqlast pgwire pgvalue pgserver publish/table publish/hierarchy
2  technique keys provider audit catalog publish/model publish/parquet
3  policy analyze publish/check publish/dp publish/fulldomain publish/mask publish/recode publish/microagg
4  publish/report publish/synth technique/* keys/* provider/* audit/* twin sentinel
5  plan ddl gate object publish
6  run store publish/living
7  session
8  front/* console admin release
9  cmd/*
T  internal/*
`

// never is what no package of the left imports from the right, whatever the floors say.
const never = `
provider provider/* audit audit/*  ->  technique technique/* keys keys/*
front/*                            ->  technique technique/* keys keys/* provider provider/*
technique technique/*              ->  net net/* os os/* log log/* database/sql sqlast
plan ddl                           ->  context keys keys/* net net/* os os/* io/fs database/sql
console                            ->  keys keys/*
`

// owners are the modules that one package each may import. Every other
// module also has one importing package at most, golang.org/x excepted.
const owners = `
github.com/jackc/pgx           pgwire
github.com/pganalyze/pg_query_go  sqlast
github.com/goccy/go-yaml       policy
`

// imports are the direct imports of packages outside their tests: package ->
// imported, both named as in floors where they are of this module.
type imports map[string][]string

func TestFloors(t *testing.T) {
	got := imports{}
	eachFile(t, func(file string, f *ast.File, _ *token.FileSet) {
		pkg := path.Dir(file)
		got[pkg] = append(got[pkg], imported(t, f)...)
	})
	if len(got) < 3 {
		t.Fatalf("only the packages %v were found", slices.Collect(maps.Keys(got)))
	}
	for _, complaint := range check(got) {
		t.Error(complaint)
	}
}

// check returns what is wrong with imports, sorted.
func check(all imports) []string {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	importers := map[string]map[string]bool{} // third-party module -> packages
	for pkg, list := range all {
		floor, ok := floorOf(pkg)
		if !ok {
			complain("%s has no floor", pkg)
			continue
		}
		for _, imp := range list {
			switch other, ours := floorOf(imp); {
			case isModule(imp):
				if floor == 0 {
					complain("%s imports %s, but floor 0 has the standard library only", pkg, imp)
				}
				m := moduleOf(imp)
				if importers[m] == nil {
					importers[m] = map[string]bool{}
				}
				importers[m][pkg] = true
			case ours && floor != testFloor && other == testFloor:
				complain("%s imports %s, which is for tests", pkg, imp)
			case ours && other >= floor && floor != testFloor:
				complain("%s (floor %d) imports %s (floor %d)", pkg, floor, imp, other)
			case !ours && all[imp] != nil:
				complain("%s imports %s, which has no floor", pkg, imp)
			}
			if floor != testFloor && forbidden(pkg, imp) {
				complain("%s must never import %s", pkg, imp)
			}
		}
	}
	for m, pkgs := range importers {
		complainAboutOwners(m, pkgs, complain)
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

func complainAboutOwners(m string, pkgs map[string]bool, complain func(string, ...any)) {
	maps.DeleteFunc(pkgs, func(pkg string, _ bool) bool { f, _ := floorOf(pkg); return f == testFloor })
	names := slices.Sorted(maps.Keys(pkgs))
	owner := ""
	for _, line := range lines(owners) {
		if f := strings.Fields(line); m == f[0] {
			owner = f[1]
		}
	}
	for _, pkg := range names {
		if owner != "" && pkg != owner {
			complain("%s imports %s, which is for %s alone", pkg, m, owner)
		}
	}
	if owner == "" && len(names) > 1 && !strings.HasPrefix(m, "golang.org/x/") {
		complain("%s is imported by %s: one package should hide it", m, strings.Join(names, " and "))
	}
}

// testFloor is floor T: above all others.
const testFloor = 100

// floorOf finds a package's floor in the policy.
func floorOf(pkg string) (int, bool) {
	for _, line := range lines(floors) {
		f := strings.Fields(line)
		if matches(pkg, f[1:]) {
			if n, err := strconv.Atoi(f[0]); err == nil {
				return n, true
			}
			return testFloor, true
		}
	}
	return 0, false
}

func forbidden(pkg, imp string) bool {
	for _, line := range lines(never) {
		from, to, _ := strings.Cut(line, "->")
		if matches(pkg, strings.Fields(from)) && matches(imp, strings.Fields(to)) {
			return true
		}
	}
	return false
}

// matches reports whether a package is among patterns; "a/*" is all below a.
func matches(pkg string, patterns []string) bool {
	for _, p := range patterns {
		below, ok := strings.CutSuffix(p, "*")
		if pkg == p || ok && strings.HasPrefix(pkg, below) {
			return true
		}
	}
	return false
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }

// isModule reports whether an import is neither ours nor the standard library's.
func isModule(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return imp != "." && strings.Contains(first, ".")
}

// moduleOf cuts an import path down to host, owner and repository.
func moduleOf(imp string) string {
	parts := strings.Split(imp, "/")
	n := 3
	if !strings.HasPrefix(imp, "github.com/") && !strings.HasPrefix(imp, "golang.org/x/") {
		n = 2
	}
	return strings.Join(parts[:min(n, len(parts))], "/")
}

// imported lists what a file imports, with this module's packages cut short.
func imported(t *testing.T, f *ast.File) []string {
	var list []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if p == module {
			p = "."
		}
		list = append(list, strings.TrimPrefix(p, module+"/"))
	}
	return list
}

// eachFile parses every Go file of the module that is no test, whatever its
// build constraints, and calls do with its path from the root.
func eachFile(t *testing.T, do func(file string, f *ast.File, set *token.FileSet)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && (name == "testdata" || name[0] == '.' || name[0] == '_'):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			do(filepath.ToSlash(file), f, set)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFloorsPolicy shows that the policy refuses what it should.
func TestFloorsPolicy(t *testing.T) {
	for _, test := range []struct{ pkg, imp, want string }{
		{"plan", "analyze", ""},
		{"technique/cell", "technique", ""},
		{"technique/techniquetest", "testing", ""},
		{"cmd/clarus", "session", ""},
		{"internal/oracle", "cmd/clarus", ""},
		{"internal/oracle", "internal/canary", ""},
		{"pgwire", "github.com/jackc/pgx/v5/pgconn", ""},
		{"twin", "golang.org/x/sys/unix", ""},
		{"pgwire", "plan", "pgwire (floor 1) imports plan (floor 5)"},
		{"policy", "analyze", "policy (floor 3) imports analyze (floor 3)"},
		{"technique/cell", "technique/tag", "technique/cell (floor 4) imports technique/tag (floor 4)"},
		{"technique", "technique/cell", "technique (floor 2) imports technique/cell (floor 4)"},
		{"run", "internal/oracle", "run imports internal/oracle, which is for tests"},
		{"session", "cmd/clarus", "session (floor 7) imports cmd/clarus (floor 9)"},
		{".", "golang.org/x/sys/unix", ". imports golang.org/x/sys/unix, but floor 0 has the standard library only"},
		{"helpers", "fmt", "helpers has no floor"},
		{"provider/postgres", "keys", "provider/postgres must never import keys"},
		{"audit", "keys", "audit (floor 2) imports keys (floor 2); audit must never import keys"},
		{"front/http", "provider", "front/http must never import provider"},
		{"technique/cell", "net/http", "technique/cell must never import net/http"},
		{"technique", "os", "technique must never import os"},
		{"plan", "context", "plan must never import context"},
		{"console", "keys/file", "console must never import keys/file"},
		{"twin", "github.com/jackc/pgx/v5/pgconn", "twin imports github.com/jackc/pgx, which is for pgwire alone"},
		{"policy", "github.com/pganalyze/pg_query_go/v6", "policy imports github.com/pganalyze/pg_query_go, which is for sqlast alone"},
	} {
		if got := strings.Join(check(imports{test.pkg: {test.imp}}), "; "); got != test.want {
			t.Errorf("%s -> %s: %q, want %q", test.pkg, test.imp, got, test.want)
		}
	}
	two := check(imports{"twin": {"example.org/dep/a"}, "run": {"example.org/dep/b"}, "internal/oracle": {"example.org/dep"}})
	if want := "example.org/dep is imported by run and twin: one package should hide it"; strings.Join(two, "; ") != want {
		t.Errorf("a module of two packages: %q, want %q", two, want)
	}
}

// TestSizes keeps files and functions short enough to be read at once.
func TestSizes(t *testing.T) {
	const fileLimit, funcLimit = 600, 100
	eachFile(t, func(file string, f *ast.File, set *token.FileSet) {
		if ast.IsGenerated(f) {
			return
		}
		if n := set.File(f.Pos()).LineCount(); n > fileLimit {
			t.Errorf("%s has %d lines, more than %d", file, n, fileLimit)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.FuncDecl, *ast.FuncLit:
				from, to := set.Position(n.Pos()), set.Position(n.End())
				if lines := to.Line - from.Line + 1; lines > funcLimit {
					t.Errorf("%s:%d: a function of %d lines, more than %d", file, from.Line, lines, funcLimit)
				}
			}
			return true
		})
	})
}
