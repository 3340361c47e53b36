package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/technique"
)

// A policyReader turns a checked tree into a Policy and reports what the
// schema cannot say: contradictions, and wishes that cannot be fulfilled.
type policyReader struct {
	*report
	told   map[position]bool // places that the schema complained of
	offers technique.List
	defaults
}

// levels says in words what each level of leak gives away.
var levels = [...]string{"row count and padded size", "what was touched", "equality or order among what was asked", "buckets",
	"equality and co-occurrence", "order", "order and distance", "plain values"}

func (r *policyReader) policy(root *node) *Policy {
	r.readDefaults(root.get("defaults"))
	p := &Policy{file: r.file, offers: r.offers, datasets: map[tableName]*dataset{}}
	if n := root.get("datasets"); n != nil {
		for _, f := range n.fields {
			name, err := parseTable(f.name)
			if err != nil {
				r.add(f.at, fmt.Sprintf("the name %q %v", f.name, err), `write table or schema.table; a part with a dot in double quotes`)
				continue
			}
			if first := p.datasets[name]; first != nil {
				r.add(f.at, fmt.Sprintf("%s is the dataset of line %d again", f.name, first.at.line), "put all of its attributes in one place")
				continue
			}
			p.datasets[name] = r.dataset(name, f)
		}
	}
	p.defaults = r.defaults
	r.releases(p)
	return p
}

func (r *policyReader) readDefaults(n *node) {
	r.defaults = defaults{leak: uniform(clarus.LeakAccess)}
	if n == nil {
		return
	}
	r.at, r.clear, r.reason = n.at, n.text("unlisted") == "clear", n.text("reason")
	if r.clear && r.reason == "" {
		r.add(n.get("unlisted").at, "unlisted: clear leaves what is not named readable at the provider", "add a reason to defaults, or write unlisted: seal")
	}
	if leak := n.get("leak"); leak != nil {
		r.leak = r.ceiling(leak, r.reason)
	}
	r.preserve = r.operations(n.get("preserve"), r.leak)
}

func (r *policyReader) dataset(name tableName, f field) *dataset {
	d := &dataset{name: name, at: f.at, attributes: map[string]*attribute{}}
	d.provider, d.subject = f.value.text("at"), f.value.text("subject")
	if at := f.value.get("at"); at != nil {
		d.providerAt = at.at
	}
	if at := f.value.get("subject"); at != nil {
		d.subjectAt = at.at
	}
	d.clear = f.value.text("class") == string(clarus.NonConfidential)
	if attributes := f.value.get("attributes"); attributes != nil {
		for _, a := range attributes.fields {
			if a.name == "" {
				r.add(a.at, "the attribute's name is empty", "")
			}
			d.attributes[a.name] = r.attribute(a)
		}
	}
	if n := f.value.get("aggregate"); n != nil {
		d.aggregates = r.aggregates(n, d)
	}
	r.published(d, f.value.get("published"))
	return d
}

func (r *policyReader) attribute(f field) *attribute {
	n := f.value
	a := &attribute{name: f.name, at: f.at, class: clarus.Class(n.text("class")), reason: n.text("reason"), leak: r.defaults.leak}
	if class := n.get("class"); class != nil {
		a.classAt = class.at
	}
	if a.class.Clear() {
		r.clearAttribute(a, n)
		return a
	}
	if leak := n.get("leak"); leak != nil {
		a.leak = r.ceiling(leak, a.reason)
	}
	if preserve := n.get("preserve"); preserve != nil {
		a.preserve, a.preserveAt = r.operations(preserve, a.leak), preserve.at
	} else if a.leak[clarus.Equality] >= clarus.LeakEquality {
		a.preserve = r.preserve // the attribute's own ceiling comes before the default
	}
	if declassify := n.get("declassify"); declassify != nil {
		r.unless(declassify, "declassify on a protected attribute says nothing", "write it on the clear attribute that values may flow into")
	}
	r.technique(n.get("technique"), a)
	return a
}

