package plan

import "slices"

// Probes reports whether a fetch compares tags with parameters.
func (p *Plan) Probes() bool {
	if p.Class == Push {
		return slices.ContainsFunc(p.Pushed.Params, func(s Slot) bool { return s.Column != nil && s.Param > 0 })
	}
	for _, f := range p.Fetches {
		if probes(f.Where) {
			return true
		}
	}
	return false
}

func probes(c Cond) bool {
	switch c := c.(type) {
	case All:
		for _, part := range c {
			if probes(part) {
				return true
			}
		}
	case Any:
		for _, part := range c {
			if probes(part) {
				return true
			}
		}
	case Match:
		for _, p := range c.Probes {
			if c.By != nil && p.Param > 0 {
				return true
			}
		}
	}
	return false
}

// Describe tells in lines how the plan is carried out, for EXPLAIN. preview
// gives the SQL that the provider sees of a fetch.
func (p *Plan) Describe(preview func(Fetch) string) []string {
	lines := []string{"Clarus plan: " + string(p.Class)}
	if p.Why != "" && p.Class != Pass {
		lines = append(lines, "  Not passed to the provider because: "+p.Why)
	}
	switch p.Class {
	case Pass:
		lines = append(lines, "  At "+p.Provider+": "+p.SQL)
	case Push:
		lines = append(lines, "  At "+p.Provider+": "+p.Pushed.SQL, "  Opened on this side as the rows come")
	case Residual:
		for _, f := range p.Fetches {
			lines = append(lines, "  Fetch from "+p.Provider+": "+preview(f))
		}
		lines = append(lines, "  Finished on this side by the twin")
	}
	return lines
}
