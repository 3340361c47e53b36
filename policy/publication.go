package policy

import (
	"fmt"
	"path/filepath"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/model"
)

// LoadPublication reads and checks a publishing policy. Names of files in it are
// relative to it. The error is an Errors with every mistake.
func LoadPublication(path string) (*model.Policy, error) {
	src, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return ParsePublication(path, src)
}

// ParsePublication checks a publishing policy; name is what errors call the
// file, and where its relative names begin.
func ParsePublication(name string, src []byte) (*model.Policy, error) {
	r := &publicationReader{report: &report{file: name}}
	root := r.parse(src)
	if root == nil {
		return nil, r.err()
	}
	r.check(publishGrammar(), root)
	if err := r.err(); err != nil {
		return nil, err // what follows relies on the grammar
	}
	p := r.publication(root)
	if err := r.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// A publicationReader turns a checked tree into a publishing policy and reports
// what the schema cannot say.
type publicationReader struct {
	*report
	method model.Method
}

// number returns a node's number, 0 if there is none.
func number(n *node) float64 {
	if n == nil {
		return 0
	}
	switch v := n.value.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

func textList(n *node) []string {
	if n == nil {
		return nil
	}
	out := []string{}
	for _, item := range n.items {
		out = append(out, value[string](item))
	}
	return out
}

func numbers(n *node) []float64 {
	if n == nil {
		return nil
	}
	var out []float64
	for _, item := range n.items {
		out = append(out, number(item))
	}
	return out
}

func (r *publicationReader) publication(root *node) *model.Policy {
	n := root.get("release")
	p := &model.Policy{K: int(number(n.get("k"))), Subject: n.text("subject"), Effort: int(number(n.get("effort"))),
		Method: model.Method(n.text("method")), KeepOrder: n.text("order") == "keep", Missing: []string{""}, MissingRefused: true}
	if p.Method == "" {
		p.Method = model.Local
	}
	r.method = p.Method
	r.sampling(n, p)
	p.Suppress = number(n.get("suppress"))
	if at := n.get("population"); at != nil {
		p.Population = r.beside(value[string](at))
		if p.Method == model.Sampling || p.Method == model.Microaggregation {
			r.add(at.at, fmt.Sprintf("population says nothing under method: %s: cells cover nobody", p.Method), "remove it, or choose local or global")
		}
	}
	if at := n.get("suppress"); at != nil && p.Method != model.Global && p.Method != model.Sampling {
		r.add(at.at, "suppress belongs to method: global", "remove it: local and microaggregation suppress no row")
	}
	if at := n.get("effort"); at != nil && p.Method == model.Global {
		r.add(at.at, "effort says nothing under method: global", "remove it")
	}
	if seed := n.get("seed"); seed != nil {
		s := uint64(value[int64](seed))
		p.Seed = &s
	}
	if m := n.get("missing"); m != nil {
		p.MissingRefused = m.text("as") != "value"
		if values := m.get("values"); values != nil {
			p.Missing = textList(values)
		}
	}
	quasi, published := 0, 0
	for _, f := range root.get("attributes").fields {
		a := r.attribute(f)
		if at := f.value.get("cover"); at != nil && p.Method != model.Local && p.Method != model.Sampling {
			r.add(at.at, fmt.Sprintf("cover says nothing under method: %s", p.Method), "remove it, or choose method: local")
		}
		p.Attributes = append(p.Attributes, a)
		if a.Class == clarus.QuasiIdentifier {
			quasi++
		}
		if a.Class != clarus.Identifier {
			published++
		}
	}
	switch {
	case p.Method == model.Sampling && published == 0:
		r.add(root.get("attributes").at, "every attribute is an identifier: nothing is left to draw", "give what is published another class")
	case p.Method != model.Sampling && quasi == 0:
		r.add(root.get("attributes").at, "no attribute is a quasi-identifier", "name those that together may tell who a row is")
	}
	if p.Subject != "" {
		switch a := p.Attribute(p.Subject); {
		case a == nil:
			r.add(n.get("subject").at, "there is no attribute "+p.Subject, "give it under attributes, with class: identifier")
		case a.Class != clarus.Identifier:
			r.add(n.get("subject").at, p.Subject+" says whose a row is, but its class is "+string(a.Class), "write class: identifier, so that it is left out")
		}
	}
	return p
}

func (r *publicationReader) attribute(f field) *model.Attribute {
	n := f.value
	a := &model.Attribute{Name: f.name, Class: clarus.Class(n.text("class")), Type: model.Type(n.text("type")), Cover: model.Cover(n.text("cover")),
		Weight: number(n.get("weight")), HolesRoot: n.text("holes") == "root", Order: textList(n.get("order"))}
	quasi := a.Class == clarus.QuasiIdentifier
	if r.method == model.Sampling {
		return r.drawn(f, a)
	}
	r.foreign(n, "bounds", "step", "bins")
	r.misplaced(n, quasi, "cover", "weight", "holes")
	r.misplaced(n, quasi || a.Class == clarus.Confidential, "type", "order", "hierarchy")
	r.misplaced(n, a.Class == clarus.Confidential, "models")
	r.misplaced(n, a.Class == clarus.Confidential || a.Class == clarus.NonConfidential, "mask")
	if m := n.get("mask"); m != nil {
		a.Mask = r.mask(m)
		if at := n.get("models"); at != nil {
			r.add(at.at, "models need the attribute as it is, but it is masked", "remove mask or models")
		}
	}
	if a.Type == "" {
		a.Type = model.Categorical
	}
	if a.Weight == 0 {
		a.Weight = 1
	}
	a.Hierarchy = r.source(n.get("hierarchy"))
	r.ordered(f, a)
	switch {
	case a.Cover == model.CoverInterval && (a.Type == model.Categorical || a.Type == model.Point):
		r.add(n.get("cover").at, fmt.Sprintf("a %s attribute has no intervals", a.Type), "choose set or node, or another type")
	case a.Cover == model.CoverNode && a.Hierarchy == nil:
		r.add(n.get("cover").at, "cover: node needs a hierarchy", "add hierarchy")
	case a.Cover == "" && (a.Type == model.Numeric || a.Type == model.Date):
		a.Cover = model.CoverInterval
	case a.Cover == "" && a.Type == model.Point && a.Hierarchy != nil:
		a.Cover = model.CoverNode
	case a.Cover == "":
		a.Cover = model.CoverSet
	}
	if a.HolesRoot && a.Hierarchy == nil {
		r.add(n.get("holes").at, "holes speaks of a hierarchy, but there is none", "add hierarchy, or remove holes")
	}
	if models := n.get("models"); models != nil {
		for _, item := range models.items {
			a.Wants = append(a.Wants, r.requirement(item, a))
		}
	}
	return a
}

// ordered checks that what has an order says so.
func (r *publicationReader) ordered(f field, a *model.Attribute) {
	switch {
	case a.Type == model.Ordinal && a.Order == nil:
		r.add(f.at, "the order of an ordinal attribute is missing", "add order: [least, ..., greatest]")
	case a.Type != model.Ordinal && a.Order != nil:
		r.add(f.value.get("order").at, "order is for type: ordinal", "remove it, or write type: ordinal")
	}
}

// misplaced reports keys that say nothing for the attribute's class.
func (r *publicationReader) misplaced(n *node, fits bool, keys ...string) {
	for _, key := range keys {
		if at := n.get(key); at != nil && !fits {
			r.add(at.at, fmt.Sprintf("%s says nothing on an attribute of class %s", key, n.text("class")), "remove it, or choose another class")
		}
	}
}

func (r *publicationReader) mask(n *node) *model.Mask {
	m := &model.Mask{Round: number(n.get("round")), Noise: number(n.get("noise")), PRAM: number(n.get("pram"))}
	if top := n.get("top"); top != nil {
		x := number(top)
		m.Top = &x
	}
	if bottom := n.get("bottom"); bottom != nil {
		x := number(bottom)
		m.Bottom = &x
	}
	if m.Top != nil && m.Bottom != nil && *m.Top < *m.Bottom {
		r.add(n.get("top").at, "top is below bottom", "exchange them")
	}
	if ring := numbers(n.get("donut")); len(ring) == 2 {
		if m.Donut = (&model.Ring{Least: ring[0], Most: ring[1]}); ring[0] >= ring[1] {
			r.add(n.get("donut").at, "the least distance is not below the greatest", "for example [100, 500]")
		}
	}
	for _, name := range []string{"pram", "donut"} {
		if at := n.get(name); at != nil && len(n.fields) > 1 {
			r.add(at.at, name+" goes with no other mask", "keep one")
		}
	}
	return m
}

func (r *publicationReader) source(n *node) *model.Source {
	if n == nil {
		return nil
	}
	s := &model.Source{File: n.text("file"), Intervals: numbers(n.get("intervals")), Dates: textList(n.get("dates")), Grid: numbers(n.get("grid")), Build: n.get("build") != nil}
	s.File = r.beside(s.File)
	for _, hidden := range numbers(n.get("prefix")) {
		s.Prefix = append(s.Prefix, int(hidden))
	}
	return s
}

// beside is the name of a file that is relative to the policy.
func (r *publicationReader) beside(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(filepath.Dir(r.file), file)
}

func (r *publicationReader) requirement(n *node, a *model.Attribute) model.Requirement {
	w := model.Requirement{C: number(n.get("c")), T: number(n.get("t-closeness")), Distance: n.text("distance")}
	for _, kind := range []model.Kind{model.DistinctL, model.EntropyL, model.RecursiveL, model.TCloseness} {
		if at := n.get(string(kind)); at != nil {
			w.Kind = kind
			if kind != model.TCloseness {
				w.L = number(at)
			}
		}
	}
	if c := n.get("c"); (c != nil) != (w.Kind == model.RecursiveL) {
		r.add(n.at, "c belongs to recursive-l, and recursive-l needs it", "for example {recursive-l: 3, c: 4}")
	}
	if w.Kind != model.TCloseness {
		if d := n.get("distance"); d != nil {
			r.add(d.at, "distance belongs to t-closeness", "remove it")
		}
		return w
	}
	switch {
	case w.Distance == "" && (a.Type == model.Categorical || a.Type == model.Point):
		w.Distance = model.Equal
	case w.Distance == "":
		w.Distance = model.Ordered
	case w.Distance == model.Ordered && (a.Type == model.Categorical || a.Type == model.Point):
		r.add(n.get("distance").at, fmt.Sprintf("a %s attribute has no order", a.Type), "give its type and order, or choose equal or hierarchical")
	case w.Distance == model.Hierarchical && a.Hierarchy == nil:
		r.add(n.get("distance").at, "hierarchical distance needs a hierarchy", "add hierarchy")
	}
	for _, other := range a.Wants {
		if other.Kind == model.TCloseness && other.Distance != w.Distance && (other.Distance == model.Hierarchical || w.Distance == model.Hierarchical) &&
			(other.Distance == model.Ordered || w.Distance == model.Ordered) {
			r.add(n.at, "ordered and hierarchical distance on one attribute contradict each other", "keep one")
		}
	}
	return w
}
