package parquet

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// A form is how values of one type are stored and written as text. Each value has
// one text, and value(text(v)) is v.
type form struct {
	node  pq.Node
	text  func(pq.Value) (string, error)
	value func(string) (pq.Value, error)
	words bool // the stored bytes are the text
}

// words is the form of text, and of columns that are written as text.
func words(node pq.Node) *form {
	return &form{node: node, words: true,
		text:  func(v pq.Value) (string, error) { return string(v.ByteArray()), nil },
		value: func(s string) (pq.Value, error) { return pq.ByteArrayValue([]byte(s)), nil }}
}

// formOf is the form of a column; the error says what it is that has none.
func formOf(e *format.SchemaElement) (*form, error) {
	logical, err := logicalOf(e)
	if err != nil {
		return nil, err
	}
	kind := pq.Kind(e.Type.V)
	var f *form
	switch l := logical.(type) {
	case nil:
		f = plain(kind)
	case *format.StringType:
		f = only(kind == pq.ByteArray, words(pq.String()))
	case *format.EnumType:
		f = only(kind == pq.ByteArray, words(pq.Enum()))
	case *format.JsonType:
		f = only(kind == pq.ByteArray, words(pq.JSON()))
	case *format.UUIDType:
		f = only(kind == pq.FixedLenByteArray && e.TypeLength.V == 16, uuid())
	case *format.DateType:
		f = only(kind == pq.Int32, date())
	case *format.IntType:
		f = only(kind == pq.Int32 && slices.Contains([]int8{8, 16, 32}, l.BitWidth) || kind == pq.Int64 && l.BitWidth == 64, integer(kind, l))
	case *format.DecimalType:
		f = decimal(kind, e, l)
	case *format.TimeType:
		f = clock(kind, l)
	case *format.TimestampType:
		f = only(kind == pq.Int64, timestamp(l))
	}
	if f != nil {
		return f, nil
	}
	name := kind.String()
	if logical != nil {
		name += " as " + logical.(fmt.Stringer).String()
	}
	return nil, fmt.Errorf("the type %s is not read", name)
}

func only(ok bool, f *form) *form {
	if ok {
		return f
	}
	return nil
}

// logicalOf is a column's logical type, also where only its older name is written;
// nil: it has none.
func logicalOf(e *format.SchemaElement) (any, error) {
	if e.LogicalType.Value != nil {
		return e.LogicalType.Value, nil
	}
	if !e.ConvertedType.Valid {
		return nil, nil
	}
	micros, millis := pq.Microsecond.TimeUnit(), pq.Millisecond.TimeUnit()
	switch t := e.ConvertedType.V; t {
	case deprecated.UTF8:
		return &format.StringType{}, nil
	case deprecated.Enum:
		return &format.EnumType{}, nil
	case deprecated.Json:
		return &format.JsonType{}, nil
	case deprecated.Decimal:
		return &format.DecimalType{Scale: e.Scale.V, Precision: e.Precision.V}, nil
	case deprecated.Date:
		return &format.DateType{}, nil
	case deprecated.TimeMillis:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: millis}, nil
	case deprecated.TimeMicros:
		return &format.TimeType{IsAdjustedToUTC: true, Unit: micros}, nil
	case deprecated.TimestampMillis:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: millis}, nil
	case deprecated.TimestampMicros:
		return &format.TimestampType{IsAdjustedToUTC: true, Unit: micros}, nil
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return &format.IntType{BitWidth: 8 << (t - deprecated.Uint8)}, nil
	case deprecated.Int8, deprecated.Int16, deprecated.Int32, deprecated.Int64:
		return &format.IntType{BitWidth: 8 << (t - deprecated.Int8), IsSigned: true}, nil
	case deprecated.Interval:
		return interval{}, nil
	case deprecated.Bson:
		return &format.BsonType{}, nil
	default: // a list or a map, which columns inside have been refused for
		return nil, fmt.Errorf("the type %d is not read", t)
	}
}

// interval is the older type that has no new name.
type interval struct{}

func (interval) String() string { return "INTERVAL" }

