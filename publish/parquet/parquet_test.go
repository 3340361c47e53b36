package parquet

import (
	"bytes"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"pgregory.net/rapid"

	"github.com/clarus-project/clarus/publish/table"
)

// A stored is a column as a file has it, and the texts that it is read as.
type stored struct {
	name   string
	node   pq.Node
	values []pq.Value
	want   string // the texts, with bars between
}

func long(x ...int64) []pq.Value {
	var v []pq.Value
	for _, x := range x {
		v = append(v, pq.Int64Value(x))
	}
	return v
}

func short(x ...int32) []pq.Value {
	var v []pq.Value
	for _, x := range x {
		v = append(v, pq.Int32Value(x))
	}
	return v
}

func bytesOf(x ...string) []pq.Value {
	var v []pq.Value
	for _, x := range x {
		v = append(v, pq.ByteArrayValue([]byte(x)))
	}
	return v
}

func fixed(x ...string) []pq.Value {
	var v []pq.Value
	for _, x := range x {
		v = append(v, pq.FixedLenByteArrayValue([]byte(x)))
	}
	return v
}

// allTypes has every type that is read, with its extremes.
var allTypes = []stored{
	{"bool", pq.Leaf(pq.BooleanType), []pq.Value{pq.BooleanValue(true), pq.BooleanValue(false), pq.BooleanValue(true)}, "true|false|true"},
	{"int32", pq.Leaf(pq.Int32Type), short(0, math.MinInt32, math.MaxInt32), "0|-2147483648|2147483647"},
	{"int64", pq.Leaf(pq.Int64Type), long(-1, math.MinInt64, math.MaxInt64), "-1|-9223372036854775808|9223372036854775807"},
	{"int96", pq.Leaf(pq.Int96Type), []pq.Value{pq.Int96Value(deprecated.Int96{0, 0, 2440588}), pq.Int96Value(deprecated.Int96{1, 0, 2440587}), pq.Int96Value(deprecated.Int96{0x914EFFFF, 0x4E94, 2460000})},
		"1970-01-01 00:00:00|1969-12-31 00:00:00.000000001|2023-02-24 23:59:59.999999999"},
	{"float", pq.Leaf(pq.FloatType), []pq.Value{pq.FloatValue(0.1), pq.FloatValue(-3e30), pq.FloatValue(float32(math.Inf(1)))}, "0.1|-3e+30|+Inf"},
	{"double", pq.Leaf(pq.DoubleType), []pq.Value{pq.DoubleValue(0.1), pq.DoubleValue(math.SmallestNonzeroFloat64), pq.DoubleValue(1e20)}, "0.1|5e-324|100000000000000000000"},
	{"bytes", pq.Leaf(pq.ByteArrayType), bytesOf("a", "ü", "NULL"), "a|ü|NULL"},
	{"string", pq.String(), bytesOf("a,b", "\"", " "), "a,b|\"| "},
	{"enum", pq.Enum(), bytesOf("A", "B", "A"), "A|B|A"},
	{"json", pq.JSON(), bytesOf("{}", "[1]", "null"), "{}|[1]|null"},
	{"uuid", pq.UUID(), fixed("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", strings.Repeat("\xff", 16), strings.Repeat("\x00", 16)),
		"00010203-0405-0607-0809-0a0b0c0d0e0f|ffffffff-ffff-ffff-ffff-ffffffffffff|00000000-0000-0000-0000-000000000000"},
	{"date", pq.Date(), short(0, -719528, 2932896), "1970-01-01|0000-01-01|9999-12-31"},
	{"int8", pq.Int(8), short(-128, 127, 0), "-128|127|0"},
	{"int16", pq.Int(16), short(-32768, 32767, 0), "-32768|32767|0"},
	{"uint8", pq.Uint(8), short(255, 0, 1), "255|0|1"},
	{"uint32", pq.Uint(32), short(-1, 0, 1), "4294967295|0|1"},
	{"uint64", pq.Uint(64), long(-1, 0, 1), "18446744073709551615|0|1"},
	{"dec32", pq.Decimal(2, 9, pq.Int32Type), short(5, -12345, 0), "0.05|-123.45|0.00"},
	{"dec64", pq.Decimal(0, 18, pq.Int64Type), long(5, -12345, 0), "5|-12345|0"},
	{"decfix", pq.Decimal(3, 20, pq.FixedLenByteArrayType(9)), fixed("\x00\x00\x00\x00\x00\x00\x00\x04\xd2", strings.Repeat("\xff", 9), "\x7f"+strings.Repeat("\xff", 8)), "1.234|-0.001|2361183241434822606.847"},
	{"decvar", pq.Decimal(1, 30, pq.ByteArrayType), bytesOf("\x80", "\x00\x80", "\x00"), "-12.8|12.8|0.0"},
	{"time3", pq.Time(pq.Millisecond), short(0, 86399999, 3600000), "00:00:00|23:59:59.999|01:00:00"},
	{"time6", pq.TimeAdjusted(pq.Microsecond, false), long(0, 86399999999, 1), "00:00:00|23:59:59.999999|00:00:00.000001"},
	{"time9", pq.Time(pq.Nanosecond), long(0, 86399999999999, 1), "00:00:00|23:59:59.999999999|00:00:00.000000001"},
	{"utc3", pq.Timestamp(pq.Millisecond), long(0, -1, 1700000000123), "1970-01-01T00:00:00Z|1969-12-31T23:59:59.999Z|2023-11-14T22:13:20.123Z"},
	{"utc6", pq.Timestamp(pq.Microsecond), long(0, -1, 253402300799999999), "1970-01-01T00:00:00Z|1969-12-31T23:59:59.999999Z|9999-12-31T23:59:59.999999Z"},
	{"local9", pq.TimestampAdjusted(pq.Nanosecond, false), long(math.MinInt64, math.MaxInt64, 1), "1677-09-21 00:12:43.145224192|2262-04-11 23:47:16.854775807|1970-01-01 00:00:00.000000001"},
}

