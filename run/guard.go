package run

import (
	"bytes"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
)

// keepClear refuses what a user's function stored in clear columns, where any
// attribute is protected: the plan cannot see what the value was computed from.
// Allowed are NULL, what the column held before, and draws from its sequence.
func (j *Job) keepClear(effects map[uint32][]*effect) error {
	for oid, list := range effects {
		if t := j.Catalog.Table(oid); t.Release && !j.Keeper && len(list) > 0 {
			return &clarus.Error{Op: "run", Attr: t.Schema + "." + t.Name, Kind: clarus.Denied, Msg: "only Clarus writes a release", Hint: "Change the original."}
		}
	}
	if !j.Plan.Calls || !j.Catalog.Protects() {
		return nil
	}
	for oid, list := range effects {
		t := j.Catalog.Table(oid)
		for i, c := range t.Columns {
			if !c.Clear || !slices.ContainsFunc(list, func(e *effect) bool { return e.calls && j.computed(t, c, i, e) }) {
				continue
			}
			return &clarus.Error{Op: "run", Attr: t.Schema + "." + t.Name + "." + c.Name, Kind: clarus.Denied,
				Msg:  "a function would store a value, which may be computed from protected attributes, in a clear column",
				Hint: "Store it by a statement of its own, or protect the column in the policy."}
		}
	}
	return nil
}

// computed reports whether an effect gives the i-th column a value that may
// come from anywhere.
func (j *Job) computed(t *catalog.Table, c *catalog.Column, i int, e *effect) bool {
	if e.tid == "" || e.value.Values[i] == nil {
		return false
	}
	v := e.value.Values[i]
	if e.old >= 0 && bytes.Equal(v, j.target(t.Relation.OID).Rows[e.old].Values[i]) {
		return false
	}
	d := j.draws[t.Relation.Column(c.Num).Sequence]
	return d == nil || !d.gave(v)
}