// plain is the form of what has a physical type only. Bytes without a type are
// text if they are UTF-8: older programs write text so.
func plain(kind pq.Kind) *form {
	switch kind {
	case pq.Boolean:
		return &form{node: pq.Leaf(pq.BooleanType),
			text:  func(v pq.Value) (string, error) { return strconv.FormatBool(v.Boolean()), nil },
			value: func(s string) (pq.Value, error) { return pq.BooleanValue(s == "true"), oneOf(s, "true", "false") }}
	case pq.Int32:
		return signed(pq.Leaf(pq.Int32Type), 32)
	case pq.Int64:
		return signed(pq.Leaf(pq.Int64Type), 64)
	case pq.Float:
		return &form{node: pq.Leaf(pq.FloatType),
			text: func(v pq.Value) (string, error) { return float(float64(v.Float()), 32), nil },
			value: func(s string) (pq.Value, error) {
				x, err := strconv.ParseFloat(s, 32)
				return pq.FloatValue(float32(x)), err
			}}
	case pq.Double:
		return &form{node: pq.Leaf(pq.DoubleType),
			text: func(v pq.Value) (string, error) { return float(v.Double(), 64), nil },
			value: func(s string) (pq.Value, error) {
				x, err := strconv.ParseFloat(s, 64)
				return pq.DoubleValue(x), err
			}}
	case pq.Int96:
		return ancient()
	case pq.ByteArray:
		return words(pq.Leaf(pq.ByteArrayType))
	}
	return nil
}

func oneOf(s string, words ...string) error {
	if !slices.Contains(words, s) {
		return fmt.Errorf("%q is not one of %s", s, strings.Join(words, ", "))
	}
	return nil
}

// float writes a number as few digits as tell it from all others.
func float(x float64, bits int) string {
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(x, 'e', -1, bits)
	}
	return strconv.FormatFloat(x, 'f', -1, bits)
}

func signed(node pq.Node, bits int) *form {
	wide := node.Type().Kind() == pq.Int64
	return &form{node: node,
		text: func(v pq.Value) (string, error) {
			if wide {
				return strconv.FormatInt(v.Int64(), 10), nil
			}
			return strconv.FormatInt(int64(v.Int32()), 10), nil
		},
		value: func(s string) (pq.Value, error) {
			x, err := strconv.ParseInt(s, 10, bits)
			if wide {
				return pq.Int64Value(x), err
			}
			return pq.Int32Value(int32(x)), err
		}}
}

func integer(kind pq.Kind, l *format.IntType) *form {
	if !slices.Contains([]int8{8, 16, 32, 64}, l.BitWidth) {
		return nil
	}
	bits := int(l.BitWidth)
	if l.IsSigned {
		return signed(pq.Int(bits), bits)
	}
	wide := kind == pq.Int64
	return &form{node: pq.Uint(bits),
		text: func(v pq.Value) (string, error) {
			if wide {
				return strconv.FormatUint(v.Uint64(), 10), nil
			}
			return strconv.FormatUint(uint64(v.Uint32()), 10), nil
		},
		value: func(s string) (pq.Value, error) {
			x, err := strconv.ParseUint(s, 10, bits)
			if wide {
				return pq.Int64Value(int64(x)), err
			}
			return pq.Int32Value(int32(uint32(x))), err
		}}
}

// mostDigits bounds decimals; 76 is the most that other programs write.
const mostDigits = 1000

