package model

import "github.com/clarus-project/clarus"

// A Policy is what an owner wants of a release. Package policy reads it from a
// file and has checked what can be checked without the data.
type Policy struct {
	K              int
	Subject        string // attribute that says whose a row is; "": each row is another's
	Method         Method
	Suppress       float64  // share of rows that Global may suppress
	Effort         int      // sweeps of refinement; 0: the default
	KeepOrder      bool     // rows stay in the file's order
	Seed           *uint64  // of random choices; nil: from the system
	Missing        []string // values that mean that there is none
	MissingRefused bool     // a missing value is an error; else a value of its own
	Population     string   // file of all who may be in the data, for the report; "": none
	Attributes     []*Attribute
	Synthetic      *Synthetic // of the method of that name; K is 0 then
}

// A Synthetic is how rows are drawn.
type Synthetic struct {
	Epsilon, Delta float64 // what it may tell of one person
	Rows           int     // how many; 0: about as many as there are
	Each           int     // rows of one person that count
}

// Attribute returns the named attribute, or nil.
func (p *Policy) Attribute(name string) *Attribute {
	for _, a := range p.Attributes {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// A Method is how quasi-identifiers are anonymised.
type Method string

// The methods.
const (
	Local            Method = "local"            // cell-local generalisation
	Global           Method = "global"           // full-domain generalisation
	Microaggregation Method = "microaggregation" // means of small classes
	Sampling         Method = "synthetic"        // rows of a model of the table
)

// A Type says how the values of an attribute relate.
type Type string

// The types.
const (
	Categorical Type = "categorical"
	Ordinal     Type = "ordinal"
	Numeric     Type = "numeric"
	Date        Type = "date"
	Point       Type = "point" // geographic
)

// A Cover says what the cells of a quasi-identifier become.
type Cover string

// The covers.
const (
	CoverSet      Cover = "set"      // {a,b,c}
	CoverInterval Cover = "interval" // [lo,hi]
	CoverNode     Cover = "node"     // a label of the hierarchy
)

// An Attribute is what an owner wants of a column.
type Attribute struct {
	Name      string
	Class     clarus.Class
	Type      Type
	Cover     Cover
	Weight    float64  // of the loss in it, against that in others
	Hierarchy *Source  // nil: none
	HolesRoot bool     // a value that the hierarchy lacks is published as its root
	Order     []string // of an ordinal attribute, least first
	Wants     []Requirement
	Mask      *Mask   // of what is published as it is otherwise; nil: none
	Bounds    *Bounds // of numbers and dates where rows are drawn; nil: none
}

// Bounds are what numbers and dates are drawn between, as positions on the scale.
type Bounds struct {
	Lower, Upper float64
	Step         float64
	Bins         int
}

// A Mask changes the values of an attribute one by one. Zero values do nothing.
type Mask struct {
	Top, Bottom *float64 // greater, smaller numbers become it
	Round       float64  // numbers become multiples of it
	Noise       float64  // standard deviation of normal noise
	PRAM        float64  // probability that a value is drawn anew
	Donut       *Ring    // how far points are moved
}

// A Ring is a least and a greatest distance in metres.
type Ring struct{ Least, Most float64 }

// A Source says where a hierarchy comes from: exactly one of these.
type Source struct {
	File      string    // in ARX's CSV form
	Intervals []float64 // widths
	Dates     []string  // units
	Prefix    []int     // hidden characters
	Grid      []float64 // degrees
	Build     bool      // from the data
}
