package sqlast

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
)

func TestLift(t *testing.T) {
	for _, c := range []struct {
		text, form string
		literals   string // class and value; "-": it is not taken apart
	}{
		{"SELECT name FROM t WHERE id = 4711", "SELECT name FROM t WHERE id = #i", "i4711"},
		{"SELECT name FROM t WHERE id=-4711;", "SELECT name FROM t WHERE id=#i", "i-4711"},
		{"SELECT a -1, a - 1, -1, (-1), a*-1, 2-1", "SELECT a -#i, a - #i, #i, (#i), a*#i, #i-#i", "i1 i1 i-1 i-1 i-1 i2 i1"},
		{"SELECT 2147483647, 2147483648, -2147483648, 9223372036854775808, 1.50, .5", "SELECT #i, #l, #i, #n, #n, #n", "i2147483647 l2147483648 i-2147483648 n9223372036854775808 n1.50 n.5"},
		{"SELECT 'it''s' || 'x'::text /* 'no' */ -- 'no'\n", "SELECT #s || #s::text    \n", "sit's sx"},
		{"SELECT date '2024-01-01', interval '1 day', x AT TIME ZONE 'utc'", "SELECT date '2024-01-01', interval '1 day', x AT TIME ZONE 'utc'", ""},
		{"SELECT * FROM t WHERE a IN (1, 2) AND b LIKE 'x%' LIMIT 10", "SELECT * FROM t WHERE a IN (#i, #i) AND b LIKE #s LIMIT #i", "i1 i2 sx% i10"},
		{"SELECT $1, $22, 'a'", "SELECT $1, $22, #s", "sa"},
		{`SELECT "1", "a'b", t1.c2 FROM "t""x"`, `SELECT "1", "a'b", t1.c2 FROM "t""x"`, ""},
		{"SELECT @-5, a @- 5", "SELECT @-#i, a @- #i", "i5 i5"},
		{"SELECT E'a'", "", "-"}, {"SELECT n'a'", "", "-"}, {"SELECT U&'a'", "", "-"}, {"SELECT x'1f'", "", "-"}, {"SELECT $$a$$", "", "-"}, {"SELECT $a$a$a$", "", "-"},
		{"SELECT 'a'\n'b'", "", "-"}, {"SELECT 'a' --\n'b'", "", "-"}, {"SELECT 1e5", "", "-"}, {"SELECT 1.", "", "-"}, {"SELECT 1..2", "", "-"}, {"SELECT 1a", "", "-"}, {"SELECT 0x1F", "", "-"},
		{"SELECT 1; SELECT 2", "", "-"}, {"SELECT 'a", "", "-"}, {"SELECT /* /* */", "", "-"}, {"SELECT \\", "", "-"}, {"SELECT \x01i", "", "-"}, {"SELECT $1a", "", "-"}, {"SELECT 1_000", "", "-"},
	} {
		var l Lifted
		ok := l.Lift(c.text)
		var literals []string
		for _, lit := range l.Literals {
			literals = append(literals, string(lit.Class)+lit.Value)
		}
		form := strings.ReplaceAll(string(l.Form), "\x01", "#")
		if got := strings.Join(literals, " "); ok != (c.literals != "-") || ok && (got != c.literals || form != c.form) {
			t.Errorf("%s: %v, %q, %s", c.text, ok, form, got)
		}
	}
}

// tokens are what PostgreSQL's own scanner makes of a text, without comments.
func tokens(text string) ([]string, []*pg.ScanToken, bool) {
	r, err := pg.Scan(text)
	if err != nil {
		return nil, nil, false
	}
	var kinds []string
	var list []*pg.ScanToken
	for _, tok := range r.Tokens {
		if tok.Token != pg.Token_SQL_COMMENT && tok.Token != pg.Token_C_COMMENT {
			kinds, list = append(kinds, fmt.Sprint(tok.Token)), append(list, tok)
		}
	}
	return kinds, list, true
}

// FuzzLift holds the lexer against PostgreSQL's: a literal is one constant
// token, perhaps with a minus before it, and with others in their places all
// other tokens stay what they are.
func FuzzLift(f *testing.F) {
	for _, s := range []string{"SELECT name FROM t WHERE id = -4711 AND b = 'it''s' ORDER BY 1", "SELECT a-1, a @-1, 'x'::varchar(3), .5, 1.25, $3 /* a /* b */ c */ -- x\n;",
		`INSERT INTO "T" VALUES (1, -2, 'x'), (3, +4, 'y')`, "SELECT date '2024-01-01', E'\\'', $$x$$, b'01', U&'a', 1e5, 0x1F, 1_0, 'a'\n'b'"} {
		f.Add(s, "it's", int64(-42))
	}
	f.Fuzz(func(t *testing.T, text, word string, number int64) {
		var l Lifted
		if !l.Lift(text) {
			return
		}
		kinds, list, ok := tokens(text)
		if !ok {
			return // an error, whatever the values: it is never kept
		}
		at := map[int]*pg.ScanToken{}
		for _, tok := range list {
			at[int(tok.Start)] = tok
		}
		for _, lit := range l.Literals {
			from := lit.From
			if lit.Class != String && text[from] == '-' {
				from++
			}
			tok := at[from]
			if tok == nil || int(tok.End) != lit.To || !slices.Contains([]pg.Token{pg.Token_ICONST, pg.Token_FCONST, pg.Token_SCONST}, tok.Token) {
				t.Fatalf("%q: literal %q at %d is not PostgreSQL's token %v", text, lit.Value, lit.From, tok)
			}
		}
		// Other values of the same classes in their places.
		var b strings.Builder
		last := 0
		for _, lit := range l.Literals {
			b.WriteString(text[last:lit.From] + " ")
			switch lit.Class {
			case String:
				b.WriteString("'" + strings.ReplaceAll(strings.ReplaceAll(word, "\x00", ""), "'", "''") + "'")
			case Numeric:
				b.WriteString(sign(text[lit.From]) + "12.5")
			default:
				b.WriteString(sign(text[lit.From]) + strings.TrimPrefix(fmt.Sprint(number), "-"))
			}
			b.WriteByte(' ')
			last = lit.To
		}
		b.WriteString(text[last:])
		other, _, ok := tokens(b.String())
		if !ok || len(other) != len(kinds) {
			t.Fatalf("%q: with other values, %q, the tokens are %v, not %v", text, b.String(), other, kinds)
		}
		for i := range kinds {
			number := func(k string) bool { return k == "ICONST" || k == "FCONST" }
			if kinds[i] != other[i] && !(number(kinds[i]) && number(other[i])) {
				t.Fatalf("%q: with other values, %q, token %d is %s, not %s", text, b.String(), i, other[i], kinds[i])
			}
		}
		var again Lifted
		if !again.Lift(text) || string(again.Form) != string(l.Form) {
			t.Fatalf("%q has two forms", text)
		}
	})
}

func sign(c byte) string {
	if c == '-' {
		return "-"
	}
	return ""
}

func BenchmarkLift(b *testing.B) {
	const text = "SELECT name, diagnosis FROM patient WHERE ward = 'intensive care' AND id = 4711 ORDER BY 1 LIMIT 10"
	var l Lifted
	for b.Loop() {
		if !l.Lift(text) {
			b.Fatal("it is not taken apart")
		}
	}
}
