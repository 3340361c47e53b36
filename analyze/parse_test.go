package analyze

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
)

// wrapped is format_node_dump, as PostgreSQL does it.
func wrapped(dump string) string {
	var out strings.Builder
	for len(dump) >= lineLen {
		j := lineLen
		if len(dump) == lineLen {
			break
		}
		switch k := strings.LastIndexByte(dump[:lineLen], ' '); {
		case dump[lineLen] == ' ':
			out.WriteString(dump[:j] + "\n")
			dump = dump[j+1:]
			continue
		case k > 0:
			out.WriteString(dump[:k] + "\n")
			dump = dump[k+1:]
			continue
		}
		out.WriteString(dump[:j] + "\n")
		dump = dump[j:]
	}
	if dump != "" {
		out.WriteString(dump + "\n")
	}
	return out.String()
}

// escaped is outToken.
func escaped(name string) string {
	var b strings.Builder
	if name != "" && strings.ContainsAny(name[:1], `<"0123456789`) {
		b.WriteByte('\\')
	}
	for i := range len(name) {
		if strings.IndexByte(" \n\t(){}\\", name[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// target is a tree whose one target has this name, with padding before it so
// that the cuts fall elsewhere.
func target(name string, padding int) string {
	return "({QUERY :commandType 1 :pad (" + (strings.Repeat("x ", 2*lineLen) + "x")[2*lineLen-padding:] + ") :rtable <> :jointree {FROMEXPR :fromlist <> :quals <>}" +
		" :targetList ({TARGETENTRY :expr {CONST :consttype 25 :constisnull true :constvalue <>} :resno 1 :resname " + escaped(name) +
		" :ressortgroupref 0 :resjunk false}) :names (\"" + escaped(name) + "\" \"b\") :end 1})"
}

// A name comes back as it was, or is refused; nothing else, wherever the
// line is cut. Only names of many special characters are refused.
func TestNamesSurviveWrapping(t *testing.T) {
	rep := func(s string) string { return strings.Repeat(s, 63)[:63] }
	for _, c := range []struct {
		name    string
		refused bool // in some position
	}{
		{"plain", false}, {"two words", false}, {rep("x"), false}, {rep("word "), false}, {rep("long(er) word "), false},
		{rep("("), false}, {rep("}{"), false}, {rep(" "), false}, {rep(") :"), false}, {rep(":"), false}, {rep("<>"), false},
		{"1", false}, {"a\nb", false}, {rep("a\nb c"), true}, {rep("\\"), false}, {rep("\n"), false}, {rep("\\ "), false},
		{"x" + rep("\\")[1:], true}, {"x" + rep("(")[1:], false}, {"x" + rep("\n")[1:], true},
		{rep("\n("), false}, {`" :funcid 5`, false}, {rep(`\" `), false}, {rep(`(:`), false}, {rep(`("`), false}, {rep(`x("(x`), false},
	} {
		refusals := 0
		for padding := range 2 * lineLen {
			list, err := Parse(wrapped(target(c.name, padding)))
			switch {
			case err != nil && clarus.KindOf(err) == clarus.Unsupported:
				refusals++
			case err != nil || len(list) != 1 || len(list[0].Targets) != 1:
				t.Fatalf("%q at %d: %d, %v", c.name, padding, len(list), err)
			case list[0].Targets[0].Name != c.name || len(list[0].Functions) > 0:
				t.Fatalf("%q at %d came back as %q", c.name, padding, list[0].Targets[0].Name)
			}
		}
		if refusals > 0 != c.refused {
			t.Errorf("%q was refused in %d of %d positions", c.name, refusals, 2*lineLen)
		}
	}
}

func TestHostileText(t *testing.T) {
	deep := strings.Repeat("(", maxDepth+5)
	block := " :rtable <> :jointree {FROMEXPR :fromlist <> :quals <>}"
	entry := func(s string) string {
		return "({QUERY :commandType 1 :rtable ({RANGETBLENTRY " + s + "}) :jointree {FROMEXPR :fromlist <> :quals <>}})"
	}
	for name, text := range map[string]string{
		"empty":                 "",
		"no list":               "{QUERY :commandType 1" + block + "}",
		"not closed":            "({QUERY :commandType 1",
		"closed twice":          "({QUERY :commandType 1" + block + "})) ",
		"no command":            "({QUERY" + block + "})",
		"unknown command":       "({QUERY :commandType 7" + block + "})",
		"another node":          "({PLANNEDSTMT :commandType 1})",
		"no range table":        "({QUERY :commandType 1 :jointree {FROMEXPR :fromlist <> :quals <>}})",
		"no FROM":               "({QUERY :commandType 1 :rtable <>})",
		"field without a label": "({QUERY :commandType 1 x" + block + "})",
		"field without a value": "({QUERY :commandType 1" + block + " :x})",
		"entry of no kind":      entry(":relid 5 :relkind r :selectedCols (b)"),
		"relation without oid":  entry(":rtekind 0 :relid x :relkind r :selectedCols (b)"),
		"relation of PG 16":     entry(":rtekind 0 :relid 5 :relkind r :perminfoindex 1"),
		"pretty print":          "(\n   {QUERY \n   :commandType 1 \n",
		"constant not closed":   "({QUERY :commandType 1 :x 4 [ 1 2",
		"long line":             "(" + strings.Repeat("x", lineLen) + "\n)",
		"deep":                  deep,
	} {
		list, err := Parse(text)
		if clarus.KindOf(err) != clarus.Unsupported {
			t.Errorf("%s: %v, %v", name, list, err)
		}
	}
}

// The constant of a statement must not show when its analysis is printed.
func TestConstantsAreHidden(t *testing.T) {
	o := Operand{Type: typeText, Value: []byte("canary")}
	f := And{Compare{Attr: 1, Type: typeText, Right: []Operand{o}}, NullTest{Attr: 2}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		for _, v := range []any{o, &o, f, f[0], Relation{Filter: f}, Target{Value: &o}} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") ||
				strings.Contains(got, "99 97 110") || strings.Contains(got, "0x63, 0x61") {
				t.Errorf("%s of %T shows the constant: %s", verb, v, got)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, file := range caseFiles(f) {
		for _, c := range readCases(f, file) {
			f.Add(c.tree)
		}
	}
	f.Fuzz(func(t *testing.T, tree string) {
		list, err := Parse(tree)
		if err != nil && clarus.KindOf(err) != clarus.Unsupported {
			t.Fatalf("an error of another kind: %v", err)
		}
		for _, st := range list {
			for _, r := range st.Relations {
				if r.OID == 0 || r.Filter == nil || r.Filter.String() == "" {
					t.Fatalf("a broken relation: %+v", r)
				}
			}
		}
	})
}

func BenchmarkPointSelect(b *testing.B) {
	tree := ""
	for _, c := range readCases(b, "testdata/trees/predicates.txt") {
		if c.name == "point select by parameter" {
			tree = c.tree
		}
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(tree)))
	for b.Loop() {
		if _, err := Parse(tree); err != nil {
			b.Fatal(err)
		}
	}
}
