package pgvalue_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus/pgvalue"
)

// A kind is a type to be compared with a real server: how to ask it for the
// binary format, and literals, some by chance.
type kind struct {
	name   string // in SQL
	send   string // send function
	oid    uint32
	edges  []string
	random func(*rand.Rand) string
}

var kinds = []kind{
	{"int2", "int2send", pgvalue.Int2OID, []string{"0", "1", "-1", "32767", "-32768", "10000", "-10000"},
		func(r *rand.Rand) string { return fmt.Sprint(int16(r.Uint32() >> r.IntN(32))) }},
	{"int4", "int4send", pgvalue.Int4OID, []string{"0", "1", "-1", "2147483647", "-2147483648", "100000000"},
		func(r *rand.Rand) string { return fmt.Sprint(int32(r.Uint32() >> r.IntN(32))) }},
	{"int8", "int8send", pgvalue.Int8OID, []string{"0", "1", "-1", "9223372036854775807", "-9223372036854775808", "10000000000000000"},
		func(r *rand.Rand) string { return fmt.Sprint(int64(r.Uint64() >> r.IntN(64))) }},
	{"numeric", "numeric_send", pgvalue.NumericOID, []string{"0", "-0", "0.000", "1", "1.0", "1.00", "-1.0", "NaN", "Infinity", "-Infinity",
		"100000000", "1e300", "1e-300", "9223372036854775807.0", "-9223372036854775808", "-32768.00", "0.0001", "0.00010", "10000", "1e4", "12345678.12345678900"}, randomNumeric},
	{"float4", "float4send", pgvalue.Float4OID, []string{"0", "-0", "1", "-1", "NaN", "Infinity", "-Infinity", "1e-45", "3.4028235e38", "1e6", "999999", "1234567", "1e-4", "1e-5", "0.1", "0.5", "16777216"},
		func(r *rand.Rand) string { return strconv.FormatFloat(float64(randomFloat4(r)), 'g', -1, 32) }},
	{"float8", "float8send", pgvalue.Float8OID, []string{"0", "-0", "1", "-1", "NaN", "Infinity", "-Infinity", "5e-324", "1.7976931348623157e308", "1e15", "999999999999999", "1e-4", "1e-5", "0.1", "0.5", "9007199254740993", "1e23", "16777216", "9.5367431640625e-07"},
		func(r *rand.Rand) string { return strconv.FormatFloat(randomFloat8(r), 'g', -1, 64) }},
	{"text", "textsend", pgvalue.TextOID, []string{"", " ", "a", "a ", "a  ", "A", "é", "e\u0301", "ß", "\U0001F600", "name"}, randomText},
	{"varchar", "varcharsend", pgvalue.VarcharOID, []string{"", " ", "a", "a ", "A", "é"}, randomText},
	{"name", "namesend", pgvalue.NameOID, []string{"", "a", "a ", "name", strings.Repeat("n", 63)}, randomText},
	{"char(8)", "bpcharsend", pgvalue.BPCharOID, []string{"", " ", "a", "a ", "a  ", "A", "é", "abcdefgh"}, randomText},
	{"bool", "boolsend", pgvalue.BoolOID, []string{"t", "f"}, func(r *rand.Rand) string { return []string{"t", "f"}[r.IntN(2)] }},
	{"bytea", "byteasend", pgvalue.ByteaOID, []string{`\x`, `\x00`, `\x0000`},
		func(r *rand.Rand) string { return fmt.Sprintf(`\x%0*x`, 2*r.IntN(3)+2, r.IntN(100)) }},
	{"date", "date_send", pgvalue.DateOID, []string{"infinity", "-infinity", "2000-01-01", "4714-11-24 BC", "5874897-12-31", "0001-01-01", "0001-12-31 BC", "2000-02-29", "1900-03-01", "0005-02-29 BC", "294276-12-31", "294277-01-01"},
		func(r *rand.Rand) string { return moment(r, false) }},
	{"timestamp", "timestamp_send", pgvalue.TimestampOID, []string{"infinity", "-infinity", "2000-01-01 00:00:00", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "294276-12-31", "0001-12-31 BC", "1999-12-31 23:59:59.999999", "2000-02-29"},
		func(r *rand.Rand) string { return moment(r, true) }},
	{"timestamptz", "timestamptz_send", pgvalue.TimestamptzOID, []string{"infinity", "-infinity", "2000-01-01 00:00:00+00", "2000-01-01 02:00:00+02", "1999-12-31 19:00:00-05"},
		func(r *rand.Rand) string {
			return strings.Replace(moment(r, false), " BC", "", 1) + " " + clock(r) + []string{"+00", "+02", "-05:30"}[r.IntN(3)]
		}},
	{"interval", "interval_send", pgvalue.IntervalOID, []string{"0", "1 month", "30 days", "720:00:00", "1 day", "24:00:00", "-1 day", "-24:00:00", "1 mon -30 days", "1 mon -29 days -24:00:00", "178956970 years", "-178956970 years 7 mons", "2147483647 days", "1 month -1 us", "1 day -01:00:00", "23:00:00", "-1 day 01:00:00", "-23:00:00"},
		func(r *rand.Rand) string {
			return fmt.Sprintf("%d mons %d days %d hours %d us", r.IntN(5)-2, r.IntN(5)*15-30, r.IntN(5)*24-48, r.IntN(2))
		}},
	{"time", "time_send", pgvalue.TimeOID, []string{"00:00", "24:00", "23:59:59.999999", "12:00", "12:00:00.000001", "12:00:00.1"},
		func(r *rand.Rand) string { return clock(r) }},
	{"timetz", "timetz_send", pgvalue.TimetzOID, []string{"00:00+00", "24:00+00", "02:00+02", "12:00-03:30", "12:00+15:59:59", "12:00-15:59:59", "12:00+00:00:01"},
		func(r *rand.Rand) string { return clock(r) + []string{"+00", "+01", "-00:30"}[r.IntN(3)] }},
	{"uuid", "uuid_send", pgvalue.UUIDOID, []string{"00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff"},
		func(r *rand.Rand) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", r.Uint32(), r.IntN(4)) }},
	{"oid", "oidsend", pgvalue.OIDOID, []string{"0", "1", "4294967295", "2147483648"}, func(r *rand.Rand) string { return fmt.Sprint(r.Uint32() >> r.IntN(32)) }},
	{`"char"`, "charsend", pgvalue.CharOID, []string{"", "a", "A", " ", "~"}, func(r *rand.Rand) string { return string(rune('!' + r.IntN(90))) }},
	{"json", "json_send", pgvalue.JSONOID, []string{"{}", " [1, 2 ]", "null", `"é"`}, func(r *rand.Rand) string { return fmt.Sprintf(`{"a" : [%d,%d]}`, r.IntN(9), r.IntN(9)) }},
	{"jsonb", "jsonb_send", pgvalue.JSONBOID, []string{"{}", " [1, 2 ]", "null", `"é"`}, func(r *rand.Rand) string { return fmt.Sprintf(`{"a" : [%d.0,%d]}`, r.IntN(9), r.IntN(9)) }},
}

func randomNumeric(r *rand.Rand) string {
	digits := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("0001234567899"[r.IntN(13)])
		}
		return b.String()
	}
	s := digits(1 + r.IntN(1+r.IntN(30)))
	if r.IntN(2) == 0 {
		s += "." + digits(1+r.IntN(1+r.IntN(30)))
	}
	if r.IntN(2) == 0 {
		s = "-" + s
	}
	return s
}

