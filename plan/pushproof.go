package plan

import (
	"cmp"
	"slices"

	"github.com/clarus-project/clarus/catalog"
)

// prove has every tag that decides about the returned rows come along, with the
// cell that it must fit: where a statement returns rows, of all columns that it
// compares; where it returns groups, of the keys that it returns.
func (w *pushWriter) prove() {
	for i := range w.out.Outputs {
		if o := &w.out.Outputs[i]; o.Attr != nil {
			o.Tag = -1
			if at := slices.IndexFunc(w.compared, func(c *carried) bool { return c.at == o.table && c.col == o.Attr }); at >= 0 {
				o.Tag = w.field(w.compared[at].tag(), PushedColumn{Type: o.Attr.Tag().Type, Client: -1})
			}
		}
	}
	if w.grouped {
		return
	}
	for _, c := range w.compared {
		opened := func(o PushedOutput) bool { return o.Attr == c.col && o.table == c.at }
		if !slices.ContainsFunc(w.out.Outputs, opened) && !slices.ContainsFunc(w.out.Proofs, opened) {
			o := w.located(c)
			o.Tag = w.field(c.tag(), PushedColumn{Type: c.col.Tag().Type, Client: -1})
			w.out.Proofs = append(w.out.Proofs, o)
		}
	}
}

// located has a row's identity and one of its cells come along.
func (w *pushWriter) located(c *carried) PushedOutput {
	o := PushedOutput{Table: c.table, Attr: c.col, Nullable: w.nullable[c.at], table: c.at}
	for _, id := range identity(c.table) {
		o.Identity = append(o.Identity, w.field(alias(c.at)+"."+id.quoted(), PushedColumn{Type: id.typ, Client: -1}))
	}
	o.At = w.field(c.cell(), PushedColumn{Type: c.col.Cell().Type, Client: -1})
	return o
}

// A Proof is a carrier that decides which rows come, so that it has to fit the
// cell beside it.
type Proof struct {
	Column  *catalog.Column
	Carrier catalog.Carrier
}

// Proofs lists the carriers that a condition compares.
func Proofs(c Cond) []Proof {
	var list []Proof
	switch c := c.(type) {
	case All:
		for _, part := range c {
			list = append(list, Proofs(part)...)
		}
	case Any:
		for _, part := range c {
			list = append(list, Proofs(part)...)
		}
	case Match:
		if c.By != nil {
			list = append(list, Proof{c.Column, *c.By})
		}
	}
	slices.SortFunc(list, func(a, b Proof) int {
		return cmp.Or(cmp.Compare(a.Column.Num, b.Column.Num), cmp.Compare(a.Carrier.Technique, b.Carrier.Technique))
	})
	return slices.CompactFunc(list, func(a, b Proof) bool { return a.Column == b.Column && a.Carrier.Technique == b.Carrier.Technique })
}
