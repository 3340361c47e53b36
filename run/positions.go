package run

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/sqlast"
)

// positions maps the ctids of a table's rows on the twin to fetched rows, by
// the order in which they were loaded. What is done to rows by it must pass
// confirm first.
func (j *Job) positions(r *Rows) (map[string]int, error) {
	tids, err := j.Scratch.Positions(logical(r.Table))
	if err != nil {
		return nil, err
	}
	if len(tids) != len(r.Rows) {
		return nil, misplaced(r.Table, fmt.Sprintf("the twin holds %d rows where %d were loaded", len(tids), len(r.Rows)))
	}
	at := make(map[string]int, len(tids))
	for i, tid := range tids {
		at[tid] = i
	}
	return at, nil
}

func misplaced(t *catalog.Table, msg string) error {
	return &clarus.Error{Op: "run", Attr: t.Schema + "." + t.Name, Kind: clarus.Internal, Msg: msg}
}

// confirm proves that the rows that the twin had at ctids before the statement
// are the fetched rows that they are taken for: it reads them back and compares
// every value that has one form. Rows that agree in all of these, and in which the
// same other ones are NULL, pass for each other.
func (j *Job) confirm(r *Rows, at map[string]int) error {
	if len(r.Rows) < 2 || len(at) == 0 {
		return nil
	}
	tokens := tokensOf(r.Table)
	expressions := make([]string, len(tokens))
	for i, k := range tokens {
		if expressions[i] = sqlast.Quote(k.name); !k.exact {
			expressions[i] = "nullif(" + expressions[i] + " IS NULL, true)"
		}
	}
	seen := 0
	err := j.Scratch.Before(logical(r.Table), expressions, slices.Collect(maps.Keys(at)), func(tid string, cells [][]byte) error {
		if i, ok := at[tid]; !ok || !agree(tokens, r.Rows[i].Values, cells) {
			return misplaced(r.Table, "a row on the twin is not the one that it was taken for")
		}
		seen++
		return nil
	})
	if err == nil && seen != len(at) {
		err = misplaced(r.Table, "the twin does not hold a row that it changed")
	}
	return err
}

// A token is a column by which a row is known again.
type token struct {
	name  string
	at    int // in Row.Values
	typ   uint32
	exact bool // its values can be compared, not only whether they are NULL
}

// tokensOf are all columns but those that the twin computes.
func tokensOf(t *catalog.Table) []token {
	var list []token
	for i, c := range t.Columns {
		a := t.Relation.Column(c.Num)
		if a.Generated {
			continue
		}
		_, family := pgvalue.Family(a.Type)
		list = append(list, token{name: c.Name, at: i, typ: a.Type, exact: family || a.Type == pgvalue.JSONOID})
	}
	return list
}

// agree reports whether the cells that the twin held are those of a row's values.
func agree(tokens []token, values, cells [][]byte) bool {
	for i, k := range tokens {
		held, loaded := cells[i], values[k.at]
		if (held == nil) != (loaded == nil) || k.exact && !bytes.Equal(held, loaded) && !alike(k.typ, held, loaded) {
			return false
		}
	}
	return true
}

// alike reports whether two values have the same canonical form.
func alike(typ uint32, a, b []byte) bool {
	x, err := pgvalue.Canonical(typ, a)
	if err != nil {
		return false
	}
	y, err := pgvalue.Canonical(typ, b)
	return err == nil && bytes.Equal(x, y)
}
