package run

import (
	"encoding/binary"
	"slices"
	"strconv"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/plan"
)

// A Refinement is what is left for this side to do with the rows of a refine
// plan, with the client's values: to leave out rows and to count them.
type Refinement struct {
	meets   judge
	columns []int // what it looks at, as in opener.outputs
	offset  int64
	limit   int64 // -1: none
	order   []sortKey
	folds   []fold
	most    int // rows that may be kept to be sorted
}

// truth is a value of SQL's boolean.
type truth int8

const (
	no truth = iota
	yes
	unknown
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// A judge evaluates a condition over a row's values in binary format, nil for NULL.
type judge func(row [][]byte) truth

// Refine binds the conditions and the limit of a refine plan. ok is false where a
// value is spelled as only PostgreSQL reads it, or is an error: the twin knows.
// most is how many rows may be kept to be sorted.
func Refine(pl *plan.Pushed, args Args, most int) (r *Refinement, ok bool) {
	b := &binder{knower: knower{args: args}, looked: map[int]bool{}}
	r = &Refinement{meets: b.judge(plan.Check{Op: plan.And, Parts: pl.Checks}), limit: b.count(pl.Limit, -1), offset: b.count(pl.Offset, 0), most: most}
	for _, k := range pl.Order {
		compare, _, _ := pgvalue.Compare(k.Type, k.Type)
		r.order = append(r.order, sortKey{k, compare})
		b.looked[k.At] = true
	}
	for _, f := range pl.Folds {
		r.folds = append(r.folds, b.fold(f))
	}
	for i := range len(pl.Outputs) + len(pl.Proofs) {
		if b.looked[i] {
			r.columns = append(r.columns, i)
		}
	}
	return r, !b.wrong
}

// A binder makes judges of checks.
type binder struct {
	knower
	looked map[int]bool // columns that are looked at
}

// count is the value of LIMIT or OFFSET, none if it is NULL.
func (b *binder) count(p *plan.Probe, none int64) int64 {
	if p == nil {
		return none
	}
	v := b.probe(*p)
	if len(v) != 8 {
		b.wrong = b.wrong || v != nil
		return none
	}
	n := int64(binary.BigEndian.Uint64(v))
	b.wrong = b.wrong || n < 0
	return n
}

func (b *binder) probe(p plan.Probe) []byte {
	if p.Param > 0 {
		return b.parameter(p.Param-1, p.Type)
	}
	return p.Value
}

// term is how a judge gets at one side of a comparison.
func (b *binder) term(t plan.Term) func(row [][]byte) []byte {
	if t.At < 0 {
		v := b.probe(t.Probe)
		return func([][]byte) []byte { return v }
	}
	b.looked[t.At] = true
	return func(row [][]byte) []byte { return row[t.At] }
}

func (b *binder) judge(c plan.Check) judge {
	var parts []judge
	for _, p := range c.Parts {
		parts = append(parts, b.judge(p))
	}
	switch c.Op {
	case plan.And:
		return any3(parts, no, yes)
	case plan.Or:
		return any3(parts, yes, no)
	case plan.Not:
		return func(row [][]byte) truth { return [...]truth{no: yes, yes: no, unknown: unknown}[parts[0](row)] }
	}
	left := b.term(c.Left)
	switch c.Op {
	case plan.IsNull:
		return func(row [][]byte) truth { return truthOf(left(row) == nil) }
	case plan.IsTrue:
		return strict1(left, func(v []byte) bool { return v[0] != 0 })
	case plan.Like, plan.Unlike:
		pattern, ok := pgvalue.Like(b.probe(c.Right.Probe))
		b.wrong = b.wrong || !ok
		if b.probe(c.Right.Probe) == nil {
			return func([][]byte) truth { return unknown }
		}
		return strict1(left, func(v []byte) bool { return pattern.Match(v) == (c.Op == plan.Like) })
	}
	right := b.term(c.Right)
	compare, _, _ := pgvalue.Compare(c.Left.Type, c.Right.Type)
	holds := operators[c.Op]
	return func(row [][]byte) truth {
		l, r := left(row), right(row)
		if l == nil || r == nil {
			return unknown
		}
		return truthOf(holds(compare(l, r)))
	}
}

// any3 is end where any part is, else unknown where any is, else other: OR for
// yes, AND for no.
func any3(parts []judge, end, other truth) judge {
	return func(row [][]byte) truth {
		result := other
		for _, p := range parts {
			switch p(row) {
			case end:
				return end
			case unknown:
				result = unknown
			}
		}
		return result
	}
}

// strict1 judges one value that is not NULL.
func strict1(value func([][]byte) []byte, holds func([]byte) bool) judge {
	return func(row [][]byte) truth {
		v := value(row)
		if v == nil {
			return unknown
		}
		return truthOf(holds(v))
	}
}

var operators = map[plan.CheckOp]func(c int) bool{
	"=":  func(c int) bool { return c == 0 },
	"<>": func(c int) bool { return c != 0 },
	"<":  func(c int) bool { return c < 0 },
	"<=": func(c int) bool { return c <= 0 },
	">":  func(c int) bool { return c > 0 },
	">=": func(c int) bool { return c >= 0 },
}

// choose opens what conditions look at, and leaves the rows of the batch that are
// of the result.
func (o *opener) choose() error {
	r := o.refinement
	if err := o.openAll(func(i int) bool { return slices.Contains(r.columns, i) }); err != nil {
		return err
	}
	next, kept := make([]int, len(o.cells)), o.rows[:0]
	var places []int
	for at, row := range o.rows {
		for _, i := range r.columns {
			if out := o.outputs[i]; out.Attr == nil {
				if err := sound(row[out.At], o.plan.Columns[out.At].Type); err != nil {
					return err
				}
			}
		}
		if o.look(at, row, next); o.keeps() {
			kept, places = append(kept, row), append(places, at)
		}
	}
	o.rows = kept
	for _, i := range r.columns {
		o.cells[i].keep(places)
	}
	return nil
}

// keep leaves the values of the rows at places, which get new numbers.
func (c *column) keep(places []int) {
	n := 0
	for i, at := range c.rows {
		if to, ok := slices.BinarySearch(places, at); ok {
			c.rows[n], c.values[n] = to, c.values[i]
			n++
		}
	}
	c.rows, c.values = c.rows[:n], c.values[:n]
}

// keeps reports whether the row at hand is one of the result.
func (o *opener) keeps() bool {
	r := o.refinement
	switch {
	case r.meets(o.opened) != yes || o.full():
		return false
	case r.order != nil:
		return true
	}
	o.met++
	return o.met > r.offset
}

// sound checks a clear value of the provider's before it is computed with.
func sound(v []byte, typ uint32) error {
	if v == nil {
		return nil
	}
	if _, err := pgvalue.Canonical(typ, v); err != nil {
		return &clarus.Error{Op: "refine", Kind: clarus.Integrity, Msg: "the provider returned a value that is none of its type"}
	}
	return nil
}

// full reports whether no further row can be one of the result.
func (o *opener) full() bool {
	r := o.refinement
	return r != nil && r.order == nil && r.limit >= 0 && o.met-r.offset >= r.limit
}

// tag is what the client is told of a result.
func (o *opener) tag(tag string) string {
	if o.refinement == nil {
		return tag
	}
	return "SELECT " + strconv.FormatInt(o.returned, 10)
}
