package check

import (
	"fmt"
	"maps"
	"slices"
)

// A token is what a step does to a row: which class shows it afterwards, and whether
// that class shows something new of it.
type token struct {
	class   uint64
	changed bool
}

// A judgement is the judging of one step.
type judgement struct {
	*History
	step      *Step
	ref       *reference
	withdrawn map[uint64]bool
	token     map[*record]token    // of published rows
	masked    map[*record][]string // their masked cells
	parts     []part
	failed    Failed
	told      map[string]bool
}

// A part of a line has one token; of rows never published, the line is nil.
type part struct {
	line *line
	token
	members            []*record
	published, divided bool // divided: from others of its line
}

func (j *judgement) violated(promise, format string, args ...any) {
	if !j.told[promise] {
		j.told[promise] = true
		j.failed = append(j.failed, Violation{promise, fmt.Sprintf(format, args...)})
	}
}

// Publish judges a step, and records it if nothing is wrong with it: from then on
// everybody is taken to have seen it.
func (h *History) Publish(s *Step) Failed {
	j := &judgement{History: h, step: s, ref: h.reference(s.Spec), withdrawn: map[uint64]bool{}, token: map[*record]token{}, masked: map[*record][]string{}, told: map[string]bool{}}
	j.withdrawals()
	j.classes()
	if len(j.failed) == 0 {
		j.cells()
		j.divide()
		j.judge()
		j.fresh()
	}
	if len(j.failed) == 0 {
		j.record()
	}
	return j.failed
}

// A Part is rows of one line that may become a class.
type Part struct {
	Keys   []string
	Masked [][]string // of each row: the cells of its masked attributes
}

// Safe reports whether rows of one line may be published again in these parts, each
// a class, and the rest of the line in none.
func (h *History) Safe(spec *Spec, parts []Part) bool {
	j := &judgement{History: h, ref: h.reference(spec), withdrawn: map[uint64]bool{}, token: map[*record]token{}, told: map[string]bool{}}
	for i, p := range parts {
		for k, key := range p.Keys {
			r := h.rows[key]
			j.token[r] = token{h.last + 1 + uint64(i), h.changed(r, p.Masked[k])}
			j.withdrawn[r.class] = true
		}
	}
	j.divide()
	j.judge()
	return len(j.failed) == 0
}

func (j *judgement) withdrawals() {
	for _, id := range j.step.Withdraw {
		if j.shown[id] == nil || j.withdrawn[id] {
			j.violated("what is withdrawn is published", "class %d is not", id)
		}
		j.withdrawn[id] = true
	}
	for id := range j.must {
		if !j.withdrawn[id] {
			j.violated("an erased row's class is withdrawn", "class %d is not", id)
		}
	}
}

// classes checks which rows are published, before any cell is read.
func (j *judgement) classes() {
	for _, name := range j.step.Columns {
		p := j.promise
		if name == p.Subject || slices.Contains(p.Absent, name) || j.column(name) < 0 {
			j.violated("nothing else is published", "%s is", name)
		}
	}
	for _, name := range j.visible() {
		if !slices.Contains(j.step.Columns, name) {
			j.violated("every attribute is published", "%s is missing", name)
		}
	}
	for _, c := range j.step.Publish {
		if len(c.Keys) != len(c.Rows) || slices.ContainsFunc(c.Rows, func(row []string) bool { return len(row) != len(j.step.Columns) }) {
			j.violated("every row is published", "class %d has %d of %d, or not all their cells", c.ID, len(c.Rows), len(c.Keys))
		}
	}
	if len(j.failed) > 0 {
		return
	}
	last := j.last
	for _, c := range j.step.Publish {
		if c.ID <= last || len(c.Keys) == 0 {
			j.violated("no class is published twice", "class %d comes after class %d, with %d rows", c.ID, last, len(c.Keys))
		}
		last = max(last, c.ID)
		for i, key := range c.Keys {
			r := j.rows[key]
			switch {
			case r == nil || r.values == nil:
				j.violated("who is published is in the table", "a row of class %d is not", c.ID)
				continue
			case r.back:
				j.violated("who left never comes back", "a row of class %d does", c.ID)
			case r.class != 0 && !j.withdrawn[r.class]:
				j.violated("no row is in two classes", "a row of class %d is in class %d", c.ID, r.class)
			}
			if t, twice := j.token[r]; twice {
				j.violated("no row is in two classes", "a row of class %d is in class %d", c.ID, t.class)
			}
			for k := range j.promise.Masked {
				j.masked[r] = append(j.masked[r], c.Rows[i][slices.Index(j.step.Columns, j.promise.Masked[k].Name)])
			}
			j.token[r] = token{c.ID, j.changed(r, j.masked[r])}
		}
	}
}

// visible names the attributes that are published.
func (j *judgement) visible() []string {
	p, names := j.promise, []string(nil)
	for i := range p.Quasi {
		names = append(names, p.Quasi[i].Name)
	}
	for i := range p.Confidential {
		names = append(names, p.Confidential[i].Name)
	}
	for i := range p.Masked {
		names = append(names, p.Masked[i].Name)
	}
	return append(names, p.Kept...)
}

