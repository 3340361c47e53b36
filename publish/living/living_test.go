package living_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// follower is a release with two attributes and the provider that shows it.
type follower struct {
	*testing.T
	*living.Release
	policy  *model.Policy
	store   living.Store
	options living.Options
	shown   map[uint64]living.Class
}

func newFollower(t *testing.T, p *model.Policy, o living.Options) *follower {
	f := &follower{T: t, policy: p, store: living.File(filepath.Join(t.TempDir(), "state")), options: o, shown: map[uint64]living.Class{}}
	f.load()
	return f
}

func (f *follower) columns() []string {
	var names []string
	for _, a := range f.policy.Attributes {
		names = append(names, a.Name)
	}
	return names
}

func (f *follower) load() {
	f.Helper()
	r, err := living.Load(f.policy, f.columns(), open, f.store, f.options)
	f.must(err)
	f.Release = r
}

func (f *follower) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// step publishes all that can be and says how many rows are shown then.
func (f *follower) step() int {
	f.Helper()
	c, err := f.Prepare(f.Context(), true)
	f.must(err)
	if c != nil {
		f.apply(c)
	}
	n := 0
	for _, class := range f.shown {
		n += len(class.Rows)
	}
	return n
}

func (f *follower) apply(c *living.Change) {
	f.Helper()
	for _, id := range c.Withdraw {
		delete(f.shown, id)
	}
	for _, class := range c.Publish {
		f.shown[class.ID] = class
	}
	f.must(f.Confirm(c.Number))
}

func codesAndIlls(k int) *model.Policy {
	return &model.Policy{K: k, Attributes: []*model.Attribute{
		{Name: "code", Class: clarus.QuasiIdentifier, Type: model.Categorical, Cover: model.CoverNode, Weight: 1, Hierarchy: &model.Source{Prefix: []int{1, 2, 3}}},
		{Name: "ill", Class: clarus.Confidential, Type: model.Categorical, Cover: model.CoverSet, Wants: []model.Requirement{{Kind: model.DistinctL, L: 2}}},
	}}
}

// rows inserts rows with keys from on, every second one ill otherwise.
func (f *follower) rows(from, n int, code string) {
	f.Helper()
	for i := range n {
		f.must(f.Insert(fmt.Sprint(from+i), []string{code, fmt.Sprintf("ill %d", i%2)}))
	}
}

