package pgvalue

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
)

// floatText writes f as float8out (bits 64) or float4out (32) does with
// extra_float_digits 1: the shortest decimal that reads back as f, in scientific
// notation from 10^15 (10^6) on and below 10^-4.
func floatText(f float64, bits int) []byte {
	switch {
	case f != f:
		return []byte("NaN")
	case math.IsInf(f, 1):
		return []byte("Infinity")
	case math.IsInf(f, -1):
		return []byte("-Infinity")
	case f == 0 && math.Signbit(f):
		return []byte("-0")
	case f == 0:
		return []byte("0")
	}
	out := shortest(f, bits)
	e := bytes.IndexByte(out, 'e')
	exponent, _ := strconv.Atoi(string(out[e+1:]))
	top := 15
	if bits == 32 {
		top = 6
	}
	if exponent < -4 || exponent >= top {
		return out
	}
	return fixed(out[:e], exponent)
}

// fixed writes mantissa * 10^exponent, the mantissa being d or d.ddd, without an
// exponent; it is given less than 10^15.
func fixed(mantissa []byte, exponent int) []byte {
	var out []byte
	if mantissa[0] == '-' {
		out, mantissa = append(out, '-'), mantissa[1:]
	}
	all := append([]byte{mantissa[0]}, mantissa[min(2, len(mantissa)):]...)
	if exponent < 0 {
		all, exponent = append(bytes.Repeat([]byte("0"), -exponent), all...), 0
	}
	for len(all) <= exponent {
		all = append(all, '0')
	}
	out = append(out, all[:exponent+1]...)
	if len(all) > exponent+1 {
		out = append(append(out, '.'), all[exponent+1:]...)
	}
	return out
}

// digits counts the digits of a number in scientific notation.
func digits(s []byte) int {
	n := bytes.IndexByte(s, 'e')
	return n - bytes.Count(s[:n], []byte("-")) - bytes.Count(s[:n], []byte("."))
}

// shortest returns f in scientific notation with as few digits as identify it.
// It differs from strconv's shortest form in two points, as PostgreSQL does: a
// decimal exactly between two floats identifies neither, although reading
// would round it to the even one, and between two decimals that are equally near
// the even one is taken.
func shortest(f float64, bits int) []byte {
	out := strconv.AppendFloat(nil, f, 'e', -1, bits)
	n := digits(out)
	if between(out, f, bits) {
		for n++; between(strconv.AppendFloat(nil, f, 'e', n-1, bits), f, bits); n++ {
		}
	}
	rounded := strconv.AppendFloat(nil, f, 'e', n-1, bits)
	if back, err := strconv.ParseFloat(string(rounded), bits); err != nil || back != f {
		return out // the nearest decimal of n digits lies beyond the nearer neighbour of a power of two
	}
	return rounded
}

// between reports whether the decimal s lies exactly between f and a neighbour.
// Below 2^21 such a decimal has more digits than a shortest form, and above 10^41
// it would have to be a multiple of a greater power of five than fits a float.
func between(s []byte, f float64, bits int) bool {
	if a := math.Abs(f); a < 1<<21 || a > 1e41 {
		return false
	}
	decimal, _, err := big.ParseFloat(string(s), 10, 200, big.ToNearestEven)
	if err != nil {
		return false
	}
	for _, side := range []float64{math.Inf(1), math.Inf(-1)} {
		neighbour := math.Nextafter(f, side)
		if bits == 32 {
			neighbour = float64(math.Nextafter32(float32(f), float32(side)))
		}
		if math.IsInf(neighbour, 0) {
			continue // MaxFloat32 < 10^41: the half above it is no float's
		}
		middle := new(big.Float).SetPrec(200).Add(big.NewFloat(f), big.NewFloat(neighbour))
		if middle.Quo(middle, big.NewFloat(2)).Cmp(decimal) == 0 {
			return true
		}
	}
	return false
}
