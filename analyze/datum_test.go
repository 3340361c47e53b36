package analyze

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// literals are constants of every type that is decoded.
var literals = map[string][]string{
	"bool":        {"t", "f"},
	"bytea":       {"", `\x00ff5c28297b7d20`, `\x` + strings.Repeat("ab", 300)},
	`"char"`:      {"x", "", `\377`},
	"name":        {"", "pg_class", strings.Repeat("n", 63)},
	"int2":        {"0", "1", "-1", "32767", "-32768"},
	"int4":        {"0", "1", "-1", "2147483647", "-2147483648"},
	"int8":        {"0", "1", "-1", "9223372036854775807", "-9223372036854775808"},
	"oid":         {"0", "1", "4294967295"},
	"text":        {"", "a", "a b", "é€😀", "\n\t\\", "({[]}) :x <>", strings.Repeat("long ", 500)},
	"varchar":     {"", "abc"},
	"bpchar":      {"", "abc  "},
	"float4":      {"0", "-0", "1.5", "NaN", "Infinity", "-1e-30"},
	"float8":      {"0", "-0", "1.5", "NaN", "-Infinity", "1e300"},
	"date":        {"2000-01-01", "1999-12-31", "0001-01-01 BC", "infinity", "-infinity"},
	"time":        {"00:00", "24:00", "12:34:56.789012"},
	"timetz":      {"00:00+00", "12:34:56.789012-11:30", "23:59+14"},
	"timestamp":   {"2000-01-01", "1900-02-28 23:59:59.999999", "infinity", "-infinity"},
	"timestamptz": {"2000-01-01 00:00+00", "2024-02-29 12:00:00.5+05:30", "infinity", "-infinity"},
	"interval":    {"0", "1 mon", "-1 day", "1 year 2 mons -3 days 04:05:06.7", "-178000000 years"},
	"uuid":        {"00112233-4455-6677-8899-aabbccddeeff", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
	"numeric": {"0", "0.00", "-0.000", "1", "-1", "10000", "9999.9999", "0.0001", "-0.00001", "1e-100", "1e100", "123456789.987654321",
		"1e-16000", "-1e130000", "NaN", "Infinity", "-Infinity", "0." + strings.Repeat("0", 70) + "1", strings.Repeat("9", 400) + ".5"},
}

// TestConstantsAgainstServer compares every decoded constant, alone and as a
// member of an array, with what the server's own send function gives.
func TestConstantsAgainstServer(t *testing.T) {
	s := startServer(t)
	for typ, list := range literals {
		s.rows(fmt.Sprintf("CREATE TABLE k (c %s)", typ))
		sendFunc := s.rows(fmt.Sprintf("SELECT typsend::text FROM pg_type WHERE oid = '%s'::regtype", typ))[0]
		var want, quoted []string
		for _, l := range list {
			q := "E'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(l) + "'"
			want = append(want, s.rows(fmt.Sprintf("SELECT encode(%s(%s::%s), 'hex')", sendFunc, q, typ))[0])
			quoted = append(quoted, q+"::"+typ)
			v := s.one("SELECT " + q + "::" + typ).Targets[0].Value
			if v == nil || v.Null || hex.EncodeToString(v.Value) != want[len(want)-1] {
				t.Errorf("%s %.60q: %x, want %.100s", typ, l, v, want[len(want)-1])
			}
		}
		text := s.rows(fmt.Sprintf("SELECT quote_literal((ARRAY[NULL, %s, NULL])::text)", strings.Join(quoted, ", ")))[0]
		for _, array := range []string{text, strings.ReplaceAll(text, "NULL,", ""), "'{{NULL},{NULL}}'"} {
			f := s.one(fmt.Sprintf("SELECT FROM k WHERE c = ANY (%s::%s[])", array, typ)).Relations[0].Filter
			var got []string
			member, ok := f.(Compare)
			if !ok {
				t.Errorf("%s array %.200s is not decoded", typ, array)
			}
			for _, o := range member.Right {
				if !o.Null {
					got = append(got, hex.EncodeToString(o.Value))
				}
			}
			if array != "'{{NULL},{NULL}}'" && strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s array: %.200q, want %.200q", typ, got, want)
			} else if len(got) > len(want) {
				t.Errorf("%s array of nulls: %q", typ, got)
			}
		}
		s.rows("DROP TABLE k")
	}
}

