package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/cell"
	"github.com/clarus-project/clarus/technique/equality"
)

var offers = technique.List{cell.Technique{}, equality.Technique{}}

var oids = map[string]uint32{
	"bool": 16, "bytea": 17, "int8": 20, "int4": 23, "text": 25, "json": 114, "xml": 142, "point": 600, "float8": 701,
	"inet": 869, "varchar": 1043, "date": 1082, "timestamptz": 1184, "numeric": 1700, "uuid": 2950, "jsonb": 3802, "text[]": 1009,
}

// TestPolicy parses, or prints the mistakes; then it decides for each column
// of the case's tables, given as "table: column type [flags], ...".
func TestPolicy(t *testing.T) {
	runCases(t, "policy*.txt", func(t *testing.T, c testCase) string {
		p, err := policy.Parse("p.yaml", []byte(c.input), offers)
		if err != nil {
			return err.Error() + "\n"
		}
		if c.tables == "" {
			return p.Explain()
		}
		return decide(t, p, c.tables)
	})
}

func TestWithoutFile(t *testing.T) {
	tables := "t: id int8 surrogate key, code text key, note text\n"
	runCases(t, "builtin.txt", func(t *testing.T, c testCase) string {
		p := map[string]*policy.Policy{"Open": policy.Open(), "Sealed": policy.Sealed(offers)}[c.name]
		return p.Explain() + decide(t, p, tables)
	})
}

func decide(t *testing.T, p *policy.Policy, tables string) string {
	var out strings.Builder
	for line := range strings.Lines(tables) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		schema, table, qualified := strings.Cut(name, ".")
		if !qualified {
			schema, table = "", name
		}
		var columns []policy.Column
		for part := range strings.SplitSeq(rest, ", ") {
			columns = append(columns, parseColumn(t, schema, table, part))
		}
		fmt.Fprintf(&out, "%s\n", name)
		if err := p.CheckTable(schema, table, columns); err != nil {
			fmt.Fprintf(&out, "CheckTable: %v\n", err)
		}
		for _, c := range columns {
			d, err := p.Protect(c)
			if err != nil {
				fmt.Fprintf(&out, "  %s: kind %d: %v\n", c.Name, clarus.KindOf(err), err)
				continue
			}
			fmt.Fprintf(&out, "  %s: %s, %s\n    %s\n", c.Name, d.Class, describe(d), d.Because)
		}
	}
	return out.String()
}

func describe(d policy.Protection) string {
	s := "sealed"
	if d.Clear {
		s = "clear"
	}
	s += fmt.Sprintf(", preserve %v, leak %d/%d", d.Preserve, d.Leak[clarus.Equality], d.Leak[clarus.Order])
	if d.Provider != "" {
		s += ", at " + d.Provider
	}
	return s
}

func parseColumn(t *testing.T, schema, table, text string) policy.Column {
	words := strings.Fields(text)
	c := policy.Column{Schema: schema, Table: table, Name: words[0], TypeName: words[1], TypeOID: oids[words[1]]}
	if c.TypeOID == 0 {
		t.Fatalf("unknown type %s", words[1])
	}
	for _, flag := range words[2:] {
		switch flag {
		case "surrogate":
			c.Surrogate = true
		case "key":
			c.Key = true
		case "nondeterministic":
			c.Nondeterministic = true
		default:
			t.Fatalf("unknown flag %s", flag)
		}
	}
	return c
}

// What Protect returns is the caller's: changing it changes no later answer.
func TestProtectionIsACopy(t *testing.T) {
	p, err := policy.Parse("p.yaml", []byte("version: 1\ndatasets: {t: {attributes: {a: {class: identifier, preserve: [equality], leak: {equality: 4}}}}}\n"), offers)
	if err != nil {
		t.Fatal(err)
	}
	c := policy.Column{Table: "t", Name: "a", TypeName: "text", TypeOID: 25}
	first, err := p.Protect(c)
	if err != nil {
		t.Fatal(err)
	}
	first.Preserve[0], first.Leak[clarus.Equality] = clarus.Sum, clarus.LeakPlain
	second, err := p.Protect(c)
	if err != nil || second.Preserve[0] != clarus.Equality || second.Leak[clarus.Equality] != clarus.LeakEquality {
		t.Errorf("%+v %v", second, err)
	}
}

// Fronts map the errors through the vocabulary: one mistake keeps its remedy
// as the hint, several are told together.
func TestErrorsReachTheFronts(t *testing.T) {
	for _, test := range []struct {
		src, msg, hint string
		kind           clarus.Kind
	}{
		{"version: 1\ndefalts: {}\n", "p.yaml:2:1: unknown key defalts", "did you mean defaults?", clarus.Misconfigured},
		{"version: 1\ndefaults: {preserve: [sum]}\n", "p.yaml:2:23: preserving sum is not available yet", "remove it: such queries are finished on this side", clarus.Unsupported},
		{"version: 2\nx: 1\n", "p.yaml:1:10: version must be 1 (write 1)\np.yaml:2:1: unknown key x (known: datasets, defaults and version)", "", clarus.Misconfigured},
	} {
		_, err := policy.Parse("p.yaml", []byte(test.src), offers)
		e := asClarus(err)
		if e == nil || e.Msg != test.msg || e.Hint != test.hint || e.Kind != test.kind || e.Op != "policy" {
			t.Errorf("%q: got %#v", test.src, e)
		}
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte("version: 1\ndefaults: {unlisted: seal, leak: 1}\n"))
	f.Add([]byte("version: 1\ndatasets: {'\"a.b\".c': {at: x, subject: y, attributes: {z: {class: technical, reason: r}}}}\n"))
	f.Add([]byte("version: 1\ndefaults: {preserve: [equality], leak: {equality: 4, order: 5}, reason: r}\ndatasets:\n  t:\n    attributes: {a: {class: confidential, leak: 9}}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := policy.Parse("p.yaml", src, offers)
		checkOutcome(t, p != nil, err)
		if p == nil {
			return
		}
		_ = p.Explain()
		for _, c := range []policy.Column{{Table: "t", Name: "a", TypeOID: 25, Key: true}, {Table: "t", Name: "a", TypeOID: 600}} {
			d, err := p.Protect(c)
			if err == nil && d.Clear != d.Class.Clear() {
				t.Errorf("class %s, clear %v", d.Class, d.Clear)
			}
		}
	})
}
