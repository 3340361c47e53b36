package check_test

import (
	"strings"
	"testing"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

const original = `who,age,city,ill,note
p1,23,Bonn,flu,a
p2,27,Bonn,cold,b
p3,31,Ulm,flu,c
p4,35,Ulm,gout,d
p5,36,Köln,flu,e
p6,39,Ulm,cold,f
`

const released = `age,city,ill,note
"[23,27]",Bonn,flu,a
"[23,27]",Bonn,cold,b
"[31,35]",south,flu,c
"[31,35]",south,gout,d
"[36,39]","{Köln,Ulm}",flu,e
"[36,39]","{Köln,Ulm}",cold,f
`

func read(t *testing.T, text string) *table.Table {
	t.Helper()
	got, err := table.Read(strings.NewReader(text), table.Options{Delimiter: ','})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func spec(t *testing.T) *check.Spec {
	t.Helper()
	h, err := hierarchy.New([][]string{{"Bonn", "west"}, {"Köln", "west"}, {"Ulm", "south"}})
	if err != nil {
		t.Fatal(err)
	}
	ills := []string{"cold", "flu", "gout"}
	tree, err := hierarchy.New([][]string{{"cold", "lungs"}, {"flu", "lungs"}, {"gout", "joints"}})
	if err != nil {
		t.Fatal(err)
	}
	return &check.Spec{
		K:     2,
		Quasi: []check.Quasi{{Name: "age", Leaves: []string{"23", "27", "31", "35", "36", "39"}, Scale: "numeric"}, {Name: "city", Leaves: []string{"Bonn", "Köln", "Ulm"}, Tree: h}},
		Confidential: []check.Confidential{{Name: "ill", Order: ills, Tree: tree, Wants: []model.Requirement{
			{Kind: model.DistinctL, L: 2}, {Kind: model.EntropyL, L: 2}, {Kind: model.RecursiveL, L: 2, C: 1.5}, {Kind: model.TCloseness, T: 0.4, Distance: model.Equal}}}},
		Kept: []string{"note"}, Absent: []string{"who"},
	}
}

func TestMeasures(t *testing.T) {
	r, failed := check.Run(read(t, original), read(t, released), spec(t))
	if failed != nil {
		t.Fatal(failed)
	}
	// age loses 4/16, 4/16 and 3/16; city 0, 0 and (2-1)/(3-1) of its domain.
	if a := r.Attributes[0].Loss; a < 0.2291 || a > 0.2292 {
		t.Errorf("age loses %g", a)
	}
	if c := r.Attributes[1].Loss; c < 0.1666 || c > 0.1667 {
		t.Errorf("city loses %g", c)
	}
	if r.Classes != 3 || r.Smallest != 2 || r.Penalty != 12 || r.Risk.Prosecutor != 0.5 || r.Risk.Marketer != 0.5 || r.Risk.UniqueBefore != 1 {
		t.Errorf("%+v", r)
	}
	if d := r.Disclosures[0]; d.LeastL != 2 || d.Certainty != 0.5 || d.Baseline != 0.5 || d.MostT < 0.333 || d.MostT > 0.334 {
		t.Errorf("%+v", d)
	}
}

// TestTampered: each change of a good release or of its promise is found.
func TestTampered(t *testing.T) {
	for _, test := range []struct {
		name, from, to string
		change         func(*check.Spec)
		want           string
	}{
		{"a row less", "\"[36,39]\",\"{Köln,Ulm}\",cold,f\n", "", nil, "every row is published: 5 rows of 6"},
		{"a cell apart", "\"[23,27]\",Bonn,flu,a", "\"[23,28]\",Bonn,flu,a", func(s *check.Spec) { s.Confidential[0].Wants = nil }, "2-anonymity: a class of 1: age=[23,28], city=Bonn"},
		{"an interval that lies", "\"[23,27]\"", "\"[24,27]\"", nil, "every cell of age covers its original: row 1: \"[24,27]\" does not cover its value"},
		{"a label that lies", "south", "west", nil, "every cell of city covers its original: row 3: \"west\" does not cover its value"},
		{"a set that lies", "{Köln,Ulm}", "{Bonn,Ulm}", nil, "every cell of city covers its original: row 5: \"{Bonn,Ulm}\" does not cover its value"},
		{"a member that is none", "{Köln,Ulm}", "{Köln,Rom}", nil, `every cell of city can be read: "{Köln,Rom}" has a member that is no value: "Rom"`},
		{"nonsense", "south", "somewhere", nil, `every cell of city can be read: "somewhere" is no value, label, interval or set`},
		{"a backward interval", "\"[23,27]\"", "\"[27,23]\"", nil, `every cell of age can be read: "[27,23]" is not an interval`},
		{"confidential changed", "flu,a", "gout,a", nil, "ill is published as it is: row 1 differs"},
		{"kept changed", "flu,a", "flu,z", nil, "note is published as it is: row 1 differs"},
		{"an identifier", "age,city,ill,note", "age,city,ill,who", nil, "every attribute is published: note is missing; nothing else is published: who is in the release"},
		{"k", "", "", func(s *check.Spec) { s.K = 3 }, "3-anonymity: a class of 2: age=[23,27], city=Bonn"},
		{"persons", "", "", func(s *check.Spec) { s.Subject = "ill"; s.K = 3 }, "nothing else is published: ill is in the release"},
		{"distinct", "", "", func(s *check.Spec) { s.Confidential[0].Wants[0].L = 3 }, "distinct 3-diversity of ill: 2 different values in the class age=[23,27], city=Bonn"},
		{"entropy", "", "", func(s *check.Spec) { s.Confidential[0].Wants[1].L = 2.1 }, "entropy 2.1-diversity of ill: an entropy of log 2 in the class age=[23,27], city=Bonn"},
		{"recursive", "", "", func(s *check.Spec) { s.Confidential[0].Wants[2].C = 1 }, "recursive (1,2)-diversity of ill: the most frequent value 1 times, those from the 2-th on 1 times in the class age=[23,27], city=Bonn"},
		{"t equal", "", "", func(s *check.Spec) { s.Confidential[0].Wants[3].T = 0.3 }, "0.3-closeness (equal distance) of ill: a distance of 0.333333 in the class age=[31,35], city=south"},
		{"t ordered", "", "", func(s *check.Spec) {
			s.Confidential[0].Wants[3].T, s.Confidential[0].Wants[3].Distance = 0.1, model.Ordered
		}, "0.1-closeness (ordered distance) of ill: a distance of 0.166667 in the class age=[23,27], city=Bonn"},
		{"t hierarchical", "", "", func(s *check.Spec) {
			s.Confidential[0].Wants[3].T, s.Confidential[0].Wants[3].Distance = 0.1, model.Hierarchical
		}, "0.1-closeness (hierarchical distance) of ill: a distance of 0.166667 in the class age=[23,27], city=Bonn"},
		{"suppressed rows that show", "\"[23,27]\",Bonn", "*,*", func(s *check.Spec) { s.K, s.MaxSuppressed = 2, 2; s.Confidential[0].Wants = nil }, ""},
		{"too many suppressed", "\"[23,27]\",Bonn,flu,a", "*,*,*,a", func(s *check.Spec) { s.Confidential[0].Wants = nil }, "2-anonymity: a class of 1: age=[23,27], city=Bonn; at most 0 rows are suppressed: 1 are"},
		{"one suppressed that shows", "\"[23,27]\",Bonn,flu,a", "*,*,flu,a", func(s *check.Spec) { s.MaxSuppressed = 1; s.Confidential[0].Wants = nil }, "2-anonymity: a class of 1: age=[23,27], city=Bonn; suppressed rows show no ill: row 1 does"},
	} {
		s := spec(t)
		if test.change != nil {
			test.change(s)
		}
		_, failed := check.Run(read(t, original), read(t, strings.ReplaceAll(released, test.from, test.to)), s)
		got := ""
		if failed != nil {
			got = strings.TrimPrefix(failed.Error(), "the release fails its check: ")
		}
		if test.from == "" {
			_, failed = check.Run(read(t, original), read(t, released), s)
			got = strings.TrimPrefix(failed.Error(), "the release fails its check: ")
		}
		if got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", test.name, got, test.want)
		}
	}
}

// TestPersons: rows of one person do not make a class of many.
func TestPersons(t *testing.T) {
	s := spec(t)
	s.Subject, s.Absent = "who", nil
	in := strings.Replace(original, "p2", "p1", 1)
	_, failed := check.Run(read(t, in), read(t, released), s)
	if failed == nil || failed[0].Promise != "2-anonymity by who" || failed[0].Found != "a class of 1: age=[23,27], city=Bonn" {
		t.Errorf("%v", failed)
	}
}