// cells checks that all rows of a class read the same in every quasi-identifier, that
// this covers what they are, and that the rest is as it is.
func (j *judgement) cells() {
	p := j.promise
	domains := make([]*domain, len(p.Quasi))
	for i := range p.Quasi {
		k := slices.IndexFunc(j.step.Spec.Quasi, func(q Quasi) bool { return q.Name == p.Quasi[i].Name })
		if k < 0 {
			j.violated("every quasi-identifier has a domain", "%s has none", p.Quasi[i].Name)
			return
		}
		domains[i] = newDomain(&j.step.Spec.Quasi[k])
	}
	same := slices.Clone(p.Kept)
	for i := range p.Confidential {
		same = append(same, p.Confidential[i].Name)
	}
	for _, c := range j.step.Publish {
		for i := range p.Quasi {
			j.covered(&c, p.Quasi[i].Name, domains[i])
		}
		for _, name := range same {
			at, from := slices.Index(j.step.Columns, name), j.column(name)
			for i, key := range c.Keys {
				if c.Rows[i][at] != j.rows[key].values[from] {
					j.violated(name+" is published as it is", "class %d differs", c.ID)
				}
			}
		}
		j.maskedCells(&c)
	}
}

func (j *judgement) covered(c *Shown, name string, d *domain) {
	at, from := slices.Index(j.step.Columns, name), j.column(name)
	label := c.Rows[0][at]
	cover, err := d.read(label)
	if err != nil {
		j.violated("every cell of "+name+" can be read", "%v", err)
		return
	}
	for i, key := range c.Keys {
		if c.Rows[i][at] != label {
			j.violated("the rows of a class read the same in "+name, "those of class %d do not", c.ID)
		}
		if !cover.covers(d.leaf(j.rows[key].values[from])) {
			j.violated("every cell of "+name+" covers its original", "%q in class %d does not", label, c.ID)
		}
	}
}

// maskedCells checks masks, and that a value keeps its mask: who sees several masks
// of one value sees through them.
func (j *judgement) maskedCells(c *Shown) {
	for i := range j.promise.Masked {
		m := &j.promise.Masked[i]
		from := j.column(m.Name)
		for _, key := range c.Keys {
			r := j.rows[key]
			cell := j.masked[r][i]
			v := r.values[from]
			if !(slices.Contains(m.Missing, v) && cell == v) && !plausible(v, cell, m.Mask, map[string]bool{v: true}) {
				j.violated(m.Name+" is masked", "class %d does not show it", c.ID)
			}
			if r.masked != nil && r.shown[from] == v && r.masked[i] != cell {
				j.violated(m.Name+" keeps its mask", "in class %d a value has another one than before", c.ID)
			}
		}
	}
}

// divide finds the parts of every line that the step concerns.
func (j *judgement) divide() {
	lines, fresh := map[*line]bool{}, map[token][]*record{}
	for id := range j.withdrawn {
		for _, r := range j.shown[id] {
			lines[r.line] = true
		}
	}
	for r, t := range j.token {
		if r.line != nil {
			lines[r.line] = true
		} else {
			fresh[t] = append(fresh[t], r)
		}
	}
	for t, members := range fresh {
		j.parts = append(j.parts, part{nil, t, members, true, false})
	}
	for l := range lines {
		parts := map[token]*part{}
		for _, r := range l.members {
			t, published := j.token[r]
			if !published && !j.withdrawn[r.class] {
				t.class = r.class
			}
			if parts[t] == nil {
				parts[t] = &part{line: l, token: t, published: published}
			}
			parts[t].members = append(parts[t].members, r)
		}
		for p := range maps.Values(parts) {
			p.divided = len(parts) > 1
			j.parts = append(j.parts, *p)
		}
	}
}

// judge checks that every part is as safe as a class must be: in what is published of
// it now, and, where it can be told from others only now, in all that ever was.
func (j *judgement) judge() {
	promise := fmt.Sprintf("%d-anonymity over all steps", j.promise.K)
	for _, p := range j.parts {
		if !p.published && !p.divided {
			continue
		}
		if wrong := j.enough(p.members); wrong != "" {
			j.violated(promise, "%s", wrong)
			continue
		}
		if p.published {
			if wrong := j.models(p.members, func(r *record) []string { return j.confidential(r.values) }, j.ref); wrong != "" {
				j.violated("the models over all steps", "%s", wrong)
			}
		}
		if !p.divided {
			continue
		}
		for at, ref := range p.line.at {
			if wrong := j.models(p.members, func(r *record) []string { return r.past[at] }, ref); wrong != "" {
				j.violated("the models over all steps", "%s, in a step before", wrong)
			}
		}
	}
}

// fresh checks that no class stays that shows what is not so any more.
func (j *judgement) fresh() {
	if !j.current {
		return
	}
	for id := range j.stale {
		for _, r := range j.shown[id] {
			if !j.withdrawn[id] && (r.values == nil || slices.ContainsFunc(j.visible(), func(name string) bool { return r.values[j.column(name)] != r.shown[j.column(name)] })) {
				j.violated("every class shows the table as it is", "class %d does not", id)
			}
		}
	}
}

// record writes the step into the history.
func (j *judgement) record() {
	now := j.frozen(j.ref)
	for id := range j.withdrawn {
		for _, r := range j.shown[id] {
			r.class = 0
		}
		delete(j.shown, id)
	}
	for _, c := range j.step.Publish {
		j.last = c.ID
		for _, key := range c.Keys {
			r := j.rows[key]
			r.class, r.shown, r.masked = c.ID, r.values, j.masked[r]
			j.shown[c.ID] = append(j.shown[c.ID], r)
		}
	}
	for _, p := range j.parts {
		l := p.line
		if l == nil || p.divided {
			l = &line{members: p.members}
			if p.line != nil {
				l.at = slices.Clone(p.line.at)
			}
		}
		// What fewer than 2k rows showed is never asked for again: no part of them is enough.
		several := len(p.members) >= 2*j.promise.K
		if p.published {
			l.at = append(l.at, now)
		}
		if !several {
			l.at = nil
		}
		for _, r := range p.members {
			r.line = l
			switch {
			case !several:
				r.past = nil
			case p.published:
				r.past = append(r.past, j.confidential(r.values))
			}
		}
	}
	j.Forget()
	clear(j.stale)
	clear(j.must)
}
