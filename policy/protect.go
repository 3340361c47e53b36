package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
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

func (c Column) taggable() bool { return taggable[c.TypeOID] != "" && !c.Nondeterministic }

// Protection is the decision for one attribute.
type Protection struct {
	Class    clarus.Class
	Clear    bool               // the provider may hold it readable
	Preserve []clarus.Operation // for each the attribute gets a carrier
	// Leak is the highest level allowed in each dimension (equality, order);
	// all carriers together stay within it. Clear attributes leak plain values.
	Leak     map[clarus.Operation]clarus.Leak
	Provider string // "": the database's default provider
	Because  string // for reports: which place or default decided, and why
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
	preserve := a.preserve
	if len(preserve) > 0 && !c.taggable() {
		if a.preserveAt != (position{}) {
			return Protection{}, p.later(a.preserveAt, fmt.Sprintf("equality cannot be preserved for %s: %s", c, c.untaggable()), "remove preserve")
		}
		preserve = nil
		because += "; the default's equality does not apply: " + c.untaggable()
	}
	if c.Key && len(preserve) == 0 {
		if !c.taggable() {
			return Protection{}, p.keyType(a.at, c)
		}
		return Protection{}, p.wrong(a.at, fmt.Sprintf("%s is part of a key, which needs equality, and the policy does not preserve it", c),
			"add preserve: [equality] and leak: {equality: 4}, or define the table without the key")
	}
	return sealed(a.class, preserve, a.leak, because), nil
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
	if !c.taggable() {
		preserve = nil
	}
	if c.Key && len(preserve) == 0 {
		if !c.taggable() {
			return Protection{}, p.keyType(at, c)
		}
		preserve = []clarus.Operation{clarus.Equality}
		leak = leak.with(clarus.Equality, max(leak[clarus.Equality], clarus.LeakEquality))
		because += "; part of a key, which needs an equality tag (leak 4) whatever the default ceiling"
	}
	return sealed(clarus.Confidential, preserve, leak, because), nil
}

func (c Column) untaggable() string {
	if taggable[c.TypeOID] != "" {
		return "its collation is not deterministic"
	}
	return fmt.Sprintf("type %s has no canonical form", c.TypeName)
}

// keyType is the error for a protected key of a type without tags.
func (p *Policy) keyType(at position, c Column) *Error {
	return p.later(at, fmt.Sprintf("%s is part of a key, which needs an equality tag: %s", c, c.untaggable()),
		"list it as non-confidential, or define the table without the key")
}

func clearly(class clarus.Class, because string) Protection {
	return Protection{Class: class, Clear: true, Leak: uniform(clarus.LeakPlain), Because: because}
}

func sealed(class clarus.Class, preserve []clarus.Operation, leak ceiling, because string) Protection {
	if len(preserve) > 0 {
		because += "; preserves " + words(preserve)
	}
	return Protection{Class: class, Preserve: slices.Clone(preserve), Leak: maps.Clone(leak), Because: because}
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
