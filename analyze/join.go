package analyze

// PostgreSQL's JoinType, as far as the analyser makes them.
const (
	joinInner = 0
	joinLeft  = 1
	joinFull  = 2
	joinRight = 3
)

// join walks the FROM tree. active are the conjuncts that every row of this
// part must satisfy to have any effect on the block's result:
//
//   - WHERE and the ON of an inner join, for both sides;
//   - the ON of an outer join, for its nullable side only: a row of that side
//     that fails it is joined to nothing and shows up nowhere;
//   - nothing from above for a nullable side: a row that WHERE would drop keeps
//     a row of the other side from being extended by NULLs, which WHERE might keep;
//   - nothing at all under a FULL join, nor in MERGE, whose ON is an outer join's.
func (b *block) join(n *node, active []*node) {
	switch {
	case n.is("RANGETBLREF"):
		b.scan(n.field("rtindex").num(), active)
	case n.is("FROMEXPR"):
		active = conjuncts(active, n.field("quals"))
		if from := n.field("fromlist"); from.kind == list {
			for i := range from.kids {
				b.join(&from.kids[i], active)
			}
		}
	case n.is("JOINEXPR"):
		left, right := active, active
		switch kind, ok := n.field("jointype").int(); {
		case !ok:
			left, right = nil, nil
		case kind == joinInner:
			left = conjuncts(active, n.field("quals"))
			right = left
		case kind == joinLeft:
			right = conjuncts(nil, n.field("quals"))
		case kind == joinRight:
			left = conjuncts(nil, n.field("quals"))
		default:
			left, right = nil, nil
		}
		b.join(n.field("larg"), left)
		b.join(n.field("rarg"), right)
	}
}

// conjuncts appends the parts of a condition, split at AND, to a copy of active.
func conjuncts(active []*node, quals *node) []*node {
	active = active[:len(active):len(active)]
	if quals.is("BOOLEXPR") && quals.field("boolop").text == "and" {
		args := quals.field("args")
		for i := range args.kids {
			active = conjuncts(active, &args.kids[i])
		}
		return active
	}
	if quals.kind != atom {
		active = append(active, quals)
	}
	return active
}

// scan gives the entry at rti the filter that the active conjuncts make.
func (b *block) scan(rti int, active []*node) {
	if rti < 1 || rti > len(b.uses) {
		return
	}
	use := &b.uses[rti-1]
	use.unknown = use.read
	use.read = true
	if b.command == Merge || b.rtable[rti-1].field("rtekind").num() != rteRelation {
		use.filter = True{}
		return
	}
	c := condition{b, rti}
	var parts []Filter
	use.exact = len(b.query.field("jointree").field("fromlist").kids) == 1 &&
		b.query.field("jointree").field("fromlist").kids[0].is("RANGETBLREF")
	for _, q := range active {
		f, exact := c.filter(q)
		parts = append(parts, f)
		use.exact = use.exact && exact
	}
	use.filter = allOf(parts)
}