// TestWidenedConstants compares the casts that are evaluated here with what the
// server makes of them.
func TestWidenedConstants(t *testing.T) {
	s := startServer(t)
	sends := map[string]string{"int4": "int4send", "int8": "int8send", "float8": "float8send", "numeric": "numeric_send"}
	for _, cast := range [][2]string{{"int2", "int4"}, {"int2", "int8"}, {"int4", "int8"}, {"int2", "numeric"}, {"int4", "numeric"}, {"int8", "numeric"},
		{"int2", "float8"}, {"int4", "float8"}} {
		for _, l := range append(literals[cast[0]], "10000", "-10000", "7", "20001") {
			sql := fmt.Sprintf("('%s'::%s)::%s", l, cast[0], cast[1])
			want := s.rows(fmt.Sprintf("SELECT encode(%s(%s), 'hex')", sends[cast[1]], sql))[0]
			if v := s.one("SELECT " + sql).Query.Outputs[0].Expr; v.Kind != Literal || hex.EncodeToString(v.Operand.Value) != want {
				t.Errorf("%s: %v %x, want %s", sql, v.Kind, v.Operand.Value, want)
			}
		}
	}
}

// one analyses a statement that the rewriter leaves as one.
func (s *session) one(sql string) *Statement {
	s.t.Helper()
	tree, err := s.analyse(sql)
	check(s.t, err)
	list, err := Parse(tree)
	if err != nil || len(list) != 1 {
		s.t.Fatalf("%.200s: %d statements, %v", sql, len(list), err)
	}
	return list[0]
}

// Constants that are cut short or hold nonsense are left undecoded.
func TestBrokenConstants(t *testing.T) {
	for name, c := range map[string]struct {
		typ  int
		text string
	}{
		"int4 in four bytes":           {typeInt4, ":constbyval true :constvalue 4 [ 1 0 0 0 ]"},
		"byte too large":               {typeInt4, ":constbyval true :constvalue 4 [ 256 0 0 0 0 0 0 0 ]"},
		"byte that is no number":       {typeInt4, ":constbyval true :constvalue 4 [ x 0 0 0 0 0 0 0 ]"},
		"no bytes":                     {typeInt4, ":constbyval true :constvalue <>"},
		"text without header":          {typeText, ":constbyval false :constvalue 2 [ 20 0 ]"},
		"text of another length":       {typeText, ":constbyval false :constvalue 5 [ 24 0 0 0 97 ]"},
		"text shorter than its header": {typeText, ":constbyval false :constvalue 4 [ 4 0 0 0 ]"},
		"compressed text":              {typeText, ":constbyval false :constvalue 5 [ 22 0 0 0 97 ]"},
		"name without end":             {typeName, ":constbyval false :constvalue 64 [ " + strings.Repeat("97 ", 64) + "]"},
		"uuid of 15 bytes":             {typeUUID, ":constbyval false :constvalue 15 [ " + strings.Repeat("1 ", 15) + "]"},
		"numeric without header":       {typeNumeric, ":constbyval false :constvalue 4 [ 16 0 0 0 ]"},
		"numeric without weight":       {typeNumeric, ":constbyval false :constvalue 6 [ 24 0 0 0 2 0 ]"},
		"numeric with half a digit":    {typeNumeric, ":constbyval false :constvalue 7 [ 28 0 0 0 0 -128 1 ]"},
		"unknown type":                 {600, ":constbyval false :constvalue 16 [ " + strings.Repeat("0 ", 16) + "]"},
	} {
		n, err := readTree(fmt.Sprintf("{CONST :consttype %d :constisnull false %s}", c.typ, c.text))
		check(t, err)
		if v, ok := operand(&n); ok {
			t.Errorf("%s was decoded: %x", name, v.Value)
		}
	}
}
