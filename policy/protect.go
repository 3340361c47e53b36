package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/technique"
)

// A Column is what the schema says of one attribute when a table is created
// or altered.
type Column struct {
	Schema, Table, Name string // Schema "" means public
	TypeName            string // for messages
	TypeOID             uint32 // of a domain: its base type's
	Surrogate           bool   // identity, serial or uuid default, or a foreign key to such
	Key                 bool   // part of a primary key, unique constraint or index, or foreign key
	Nondeterministic    bool   // its collation takes different strings for equal
}

func (c Column) String() string {
	schema := c.Schema
	if schema == "" {
		schema = "public"
	}
	return tableName{schema, c.Table}.String() + "." + quoteName(c.Name)
}

func (c Column) params() technique.Params {
	return technique.Params{Type: c.TypeOID, Typmod: -1, NonDeterministic: c.Nondeterministic}
}

// Protection is the decision for one attribute.
type Protection struct {
	Class    clarus.Class
	Clear    bool               // the provider may hold it readable
	Preserve []clarus.Operation // for each the attribute gets a carrier
	Carriers []Carrier          // of a protected attribute: the cell, then those that preserve
	// Leak is the highest level allowed in each dimension (equality, order);
	// all carriers together stay within it. Clear attributes leak plain values.
	Leak     map[clarus.Operation]clarus.Leak
	Provider string // "": the database's default provider
	Because  string // for reports: which place or default decided, and why
}

// A Carrier is one column at the provider, and the technique that fills it.
type Carrier struct {
	Technique string
	Preserves []clarus.Operation // none: the cell, which opens
	Type      string             // PostgreSQL's name of the column's type
}

// Protect decides how an attribute is protected. A wish that the column makes
// impossible is an *Error, of kind Unsupported where Clarus lacks the technique,
// else Misconfigured. The result is the caller's own.
func (p *Policy) Protect(c Column) (Protection, error) {
	d := p.dataset(c.Schema, c.Table)
	var result Protection
	var err *Error
	if a := d.attribute(c.Name); a != nil {
		result, err = p.listed(c, a)
	} else {
		result, err = p.unlisted(c, d)
	}
	if err != nil {
		return Protection{}, err
	}
	if d != nil {
		result.Provider = d.provider
	}
	return result, nil
}

func (d *dataset) attribute(name string) *attribute {
	if d == nil {
		return nil
	}
	return d.attributes[name]
}

func (p *Policy) listed(c Column, a *attribute) (Protection, *Error) {
	because := fmt.Sprintf("%s: listed as %s", where(p.file, a.at), a.class)
	if a.reason != "" {
		because += ": " + strings.TrimSpace(a.reason)
	}
	if a.class.Clear() {
		if a.class == clarus.Technical && !c.Surrogate && a.reason == "" {
			return Protection{}, p.wrong(a.classAt, fmt.Sprintf("%s is not a surrogate key, so class technical would show what applications store", c),
				"choose another class, or add a reason that says why it tells nothing")
		}
		return clearly(a.class, because), nil
	}
	var preserve []clarus.Operation
	for _, op := range a.preserve {
		switch {
		case p.can(c, op, a.technique):
			preserve = append(preserve, op)
		case a.preserveAt != (position{}):
			return Protection{}, p.later(a.preserveAt, fmt.Sprintf("%s cannot be preserved for %s: %s", op, c, c.without(op)), "remove preserve")
		default:
			because += fmt.Sprintf("; the default's %s does not apply: %s", op, c.without(op))
		}
	}
	if c.Key && !slices.Contains(preserve, clarus.Equality) {
		if !p.can(c, clarus.Equality, "") {
			return Protection{}, p.keyType(a.at, c)
		}
		return Protection{}, p.wrong(a.at, fmt.Sprintf("%s is part of a key, which needs equality, and the policy does not preserve it", c),
			"add preserve: [equality] and leak: {equality: 4}, or define the table without the key")
	}
	return p.sealed(c, a.at, sealing{a.class, preserve, a.leak, a.technique, because})
}

func (p *Policy) unlisted(c Column, d *dataset) (Protection, *Error) {
	at, because := p.defaults.at, p.file
	switch {
	case d != nil && d.clear:
		return clearly(clarus.NonConfidential, where(p.file, d.at)+": not listed, and the dataset is non-confidential"), nil
	case p.defaults.clear:
		because = where(p.file, at) + ": not listed, and unlisted is clear"
		if p.defaults.reason != "" {
			because += ": " + strings.TrimSpace(p.defaults.reason)
		}
		return clearly(clarus.NonConfidential, because), nil
	case c.Surrogate:
		return clearly(clarus.Technical, p.file+": not listed; a surrogate key stays clear by default"), nil
	case d != nil:
		at = d.at
	}
	because = where(p.file, at) + ": not listed, so sealed"
	preserve, leak := p.defaults.preserve, p.defaults.leak
	preserve = slices.DeleteFunc(slices.Clone(preserve), func(op clarus.Operation) bool { return !p.can(c, op, "") })
	if c.Key && !slices.Contains(preserve, clarus.Equality) {
		if !p.can(c, clarus.Equality, "") {
			return Protection{}, p.keyType(at, c)
		}
		preserve = append(preserve, clarus.Equality)
		leak = leak.with(clarus.Equality, max(leak[clarus.Equality], clarus.LeakEquality))
		because += "; part of a key, which needs an equality tag (leak 4) whatever the default ceiling"
	}
	return p.sealed(c, at, sealing{clarus.Confidential, preserve, leak, "", because})
}

