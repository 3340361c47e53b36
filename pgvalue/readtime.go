package pgvalue

import "encoding/binary"

// readMoment is Read for the types of date and time: ISO 8601 with all digits
// and years of four, which is read alike under every DateStyle. A timestamptz
// must say its offset.
func readMoment(oid uint32, text []byte) ([]byte, bool) {
	s := scanner{rest: text}
	var v int64
	switch oid {
	case DateOID:
		v = s.date()
		if s.done() {
			return binary.BigEndian.AppendUint32(nil, uint32(int32(v))), true
		}
		return nil, false
	case TimeOID:
		v = s.clock()
	case TimestampOID, TimestamptzOID:
		v = s.date() * day
		if !s.one(' ') && !s.one('T') {
			return nil, false
		}
		v += s.clock()
		if oid == TimestamptzOID {
			v -= s.offset()
		}
	default:
		return nil, false
	}
	return binary.BigEndian.AppendUint64(nil, uint64(v)), s.done()
}

// A scanner reads fixed fields; bad is set by what is anything else.
type scanner struct {
	rest []byte
	bad  bool
}

func (s *scanner) done() bool { return !s.bad && len(s.rest) == 0 }

// one takes a byte if it is next.
func (s *scanner) one(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) must(c byte) { s.bad = !s.one(c) || s.bad }

// digits reads a number of n digits that lies between least and most.
func (s *scanner) digits(n, least, most int) int {
	if len(s.rest) < n {
		s.bad = true
		return least
	}
	v := 0
	for _, c := range s.rest[:n] {
		if c < '0' || c > '9' {
			s.bad = true
			return least
		}
		v = 10*v + int(c-'0')
	}
	s.rest = s.rest[n:]
	if v < least || v > most {
		s.bad = true
		return least
	}
	return v
}

// date reads YYYY-MM-DD as days since 2000-01-01.
func (s *scanner) date() int64 {
	y := s.digits(4, 1, 9999)
	s.must('-')
	m := s.digits(2, 1, 12)
	s.must('-')
	d := s.digits(2, 1, 31)
	days := daysOf(y, m, d)
	if yy, mm, dd := civil(days); yy != y || mm != m || dd != d {
		s.bad = true
	}
	return days
}

// daysOf is the inverse of civil: Howard Hinnant's days_from_civil.
func daysOf(year, month, d int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := int64(year / 400)
	yoe := int64(year) - era*400
	doy := int64((153*(month-3)+2)/5 + d - 1)
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 730425
}

// clock reads HH:MM:SS with up to six decimals as microseconds.
func (s *scanner) clock() int64 {
	v := int64(s.digits(2, 0, 23)) * hour
	s.must(':')
	v += int64(s.digits(2, 0, 59)) * minute
	s.must(':')
	v += int64(s.digits(2, 0, 59)) * second
	if s.one('.') {
		unit := int64(second / 10)
		v += int64(s.digits(1, 0, 9)) * unit
		for unit > 1 && len(s.rest) > 0 && s.rest[0] >= '0' && s.rest[0] <= '9' {
			unit /= 10
			v += int64(s.digits(1, 0, 9)) * unit
		}
	}
	return v
}

// offset reads +HH, +HH:MM or Z as microseconds east of Greenwich.
func (s *scanner) offset() int64 {
	if s.one('Z') {
		return 0
	}
	sign := int64(1)
	if s.one('-') {
		sign = -1
	} else {
		s.must('+')
	}
	v := int64(s.digits(2, 0, 14)) * hour
	if s.one(':') {
		v += int64(s.digits(2, 0, 59)) * minute
	}
	return sign * v
}
