// Package living publishes a table that changes. Rows come, change and leave; what
// is published follows in steps. Whoever keeps every published state, and knows
// everybody's quasi-identifiers and when rows came, changed and left, must not
// learn more of anybody than one class tells. docs/spec/living.md says what is
// promised and why it holds.
//
// A class is published whole, never changes, and is only ever withdrawn whole. New
// rows are held back until k of them make a class. Rows of a class that is
// withdrawn come back, in parts of k or more, only if those that stay behind are
// also k or more; so the rows of one history (a group, here) divide like the
// leaves of a tree and never merge.
//
// A step is published in two phases, so that it is known at any time what somebody
// may have seen: Prepare makes a change, has it judged by check.History, and
// makes it durable; whoever called publishes it, all of it at once, and then calls
// Confirm. Until then every Prepare returns the same change.
package living

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/mask"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// Options say how a release follows its table.
type Options struct {
	// Held is how many rows at most a step holds back for better neighbours to come. The
	// more, the less is lost by those that are published. 0: as few as is safe.
	Held int
	// Patience is for how many steps a row may be held back for better neighbours;
	// 0: for any number.
	Patience int
	// Keep leaves a class as it was published when rows in it leave or change, until
	// what follows is safe and loses no row. Otherwise the class is withdrawn, with
	// rows that did not change. Erase withdraws it in any case.
	Keep bool
}

// A Class is rows that are published together.
type Class struct {
	ID   uint64
	Keys []string   // whose rows they are: it stays on this side
	Rows [][]string // cells, in the order of Change.Columns; in random order
}

// A Change is what leads from one published state to the next. It is published whole
// or not at all: nobody sees what is withdrawn beside what replaces it.
type Change struct {
	Number   uint64 // of the state that it leads to; 0 is the empty one
	Columns  []string
	Withdraw []uint64
	Publish  []Class
}

// A Release follows a table. It is not for use by several goroutines.
type Release struct {
	policy  *model.Policy // as given
	space   *model.Policy // of what classes are made of
	files   *publish.Files
	store   Store
	options Options
	columns []string // of the rows that it is given
	kept    []column // those that it keeps
	rows    map[string]*row
	all     []*row
	dirty   map[*group]bool
	classes map[uint64]*shown
	history *check.History
	rng     *rand.Rand
	number  uint64 // of the state that was prepared last
	last    uint64 // the greatest number of a class
	pending *Change
	saved   bool // the pending change is durable
}

// A column that is kept: quasi-identifiers, what is published beside them, the subject.
type column struct {
	attribute *model.Attribute
	from      int // in the rows that are given
	dict      dict
}

// A row of the table.
type row struct {
	key    string
	at     int      // in Release.all
	codes  []uint32 // in each kept column
	masked []string // the cells of masked columns
	seen   *face    // what was published of it last; nil: nothing
	group  *group   // nil: never published
	waited int      // steps
}

// A face is what of a row was published.
type face struct {
	codes  []uint32
	masked []string
}

// A group is the rows of one history.
type group struct {
	class   *shown // nil: withdrawn
	members []*row // those in the table
	left    int    // those that left it
	erased  bool   // one of them must be
}

// A shown class.
type shown struct {
	Class
	group *group
	loss  float64 // of each row
}

// New makes a release in which nothing is published yet. Columns are those of the
// rows that it will be given; the policy names each of them.
func New(p *model.Policy, columns []string, open publish.Open, store Store, o Options) (*Release, error) {
	r := &Release{policy: p, files: publish.NewFiles(open), store: store, options: o, columns: columns, rows: map[string]*row{},
		dirty: map[*group]bool{}, classes: map[uint64]*shown{}, rng: publish.Random(p.Seed)}
	if err := r.plan(); err != nil {
		return nil, err
	}
	promise, err := r.promise()
	if err != nil {
		return nil, err
	}
	r.history = check.NewHistory(r.names(), promise, !o.Keep)
	return r, nil
}

