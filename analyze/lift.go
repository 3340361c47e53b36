package analyze

// ConstantTypes tells the types of the constants that the analyser made of what
// stands at these places (in bytes) of a statement's text: 0 where it made none,
// or one of several types, or NULL.
func ConstantTypes(tree string, places []int) ([]uint32, error) {
	root, err := readDump(tree)
	if err != nil {
		return nil, err
	}
	l := lifting{places: map[int]int{}, types: make([]uint32, len(places)), odd: make([]bool, len(places))}
	for i, at := range places {
		l.places[at] = i
	}
	l.collect(&root)
	for i, odd := range l.odd {
		if odd {
			l.types[i] = 0
		}
	}
	return l.types, nil
}

// A Lifting is what became of constants that were made parameters.
type Lifting struct {
	Same      bool     // the trees are one but for that
	Folds     bool     // one is computed on with constants alone: it could raise an error before any row is read
	Operators []uint32 // that have one as an argument
}

// CompareLifted compares a statement's tree with that of the same text in which
// the constants at these places are the parameters first, first+1, and so on.
func CompareLifted(tree, other string, places []int, first int) (Lifting, error) {
	a, err := readDump(tree)
	if err != nil {
		return Lifting{}, err
	}
	b, err := readDump(other)
	if err != nil {
		return Lifting{}, err
	}
	l := lifting{places: map[int]int{}, first: first, found: make([]bool, len(places))}
	for i, at := range places {
		l.places[at] = i
	}
	if root := &a; root.kind == list && len(root.kids) == 1 {
		l.inserts = Command(root.kids[0].field("commandType").num()) == Insert && len(root.kids[0].field("jointree").field("fromlist").kids) == 0
	}
	l.out.Same = l.same(&a, &b).same
	for _, found := range l.found {
		l.out.Same = l.out.Same && found
	}
	return l.out, nil
}

func readDump(tree string) (node, error) {
	text, err := unwrap(tree)
	if err != nil {
		return node{}, err
	}
	return readTree(text)
}

type lifting struct {
	places map[int]int // from places in the text to indexes
	types  []uint32
	odd    []bool

	first   int
	found   []bool
	inserts bool // one row of expressions, which are all computed
	out     Lifting
}

func (l *lifting) collect(n *node) {
	if n.is("CONST") {
		i, ok := l.places[n.field("location").num()]
		if typ := n.field("consttype").oid(); ok {
			l.odd[i] = l.odd[i] || n.field("constisnull").bool() || l.types[i] != 0 && l.types[i] != typ
			l.types[i] = typ
		}
		return
	}
	for i := range n.kids {
		l.collect(&n.kids[i])
	}
}

// compared is what a part of both trees has.
type compared struct{ same, column, lifted bool }

func (l *lifting) same(a, b *node) compared {
	if a.is("CONST") && b.is("PARAM") {
		return compared{same: l.became(a, b), lifted: true}
	}
	c := compared{same: a.kind == b.kind && a.label == b.label && len(a.kids) == len(b.kids) && (a.text == b.text || place(a.label)), column: a.is("VAR")}
	if !c.same {
		return c
	}
	direct := false
	for i := range a.kids {
		k := l.same(&a.kids[i], &b.kids[i])
		if !k.same {
			return k
		}
		c.column, c.lifted = c.column || k.column, c.lifted || k.lifted
		direct = direct || k.lifted && a.kids[i].label == "args"
	}
	if direct && (a.is("OPEXPR") || a.is("SCALARARRAYOPEXPR") || a.is("DISTINCTEXPR") || a.is("NULLIFEXPR")) {
		l.out.Operators = append(l.out.Operators, a.field("opno").oid())
	}
	if c.lifted && !c.column && computes(a) && !l.inserts {
		l.out.Folds = true
	}
	return c
}

// place names fields that say where in the text something stands.
func place(label string) bool {
	return label == "location" || label == "stmt_location" || label == "stmt_len"
}

// became reports whether a constant became the parameter that it should.
func (l *lifting) became(c, p *node) bool {
	i, ok := l.places[c.field("location").num()]
	if !ok || c.label != p.label || c.field("constisnull").bool() || p.field("paramkind").text != "0" || p.field("paramid").num() != l.first+i {
		return false
	}
	l.found[i] = true
	return c.field("consttype").text == p.field("paramtype").text && c.field("consttypmod").text == p.field("paramtypmod").text &&
		c.field("constcollid").text == p.field("paramcollid").text
}

// computes reports whether a node may raise an error where its arguments are
// constants. Casts between numbers that hold all values do not.
func computes(n *node) bool {
	switch n.text {
	case "OPEXPR", "DISTINCTEXPR", "NULLIFEXPR", "SCALARARRAYOPEXPR", "COERCEVIAIO", "ARRAYCOERCEEXPR", "ROWCOMPAREEXPR", "COERCETODOMAIN", "XMLEXPR", "SUBSCRIPTINGREF":
		return n.kind == object
	case "FUNCEXPR":
		return n.kind == object && !widening[n.field("funcid").oid()]
	}
	return false
}

// widening are casts that cannot fail: int8, numeric and float8 of int4, numeric
// and float8 of int8; and float8 of numeric, since literals that are lifted are
// short.
var widening = map[uint32]bool{481: true, 1740: true, 316: true, 1781: true, 482: true, 1746: true}