// file writes columns of equal length as they are.
func file(t testing.TB, options []pq.WriterOption, columns ...stored) []byte {
	t.Helper()
	root := ordered{pq.Group{}, nil}
	for _, c := range columns {
		root.Group[c.name] = c.node
		root.names = append(root.names, c.name)
	}
	var b bytes.Buffer
	w := pq.NewWriter(&b, append(options, pq.NewSchema("t", root))...)
	for i, c := range columns {
		values := slices.Clone(c.values)
		for j, v := range values {
			level := 0
			if c.node.Optional() && !v.IsNull() {
				level = 1
			}
			values[j] = v.Level(0, level, i)
		}
		if _, err := w.ColumnWriters()[i].WriteRowValues(values); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func texts(c *table.Column) string {
	var all []string
	for r := range c.Codes {
		all = append(all, c.At(r))
	}
	return strings.Join(all, "|")
}

// TestTypes: every type is read as its text, and written again as it was stored.
func TestTypes(t *testing.T) {
	for _, version := range []int{1, 2} {
		data := file(t, []pq.WriterOption{pq.DataPageVersion(version)}, allTypes...)
		got, types, err := Read(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := Write(&out, got, types, got.Names(), nil); err != nil {
			t.Fatal(err)
		}
		again, err := pq.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range allTypes {
			if s := texts(got.Column(c.name)); s != c.want {
				t.Errorf("%s: %s, want %s", c.name, s, c.want)
			}
			node := again.Root().Columns()[i]
			was := c.node.Type().String()
			if was == "INT32" || was == "INT64" {
				was = strings.Replace(was, "INT", "INT(", 1) + ",true)" // the same, in the newer words
			}
			if node.Name() != c.name || node.Type().String() != was || node.Optional() {
				t.Errorf("%s is written as %s, optional %v, where it was %s", node.Name(), node.Type(), node.Optional(), c.node.Type())
			}
			values := make([]pq.Value, 4)
			page, err := again.RowGroups()[0].ColumnChunks()[i].Pages().ReadPage()
			if err != nil {
				t.Fatal(err)
			}
			n, _ := page.Values().ReadValues(values)
			if !slices.EqualFunc(values[:n], c.values, func(a, b pq.Value) bool { return pq.Equal(a, b) }) {
				t.Errorf("%s: %v is written where %v was read", c.name, values[:n], c.values)
			}
		}
	}
}

// TestNull: NULL is read as the empty text, and written as NULL again, whether the column is
// kept or has become text.
func TestNull(t *testing.T) {
	null := pq.NullValue()
	data := file(t, nil,
		stored{name: "n", node: pq.Optional(pq.Int(64)), values: append(long(7), null)},
		stored{name: "s", node: pq.Optional(pq.String()), values: append(bytesOf("x"), null)},
		stored{name: "empty", node: pq.Optional(pq.String()), values: bytesOf("", "y")},
		stored{name: "must", node: pq.String(), values: bytesOf("", "z")})
	for _, kept := range [][]string{nil, {"n", "s", "empty", "must"}} {
		got, types, err := Read(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := Write(&out, got, types, kept, nil); err != nil {
			t.Fatal(err)
		}
		again, err := pq.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		for _, chunk := range again.RowGroups()[0].ColumnChunks() {
			page, err := chunk.Pages().ReadPage()
			if err != nil {
				t.Fatal(err)
			}
			values := make([]pq.Value, 3)
			n, _ := page.Values().ReadValues(values)
			for _, v := range values[:n] {
				seen = append(seen, v.Kind().String()+" "+v.String())
			}
		}
		want := "BYTE_ARRAY 7|~Kind(0) <null>|BYTE_ARRAY x|~Kind(0) <null>|BYTE_ARRAY |BYTE_ARRAY y|BYTE_ARRAY |BYTE_ARRAY z"
		if kept != nil {
			want = strings.Replace(want, "BYTE_ARRAY 7", "INT64 7", 1)
		}
		null := pq.NullValue()
		want = strings.ReplaceAll(want, "~Kind(0) <null>", null.Kind().String()+" "+null.String())
		if s := strings.Join(seen, "|"); s != want {
			t.Errorf("kept %v: %s, want %s", kept, s, want)
		}
	}
}

// TestRoundTrip: any table of text is read again as it was written, over several row groups too.
func TestRoundTrip(t *testing.T) {
	big := &table.Table{Rows: groupRows + 3}
	b := table.NewBuilder("n", big.Rows)
	for r := range big.Rows {
		b.Add(strings.Repeat("x", r%7) + string(rune('a'+r%26)))
	}
	big.Columns = []*table.Column{b.Column()}
	same(t, big)
	rapid.Check(t, func(t *rapid.T) {
		in := &table.Table{Rows: rapid.IntRange(0, 9).Draw(t, "rows")}
		for _, name := range rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 1, 5, rapid.ID).Draw(t, "names") {
			if strings.ContainsRune(name, 0) {
				name = "zero"
			}
			b := table.NewBuilder(name, in.Rows)
			for range in.Rows {
				b.Add(strings.ReplaceAll(rapid.String().Draw(t, "cell"), "\x00", ""))
			}
			if in.Column(name) == nil {
				in.Columns = append(in.Columns, b.Column())
			}
		}
		same(t, in)
	})
}

func same(t interface{ Fatalf(string, ...any) }, in *table.Table) {
	var out bytes.Buffer
	if err := Write(&out, in, nil, nil, nil); err != nil {
		t.Fatalf("%v", err)
	}
	got, _, err := Read(bytes.NewReader(out.Bytes()), int64(out.Len()), nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !slices.Equal(got.Names(), in.Names()) || got.Rows != in.Rows {
		t.Fatalf("columns %q, %d rows, want %q, %d", got.Names(), got.Rows, in.Names(), in.Rows)
	}
	for i, c := range in.Columns {
		for r := range in.Rows {
			if got.Columns[i].At(r) != c.At(r) {
				t.Fatalf("%s, row %d: %q, want %q", c.Name, r+1, got.Columns[i].At(r), c.At(r))
			}
		}
	}
}

// TestRefused: what is not read is named by its column.
func TestRefused(t *testing.T) {
	one := func(node pq.Node, v ...pq.Value) []byte {
		return file(t, nil, stored{name: "c", node: node, values: v})
	}
	whole := one(pq.String(), bytesOf("a", "b")...)
	var nested bytes.Buffer
	if err := pq.Write(&nested, []struct{ A struct{ B int } }{{}}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, want string
		data       []byte
	}{
		{"nested", "column A: the column has columns inside (write each of them as a column of its own)", nested.Bytes()},
		{"list", "column c: the column holds several values a row (write one row for each, or several columns)", one(pq.Repeated(pq.Int(32)))},
		{"bson", "column c: the type BYTE_ARRAY as BSON is not read (write it as text, a number, a date or a timestamp, or leave the column out)", one(pq.BSON())},
		{"interval", "column c: the type FIXED_LEN_BYTE_ARRAY as INTERVAL is not read", one(pq.IntervalNode())},
		{"fixed bytes", "column c: the type FIXED_LEN_BYTE_ARRAY is not read", one(pq.Leaf(pq.FixedLenByteArrayType(3)))},
		{"not UTF-8", "row 2, column c: the value is not text in UTF-8", one(pq.String(), bytesOf("a", "\xff")...)},
		{"zero byte", "row 1, column c: the value is not text in UTF-8", one(pq.Leaf(pq.ByteArrayType), bytesOf("\x00")...)},
		{"far date", "row 1, column c: the date is outside the years 0 to 9999", one(pq.Date(), short(math.MaxInt32)...)},
		{"long day", "row 1, column c: the time of day is outside 0 to 24 hours", one(pq.Time(pq.Millisecond), short(-1)...)},
		{"no column", "the file has no columns", file(t, nil)},
		{"encrypted", "the Parquet file is encrypted", append([]byte("PARE"), whole[4:]...)},
		{"short", "the Parquet file is damaged: it does not begin and end as such a file does", []byte("PAR1PAR1")},
		{"no end", "the Parquet file is damaged: it says that", whole[:len(whole)-1]},
		{"another end", "the Parquet file is damaged", append(slices.Clone(whole[:len(whole)-8]), "\xff\xff\xff\x7fPAR1"...)},
	} {
		got, types, err := Read(bytes.NewReader(test.data), int64(len(test.data)), nil)
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		if got != nil || types != nil {
			t.Errorf("%s: a table is returned beside the error", test.name)
		}
	}
	stop := errors.New("stop")
	some := &table.Table{Rows: 1, Columns: []*table.Column{{Name: "a", Values: []string{"x"}, Codes: []uint32{0}}}}
	if err := Write(&bytes.Buffer{}, some, nil, nil, func(int) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

// TestDamaged: a file that is cut off anywhere is refused; one with any byte changed is read or
// refused, and never ends the program.
func TestDamaged(t *testing.T) {
	data := file(t, nil, allTypes[0], allTypes[2], allTypes[3], allTypes[5], allTypes[7], allTypes[10], allTypes[20])
	for i := range data {
		if _, _, err := Read(bytes.NewReader(data[:i]), int64(i), nil); err == nil {
			t.Errorf("a file of %d bytes is read though it is cut off at %d", len(data), i)
		}
		changed := slices.Clone(data)
		changed[i] ^= 0x55
		got, types, err := Read(bytes.NewReader(changed), int64(len(data)), nil)
		if (got == nil) != (err != nil) || (types == nil) != (err != nil) {
			t.Errorf("byte %d changed: %v beside a table", i, err)
		}
	}
}

// FuzzRead: bytes from outside never end the program, and what is read is a table.
func FuzzRead(f *testing.F) {
	for _, c := range allTypes {
		f.Add(file(f, nil, c))
	}
	f.Add(file(f, []pq.WriterOption{pq.DataPageVersion(1)}, stored{name: "s", node: pq.Compressed(pq.Encoded(pq.Optional(pq.String()), &pq.RLEDictionary), &pq.Snappy), values: bytesOf("a", "b")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, types, err := Read(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil {
			return
		}
		for _, c := range got.Columns {
			if len(c.Codes) != got.Rows || types[c.Name] == nil {
				t.Fatalf("column %q has %d values of %d", c.Name, len(c.Codes), got.Rows)
			}
		}
		var out bytes.Buffer
		if err := Write(&out, got, types, nil, nil); err != nil && len(got.Columns) > 0 {
			t.Fatal(err)
		}
	})
}

// TestArrow: a file of another program, Apache Arrow for Go 18.8, is read.
func TestArrow(t *testing.T) {
	f, err := os.Open("testdata/arrow.parquet")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Read(f, info.Size(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"name": "Ada|Bob|Ada|Zoë", "age": "30||32|33", "cost": "0.00||-2.10|-3.15", "born": "1969-12-31|1997-05-18|2024-10-03|2052-02-19",
		"seen":  "2023-11-14T22:13:20.123456Z|2023-11-14T22:13:20.123457Z|2023-11-14T22:13:20.123458Z|2023-11-14T22:13:20.123459Z",
		"local": "1969-12-31 23:59:59.999999999|1969-12-31 23:59:59.999999998|1969-12-31 23:59:59.999999997|1969-12-31 23:59:59.999999996",
		"ok":    "true||true|false", "x": "0|0.1|0.2|0.30000000000000004", "u": "18446744073709551615|18446744073709551614|18446744073709551613|18446744073709551612",
		"at": "01:00:00|01:00:00.000001|01:00:00.000002|01:00:00.000003",
	} {
		if c := got.Column(name); c == nil || texts(c) != want {
			t.Errorf("%s is not read as %s", name, want)
		}
	}
}