// clearAttribute reports what contradicts a class that is not protected.
func (r *policyReader) clearAttribute(a *attribute, n *node) {
	for _, name := range []string{"preserve", "leak", "technique"} {
		if at := n.get(name); at != nil {
			r.unless(at, fmt.Sprintf("%s contradicts class %s: the values stay readable, every operation works on them", name, a.class),
				fmt.Sprintf("remove %s, or choose a protected class: identifier, quasi-identifier or confidential", name))
		}
	}
	if at := n.get("declassify"); at != nil {
		r.later(at.at, "declassify is not available yet", "make the attribute confidential: protected values may flow into it then")
	}
}

// planned are techniques that are not built.
var planned = []string{"homophones", "counter", "buckets", "ope", "ashe", "shares", "fpe"}

// technique checks a pinned technique: it stands for what it preserves, or for
// the cell if it preserves nothing.
func (r *policyReader) technique(n *node, a *attribute) {
	name := value[string](n)
	tech := r.offers.Find(name)
	switch {
	case name == "":
	case tech != nil:
		a.technique = name
		if ops := tech.Preserves(); len(ops) > 0 && !slices.ContainsFunc(ops, func(op clarus.Operation) bool { return slices.Contains(a.preserve, op) }) {
			r.unless(n, fmt.Sprintf("technique %s preserves %s, which the attribute does not ask for", name, words(ops)),
				fmt.Sprintf("add preserve: [%s] and leak: {%s: 4}, or remove technique", ops[0], ops[0]))
		}
	case slices.Contains(planned, name):
		r.later(n.at, "technique "+name+" is not available yet", "remove technique: Clarus chooses")
	default:
		r.unless(n, "there is no technique "+name, suggest(name, slices.Concat(planned, r.offers.Names())))
	}
}

// operations reads preserve and compares it with the ceiling.
func (r *policyReader) operations(n *node, limit ceiling) []clarus.Operation {
	var ops []clarus.Operation
	if n == nil {
		return nil
	}
	for _, item := range n.items {
		op := clarus.Operation(value[string](item))
		switch {
		case r.told[item.at]:
		case slices.Contains(ops, op):
			r.add(item.at, fmt.Sprintf("%s is named twice", op), "")
		case !r.offers.Offers(op):
			r.later(item.at, fmt.Sprintf("preserving %s is not available yet", op), "remove it: such queries are finished on this side")
		case op == clarus.Equality && limit[clarus.Equality] < clarus.LeakEquality:
			r.add(item.at, fmt.Sprintf("preserving equality leaks at level 4 (%s), and the ceiling here is %d", levels[4], limit[clarus.Equality]),
				"add leak: {equality: 4}, or do not preserve it")
		}
		ops = append(ops, op)
	}
	return ops
}

// ceiling reads leak: one level for all, or one by name over the default.
func (r *policyReader) ceiling(n *node, reason string) ceiling {
	if level, ok := n.value.(int64); ok {
		r.level(n, level, reason)
		return uniform(clarus.Leak(level))
	}
	c := r.defaults.leak
	for _, f := range n.fields {
		if level, ok := f.value.value.(int64); ok && slices.Contains(dimensions, clarus.Operation(f.name)) {
			r.level(f.value, level, reason)
			c = c.with(clarus.Operation(f.name), clarus.Leak(level))
		}
	}
	return c
}

func (r *policyReader) level(n *node, level int64, reason string) {
	switch {
	case r.told[n.at] || level < 0 || level >= int64(len(levels)):
	case level == 0:
		r.later(n.at, "leak 0 would hide which rows are touched, which no technique does yet", "write 1, the least there is")
	case level >= int64(clarus.LeakOrder) && strings.TrimSpace(reason) == "":
		r.add(n.at, fmt.Sprintf("leak %d gives away %s and has no reason", level, levels[level]), "add reason beside leak: why it must be so")
	}
}

// unless reports a mistake, unless the schema has complained of the place.
func (r *policyReader) unless(n *node, msg, remedy string) {
	if !r.told[n.at] {
		r.add(n.at, msg, remedy)
	}
}