// plan decides which columns are kept, and refuses what cannot be followed.
func (r *Release) plan() error {
	p := r.policy
	refuse := func(column, msg, hint string) error { return &table.Error{Column: column, Msg: msg, Hint: hint} }
	if p.Method != "" && p.Method != model.Local {
		return refuse("", fmt.Sprintf("a release by method %s does not follow its table", p.Method), "leave method out")
	}
	if p.Population != "" {
		return refuse("", "the risk among a population is that of one release, not of one that follows its table", "leave population out, or publish the table once")
	}
	space := *p
	space.Attributes = nil
	for _, a := range p.Attributes {
		if !slices.Contains(r.columns, a.Name) {
			return refuse(a.Name, "the policy names an attribute that the table lacks", "it has "+strings.Join(r.columns, ", "))
		}
	}
	for i, name := range r.columns {
		a := p.Attribute(name)
		switch {
		case a == nil:
			return refuse(name, "the policy does not say what this attribute is", "give it a class: identifier, quasi-identifier, confidential or non-confidential")
		case a.Class == clarus.Identifier && name != p.Subject:
			continue
		case a.Hierarchy != nil && a.Hierarchy.Build:
			return refuse(name, "a hierarchy built from the data does not stay the same while the data changes", "write it to a file, or choose intervals, dates, prefix or grid")
		case a.Mask != nil && a.Mask.PRAM > 0:
			return refuse(name, "pram draws from the whole column, which is not there while rows come", "choose another mask")
		}
		r.kept = append(r.kept, column{attribute: a, from: i, dict: newDict()})
		if a.Mask == nil && a.Class != clarus.NonConfidential {
			space.Attributes = append(space.Attributes, a)
		}
	}
	r.space = &space
	return nil
}

// names are the kept columns'.
func (r *Release) names() []string {
	var names []string
	for i := range r.kept {
		names = append(names, r.kept[i].attribute.Name)
	}
	return names
}

// visible are the columns that are published.
func (r *Release) visible() []string {
	return slices.DeleteFunc(r.names(), func(name string) bool { return r.policy.Attribute(name).Class == clarus.Identifier })
}

// promise is what every state keeps.
func (r *Release) promise() (*check.Spec, error) {
	p := r.policy
	spec := &check.Spec{K: p.K, Subject: p.Subject}
	for i := range r.kept {
		a := r.kept[i].attribute
		switch {
		case a.Mask != nil:
			spec.Masked = append(spec.Masked, check.Masked{Name: a.Name, Missing: p.Missing, Mask: a.Mask})
		case a.Class == clarus.QuasiIdentifier:
			spec.Quasi = append(spec.Quasi, check.Quasi{Name: a.Name})
		case a.Class == clarus.Confidential:
			spec.Confidential = append(spec.Confidential, check.Confidential{Name: a.Name, Wants: a.Wants})
		case a.Class == clarus.Identifier:
			spec.Absent = append(spec.Absent, a.Name)
		default:
			spec.Kept = append(spec.Kept, a.Name)
		}
	}
	if len(spec.Quasi) == 0 {
		return nil, &table.Error{Msg: "no attribute is a quasi-identifier", Hint: "without one there is nothing to anonymise"}
	}
	return spec, nil
}

// encode reads a row: its codes, and the values of the kept columns.
func (r *Release) encode(given []string) ([]uint32, []string, error) {
	if len(given) != len(r.columns) {
		return nil, nil, fmt.Errorf("a row of %d values, not %d", len(given), len(r.columns))
	}
	for i := range r.kept {
		c := &r.kept[i]
		v := given[c.from]
		if _, known := c.dict.code[v]; known || c.attribute.Mask != nil || c.attribute.Class != clarus.QuasiIdentifier && c.attribute.Class != clarus.Confidential {
			continue
		}
		if err := publish.Accepts(r.space, c.attribute, v, r.files); err != nil {
			return nil, nil, err
		}
	}
	codes, values := make([]uint32, len(r.kept)), make([]string, len(r.kept))
	for i := range r.kept {
		c := &r.kept[i]
		codes[i] = c.dict.use(given[c.from])
		values[i] = c.dict.values[codes[i]]
	}
	return codes, values, nil
}

func (r *Release) drop(codes []uint32) {
	for i, x := range codes {
		r.kept[i].dict.drop(x)
	}
}

// mask makes the masked cells of a row that is new or has these values now. A value
// that it had, or that was published of it, keeps its mask.
func (r *Release) mask(values []string, old *row) ([]string, error) {
	var cells []string
	for i := range r.kept {
		a := r.kept[i].attribute
		if a.Mask == nil {
			continue
		}
		n := len(cells)
		had := func(codes []uint32) bool { return r.kept[i].dict.values[codes[i]] == values[i] }
		switch {
		case old != nil && old.seen != nil && had(old.seen.codes):
			cells = append(cells, old.seen.masked[n])
			continue
		case old != nil && had(old.codes):
			cells = append(cells, old.masked[n])
			continue
		}
		one := &table.Column{Name: a.Name, Values: []string{values[i]}, Codes: []uint32{0}}
		c, err := mask.Apply(one, a.Mask, func(v string) bool { return slices.Contains(r.policy.Missing, v) }, r.rng)
		if err != nil {
			return nil, err
		}
		cells = append(cells, c.At(0))
	}
	return cells, nil
}