// decimal is a whole number with a point so many digits before its end.
func decimal(kind pq.Kind, e *format.SchemaElement, l *format.DecimalType) *form {
	scale, length := int(l.Scale), int(e.TypeLength.V)
	if l.Precision < 1 || l.Precision > mostDigits || l.Scale < 0 || l.Scale > l.Precision {
		return nil
	}
	f := &form{}
	var whole func(pq.Value) *big.Int
	var store func(*big.Int) (pq.Value, bool)
	switch {
	case kind == pq.Int32 && l.Precision <= 9:
		f.node = pq.Decimal(scale, int(l.Precision), pq.Int32Type)
		whole = func(v pq.Value) *big.Int { return big.NewInt(int64(v.Int32())) }
		store = func(x *big.Int) (pq.Value, bool) { return pq.Int32Value(int32(x.Int64())), x.BitLen() < 32 }
	case kind == pq.Int64 && l.Precision <= 18:
		f.node = pq.Decimal(scale, int(l.Precision), pq.Int64Type)
		whole = func(v pq.Value) *big.Int { return big.NewInt(v.Int64()) }
		store = func(x *big.Int) (pq.Value, bool) { return pq.Int64Value(x.Int64()), x.BitLen() < 64 }
	case kind == pq.FixedLenByteArray && length > 0 && length <= mostDigits:
		f.node = pq.Decimal(scale, int(l.Precision), pq.FixedLenByteArrayType(length))
		whole = func(v pq.Value) *big.Int { return fromBytes(v.ByteArray()) }
		store = func(x *big.Int) (pq.Value, bool) {
			if shortest(x) > length {
				return pq.Value{}, false
			}
			return pq.FixedLenByteArrayValue(toBytes(x, length)), true
		}
	case kind == pq.ByteArray:
		f.node = pq.Decimal(scale, int(l.Precision), pq.ByteArrayType)
		whole = func(v pq.Value) *big.Int { return fromBytes(v.ByteArray()) }
		store = func(x *big.Int) (pq.Value, bool) { return pq.ByteArrayValue(toBytes(x, shortest(x))), true }
	default:
		return nil
	}
	f.text = func(v pq.Value) (string, error) {
		x := whole(v)
		if x.BitLen() > 4*mostDigits {
			return "", fmt.Errorf("the decimal number has more than %d digits", mostDigits)
		}
		digits := new(big.Int).Abs(x).String()
		if len(digits) <= scale {
			digits = strings.Repeat("0", scale+1-len(digits)) + digits
		}
		if scale > 0 {
			digits = digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
		}
		if x.Sign() < 0 {
			digits = "-" + digits
		}
		return digits, nil
	}
	f.value = func(s string) (pq.Value, error) {
		before, after, _ := strings.Cut(s, ".")
		x, ok := new(big.Int).SetString(before+after, 10)
		if !ok || len(after) != scale {
			return pq.Value{}, fmt.Errorf("%q is not a number with %d digits after the point", s, scale)
		}
		v, fits := store(x)
		if !fits {
			return v, fmt.Errorf("%q is too large", s)
		}
		return v, nil
	}
	return f
}

// fromBytes reads a whole number in two's complement, highest byte first.
func fromBytes(b []byte) *big.Int {
	x := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return x
}

// shortest is how many bytes a number takes with its sign.
func shortest(x *big.Int) int {
	if x.Sign() < 0 {
		x = new(big.Int).Not(x)
	}
	return x.BitLen()/8 + 1
}

func toBytes(x *big.Int, length int) []byte {
	if x.Sign() < 0 {
		x = new(big.Int).Add(x, new(big.Int).Lsh(big.NewInt(1), uint(8*length)))
	}
	return x.FillBytes(make([]byte, length))
}

// uuid is written as RFC 9562 has it.
func uuid() *form {
	return &form{node: pq.UUID(),
		text: func(v pq.Value) (string, error) {
			b := v.ByteArray()
			if len(b) != 16 {
				return "", fmt.Errorf("a UUID has 16 bytes, not %d", len(b))
			}
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
		},
		value: func(s string) (pq.Value, error) {
			x, ok := new(big.Int).SetString(strings.ReplaceAll(s, "-", ""), 16)
			if !ok || len(s) != 36 || x.BitLen() > 128 || x.Sign() < 0 {
				return pq.Value{}, fmt.Errorf("%q is not a UUID", s)
			}
			return pq.FixedLenByteArrayValue(x.FillBytes(make([]byte, 16))), nil
		}}
}

// within writes a moment that has a year of four digits.
func within(t time.Time, layout string) (string, error) {
	if y := t.Year(); y < 0 || y > 9999 {
		return "", fmt.Errorf("the date is outside the years 0 to 9999")
	}
	return t.Format(layout), nil
}
