package policy

import (
	"fmt"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
)

// defaultBins is how many parts a range is measured in.
const defaultBins = 32

// sampling reads what a release of drawn rows says of itself, and refuses what it does not
// have, here and in others.
func (r *publicationReader) sampling(n *node, p *model.Policy) {
	if p.Method != model.Sampling {
		if n.get("k") == nil {
			r.add(n.at, "k is missing", "add k: how many rows or persons every class has at least, for example k: 5")
		}
		r.foreign(n, "epsilon", "delta", "rows", "each")
		return
	}
	r.nothing(n, "k", "suppress", "effort", "order", "seed")
	p.Synthetic = &model.Synthetic{Epsilon: number(n.get("epsilon")), Delta: number(n.get("delta")), Rows: int(number(n.get("rows"))), Each: max(1, int(number(n.get("each"))))}
	if n.get("epsilon") == nil || n.get("delta") == nil {
		r.add(n.at, "epsilon or delta is missing", "add what may be told of one person, for example epsilon: 1, delta: 1.0e-9")
	}
	if at := n.get("each"); at != nil && p.Subject == "" {
		r.add(at.at, "each counts the rows of one person, but there is no subject", "add subject, or remove each")
	}
}

// foreign reports keys that belong to drawn rows.
func (r *publicationReader) foreign(n *node, keys ...string) {
	for _, key := range keys {
		if at := n.get(key); at != nil {
			r.add(at.at, key+" belongs to method: synthetic", "remove it, or choose that method")
		}
	}
}

// nothing reports keys that say nothing of drawn rows.
func (r *publicationReader) nothing(n *node, keys ...string) {
	for _, key := range keys {
		if at := n.get(key); at != nil {
			r.add(at.at, key+" says nothing under method: synthetic", "remove it")
		}
	}
}

// drawn reads an attribute of drawn rows: what values there may be must not come from
// the data.
func (r *publicationReader) drawn(f field, a *model.Attribute) *model.Attribute {
	n := f.value
	r.nothing(n, "cover", "weight", "models", "mask")
	r.misplaced(n, a.Class != clarus.Identifier, "type", "order", "hierarchy", "holes", "bounds", "step", "bins")
	if a.Type == "" {
		a.Type = model.Categorical
	}
	a.Hierarchy = r.source(n.get("hierarchy"))
	r.ordered(f, a)
	if a.Hierarchy != nil && a.Hierarchy.File == "" {
		r.add(n.get("hierarchy").at, "under method: synthetic a hierarchy says which values there are: it must be a file", "write hierarchy: {file: ...}")
	}
	if at := n.get("holes"); at != nil && a.Hierarchy == nil {
		r.add(at.at, "holes speaks of a hierarchy, but there is none", "add hierarchy, or remove holes")
	}
	scaled := a.Type == model.Numeric || a.Type == model.Date
	switch {
	case a.Class == clarus.Identifier:
	case a.Type == model.Point:
		r.add(n.get("type").at, "points are not drawn", "leave the attribute out as an identifier, or have latitude and longitude as two numeric attributes")
	case scaled && n.get("bounds") == nil:
		r.add(f.at, fmt.Sprintf("the bounds of a %s attribute are missing: those of the data are a secret", a.Type), "add bounds: [least, greatest]")
	case scaled && a.Hierarchy != nil:
		r.add(n.get("hierarchy").at, "bounds say which values there are, and so does the hierarchy", "keep bounds, or make the attribute categorical")
	case scaled:
		a.Bounds = r.bounds(n, a)
	default:
		for _, key := range []string{"bounds", "step", "bins"} {
			if at := n.get(key); at != nil {
				r.add(at.at, fmt.Sprintf("%s says nothing on a %s attribute", key, a.Type), "remove it, or write type: numeric or date")
			}
		}
	}
	return a
}

// mostSteps bounds the values of a range, so that their numbers stay exact.
const mostSteps = 1e12

func (r *publicationReader) bounds(n *node, a *model.Attribute) *model.Bounds {
	b := &model.Bounds{Step: number(n.get("step")), Bins: int(number(n.get("bins")))}
	ends := n.get("bounds").items
	for i, to := range []*float64{&b.Lower, &b.Upper} {
		text := fmt.Sprint(ends[i].value)
		var err error
		if a.Type == model.Numeric {
			*to, err = hierarchy.Number(text)
		} else {
			var t time.Time
			t, err = hierarchy.Date(text)
			*to = float64(t.Unix()) / (24 * 60 * 60)
		}
		if err != nil {
			r.add(ends[i].at, err.Error(), "bounds are values of the attribute")
			return nil
		}
	}
	if b.Step == 0 {
		b.Step = 1
	}
	if b.Bins == 0 {
		b.Bins = defaultBins
	}
	switch at := n.get("step"); {
	case at != nil && a.Type == model.Date:
		r.add(at.at, "dates have steps of one day", "remove it")
	case b.Lower >= b.Upper:
		r.add(n.get("bounds").at, "the least is not below the greatest", "exchange them")
	case (b.Upper-b.Lower)/b.Step > mostSteps:
		r.add(n.get("bounds").at, "there are too many steps between the bounds", "make step larger")
	}
	return b
}
