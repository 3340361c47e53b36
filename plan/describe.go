package plan

import (
	"fmt"

	"github.com/clarus-project/clarus/analyze"
)

// Probed lists the parameters, from 1, that are compared as tags: their values
// are needed in binary format.
func (p *Plan) Probed() []int {
	if p.Class == Direct {
		return p.Write.Change.probed()
	}
	if p.Class == Push || p.Class == Refine {
		return p.Pushed.probed()
	}
	var list []int
	for _, f := range p.Fetches {
		list = probed(f.Where, list)
	}
	return list
}

func (p *Pushed) probed() (list []int) {
	for _, s := range p.Params {
		if s.Column != nil && s.Param > 0 {
			list = append(list, s.Param)
		}
	}
	return list
}

func probed(c Cond, list []int) []int {
	switch c := c.(type) {
	case All:
		for _, part := range c {
			list = probed(part, list)
		}
	case Any:
		for _, part := range c {
			list = probed(part, list)
		}
	case Match:
		for _, p := range c.Probes {
			if c.By != nil && p.Param > 0 {
				list = append(list, p.Param)
			}
		}
	}
	return list
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
	case Refine:
		lines = append(lines, "  Not pushed whole because: "+p.Pushed.Because, "  At "+p.Provider+": "+p.Pushed.SQL, "  Opened on this side as the rows come")
		if len(p.Pushed.Checks) > 0 {
			lines = append(lines, "  Rows that do not meet the condition are left out on this side")
		}
		if len(p.Pushed.Folds) > 0 {
			lines = append(lines, "  Aggregated on this side")
		}
		if len(p.Pushed.Order) > 0 {
			lines = append(lines, "  Sorted on this side")
		}
	case Direct:
		for _, seq := range p.Sequences {
			lines = append(lines, fmt.Sprintf("  Drawn at %s first: sequence %d", p.Provider, seq))
		}
		sql := p.Write.Change.SQL
		if p.Write.Command == analyze.Insert {
			sql = Insert(p.Write.Table, len(p.Write.Rows)) + p.Write.Conflict
		}
		lines = append(lines, "  At "+p.Provider+": "+sql, "  Values are sealed on this side")
	case Residual:
		for _, f := range p.Fetches {
			lines = append(lines, "  Fetch from "+f.Table.Provider+": "+preview(f))
		}
		if len(p.Providers) > 1 {
			lines = append(lines, "  Commits wait until each of these providers has taken its snapshot")
		}
		lines = append(lines, "  Finished on this side by the twin")
	}
	return lines
}
