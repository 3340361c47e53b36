package living

import (
	"slices"

	"github.com/clarus-project/clarus/publish/check"
)

// follow decides what becomes of a group whose rows changed or left: which of them
// are published again, in which classes, and whether its class is withdrawn.
func (s *step) follow(g *group) error {
	if g.left == 0 && !slices.ContainsFunc(g.members, s.differs) {
		return nil // changed, and changed back
	}
	var parts [][]*row
	if s.space != nil {
		parts = s.parts(g)
	}
	if parts == nil && s.options.Keep && g.class != nil && !g.erased && len(g.members) > 0 {
		return nil
	}
	parts, err := s.finer(parts)
	if err != nil {
		return err
	}
	for _, rows := range parts {
		_, loss := s.space.Cells(s.index(rows))
		s.made = append(s.made, made{rows, g, loss})
	}
	if g.class != nil {
		s.change.Withdraw = append(s.change.Withdraw, g.class.ID)
		s.gone = append(s.gone, g)
	}
	return nil
}

// differs reports whether a row is not what was published of it.
func (s *step) differs(w *row) bool { return !slices.Equal(w.codes, w.seen.codes) }

// parts finds the rows that may be published again. Those of which something new is
// shown can be told from those that stayed as they were, and both from those that left.
func (s *step) parts(g *group) [][]*row {
	var same, new []*row
	for _, w := range g.members {
		if s.changed(w) {
			new = append(new, w)
		} else {
			same = append(same, w)
		}
	}
	if s.safe(same, new) {
		return some(same, new)
	}
	if s.options.Keep && !g.erased {
		return nil // else rows would be lost
	}
	if len(new) > len(same) {
		same, new = new, same
	}
	for _, rows := range [][]*row{same, new} {
		if len(rows) > 0 && s.safe(rows) {
			return some(rows)
		}
	}
	// Some rows more stay behind with those that cannot come back, chosen by chance.
	s.rng.Shuffle(len(same), func(i, j int) { same[i], same[j] = same[j], same[i] })
	for n := 1; len(same)-n >= s.policy.K; n = n*5/4 + 1 {
		if s.safe(same[n:]) {
			return some(same[n:])
		}
	}
	return nil
}

func some(parts ...[]*row) [][]*row {
	return slices.DeleteFunc(parts, func(rows []*row) bool { return len(rows) == 0 })
}

// safe asks the checker, which knows all that was ever published of the group.
func (s *step) safe(parts ...[]*row) bool {
	var asked []check.Part
	for _, rows := range some(parts...) {
		var p check.Part
		for _, w := range rows {
			p.Keys, p.Masked = append(p.Keys, w.key), append(p.Masked, w.masked)
		}
		asked = append(asked, p)
	}
	return len(asked) > 0 && s.history.Safe(s.space.Spec(), asked)
}

// finer divides parts of 2k rows or more where that is safe.
func (s *step) finer(parts [][]*row) ([][]*row, error) {
	var done [][]*row
	for i, rows := range parts {
		done = append(done, rows)
		if len(rows) < 2*s.policy.K {
			continue
		}
		classes, err := s.space.Divide(s.index(rows), sweepsOfGrowth)
		if err != nil {
			return nil, err
		}
		divided := slices.Clone(done[:len(done)-1])
		for _, class := range classes {
			divided = append(divided, s.of(class))
		}
		if len(classes) > 1 && s.safe(append(slices.Clone(divided), parts[i+1:]...)...) {
			done = divided
		}
	}
	return done, nil
}

func (s *step) index(rows []*row) []int32 {
	out := make([]int32, len(rows))
	for i, w := range rows {
		out[i] = int32(w.at)
	}
	return out
}
