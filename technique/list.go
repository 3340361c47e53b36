package technique

import (
	"slices"

	"github.com/clarus-project/clarus"
)

// A List is the techniques that a program offers. Where a policy pins none, the
// first of the list that can do what is asked for is taken.
type List []Technique

// Find returns the technique of a name, or nil.
func (l List) Find(name string) Technique {
	if i := slices.IndexFunc(l, func(t Technique) bool { return t.Name() == name }); i >= 0 {
		return l[i]
	}
	return nil
}

// Names lists the techniques.
func (l List) Names() []string {
	names := make([]string, len(l))
	for i, t := range l {
		names[i] = t.Name()
	}
	return names
}

// Opener returns the technique that makes the cells of values with the given
// parameters, and its profile: the one that is pinned, or the first that opens
// what it seals.
func (l List) Opener(p Params, pinned string) (Technique, Profile, bool) {
	return l.first(p, pinned, func(f Profile) bool { return f.Reversible })
}

// Preserver returns the technique whose carrier stands beside the cell so that
// an operation works at the provider.
func (l List) Preserver(p Params, op clarus.Operation, pinned string) (Technique, Profile, bool) {
	return l.first(p, pinned, func(f Profile) bool { return !f.Reversible && slices.Contains(f.Preserves, op) })
}

func (l List) first(p Params, pinned string, suits func(Profile) bool) (Technique, Profile, bool) {
	for _, t := range l {
		if pinned != "" && t.Name() != pinned {
			continue
		}
		if s, err := t.Configure(p); err == nil && suits(s.Profile()) {
			return t, s.Profile(), true
		}
	}
	return nil, Profile{}, false
}

// Offers reports whether any technique preserves an operation for some type.
func (l List) Offers(op clarus.Operation) bool {
	return slices.ContainsFunc(l, func(t Technique) bool { return slices.Contains(t.Preserves(), op) })
}
