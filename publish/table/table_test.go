package table_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/clarus-project/clarus/publish/table"
)

func TestRead(t *testing.T) {
	for _, test := range []struct{ name, in, delimiter, want string }{
		{"comma", "a,b\n1,2\n3,4\n", ",", "a b|1 2|3 4"},
		{"no last line end", "a,b\n1,2", ",", "a b|1 2"},
		{"semicolon, CRLF", "a;b\r\n1;2,5\r\n", ";", "a b|1 2,5"},
		{"tab", "a\tb\n1\t2\n", "\t", "a b|1 2"},
		{"bar", "a|b\n1|2,2\n", "|", "a b|1 2,2"},
		{"one column", "a\nx\n\ny\n", ",", "a|x||y"},
		{"byte order mark", "\xef\xbb\xbfa,b\n1,2\n", ",", "a b|1 2"},
		{"quotes", "a,b\n\"x,\"\"y\",\"two\nlines\"\n", ",", "a b|x,\"y two\nlines"},
		{"delimiters in quotes do not count", "a,b\n\"1;2;3\",\"4;5;6\"\n", ",", "a b|1;2;3 4;5;6"},
		{"empty values", "a,b,c\n,,\n", ",", "a b c|  "},
		{"empty lines", "a,b\n\n1,2\n\n", ",", "a b|1 2"},
		{"header only", "a,b\n", ",", "a b"},
	} {
		got, err := table.Read(strings.NewReader(test.in), table.Options{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if s := show(got); s != test.want || string(got.Delimiter) != test.delimiter {
			t.Errorf("%s: %q by %q, want %q by %q", test.name, s, got.Delimiter, test.want, test.delimiter)
		}
	}
}

func show(t *table.Table) string {
	lines := []string{strings.Join(t.Names(), " ")}
	for r := range t.Rows {
		var cells []string
		for _, c := range t.Columns {
			cells = append(cells, c.At(r))
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	return strings.Join(lines, "|")
}

// TestRefused: whatever is wrong is named by row and column.
func TestRefused(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "the file is empty (the first line names the columns)"},
		{" \n", "the file is empty (the first line names the columns)"},
		{"\xff\xfea\x00", "the file is UTF-16, not CSV in UTF-8 (export it as CSV in UTF-8)"},
		{"PK\x03\x04...", "the file is a ZIP archive or a spreadsheet, not CSV in UTF-8 (export it as CSV in UTF-8)"},
		{"name,city\nA,M\xfcnchen\n", "row 1, column city: the value is not UTF-8 (convert the file, say with iconv -f latin1 -t utf-8)"},
		{"name,city\nA,Köln\nB,K\xf6ln\n", "row 2, column city: the value is not UTF-8 (convert the file, say with iconv -f latin1 -t utf-8)"},
		{"n\xfc,b\n1,2\n", "column 1: header: the value is not UTF-8 (convert the file, say with iconv -f latin1 -t utf-8)"},
		{"a,b\n1,\x002\n", "row 1, column b: the value has a zero byte (is the file text in UTF-8?)"},
		{"a,b\n1,2\n3\n", "row 2: the row has 1 values, the header 2 (is the delimiter right?)"},
		{"a,b\n1,2,3\n", "row 1: the row has more values than the header, 2 (is a value with the delimiter in it not in quotes?)"},
		{"a,a\n1,2\n", `column 2: header: the name "a" stands there twice (columns need different names)`},
		{"a,\n1,2\n", "column 2: header: the name is empty (the first line names the columns)"},
		{"a,b\n1,\"2\n", "row 1, column b: a quote is not closed (the value begins with a quote and needs one at its end)"},
		{"a,b\n1,\"2\"x\n", "row 1, column b: something follows the closing quote (quotes in a value are written twice)"},
		{"a,b\n1,2\"x\n", "row 1, column b: a quote stands inside a value that does not begin with one (write the value in quotes, and quotes in it twice)"},
	} {
		_, err := table.Read(strings.NewReader(test.in), table.Options{})
		if err == nil || err.Error() != test.want {
			t.Errorf("%q: %v, want %s", test.in, err, test.want)
		}
	}
}

// TestRoundTrip: what is written is read again as it was.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(0, 8).Draw(t, "rows")
		in := &table.Table{Rows: rows, Delimiter: rapid.SampledFrom([]byte(table.Delimiters)).Draw(t, "delimiter")}
		for i := range rapid.IntRange(1, 4).Draw(t, "columns") {
			b := table.NewBuilder(string(rune('a'+i)), rows)
			for range rows {
				b.Add(rapid.StringOf(rapid.SampledFrom([]rune("ab,;|\t\"\n ö{"))).Draw(t, "value"))
			}
			in.Columns = append(in.Columns, b.Column())
		}
		var text bytes.Buffer
		if err := in.Write(&text, nil); err != nil {
			t.Fatal(err)
		}
		out, err := table.Read(bytes.NewReader(text.Bytes()), table.Options{Delimiter: in.Delimiter})
		if err != nil {
			t.Fatalf("%q: %v", text.String(), err)
		}
		if show(in) != show(out) || !slices.Equal(in.Names(), out.Names()) {
			t.Fatalf("%q became %q", show(in), show(out))
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "a;b\r\n\"x\"\"\n\";\n", "\xef\xbb\xbfa\n\n", "a,b\n1\n", "\"", "a\n\"\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := table.Read(bytes.NewReader(in), table.Options{})
		if err != nil {
			return
		}
		for _, c := range got.Columns {
			if len(c.Codes) != got.Rows {
				t.Fatalf("%s has %d values of %d", c.Name, len(c.Codes), got.Rows)
			}
		}
	})
}
