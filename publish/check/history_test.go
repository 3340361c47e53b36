package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/model"
)

// A past is a history of eight rows with k = 2 and two different illnesses in every class.
func past(current bool) (*check.History, *check.Spec) {
	top := 50.0
	spec := &check.Spec{K: 2, Subject: "who",
		Quasi:        []check.Quasi{{Name: "age", Scale: "numeric", Leaves: []string{"20", "21", "22", "23", "24", "25", "26", "27", "90"}}},
		Confidential: []check.Confidential{{Name: "ill", Wants: []model.Requirement{{Kind: model.DistinctL, L: 2}}}},
		Kept:         []string{"note"}, Absent: []string{"who"}, Masked: []check.Masked{{Name: "cost", Mask: &model.Mask{Top: &top, Noise: 1}}},
	}
	h := check.NewHistory([]string{"who", "age", "ill", "note", "cost"}, spec, current)
	for i, ill := range []string{"flu", "gout", "flu", "gout", "cold", "flu", "flu", "cold"} {
		key := string(rune('a' + i))
		h.Insert(key, []string{"person " + key, string([]byte{'2', byte('0' + i)}), ill, "n", "10"})
	}
	return h, spec
}

var shownColumns = []string{"age", "ill", "note", "cost"}

// class is one whose rows read as they should but for edits: "key.column=cell".
func class(id uint64, age, keys string, edits ...string) check.Shown {
	ills := map[string]string{"a": "flu", "b": "gout", "c": "flu", "d": "gout", "e": "cold", "f": "flu", "g": "flu", "h": "cold"}
	c := check.Shown{ID: id}
	for key := range strings.SplitSeq(keys, "") {
		c.Keys = append(c.Keys, key)
		row := []string{age, ills[key], "n", "10.5"}
		for _, edit := range edits {
			where, cell, _ := strings.Cut(edit, "=")
			if of, column, _ := strings.Cut(where, "."); of == key {
				row[slices.Index(shownColumns, column)] = cell
			}
		}
		c.Rows = append(c.Rows, row)
	}
	return c
}

