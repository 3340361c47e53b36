// Package policy reads what the owner wants: the configuration (where Clarus
// listens, its users, providers, keys) and the policy (which attributes are
// protected and what must keep working on them).
//
// Both are YAML with a published JSON Schema. A file is taken whole or not at
// all: an unknown key, a contradiction or a wish that cannot be fulfilled is
// an error with its place and a remedy, and all of them are reported at once.
// docs/policy.md is the reference for owners.
package policy

import (
	"maps"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/technique"
)

// A Policy says for every attribute whether it is protected and what must
// keep working. It is immutable and safe for concurrent use.
type Policy struct {
	file     string // how errors and reports name it
	offers   technique.List
	defaults defaults
	datasets map[tableName]*dataset
}

type tableName struct{ schema, table string }

func (t tableName) String() string {
	if t.schema == "public" {
		return quoteName(t.table)
	}
	return quoteName(t.schema) + "." + quoteName(t.table)
}

type defaults struct {
	at       position // zero: the file does not say
	clear    bool     // unlisted attributes are not protected
	preserve []clarus.Operation
	leak     ceiling
	reason   string
}

type dataset struct {
	name       tableName
	at         position
	provider   string
	providerAt position
	subject    string
	subjectAt  position
	clear      bool // unlisted attributes are not protected
	attributes map[string]*attribute
	aggregates *aggregates // nil: users with aggregate: dp get nothing

	published   *Published // nil: it has no release
	publishedAt position
	release     bool // it is one, or says which there are
}

type attribute struct {
	name       string
	at         position // of the name
	class      clarus.Class
	classAt    position
	preserve   []clarus.Operation
	preserveAt position // zero: the defaults decided
	leak       ceiling
	technique  string // pinned; "": Clarus chooses
	reason     string
}

// A ceiling is the highest level of leak allowed, for each dimension that can
// leak today: equality and order.
type ceiling map[clarus.Operation]clarus.Leak

// dimensions are the entries of the leak vector that a policy can limit.
var dimensions = []clarus.Operation{clarus.Equality, clarus.Order}

func uniform(level clarus.Leak) ceiling {
	c := ceiling{}
	for _, d := range dimensions {
		c[d] = level
	}
	return c
}

func (c ceiling) with(d clarus.Operation, level clarus.Leak) ceiling {
	c = maps.Clone(c)
	c[d] = level
	return c
}

// Load reads and checks a policy file. offers are the techniques that there
// are. The error is an Errors with every mistake.
func Load(path string, offers technique.List) (*Policy, error) {
	src, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, src, offers)
}

// Parse checks a policy; name is what errors and reports call the file.
func Parse(name string, src []byte, offers technique.List) (*Policy, error) {
	r := &report{file: name}
	root := r.parse(src)
	if root == nil {
		return nil, r.err()
	}
	r.check(policyGrammar(), root)
	pr := policyReader{report: r, told: r.places(), offers: offers}
	p := pr.policy(root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Open returns the policy under which nothing is protected. It serves tests
// and comparisons; an owner writes unlisted: clear, with a reason.
func Open() *Policy {
	return &Policy{file: "nothing protected", defaults: defaults{clear: true, leak: uniform(clarus.LeakAccess)}}
}

// Sealed returns the policy that holds where there is no policy file: all is
// sealed but surrogate keys, and nothing is preserved but what uniqueness needs.
func Sealed(offers technique.List) *Policy {
	return &Policy{offers: offers, file: "no policy file", defaults: defaults{leak: uniform(clarus.LeakAccess)}}
}

// Subject returns the attribute that says whose data a row is, or "".
func (p *Policy) Subject(schema, table string) string {
	if d := p.dataset(schema, table); d != nil {
		return d.subject
	}
	return ""
}

func (p *Policy) dataset(schema, table string) *dataset {
	if schema == "" {
		schema = "public"
	}
	return p.datasets[tableName{schema, table}]
}

// Providers are those where the policy places datasets, each once, in order.
func (p *Policy) Providers() []string {
	var list []string
	for _, d := range p.datasets {
		if d.provider != "" {
			list = append(list, d.provider)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// CheckProviders reports every dataset that is placed at a provider that the
// configuration does not have.
func (p *Policy) CheckProviders(providers map[string]Provider) error {
	r := &report{file: p.file}
	for _, d := range p.datasets {
		if _, known := providers[d.provider]; d.provider != "" && !known {
			r.add(d.providerAt, "there is no provider "+d.provider, suggest(d.provider, sortedKeys(providers)))
		}
	}
	return r.err()
}
