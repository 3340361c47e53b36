package pgvalue

import (
	"bytes"
	"unicode/utf8"
)

// A Pattern is what LIKE compares text with, in UTF-8 and under any
// deterministic collation (PostgreSQL 15, like_match.c): % stands for any
// characters, _ for one, a backslash takes the next character as it is.
type Pattern struct{ parts []part } // with any characters between them

// A part matches a fixed number of characters.
type part struct {
	pieces []piece
	chars  int
}

// A piece is a text, or any one character.
type piece struct {
	text []byte // nil: any character
}

// Like reads a pattern. One that ends in a backslash, which is an error as soon
// as PostgreSQL gets there, is not ok.
func Like(pattern []byte) (p Pattern, ok bool) {
	var last part
	var text []byte
	flush := func() {
		if text != nil {
			last.pieces, last.chars, text = append(last.pieces, piece{text}), last.chars+utf8.RuneCount(text), nil
		}
	}
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '%':
			flush()
			p.parts, last = append(p.parts, last), part{}
		case c == '_':
			flush()
			last.pieces, last.chars = append(last.pieces, piece{}), last.chars+1
		case c == '\\':
			if i++; i == len(pattern) {
				return Pattern{}, false
			}
			fallthrough
		default:
			text = append(text, pattern[i])
		}
	}
	flush()
	p.parts = append(p.parts, last)
	return p, true
}

// Match reports whether s LIKE the pattern. s is valid UTF-8.
func (p Pattern) Match(s []byte) bool {
	n, ok := p.parts[0].at(s)
	if !ok {
		return false
	}
	if s = s[n:]; len(p.parts) == 1 {
		return len(s) == 0
	}
	for _, q := range p.parts[1 : len(p.parts)-1] {
		if s, ok = q.after(s); !ok {
			return false
		}
	}
	last := p.parts[len(p.parts)-1]
	from := len(s)
	for range last.chars {
		_, size := utf8.DecodeLastRune(s[:from])
		if from -= size; size == 0 {
			return false
		}
	}
	_, ok = last.at(s[from:])
	return ok
}

// at matches the part at the start of s and returns how many bytes it takes.
func (q part) at(s []byte) (n int, ok bool) {
	for _, x := range q.pieces {
		switch rest := s[n:]; {
		case x.text != nil:
			if !bytes.HasPrefix(rest, x.text) {
				return 0, false
			}
			n += len(x.text)
		case len(rest) == 0:
			return 0, false
		default:
			_, size := utf8.DecodeRune(rest)
			n += size
		}
	}
	return n, true
}

// after finds the part's first match in s and returns what follows.
func (q part) after(s []byte) ([]byte, bool) {
	for {
		if len(q.pieces) > 0 && q.pieces[0].text != nil {
			i := bytes.Index(s, q.pieces[0].text)
			if i < 0 {
				return nil, false
			}
			s = s[i:]
		}
		if n, ok := q.at(s); ok {
			return s[n:], true
		}
		_, size := utf8.DecodeRune(s)
		if size == 0 {
			return nil, false
		}
		s = s[size:]
	}
}
