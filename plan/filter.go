package plan

import (
	"encoding/binary"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
)

// A Cond is a condition on what a provider holds of one table. It is TRUE for
// at least the rows that the statement needs: All, Any, Match or Null.
type Cond interface{ cond() }

// All holds where every part holds.
type All []Cond

// Any holds where one part holds.
type Any []Cond

// Match compares a column with one of Probes.
type Match struct {
	Column *catalog.Column
	By     *catalog.Carrier // compare this carrier: Probes are sealed by run. nil: the column is clear
	AsText bool             // compare the clear column as text
	Op     string
	Flip   bool // the probe stands on the left
	Probes []Probe
}

// Null tests a clear column.
type Null struct {
	Column *catalog.Column
	Not    bool
}

// A Probe is a constant or a parameter of the statement.
type Probe struct {
	Param int // from 1; 0: a constant
	Type  uint32
	Value []byte // binary format
}

func (All) cond()   {}
func (Any) cond()   {}
func (Match) cond() {}
func (Null) cond()  {}

// where turns the analyser's filter into a condition that the provider can
// check; nil is TRUE.
func (env Env) where(t *catalog.Table, r *analyze.Relation) Cond {
	if r.Secured || r.TableSample || r.Filter == nil {
		return nil
	}
	return env.cond(t, r.Filter)
}

func (env Env) cond(t *catalog.Table, f analyze.Filter) Cond {
	switch f := f.(type) {
	case analyze.And:
		var all All
		for _, part := range f {
			if c := env.cond(t, part); c != nil {
				all = append(all, c)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return all
	case analyze.Or:
		var any Any
		for _, part := range f {
			c := env.cond(t, part)
			if c == nil {
				return nil
			}
			any = append(any, c)
		}
		return any
	case analyze.NullTest:
		if c := t.Column(f.Attr); c != nil && c.Clear {
			return Null{Column: c, Not: f.Not}
		}
	case analyze.Compare:
		return env.compare(t, f)
	}
	return nil
}

func (env Env) compare(t *catalog.Table, f analyze.Compare) Cond {
	c := t.Column(f.Attr)
	op, builtin := env.Builtins.Operators[f.Op]
	if c == nil || !builtin || !op.Bool || env.Builtins.Functions[f.Func].Volatility != 'i' {
		return nil
	}
	m := Match{Column: c, Op: op.Name, Flip: f.Commuted}
	for _, o := range f.Right {
		if o.Null || o.Array {
			return nil
		}
		m.Probes = append(m.Probes, Probe{Param: o.Param, Type: o.Type, Value: o.Value})
	}
	if len(m.Probes) == 0 || (len(m.Probes) > 1 && op.Name != "=") {
		return nil
	}
	f.ColumnType = base(t, c, f.ColumnType)
	if c.Enum != nil && !labels(c.Enum, &f, &m) {
		return nil
	}
	if c.Clear {
		return env.clear(t, c, f, m)
	}
	if k, ok := c.Preserver(preserved[op.Name]); ok && sameMeaning(k, f, m.Probes) {
		m.By = &k
		return m
	}
	return nil
}

// base is the type of a column without the domains over it, whose values are
// those of the base type: typ is what the statement takes it for.
func base(t *catalog.Table, c *catalog.Column, typ uint32) uint32 {
	switch {
	case t.Relation.Column(c.Num).Declared == "":
		return typ
	case c.Enum != nil:
		return c.Enum.OID()
	}
	return c.Type
}

// labels turns a comparison of an enumerated type into one of the numbers that
// stand for labels, where it is one for equality.
func labels(e *catalog.Enum, f *analyze.Compare, m *Match) bool {
	if m.Op != "=" && m.Op != "<>" || f.ColumnType != e.OID() || f.Type != e.OID() {
		return false
	}
	for i, p := range m.Probes {
		if p.Type != e.OID() {
			return false
		}
		m.Probes[i].Type = pgvalue.EnumOID
		if p.Param > 0 {
			continue
		}
		if len(p.Value) != 4 {
			return false
		}
		number := e.Number(binary.BigEndian.Uint32(p.Value))
		if number == 0 {
			return false
		}
		m.Probes[i].Value = binary.BigEndian.AppendUint32(nil, number)
	}
	f.ColumnType, f.Type = pgvalue.EnumOID, pgvalue.EnumOID
	return true
}

// preserved are the operations that comparison operators are of.
var preserved = map[string]clarus.Operation{"=": clarus.Equality, "<": clarus.Order, "<=": clarus.Order, ">": clarus.Order, ">=": clarus.Order}

// clear allows comparisons whose meaning is proven equal on both servers:
// PostgreSQL's own ordering operators, under the database's collation.
func (env Env) clear(t *catalog.Table, c *catalog.Column, f analyze.Compare, m Match) Cond {
	if !slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, m.Op) {
		return nil
	}
	a := t.Relation.Column(c.Num)
	if f.Collation != 0 && (f.Collation != defaultCollation || a.Collation != "") && m.Op != "=" && m.Op != "<>" {
		return nil
	}
	m.AsText = f.Type != f.ColumnType
	if m.AsText && f.Type != typeText {
		return nil
	}
	return m
}

const (
	defaultCollation = 100
	typeText         = 25
)

// sameMeaning reports whether a comparison of carriers is the comparison that
// the statement means. Order is that of one type, and not of text, whose order
// is its collation's.
func sameMeaning(k catalog.Carrier, f analyze.Compare, probes []Probe) bool {
	if k.Is(clarus.Equality) {
		return sameFamily(f, probes)
	}
	other := slices.ContainsFunc(probes, func(p Probe) bool { return p.Type != f.ColumnType })
	return f.Collation == 0 && f.Type == f.ColumnType && !other
}

// sameFamily reports whether equality of tags is equality as the statement
// means it.
func sameFamily(f analyze.Compare, probes []Probe) bool {
	want, ok := pgvalue.Family(f.ColumnType)
	if as, okAs := pgvalue.Family(f.Type); !ok || !okAs || as != want {
		return false
	}
	for _, p := range probes {
		if got, ok := pgvalue.Family(p.Type); !ok || got != want {
			return false
		}
	}
	return true
}
