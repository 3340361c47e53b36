package catalog

import (
	"slices"
	"strconv"

	"github.com/clarus-project/clarus"
)

// A Carrier is a column at a provider that holds one protection of an attribute.
type Carrier struct {
	Technique string
	Preserves []clarus.Operation // that the provider does on it; none: it is the cell, which opens
	Type      uint32             // at the provider
	TypeName  string
}

// DefaultCell and DefaultTag are the techniques of columns that name none, which
// is how catalogues are stored.
const (
	DefaultCell = "cell"
	DefaultTag  = "tag"
)

var (
	cell   = Carrier{Technique: DefaultCell, Type: 17, TypeName: "bytea"}
	tag    = Carrier{Technique: DefaultTag, Preserves: []clarus.Operation{clarus.Equality}, Type: 2950, TypeName: "uuid"}
	sealed = []Carrier{cell}
	tagged = []Carrier{cell, tag}
)

// Opens reports whether values are opened from the carrier; it is never NULL.
func (k Carrier) Opens() bool { return len(k.Preserves) == 0 }

// Is reports whether the carrier preserves an operation.
func (k Carrier) Is(op clarus.Operation) bool { return slices.Contains(k.Preserves, op) }

func (k Carrier) equal(o Carrier) bool {
	return k.Technique == o.Technique && k.Type == o.Type && slices.Equal(k.Preserves, o.Preserves)
}

// SameCarriers compares lists of carriers.
func SameCarriers(a, b []Carrier) bool { return slices.EqualFunc(a, b, Carrier.equal) }

// All lists the column's carriers, the cell first; a clear column has none.
func (c *Column) All() []Carrier {
	switch {
	case c.Clear:
		return nil
	case c.Carriers != nil:
		return c.Carriers
	case c.Equality:
		return tagged
	}
	return sealed
}

// Carry gives a protected column its carriers, the cell first.
func (c *Column) Carry(list []Carrier) {
	c.Carriers, c.Equality = slices.Clip(list), slices.ContainsFunc(list, func(k Carrier) bool { return k.Is(clarus.Equality) })
	if len(list) == 0 || SameCarriers(list, sealed) || SameCarriers(list, tagged) {
		c.Carriers = nil
	}
}

// Cell is the carrier that opens. The column is protected.
func (c *Column) Cell() Carrier {
	if c.Carriers != nil {
		return c.Carriers[0]
	}
	return cell
}

// Preserver returns the carrier on which the provider can do op.
func (c *Column) Preserver(op clarus.Operation) (Carrier, bool) {
	for _, k := range c.All() {
		if k.Is(op) {
			return k, true
		}
	}
	return Carrier{}, false
}

// Tag is the carrier that preserves equality. The column has one.
func (c *Column) Tag() Carrier {
	k, _ := c.Preserver(clarus.Equality)
	return k
}

// Default reports whether the carrier is one of those that columns have by default.
func (k Carrier) Default() bool { return k.equal(cell) || k.equal(tag) }

// CarrierColumn is the name of a carrier's column at the provider.
func (c *Column) CarrierColumn(k Carrier) string {
	id := strconv.FormatUint(uint64(c.ID), 10)
	switch k.Technique {
	case DefaultCell:
		return Reserved + "c" + id
	case DefaultTag:
		return Reserved + "t" + id
	}
	return Reserved + k.Technique + "_" + id
}

// CellColumn is the name of the provider's column with the sealed cell.
func (c *Column) CellColumn() string { return c.CarrierColumn(c.Cell()) }

// TagColumn is the name of the provider's column that preserves equality.
func (c *Column) TagColumn() string { return c.CarrierColumn(c.Tag()) }