// TestHistoryFinds plants, after the classes abcd and ef were published, what must never be.
func TestHistoryFinds(t *testing.T) {
	update := func(key, age, ill string) func(h *check.History) {
		return func(h *check.History) { h.Update(key, []string{"person " + key, age, ill, "n", "10"}) }
	}
	remove := func(key string) func(h *check.History) { return func(h *check.History) { h.Delete(key, false) } }
	all := func(list ...func(*check.History)) func(*check.History) {
		return func(h *check.History) {
			for _, do := range list {
				do(h)
			}
		}
	}
	nothing := func(*check.History) {}
	for _, test := range []struct {
		name     string
		before   func(h *check.History)
		withdraw []uint64
		publish  []check.Shown
		want     string // "" if nothing is wrong
	}{
		{"a new class", nothing, nil, []check.Shown{class(3, "[26,27]", "gh")}, ""},
		{"one new row", nothing, nil, []check.Shown{class(3, "26", "g")}, "1 that can be told"},
		{"one new row beside old ones", nothing, []uint64{2}, []check.Shown{class(3, "[24,26]", "efg")}, "1 that can be told"},
		{"a class divided", nothing, []uint64{1}, []check.Shown{class(3, "[20,21]", "ab"), class(4, "[22,23]", "cd")}, ""},
		{"a class divided so that each part has one illness", nothing, []uint64{1}, []check.Shown{class(3, "[20,22]", "ac"), class(4, "[21,23]", "bd")}, "distinct 2-diversity of ill"},
		{"half of a class withdrawn", nothing, []uint64{1}, []check.Shown{class(3, "[20,21]", "ab")}, ""},
		{"half withdrawn, the other with one illness before", all(update("a", "20", "cold"), update("c", "22", "gout")), []uint64{1},
			[]check.Shown{class(3, "[20,22]", "ac", "a.ill=cold", "c.ill=gout")}, "in a step before"},
		{"a quarter withdrawn", remove("d"), []uint64{1}, []check.Shown{class(3, "[20,22]", "abc")}, "1 that can be told"},
		{"two rows exchanged", nothing, []uint64{1, 2}, []check.Shown{class(3, "[20,24]", "abce"), class(4, "[23,25]", "df")}, "that can be told"},
		{"old classes merged", nothing, []uint64{1, 2}, []check.Shown{class(3, "[20,25]", "abcdef")}, ""},
		{"one row's illness changed in place", update("a", "20", "cold"), []uint64{1}, []check.Shown{class(3, "[20,23]", "abcd", "a.ill=cold")}, "1 that can be told"},
		{"one row's age changed in place", update("a", "90", "flu"), []uint64{1}, []check.Shown{class(3, "[21,90]", "abcd")}, ""},
		{"a class of who left", all(remove("e"), remove("f")), []uint64{2}, nil, ""},
		{"who left stays", remove("e"), nil, []check.Shown{class(3, "[26,27]", "gh")}, "class 2 does not"},
		{"what changed stays", update("e", "24", "gout"), nil, []check.Shown{class(3, "[26,27]", "gh")}, "class 2 does not"},
		{"who left is published", remove("e"), []uint64{2}, []check.Shown{class(3, "[24,25]", "ef")}, "a row of class 3 is not"},
		{"who left comes back", all(remove("g"), remove("f"), func(h *check.History) { h.Insert("f", []string{"person f", "25", "flu", "n", "10"}) }),
			[]uint64{2}, []check.Shown{class(3, "[25,27]", "fh")}, "a row of class 3 does"},
		{"a row in two classes", nothing, nil, []check.Shown{class(3, "[20,26]", "abg")}, "a row of class 3 is in class 1"},
		{"a class twice", nothing, nil, []check.Shown{class(2, "[26,27]", "gh")}, "no class is published twice"},
		{"a class of nowhere withdrawn", nothing, []uint64{7}, nil, "class 7 is not"},
		{"two rows of one person", func(h *check.History) {
			h.Delete("h", false)
			h.Insert("h", []string{"person g", "27", "cold", "n", "10"})
		}, nil, []check.Shown{class(3, "[26,27]", "gh")}, "1 that can be told"},
		{"a class of one illness", update("h", "27", "flu"), nil, []check.Shown{class(3, "[26,27]", "gh", "h.ill=flu")}, "distinct 2-diversity of ill"},
		{"a cell that covers less", nothing, nil, []check.Shown{class(3, "26", "gh")}, `"26" in class 3 does not`},
		{"a cell that differs", nothing, nil, []check.Shown{class(3, "[26,27]", "gh", "g.age=[25,27]")}, "those of class 3 do not"},
		{"a cell that says nothing known", nothing, nil, []check.Shown{class(3, "elderly", "gh")}, "can be read"},
		{"another illness", nothing, nil, []check.Shown{class(3, "[26,27]", "gh", "g.ill=gout")}, "class 3 differs"},
		{"another note", nothing, nil, []check.Shown{class(3, "[26,27]", "gh", "g.note=m")}, "class 3 differs"},
		{"no mask", nothing, nil, []check.Shown{class(3, "[26,27]", "gh", "g.cost=much")}, "class 3 does not show it"},
		{"another mask", nothing, []uint64{2}, []check.Shown{class(3, "[24,25]", "ef", "e.cost=9", "f.cost=9")}, "another one than before"},
		{"erased and kept", func(h *check.History) { h.Delete("e", true) }, nil, nil, "an erased row's class is withdrawn"},
	} {
		h, spec := past(true)
		if failed := h.Publish(&check.Step{Spec: spec, Columns: shownColumns, Publish: []check.Shown{class(1, "[20,23]", "abcd"), class(2, "[24,25]", "ef")}}); failed != nil {
			t.Fatal(failed)
		}
		test.before(h)
		step := &check.Step{Spec: spec, Columns: shownColumns, Withdraw: test.withdraw, Publish: test.publish}
		switch failed := h.Publish(step); {
		case test.want == "" && failed != nil:
			t.Errorf("%s: %v", test.name, failed)
		case test.want != "" && (failed == nil || !strings.Contains(failed.Error(), test.want)):
			t.Errorf("%s: %v, want %s", test.name, failed, test.want)
		case test.want == "":
			continue
		}
		// What was refused was not published: without it all is as before.
		if failed := h.Publish(&check.Step{Spec: spec, Columns: shownColumns, Withdraw: []uint64{1, 2}}); failed != nil {
			t.Errorf("%s, and then all withdrawn: %v", test.name, failed)
		}
	}
	h, spec := past(true)
	if failed := h.Publish(&check.Step{Spec: spec, Columns: append(shownColumns, "who"), Publish: []check.Shown{}}); failed == nil {
		t.Error("the subject may be published")
	}
}