// TestDeletionsFollow: of one class of nine rows, with k = 3, some leave.
func TestDeletionsFollow(t *testing.T) {
	for _, test := range []struct {
		name   string
		o      living.Options
		remove func(f *follower, key string) error
		shown  []int // after one, two, three rows left
	}{
		{"withdrawn", living.Options{}, func(f *follower, key string) error { return f.Delete(key) }, []int{6}},
		{"kept", living.Options{Keep: true}, func(f *follower, key string) error { return f.Delete(key) }, []int{9, 9, 6}},
		{"erased", living.Options{Keep: true}, func(f *follower, key string) error { return f.Erase(key) }, []int{6}},
	} {
		p := codesAndIlls(9)
		p.Attributes = p.Attributes[:1]
		data, err := table.Read(strings.NewReader("code"+strings.Repeat("\n1234", 9)+"\n"), table.Options{Delimiter: ','})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := publish.Make(t.Context(), p, data, open, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.K = 3
		f := newFollower(t, p, test.o)
		c, err := f.Adopt(t.Context(), strings.Split("012345678", ""), data, batch)
		f.must(err)
		f.apply(c)
		var got []int
		for i := range test.shown {
			f.must(test.remove(f, fmt.Sprint(i)))
			got = append(got, f.step())
		}
		if !slices.Equal(got, test.shown) {
			t.Errorf("%s: %v rows are shown, want %v", test.name, got, test.shown)
		}
	}
}

// TestWithdrawnFirst: what must go goes even if the rest of the table cannot be read as the policy says.
func TestWithdrawnFirst(t *testing.T) {
	f := newFollower(t, codesAndIlls(2), living.Options{})
	f.rows(0, 4, "12345")
	f.rows(10, 4, "12")
	if n := f.step(); n != 8 {
		t.Fatalf("%d of 8 rows are shown", n)
	}
	for i := range 4 {
		f.must(f.Delete(fmt.Sprint(i)))
	}
	f.step() // prefixes of three hidden characters need codes of four
	if _, err := f.Prepare(t.Context(), true); err == nil || !strings.Contains(err.Error(), "hiding 2 characters") {
		t.Errorf("no error about the codes that are left: %v", err)
	}
	for _, c := range f.shown {
		for _, key := range c.Keys {
			if len(key) == 1 {
				t.Errorf("class %d shows a row that left", c.ID)
			}
		}
	}
}

// TestErased: nothing of a row that left stays in the state, and nothing of one that never was published.
func TestErased(t *testing.T) {
	f := newFollower(t, codesAndIlls(2), living.Options{})
	f.rows(0, 4, "1234")
	f.step()
	f.must(f.Insert("key-canary", []string{"code-canary", "ill-canary"}))
	f.must(f.Insert("key-canary2", []string{"code-canary", "ill 1"}))
	for range 2 {
		f.must(f.Save())
		state, err := f.store.Load()
		if err != nil || !bytes.Contains(state, []byte("canary")) {
			t.Fatalf("the state lacks a row: %v", err)
		}
		f.step()
	}
	if len(f.shown) < 2 {
		t.Fatal("the rows are not shown")
	}
	f.must(f.Delete("key-canary"))
	f.must(f.Delete("key-canary2"))
	f.step()
	state, err := f.store.Load()
	if err != nil || bytes.Contains(state, []byte("canary")) {
		t.Errorf("the state still has what left: %v", err)
	}
	f.load()
	f.must(f.Insert("key-canary", []string{"1234", "ill 0"}))
	if s := f.Status(); s.Barred != 1 {
		t.Errorf("a key that left comes back: %+v", s)
	}
}

// TestAdopt: a release that was made before is gone on with.
func TestAdopt(t *testing.T) {
	var text strings.Builder
	text.WriteString("age,town,ill,cost\n")
	for i := range 60 {
		fmt.Fprintf(&text, "%d,%s,ill %d,%d\n", 20+i%7, towns[i%5], i%3, i)
	}
	data, err := table.Read(strings.NewReader(text.String()), table.Options{})
	if err != nil {
		t.Fatal(err)
	}
	top := 40.0
	p := &model.Policy{K: 3, Missing: []string{""}, Attributes: []*model.Attribute{
		{Name: "age", Class: clarus.QuasiIdentifier, Type: model.Numeric, Cover: model.CoverInterval, Weight: 1},
		{Name: "town", Class: clarus.QuasiIdentifier, Type: model.Categorical, Cover: model.CoverSet, Weight: 1},
		{Name: "ill", Class: clarus.Confidential, Type: model.Categorical, Cover: model.CoverSet, Wants: []model.Requirement{{Kind: model.DistinctL, L: 2}}},
		{Name: "cost", Class: clarus.NonConfidential, Mask: &model.Mask{Top: &top, Noise: 2}},
	}}
	batch, err := publish.Make(t.Context(), p, data, open, nil)
	if err != nil {
		t.Fatal(err)
	}
	var keys, want, got []string
	for i := range data.Rows {
		keys = append(keys, fmt.Sprint(i))
		var cells []string
		for _, c := range batch.Checked.Columns {
			cells = append(cells, c.At(i))
		}
		want = append(want, keys[i]+strings.Join(cells, ";"))
	}
	f := newFollower(t, p, living.Options{})
	c, err := f.Adopt(t.Context(), keys, data, batch)
	f.must(err)
	f.apply(c)
	for _, class := range f.shown {
		for i, key := range class.Keys {
			got = append(got, key+strings.Join(class.Rows[i], ";"))
		}
	}
	if slices.Sort(want); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("the adopted release reads\n%v, not\n%v", got, want)
	}
	f.must(f.Insert("61", []string{"22", "Ulm", "ill 1", "7"}))
	if c, err := f.Prepare(t.Context(), true); c != nil || err != nil {
		t.Errorf("one new row is published: %v, %v", c, err)
	}
	if _, err := f.Adopt(t.Context(), keys, data, batch); err == nil {
		t.Error("a second release is adopted")
	}
}

