package run

import (
	"testing"

	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
)

func TestAgree(t *testing.T) {
	relation := &catalog.Relation{Columns: []*catalog.Attribute{
		{Num: 1, Type: pgvalue.TextOID}, {Num: 2, Type: pgvalue.TextOID, Generated: true},
		{Num: 3, Type: pgvalue.NumericOID}, {Num: 4, Type: pgvalue.JSONBOID}, {Num: 5, Type: pgvalue.EnumOID}}}
	table := &catalog.Table{Relation: relation}
	for _, a := range relation.Columns {
		table.Columns = append(table.Columns, &catalog.Column{Num: a.Num, Name: "c", Type: a.Type})
	}
	one := "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01"    // 1
	tenths := "\x00\x01\x00\x00\x00\x00\x00\x01\x00\x01" // 1.0
	two := "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02"
	cells := func(list ...string) [][]byte {
		out := make([][]byte, len(list))
		for i, s := range list {
			if s != "NULL" {
				out[i] = []byte(s)
			}
		}
		return out
	}
	values := cells("a", "generated", one, "{}", "high")
	for _, c := range []struct {
		held [][]byte
		want bool
	}{
		{cells("a", one, "\x00", "high"), true},
		{cells("a", tenths, "\x00", "high"), true},
		{cells("b", one, "\x00", "high"), false},
		{cells("", one, "\x00", "high"), false},
		{cells("NULL", one, "\x00", "high"), false},
		{cells("a", two, "\x00", "high"), false},
		{cells("a", "NULL", "\x00", "high"), false},
		{cells("a", one, "NULL", "high"), false},
		{cells("a", one, "\x00", "low"), false},
	} {
		if got := agree(tokensOf(table), values, c.held); got != c.want {
			t.Errorf("%q and %q: %t", c.held, values, got)
		}
	}
}
