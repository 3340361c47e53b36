package pgvalue

import (
	"math/big"
	"strings"
)

// A Sum adds integers and numerics exactly, as PostgreSQL's sum and avg do.
type Sum struct {
	n     int64
	parts map[int]*big.Int // sums of digits as whole numbers, by the weight of their last one
	scale int              // the most decimal places of any value
	odd   map[uint16]bool  // signs other than those of numbers: NaN and the infinities
}

// Add adds a value in binary format of type int2, int4, int8 or numeric that
// Canonical accepts.
func (s *Sum) Add(oid uint32, b []byte) {
	d := decimal{}
	if oid == NumericOID {
		d, _ = parseNumeric(b)
	} else {
		d = fromInt(signed(b))
	}
	s.n++
	s.scale = max(s.scale, d.scale)
	if d.sign != positive && d.sign != negative {
		if s.odd == nil {
			s.odd = map[uint16]bool{}
		}
		s.odd[d.sign] = true
		return
	}
	last := d.weight - len(d.digits) + 1
	if s.parts == nil {
		s.parts = map[int]*big.Int{}
	}
	if s.parts[last] == nil {
		s.parts[last] = new(big.Int)
	}
	s.parts[last].Add(s.parts[last], d.mantissa())
}

// mantissa is the digits as a whole number.
func (d decimal) mantissa() *big.Int {
	m, small := new(big.Int), int64(0)
	base := big.NewInt(10000)
	for i, g := range d.digits {
		if i < 4 {
			small = small*10000 + int64(g)
			continue
		}
		if i == 4 {
			m.SetInt64(small)
		}
		m.Add(m.Mul(m, base), big.NewInt(int64(g)))
	}
	if len(d.digits) <= 4 {
		m.SetInt64(small)
	}
	if d.sign == negative {
		m.Neg(m)
	}
	return m
}

// Int64 is the sum of integers, if a bigint holds it.
func (s *Sum) Int64() (int64, bool) {
	total := s.total(0)
	return total.Int64(), total.IsInt64()
}

// total is the sum times 10^scale, where it has no more decimal places.
func (s *Sum) total(scale int) *big.Int {
	total, least := new(big.Int), 0
	for last := range s.parts {
		least = min(least, last)
	}
	for last, part := range s.parts {
		total.Add(total, new(big.Int).Mul(part, power(4*(last-least))))
	}
	if scale >= -4*least {
		return total.Mul(total, power(scale+4*least))
	}
	return total.Quo(total, power(-4*least-scale))
}

func power(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// Numeric is the sum as sum tells it, in binary format; ok is false where numeric
// cannot hold it.
func (s *Sum) Numeric() (b []byte, ok bool) {
	if sign, odd := s.sign(); odd {
		return special(sign), true
	}
	return decimalOf(s.total(s.scale), s.scale).fit()
}

// Mean is the mean of at least one value, as avg tells it.
func (s *Sum) Mean() (b []byte, ok bool) {
	if sign, odd := s.sign(); odd {
		return special(sign), true
	}
	sum, count := decimalOf(s.total(s.scale), s.scale), fromInt(s.n)
	scale := quotientScale(sum, count)
	dividend, divisor := s.total(s.scale), new(big.Int).Mul(big.NewInt(s.n), power(s.scale))
	dividend.Mul(dividend, power(scale))
	// Half away from zero: the magnitude is rounded.
	minus := dividend.Sign() < 0
	q, r := new(big.Int).QuoRem(dividend.Abs(dividend), divisor, new(big.Int))
	if r.Lsh(r, 1).Cmp(divisor) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	if minus {
		q.Neg(q)
	}
	return decimalOf(q, scale).fit()
}

// sign is that of a sum with NaN or an infinity in it.
func (s *Sum) sign() (uint16, bool) {
	switch {
	case s.odd[notANum] || s.odd[posInf] && s.odd[negInf]:
		return notANum, true
	case s.odd[posInf]:
		return posInf, true
	case s.odd[negInf]:
		return negInf, true
	}
	return 0, false
}

// special is NaN or an infinity, which PostgreSQL sends with a scale of 32.
func special(sign uint16) []byte {
	d := decimal{sign: sign}
	if sign != notANum {
		d.scale = 32
	}
	return d.send()
}

// quotientScale is how many decimal places a quotient has (PostgreSQL 15,
// numeric.c, select_div_scale).
func quotientScale(a, b decimal) int {
	const significant, most = 16, 1000
	first := func(d decimal) (weight int, digit uint16) {
		if len(d.digits) > 0 {
			weight, digit = d.weight, d.digits[0]
		}
		return weight, digit
	}
	wa, da := first(a)
	wb, db := first(b)
	weight := wa - wb
	if da <= db {
		weight--
	}
	return min(max(significant-4*weight, a.scale, b.scale, 0), most)
}

// decimalOf is v / 10^scale.
func decimalOf(v *big.Int, scale int) decimal {
	pad := (4 - scale%4) % 4
	text := new(big.Int).Abs(v).String() + strings.Repeat("0", pad)
	text = strings.Repeat("0", (4-len(text)%4)%4) + text
	d := decimal{weight: len(text)/4 - 1 - (scale+pad)/4, scale: scale}
	for i := 0; i < len(text); i += 4 {
		g := uint16(0)
		for _, c := range []byte(text[i : i+4]) {
			g = 10*g + uint16(c-'0')
		}
		d.digits = append(d.digits, g)
	}
	if d = d.trimmed(); v.Sign() < 0 && len(d.digits) > 0 {
		d.sign = negative
	}
	return d
}

// fit is numeric's binary format, if it can hold d.
func (d decimal) fit() ([]byte, bool) {
	const heaviest = 131072/4 - 1 // weight of the first digit
	return d.send(), d.weight <= heaviest && len(d.digits) <= 0xFFFF
}
