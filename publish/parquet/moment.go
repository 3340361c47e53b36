package parquet

import (
	"encoding/binary"
	"fmt"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// How moments are written: as package hierarchy reads dates.
const (
	dateLayout  = "2006-01-02"
	localLayout = "2006-01-02 15:04:05.999999999"
	utcLayout   = "2006-01-02T15:04:05.999999999Z"
	clockLayout = "15:04:05.999999999"
)

const daySeconds = 24 * 60 * 60

func date() *form {
	return &form{node: pq.Date(),
		text: func(v pq.Value) (string, error) {
			return within(time.Unix(int64(v.Int32())*daySeconds, 0).UTC(), dateLayout)
		},
		value: func(s string) (pq.Value, error) {
			t, err := time.Parse(dateLayout, s)
			return pq.Int32Value(int32(t.Unix() / daySeconds)), err
		}}
}

// unit is a unit of time and how many there are in a second; 0 if it is unknown.
func unit(u format.TimeUnit) (pq.TimeUnit, int64) {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return pq.Millisecond, 1e3
	case *format.MicroSeconds:
		return pq.Microsecond, 1e6
	case *format.NanoSeconds:
		return pq.Nanosecond, 1e9
	}
	return nil, 0
}

// clock is a time of day.
func clock(kind pq.Kind, l *format.TimeType) *form {
	u, per := unit(l.Unit)
	if per == 0 || (kind == pq.Int32) != (per == 1e3) || kind != pq.Int32 && kind != pq.Int64 {
		return nil
	}
	return &form{node: pq.TimeAdjusted(u, l.IsAdjustedToUTC),
		text: func(v pq.Value) (string, error) {
			x := v.Int64()
			if kind == pq.Int32 {
				x = int64(v.Int32())
			}
			if x < 0 || x >= daySeconds*per {
				return "", fmt.Errorf("the time of day is outside 0 to 24 hours")
			}
			return time.Unix(x/per, x%per*(1e9/per)).UTC().Format(clockLayout), nil
		},
		value: func(s string) (pq.Value, error) {
			t, err := time.Parse(clockLayout, s)
			x := int64(t.Sub(t.Truncate(24*time.Hour))) / (1e9 / per)
			if kind == pq.Int32 {
				return pq.Int32Value(int32(x)), err
			}
			return pq.Int64Value(x), err
		}}
}

func timestamp(l *format.TimestampType) *form {
	u, per := unit(l.Unit)
	if per == 0 {
		return nil
	}
	layout := localLayout
	if l.IsAdjustedToUTC {
		layout = utcLayout
	}
	return &form{node: pq.TimestampAdjusted(u, l.IsAdjustedToUTC),
		text: func(v pq.Value) (string, error) {
			x := v.Int64()
			seconds, rest := x/per, x%per
			return within(time.Unix(seconds, rest*(1e9/per)).UTC(), layout)
		},
		value: func(s string) (pq.Value, error) {
			t, err := time.Parse(layout, s)
			return pq.Int64Value(t.Unix()*per + int64(t.Nanosecond())/(1e9/per)), err
		}}
}

// julian is the number that INT96 gives 1970-01-01: it counts days from noon of
// 24 November 4714 BC.
const julian = 2440588

// ancient is a timestamp as older programs write it into INT96: nanoseconds of the
// day, then the day.
func ancient() *form {
	return &form{node: pq.Leaf(pq.Int96Type),
		text: func(v pq.Value) (string, error) {
			i := v.Int96()
			nanos, day := uint64(i[0])|uint64(i[1])<<32, int64(int32(i[2]))
			if nanos >= daySeconds*1e9 {
				return "", fmt.Errorf("the time of day is outside 0 to 24 hours")
			}
			return within(time.Unix((day-julian)*daySeconds, int64(nanos)).UTC(), localLayout)
		},
		value: func(s string) (pq.Value, error) {
			t, err := time.Parse(localLayout, s)
			midnight := t.Truncate(24 * time.Hour)
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], uint64(t.Sub(midnight)))
			return pq.Int96Value(deprecated.Int96{binary.LittleEndian.Uint32(b[:4]), binary.LittleEndian.Uint32(b[4:]), uint32(midnight.Unix()/daySeconds + julian)}), err
		}}
}
