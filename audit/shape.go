package audit

import "strings"

// MaxShape is the longest shape, in bytes. What is longer ends in " …".
const MaxShape = 8 << 10

// A Shape is the text of a statement without its literals. It is comparable,
// and only ShapeOf makes one, so that none can hold a literal.
type Shape struct{ text string }

// ShapeOf makes the shape of a statement whose literals were lifted into
// parameters ($1). It trusts nobody to have done so: every string, number, bit
// string, dollar-quoted text, TRUE, FALSE and NULL that stands for a value, and
// the right side of SET, becomes "?"; comments go; white space becomes one
// blank. What cannot be told from a literal (text behind a backslash before a
// quote, an unterminated quote) is taken for one, up to the statement's end.
//
// Identifiers stay, quoted ones too: they are names. ShapeOf of a shape's text
// is that shape.
func ShapeOf(normalised string) Shape {
	s := shaper{in: strings.ToValidUTF8(normalised, "?")}
	for s.pos < len(s.in) && !s.full {
		s.token()
	}
	return Shape{s.out.String()}
}

// String returns the text.
func (s Shape) String() string { return s.text }

// IsZero reports whether there is no text.
func (s Shape) IsZero() bool { return s.text == "" }

// MarshalText writes the text.
func (s Shape) MarshalText() ([]byte, error) { return []byte(s.text), nil }

// UnmarshalText is ShapeOf, so that reading a log makes no shape that ShapeOf would not.
func (s *Shape) UnmarshalText(b []byte) error {
	*s = ShapeOf(string(b))
	return nil
}

// A shaper copies tokens from in to out and masks those that are values. It
// follows PostgreSQL's scan.l; where two settings of the server would read the
// text differently, it takes the reading that masks more.
type shaper struct {
	in   string
	pos  int
	out  strings.Builder
	gap  bool // white space or a comment stood before the next token
	full bool // MaxShape is reached

	first     string // first word of the statement, in lower case
	last      [2]string
	assigning bool // in SET or ALTER … SET: the next = or TO starts a value
}

func (s *shaper) token() {
	c := s.in[s.pos]
	switch {
	case isSpace(c):
		s.pos++
		s.gap = true
	case s.at("--"):
		s.pos = s.find("\n", s.pos)
		s.gap = true
	case s.at("/*"):
		s.comment()
	case c == '\'':
		s.quoted(s.pos+1, false)
	case c == '"':
		s.identifier()
	case c == '$':
		s.dollar()
	case isDigit(c) || c == '.' && s.pos+1 < len(s.in) && isDigit(s.in[s.pos+1]):
		s.number()
	case isLetter(c):
		s.word()
	default:
		s.symbol(c)
	}
}

// emit writes one token, or the mark that the shape ends here.
func (s *shaper) emit(tok string) {
	const mark = " …"
	gap := s.gap && s.out.Len() > 0
	s.gap = false
	if s.out.Len()+len(tok)+1 > MaxShape-len(mark) {
		s.full = true
		s.out.WriteString(mark)
		return
	}
	if gap {
		s.out.WriteByte(' ')
	}
	s.out.WriteString(tok)
}

// mask writes "?" for in[pos:end].
func (s *shaper) mask(end int) {
	s.pos = end
	s.saw("?")
	s.emit("?")
}

func (s *shaper) saw(word string) { s.last[0], s.last[1] = s.last[1], word }

// comment skips a block comment; they nest.
func (s *shaper) comment() {
	depth := 0
	for s.pos < len(s.in) {
		switch {
		case s.at("/*"):
			depth++
			s.pos += 2
		case s.at("*/"):
			depth--
			s.pos += 2
		default:
			s.pos++
		}
		if depth == 0 {
			break
		}
	}
	s.gap = true
}

// quoted masks a string whose text starts at i. In an escape string a backslash
// takes the next character along. In others it does so only on a server with
// standard_conforming_strings off: then, before a quote, nobody knows where the
// string ends.
func (s *shaper) quoted(i int, escape bool) {
	for i < len(s.in) {
		switch {
		case s.in[i] == '\\' && escape:
			i += 2
		case s.in[i] == '\\' && i+1 < len(s.in) && s.in[i+1] == '\'':
			i = len(s.in)
		case s.in[i] == '\'' && i+1 < len(s.in) && s.in[i+1] == '\'':
			i += 2
		case s.in[i] == '\'':
			s.mask(i + 1)
			return
		default:
			i++
		}
	}
	s.mask(len(s.in))
}

// identifier copies a quoted name; without its end it is masked.
func (s *shaper) identifier() {
	i := s.pos + 1
	for i < len(s.in) {
		if s.in[i] != '"' {
			i++
			continue
		}
		if i+1 < len(s.in) && s.in[i+1] == '"' {
			i += 2
			continue
		}
		tok := strings.Map(printable, s.in[s.pos:i+1])
		s.pos = i + 1
		s.saw(tok)
		s.emit(tok)
		return
	}
	s.mask(len(s.in))
}

// dollar copies a parameter and masks a dollar-quoted string.
func (s *shaper) dollar() {
	i := s.pos + 1
	for i < len(s.in) && isDigit(s.in[i]) {
		i++
	}
	if i > s.pos+1 {
		if i < len(s.in) && isWord(s.in[i]) { // $1abc
			s.mask(s.endOfWord(i))
			return
		}
		tok := s.in[s.pos:i]
		s.pos = i
		s.saw(tok)
		s.emit(tok)
		return
	}
	for i < len(s.in) && isWord(s.in[i]) && s.in[i] != '$' {
		i++
	}
	if i == len(s.in) || s.in[i] != '$' {
		s.symbol('$')
		return
	}
	tag := s.in[s.pos : i+1]
	end := s.find(tag, i+1)
	s.mask(min(end+len(tag), len(s.in)))
}

// number masks a number with all that is glued to it: 0x1F, 1_000, 1.5e-3.
func (s *shaper) number() {
	i := s.pos
	for i < len(s.in) {
		c := s.in[i]
		sign := (c == '+' || c == '-') && (s.in[i-1] == 'e' || s.in[i-1] == 'E') && i+1 < len(s.in) && isDigit(s.in[i+1])
		if !isWord(c) && c != '.' && !sign {
			break
		}
		i++
	}
	s.mask(i)
}

func (s *shaper) symbol(c byte) {
	s.pos++
	switch {
	case c < ' ' || c == 0x7f:
		s.gap = true
		return
	case c == ';':
		s.first, s.assigning = "", false
	}
	s.emit(string(c))
	if c == '=' && s.assigning {
		s.value()
	}
	s.saw(string(c))
}

// find returns where sep next stands at or after i, else the end of the text.
func (s *shaper) find(sep string, i int) int {
	if n := strings.Index(s.in[i:], sep); n >= 0 {
		return i + n
	}
	return len(s.in)
}

func (s *shaper) at(prefix string) bool { return strings.HasPrefix(s.in[s.pos:], prefix) }

func (s *shaper) endOfWord(i int) int {
	for i < len(s.in) && isWord(s.in[i]) {
		i++
	}
	return i
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

func isSpace(c byte) bool  { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }
func isWord(c byte) bool   { return isLetter(c) || isDigit(c) || c == '$' }
