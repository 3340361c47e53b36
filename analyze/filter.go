package analyze

import (
	"fmt"
	"strings"
)

// A Filter is a condition on the columns of one relation. It is TRUE for at
// least the rows that the statement can depend on: fetching only the rows for
// which it is TRUE does not change the statement's result. Its
// implementations are True, And, Or, Compare and NullTest.
type Filter interface {
	fmt.Stringer
	write(b *strings.Builder, reveal bool)
}

// True holds for every row.
type True struct{}

// And holds where every part holds. It has two parts or more.
type And []Filter

// Or holds where one part holds. It has two parts or more.
type Or []Filter

// Compare holds where the operator gives TRUE for the column and an operand.
type Compare struct {
	Attr       int16     // attribute number of the column, above 0
	Type       uint32    // its type as compared, after binary-compatible relabelling
	ColumnType uint32    // its declared type, which may be a domain
	Op, Func   uint32    // pg_operator and pg_proc OIDs
	Collation  uint32    // the operator's input collation; 0: none
	Right      []Operand // one; with Any the members of the list, maybe none (no row passes)
	Any        bool      // column op ANY (Right)
	Commuted   bool      // the operand stands on the left of Op
}

// NullTest is IS NULL, with Not IS NOT NULL.
type NullTest struct {
	Attr int16
	Not  bool
}

// An Operand is a constant or a parameter. A constant is plain text of the
// user's statement, so formatting an Operand shows its type only.
type Operand struct {
	Param int    // number of the parameter; 0: a constant
	Type  uint32 // its own type: how the parameter is bound, how Value is to be read
	Array bool   // with Compare.Any: a parameter that holds the whole list; Type is then the array type
	Null  bool   // the constant NULL
	Value []byte // the constant in PostgreSQL's binary (send) format; of an enumerated type, the label's OID
}

func (f True) String() string     { return render(f) }
func (f And) String() string      { return render(f) }
func (f Or) String() string       { return render(f) }
func (f Compare) String() string  { return render(f) }
func (f NullTest) String() string { return render(f) }

// String never shows a constant.
func (o Operand) String() string { return o.text(false) }

// Format hides the constant under every verb.
func (o Operand) Format(s fmt.State, _ rune) { fmt.Fprint(s, o.text(false)) }

func render(f Filter) string {
	var b strings.Builder
	f.write(&b, false)
	return b.String()
}

func (True) write(b *strings.Builder, _ bool) { b.WriteString("TRUE") }

func (f And) write(b *strings.Builder, reveal bool) { writeParts(b, f, " AND ", reveal) }

func (f Or) write(b *strings.Builder, reveal bool) { writeParts(b, f, " OR ", reveal) }

func writeParts(b *strings.Builder, parts []Filter, sep string, reveal bool) {
	b.WriteByte('(')
	for i, p := range parts {
		if i > 0 {
			b.WriteString(sep)
		}
		p.write(b, reveal)
	}
	b.WriteByte(')')
}

func (f NullTest) write(b *strings.Builder, _ bool) {
	fmt.Fprintf(b, "#%d IS ", f.Attr)
	if f.Not {
		b.WriteString("NOT ")
	}
	b.WriteString("NULL")
}

// write prints "#attr:type operator operand"; the operator is @op/func, with
// ~collation where it has one.
func (f Compare) write(b *strings.Builder, reveal bool) {
	column := fmt.Sprintf("#%d:%d", f.Attr, f.Type)
	if f.ColumnType != f.Type {
		column = fmt.Sprintf("#%d:%d::%d", f.Attr, f.ColumnType, f.Type)
	}
	op := fmt.Sprintf(" @%d/%d", f.Op, f.Func)
	if f.Collation != 0 {
		op += fmt.Sprintf("~%d", f.Collation)
	}
	var right []string
	for _, o := range f.Right {
		right = append(right, o.text(reveal))
	}
	operands := strings.Join(right, ", ")
	switch {
	case f.Any:
		b.WriteString(column + op + " ANY(" + operands + ")")
	case f.Commuted:
		b.WriteString(operands + op + " " + column)
	default:
		b.WriteString(column + op + " " + operands)
	}
}

func (o Operand) text(reveal bool) string {
	switch {
	case o.Param != 0 && o.Array:
		return fmt.Sprintf("$%d:%d[*]", o.Param, o.Type)
	case o.Param != 0:
		return fmt.Sprintf("$%d:%d", o.Param, o.Type)
	case o.Null:
		return fmt.Sprintf("NULL:%d", o.Type)
	case reveal:
		return fmt.Sprintf("%x:%d", o.Value, o.Type)
	}
	return fmt.Sprintf("…:%d", o.Type)
}

// allOf is the conjunction of parts.
func allOf(parts []Filter) Filter {
	var kept And
	for _, p := range parts {
		switch p := p.(type) {
		case True:
		case And:
			kept = append(kept, p...)
		default:
			kept = append(kept, p)
		}
	}
	switch len(kept) {
	case 0:
		return True{}
	case 1:
		return kept[0]
	}
	return kept
}

// anyOf is the disjunction of parts; of none it is True, the safe side.
func anyOf(parts []Filter) Filter {
	var kept Or
	for _, p := range parts {
		switch p := p.(type) {
		case True:
			return p
		case Or:
			kept = append(kept, p...)
		default:
			kept = append(kept, p)
		}
	}
	switch len(kept) {
	case 0:
		return True{}
	case 1:
		return kept[0]
	}
	return kept
}
