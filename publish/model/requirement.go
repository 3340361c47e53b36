package model

import (
	"fmt"

	"github.com/clarus-project/clarus/publish/hierarchy"
)

// A Kind names a model of what a class shows of a confidential attribute.
type Kind string

// The kinds of Requirement.
const (
	DistinctL  Kind = "distinct-l"
	EntropyL   Kind = "entropy-l"
	RecursiveL Kind = "recursive-l"
	TCloseness Kind = "t-closeness"
)

// A Requirement is what an owner wants of every class in one attribute.
type Requirement struct {
	Kind     Kind
	L        float64 // DistinctL, EntropyL, RecursiveL
	C        float64 // RecursiveL
	T        float64 // TCloseness
	Distance string  // TCloseness: Equal, Ordered or Hierarchical
}

func (r Requirement) String() string {
	switch r.Kind {
	case EntropyL:
		return Entropy(r.L).String()
	case RecursiveL:
		return Recursive{r.C, int(r.L)}.String()
	case TCloseness:
		return (&Closeness{t: r.T, distance: r.Distance}).String()
	}
	return Distinct(r.L).String()
}

// Guard makes the guard of a requirement. Count is how often each value stands
// in the table, in order for Ordered, by leaf of the hierarchy for Hierarchical.
func (r Requirement) Guard(count []int, h *hierarchy.Hierarchy) (Guard, error) {
	switch {
	case r.Kind == DistinctL:
		return Distinct(r.L), nil
	case r.Kind == EntropyL:
		return Entropy(r.L), nil
	case r.Kind == RecursiveL:
		return Recursive{r.C, int(r.L)}, nil
	case r.Kind == TCloseness && r.Distance == Equal:
		return NewClosenessEqual(r.T, count), nil
	case r.Kind == TCloseness && r.Distance == Ordered:
		return NewClosenessOrdered(r.T, count), nil
	case r.Kind == TCloseness && r.Distance == Hierarchical && h != nil:
		return NewClosenessHierarchical(r.T, count, h), nil
	}
	return nil, fmt.Errorf("the model %q (distance %q) is not known here", r.Kind, r.Distance)
}
