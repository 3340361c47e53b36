package pgvalue

import (
	"encoding/binary"
	"math"
)

const (
	second = 1_000_000 // microseconds
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	epochJulian = 2451545                  // Julian day of 2000-01-01, PostgreSQL's day 0
	firstDate   = -epochJulian             // 4714-11-24 BC
	lastDate    = 2147483493 - epochJulian // 5874897-12-31

	firstTimestamp = -211813488000000000 // 4714-11-24 BC
	lastTimestamp  = 9223371331199999999 // 294276-12-31 23:59:59.999999

	lastZone = 16*3600 - 1 // seconds, either way
)

// finite, earliest and latest come first in the form of dates and timestamps.
const (
	finite   = 0
	earliest = 1 // -infinity
	latest   = 2 // infinity
)

func validDate(d int32) bool {
	return d == math.MinInt32 || d == math.MaxInt32 || d >= firstDate && d <= lastDate
}

func validTimestamp(t int64) bool {
	return t == math.MinInt64 || t == math.MaxInt64 || t >= firstTimestamp && t <= lastTimestamp
}

func validTime(t int64) bool { return t >= 0 && t <= day }

func validZone(z int32) bool { return z >= -lastZone && z <= lastZone }

// dateForm and timestampForm agree where a date is a timestamp's midnight.
func dateForm(d int32) ([]byte, bool) {
	switch d {
	case math.MinInt32:
		return []byte{earliest}, true
	case math.MaxInt32:
		return []byte{latest}, true
	}
	return daysForm([]byte{finite}, int64(d), 0), validDate(d)
}

func timestampForm(t int64) ([]byte, bool) {
	switch t {
	case math.MinInt64:
		return []byte{earliest}, true
	case math.MaxInt64:
		return []byte{latest}, true
	}
	return daysForm([]byte{finite}, 0, t), validTimestamp(t)
}

// intervalForm is the value that PostgreSQL compares intervals by: a month is
// 30 days, a day is 24 hours.
func intervalForm(b []byte) []byte {
	days, months := int64(int32(signed(b[8:12]))), int64(int32(signed(b[12:])))
	return daysForm(nil, days+30*months, signed(b[:8]))
}

// daysForm appends days and microseconds, carried so that the latter are in
// [0, day), as two 64-bit integers.
func daysForm(out []byte, days, micros int64) []byte {
	carry, rest := micros/day, micros%day
	if rest < 0 {
		carry, rest = carry-1, rest+day
	}
	out = binary.BigEndian.AppendUint64(out, uint64(days+carry))
	return binary.BigEndian.AppendUint64(out, uint64(rest))
}

// dateText writes a date as ISO 8601, and " BC" to be put after the time.
func dateText(out []byte, day int64) ([]byte, string) {
	year, month, d := civil(day)
	era := ""
	if year <= 0 {
		year, era = 1-year, " BC"
	}
	out = append(zeroPadded(out, year, 4), '-')
	out = append(zeroPadded(out, month, 2), '-')
	return zeroPadded(out, d, 2), era
}

// civil converts days since 2000-01-01 to the proleptic Gregorian calendar;
// year 0 is 1 BC. The algorithm is Howard Hinnant's civil_from_days.
func civil(days int64) (year, month, day int) {
	z := days + 730425 // since 0000-03-01
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	month = int(mp) + 3
	year = int(yoe + era*400)
	if month > 12 {
		month, year = month-12, year+1
	}
	return year, month, int(doy-(153*mp+2)/5) + 1
}

// timeText writes a time of day, with as many decimals as it needs.
func timeText(out []byte, micros int64) []byte {
	out = append(zeroPadded(out, int(micros/hour), 2), ':')
	out = append(zeroPadded(out, int(micros%hour/minute), 2), ':')
	out = zeroPadded(out, int(micros%minute/second), 2)
	if fraction := int(micros % second); fraction != 0 {
		out = zeroPadded(append(out, '.'), fraction, 6)
		for out[len(out)-1] == '0' {
			out = out[:len(out)-1]
		}
	}
	return out
}

// zoneText writes an offset, given in seconds west of Greenwich.
func zoneText(out []byte, west int) []byte {
	sign := byte('+')
	if west > 0 {
		sign = '-'
	} else {
		west = -west
	}
	out = zeroPadded(append(out, sign), west/3600, 2)
	minutes, seconds := west%3600/60, west%60
	if minutes != 0 || seconds != 0 {
		out = zeroPadded(append(out, ':'), minutes, 2)
	}
	if seconds != 0 {
		out = zeroPadded(append(out, ':'), seconds, 2)
	}
	return out
}