// without says why a column cannot have an operation preserved.
func (c Column) without(op clarus.Operation) string {
	switch {
	case c.Nondeterministic:
		return "its collation is not deterministic"
	case op == clarus.Equality:
		return fmt.Sprintf("type %s has no canonical form", c.TypeName)
	}
	return "no technique does for type " + c.TypeName
}

// keyType is the error for a protected key of a type without tags.
func (p *Policy) keyType(at position, c Column) *Error {
	return p.later(at, fmt.Sprintf("%s is part of a key, which needs an equality tag: %s", c, c.without(clarus.Equality)),
		"list it as non-confidential, or define the table without the key")
}

func clearly(class clarus.Class, because string) Protection {
	return Protection{Class: class, Clear: true, Leak: uniform(clarus.LeakPlain), Because: because}
}

// A sealing is what is wanted of a protected attribute.
type sealing struct {
	class    clarus.Class
	preserve []clarus.Operation
	leak     ceiling
	pinned   string // technique
	because  string
}

// can reports whether an operation can be preserved for a column. A pinned
// technique counts where it preserves the operation for any type.
func (p *Policy) can(c Column, op clarus.Operation, pinned string) bool {
	_, _, ok := p.offers.Preserver(c.params(), op, p.pin(pinned, op))
	return ok
}

// pin is the technique that has to preserve op, or make the cell where op is "".
func (p *Policy) pin(name string, op clarus.Operation) string {
	if t := p.offers.Find(name); t != nil && (slices.Contains(t.Preserves(), op) || op == "" && len(t.Preserves()) == 0) {
		return name
	}
	return ""
}

// sealed chooses the carriers and holds them to the ceiling.
func (p *Policy) sealed(c Column, at position, s sealing) (Protection, *Error) {
	t, profile, ok := p.offers.Opener(c.params(), p.pin(s.pinned, ""))
	if !ok {
		return Protection{}, p.later(at, fmt.Sprintf("%s cannot be sealed: no technique does for type %s", c, c.TypeName), "choose another technique")
	}
	list := []Carrier{{Technique: t.Name(), Type: profile.Carrier}}
	for _, op := range s.preserve {
		t, profile, _ := p.offers.Preserver(c.params(), op, p.pin(s.pinned, op))
		if slices.ContainsFunc(list, func(k Carrier) bool { return k.Technique == t.Name() }) {
			continue
		}
		for _, d := range dimensions {
			if leak := profile.Leaks[d]; leak > clarus.LeakAccess && leak > s.leak[d] {
				return Protection{}, p.wrong(at, fmt.Sprintf("preserving %s for %s by technique %s leaks %s at level %d (%s), and the ceiling here is %d", op, c, t.Name(), d, leak,
					levels[leak], s.leak[d]), fmt.Sprintf("add leak: {%s: %d}, or do not preserve it", d, leak))
			}
		}
		list = append(list, Carrier{Technique: t.Name(), Preserves: profile.Preserves, Type: profile.Carrier})
	}
	if len(s.preserve) > 0 {
		s.because += "; preserves " + words(s.preserve)
	}
	return Protection{Class: s.class, Preserve: slices.Clone(s.preserve), Carriers: list, Leak: maps.Clone(s.leak), Because: s.because}, nil
}

func (p *Policy) wrong(at position, msg, remedy string) *Error {
	return &Error{p.file, at.line, at.column, msg, remedy, clarus.Misconfigured}
}

func (p *Policy) later(at position, msg, remedy string) *Error {
	return &Error{p.file, at.line, at.column, msg, remedy, clarus.Unsupported}
}

// CheckTable compares what the policy says of a table with the table's
// columns. It reports, as Errors, attributes and a subject that the table
// lacks, a dataset whose name differs from the table's in case only, and what
// Protect says of each column.
func (p *Policy) CheckTable(schema, table string, columns []Column) error {
	r := &report{file: p.file}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
		if _, err := p.Protect(c); err != nil {
			r.errs = append(r.errs, err.(*Error))
		}
	}
	if schema == "" {
		schema = "public"
	}
	this := tableName{schema, table}
	d := p.dataset(schema, table)
	if d == nil {
		p.checkCase(r, this)
		return r.err()
	}
	for _, a := range d.attributes {
		if !slices.Contains(names, a.name) {
			r.add(a.at, fmt.Sprintf("%s has no attribute %s", this, a.name), suggest(a.name, names))
		}
	}
	if d.subject != "" && !slices.Contains(names, d.subject) {
		r.add(d.subjectAt, fmt.Sprintf("%s has no attribute %s, the subject", this, d.subject), suggest(d.subject, names))
	}
	if d.aggregates != nil {
		for _, name := range sortedKeys(d.aggregates.places) {
			if !slices.Contains(names, name) {
				r.add(d.aggregates.places[name], fmt.Sprintf("%s has no attribute %s", this, name), suggest(name, names))
			}
		}
	}
	return r.err()
}

// checkCase reports a dataset that would be this table but for upper case:
// were unlisted attributes clear, the slip would leave the table unprotected.
func (p *Policy) checkCase(r *report, this tableName) {
	for name, d := range p.datasets {
		if strings.EqualFold(name.schema, this.schema) && strings.EqualFold(name.table, this.table) {
			r.add(d.at, fmt.Sprintf("the dataset is %s, the table is %s", name, this), "names must agree in upper and lower case; write "+this.String())
		}
	}
}
