package analyze

// A condition turns expressions into filters on the relation at index rti of
// a block's range table.
type condition struct {
	*block
	rti int
}

// PostgreSQL's BoolTestType.
const (
	isTrue = iota
	isNotTrue
	isFalse
	isNotFalse
	isUnknown
	isNotUnknown
)

// booleq, the operator that a bare boolean column stands for, and its function.
const (
	opBoolEq   = 91
	funcBoolEq = 60
)

// filter returns a condition that is TRUE wherever e is; exact says that it is
// TRUE nowhere else.
func (c condition) filter(e *node) (f Filter, exact bool) {
	if e.kind != object {
		return True{}, false
	}
	switch e.text {
	case "BOOLEXPR":
		return c.boolean(e)
	case "OPEXPR":
		return c.compare(e)
	case "SCALARARRAYOPEXPR":
		return c.member(e)
	case "NULLTEST":
		if col, ok := c.column(e.field("arg")); ok && e.field("argisrow").text == "false" {
			return NullTest{Attr: col.attr, Not: e.field("nulltesttype").num() == 1}, true
		}
	case "BOOLEANTEST":
		if col, ok := c.column(e.field("arg")); ok {
			return col.booleanTest(e.field("booltesttype"))
		}
	case "VAR":
		if col, ok := c.column(e); ok {
			return col.equals(true)
		}
	case "CONST":
		if v, ok := c.operand(e); ok && v.Type == typeBool && !v.Null && v.Value[0] == 1 {
			return True{}, true
		}
	}
	return True{}, false
}

// boolean handles AND, OR and the two kinds of NOT that are no superset
// turned into a subset.
func (c condition) boolean(e *node) (Filter, bool) {
	args := e.field("args").kids
	switch e.field("boolop").text {
	case "and", "or":
		exact := len(args) > 0
		parts := make([]Filter, 0, len(args))
		for i := range args {
			f, ok := c.filter(&args[i])
			parts = append(parts, f)
			exact = exact && ok
		}
		if e.field("boolop").text == "and" {
			return allOf(parts), exact
		}
		return anyOf(parts), exact
	case "not":
		if len(args) != 1 {
			break
		}
		if args[0].is("NULLTEST") {
			f, ok := c.filter(&args[0])
			if t, is := f.(NullTest); is && ok {
				return NullTest{Attr: t.Attr, Not: !t.Not}, true
			}
		}
		if col, ok := c.column(&args[0]); ok {
			return col.equals(false)
		}
	}
	return True{}, false
}

// compare handles column op operand and operand op column.
func (c condition) compare(e *node) (Filter, bool) {
	args := e.field("args").kids
	if len(args) != 2 || e.field("opresulttype").oid() != typeBool || e.field("opretset").text != "false" {
		return True{}, false
	}
	left, right := &args[0], &args[1]
	col, ok := c.column(left)
	commuted := !ok
	if commuted {
		left, right = right, left
		if col, ok = c.column(left); !ok {
			return True{}, false
		}
	}
	v, ok := c.operand(right)
	if !ok {
		return True{}, false
	}
	f := col.compare(e)
	f.Right, f.Commuted = []Operand{v}, commuted
	return f, true
}

// member handles column op ANY (list) and column op ALL (list); the latter is
// the conjunction over the list.
func (c condition) member(e *node) (Filter, bool) {
	args := e.field("args").kids
	if len(args) != 2 {
		return True{}, false
	}
	col, ok := c.column(&args[0])
	if !ok {
		return True{}, false
	}
	members, ok := c.members(&args[1])
	if !ok {
		return True{}, false
	}
	f := col.compare(e)
	if e.field("useOr").bool() {
		f.Right, f.Any = members, true
		return f, true
	}
	parts := make([]Filter, 0, len(members))
	for _, m := range members {
		if m.Array {
			return True{}, false
		}
		one := f
		one.Right = []Operand{m}
		parts = append(parts, one)
	}
	return allOf(parts), true
}

// members reads the right side of ANY and ALL.
func (c condition) members(e *node) ([]Operand, bool) {
	e = unrelabelArray(e)
	switch {
	case e.is("ARRAYEXPR") && e.field("multidims").text == "false":
		kids := e.field("elements").kids
		out := make([]Operand, 0, len(kids))
		for i := range kids {
			v, ok := c.operand(&kids[i])
			if !ok {
				return nil, false
			}
			out = append(out, v)
		}
		return out, true
	case e.is("CONST") && !e.field("constisnull").bool():
		return elements(e)
	case e.is("PARAM"):
		v, ok := c.operand(e)
		v.Array = true
		return []Operand{v}, ok
	}
	return nil, false
}