func TestBadStates(t *testing.T) {
	f := newFollower(t, codesAndIlls(2), living.Options{})
	f.rows(0, 4, "1234")
	f.step()
	good, err := f.store.Load()
	f.must(err)
	columns := f.columns()
	for name, state := range map[string][]byte{
		"empty": {}, "cut off": good[:len(good)-1], "longer": append(slices.Clone(good), 0), "another": []byte("clarus-living/2\n" + strings.Repeat("x", 99)),
		"altered": append(slices.Clone(good[:100]), append([]byte{good[100] ^ 1}, good[101:]...)...),
	} {
		if _, err := living.Load(f.policy, columns, open, &memory{state}, f.options); !errors.Is(err, living.ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.policy.Attributes = append(f.policy.Attributes, &model.Attribute{Name: "note", Class: clarus.NonConfidential})
	if _, err := living.Load(f.policy, f.columns(), open, f.store, f.options); !errors.Is(err, living.ErrState) {
		t.Errorf("other columns: %v", err)
	}
	path := filepath.Join(t.TempDir(), "nowhere", "state")
	r, err := living.New(codesAndIlls(2), columns, open, living.File(path), f.options)
	f.must(err)
	for i := range 4 {
		f.must(r.Insert(fmt.Sprint(i), []string{"1234", fmt.Sprint(i)}))
	}
	for range 2 { // what is not durable is not given away
		if c, err := r.Prepare(t.Context(), true); c != nil || !errors.Is(err, os.ErrNotExist) || r.Pending() != nil {
			t.Errorf("a change that is not durable: %v, %v", c, err)
		}
	}
	f.must(os.Mkdir(filepath.Dir(path), 0o700))
	if c, err := r.Prepare(t.Context(), true); c == nil || err != nil {
		t.Errorf("once there is room: %v, %v", c, err)
	}
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(p *model.Policy){
		"method global":           func(p *model.Policy) { p.Method = model.Global },
		"built from the data":     func(p *model.Policy) { p.Attributes[0].Hierarchy = &model.Source{Build: true} },
		"a population":            func(p *model.Policy) { p.Population = "register.csv" },
		"pram draws":              func(p *model.Policy) { p.Attributes[1].Mask = &model.Mask{PRAM: 0.1} },
		"no attribute is a quasi": func(p *model.Policy) { p.Attributes[0].Class = clarus.NonConfidential },
	} {
		p := codesAndIlls(2)
		change(p)
		if _, err := living.New(p, []string{"code", "ill"}, open, &memory{}, living.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	p := codesAndIlls(2)
	p.Attributes[0] = &model.Attribute{Name: "town", Class: clarus.QuasiIdentifier, Type: model.Categorical, Cover: model.CoverSet, Weight: 1, Hierarchy: &model.Source{File: "towns"}}
	p.MissingRefused, p.Missing = true, []string{""}
	r, err := living.New(p, []string{"town", "ill"}, open, &memory{}, living.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for want, row := range map[string][]string{"lacks the value \"Rom\"": {"Rom", "flu"}, "is missing": {"Ulm", ""}, "a row of 1 values": {"Ulm"}} {
		if err := r.Insert("1", row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if s := r.Status(); s.Rows != 0 {
		t.Errorf("refused rows are there: %+v", s)
	}
	if err := r.Insert("1", []string{"Ulm", "flu"}); err != nil {
		t.Error(err)
	}
	if err := errors.Join(r.Insert("1", []string{"Ulm", "flu"})); !errors.Is(err, living.ErrKey) {
		t.Errorf("a key twice: %v", err)
	}
	if err := errors.Join(r.Update("2", []string{"Ulm", "flu"})); !errors.Is(err, living.ErrKey) {
		t.Errorf("a key that is not there: %v", err)
	}
}