// randomFloat8 favours what is hard to print: small integers, powers of two,
// values halfway between short decimals, any bits.
func randomFloat8(r *rand.Rand) float64 {
	for {
		var f float64
		switch r.IntN(4) {
		case 0:
			f = float64(r.IntN(1000)) / 8
		case 1:
			f = math.Ldexp(1, r.IntN(2098)-1074)
		case 2:
			f = float64(r.IntN(1e6)) * math.Pow(10, float64(r.IntN(40)-10))
		default:
			f = math.Float64frombits(r.Uint64())
		}
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
}

// powersOfTwo are the floats whose neighbours are not equally far.
func powersOfTwo(bits int) []string {
	var out []string
	for e := -1074; e < 1024; e++ {
		if f := math.Ldexp(1, e); bits == 64 || float64(float32(f)) == f && !math.IsInf(float64(float32(f)), 0) {
			out = append(out, strconv.FormatFloat(f, 'e', 20, 64))
		}
	}
	return out
}

func randomFloat4(r *rand.Rand) float32 {
	for {
		f := float32(randomFloat8(r))
		if r.IntN(2) == 0 {
			f = math.Float32frombits(r.Uint32())
		}
		if g := float64(f); !math.IsNaN(g) && !math.IsInf(g, 0) {
			return f
		}
	}
}

func randomText(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(5) {
		b.WriteString([]string{"a", "b", " ", "é", "名", "A", "'", `\`}[r.IntN(8)])
	}
	return b.String()
}

// moment is a date, close to others half of the time.
func moment(r *rand.Rand, withClock bool) string {
	year, era := 2000+r.IntN(2), ""
	if r.IntN(2) == 0 {
		year = 1 + r.IntN(9999)
	}
	if r.IntN(4) == 0 {
		year, era = 1+r.IntN(4713), " BC"
	}
	s := fmt.Sprintf("%04d-%02d-%02d", year, 1+r.IntN(12), 1+r.IntN(28))
	if withClock && r.IntN(3) > 0 {
		s += " " + clock(r)
	}
	return s + era
}

func clock(r *rand.Rand) string {
	return fmt.Sprintf("%02d:%02d:%02d.%d", r.IntN(24), r.IntN(60), r.IntN(60), []int{0, 5, 120, 1, 999999}[r.IntN(5)])
}
