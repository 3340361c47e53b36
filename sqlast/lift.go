package sqlast

import (
	"strconv"
	"strings"
)

// A Constant is a literal that stands in a statement's text.
type Constant struct {
	From, To int // in bytes
	Class    ConstantClass
	Value    string // what it says: without quotes
}

// A ConstantClass is what a literal's type follows from.
type ConstantClass byte

// The classes. PostgreSQL's analyser gives whole numbers the smallest type that
// holds them; a string gets the type that its place asks for.
const (
	Int4    ConstantClass = 'i'
	Int8    ConstantClass = 'l'
	Numeric ConstantClass = 'n'
	String  ConstantClass = 's'
)

// A Lifted is a statement's text taken apart by a lexer, without a parser.
type Lifted struct {
	// Form is the text with a mark in the place of each literal, and without
	// comments: texts of one form differ in Literals only.
	Form     []byte
	Literals []Constant
	Params   int // the highest $n
}

// Lift finds the literals of a single statement, under
// standard_conforming_strings. It reports false where the text is none that it
// takes apart with certainty: several statements, strings with a prefix, dollar
// quotes, a string that goes on in the next line, numbers that run into words.
// What stands in place of a literal may still be none to the analyser: the
// ordinal of ORDER BY, the 10 of varchar(10). l's memory is used again.
func (l *Lifted) Lift(text string) bool {
	*l = Lifted{Form: l.Form[:0], Literals: l.Literals[:0]}
	if strings.IndexByte(text, 0) >= 0 {
		return false // no SQL
	}
	s := lifter{Lifted: l, text: text, expects: true}
	for s.pos < len(text) {
		if !s.token() {
			return false
		}
	}
	return true
}

// A lifter is a lexer over text.
type lifter struct {
	*Lifted
	text    string
	pos     int
	expects bool // an expression may begin here: a minus belongs to the number behind it
	word    bool // the last token was a word after which no expression begins
	ended   bool // a semicolon came
}

var isOperator = func() (set [256]bool) {
	for _, c := range []byte("~!@#^&|`?+-*/%<>=") {
		set[c] = true
	}
	return set
}()

func (s *lifter) token() bool {
	c := s.text[s.pos]
	if isSpace(c) || c == '-' || c == '/' {
		if blank, ok := s.gap(); !ok || blank {
			return ok
		}
	}
	if s.ended {
		return false
	}
	switch {
	case c == '\'':
		return s.string()
	case c == '"':
		return s.quoted()
	case c == '$':
		return s.param()
	case c == '.' && strings.HasPrefix(s.text[s.pos:], ".."):
		return false
	case isDigit(c), c == '.' && s.pos+1 < len(s.text) && isDigit(s.text[s.pos+1]):
		return s.number(s.pos)
	case isLetter(c):
		return s.name()
	case isOperator[c]:
		return s.operator()
	case c == ';':
		s.pos++
		s.ended = true
		return true
	case strings.IndexByte("()[],.:", c) >= 0:
		s.copy(s.pos + 1)
		s.expects, s.word = c != ')' && c != ']' && c != '.', false
		return true
	}
	return false
}

// copy takes text up to a place into the form.
func (s *lifter) copy(to int) {
	s.Form = append(s.Form, s.text[s.pos:to]...)
	s.pos = to
}

// gap passes over white space or a comment. A comment becomes a blank.
func (s *lifter) gap() (passed, ok bool) {
	rest := s.text[s.pos:]
	switch {
	case isSpace(rest[0]):
		end := s.pos + 1
		for end < len(s.text) && isSpace(s.text[end]) {
			end++
		}
		s.copy(end)
		return true, true
	case strings.HasPrefix(rest, "--"):
		end := strings.IndexAny(rest, "\n\r")
		if end < 0 {
			end = len(rest)
		}
		s.pos += end
	case strings.HasPrefix(rest, "/*"):
		depth, i := 1, 2
		for ; depth > 0; i++ {
			if i+1 >= len(rest) {
				return false, false
			}
			switch rest[i : i+2] {
			case "/*":
				depth, i = depth+1, i+1
			case "*/":
				depth, i = depth-1, i+1
			}
		}
		s.pos += i
	default:
		return false, true
	}
	s.Form = append(s.Form, ' ')
	return true, true
}

// literal puts a mark in the place of a literal.
func (s *lifter) literal(from, to int, class ConstantClass, value string) bool {
	s.Literals = append(s.Literals, Constant{from, to, class, value})
	s.Form = append(s.Form, 1, byte(class))
	s.pos = to
	s.expects, s.word = false, false
	return true
}

// string takes a string constant. One that stands behind a word may be part of
// a typed literal, so it stays.
func (s *lifter) string() bool {
	value, doubled := "", false
	for i := s.pos + 1; ; i++ {
		if i >= len(s.text) || s.text[i] == 0 {
			return false
		}
		if s.text[i] != '\'' {
			continue
		}
		if i+1 < len(s.text) && s.text[i+1] == '\'' {
			doubled = true
			i++
			continue
		}
		value = s.text[s.pos+1 : i]
		if doubled {
			value = strings.ReplaceAll(value, "''", "'")
		}
		if s.goesOn(i + 1) {
			return false
		}
		if s.word {
			s.copy(i + 1)
			s.expects, s.word = false, false
			return true
		}
		return s.literal(s.pos, i+1, String, value)
	}
}

// goesOn reports whether another quote follows behind white space or comments:
// over a line break it would be the same string.
func (s *lifter) goesOn(at int) bool {
	rest := strings.TrimLeft(s.text[at:], " \t\n\r\f\v")
	return strings.HasPrefix(rest, "'") || strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*")
}

// quoted takes a quoted name.
func (s *lifter) quoted() bool {
	for i := s.pos + 1; i < len(s.text) && s.text[i] != 0; i++ {
		if s.text[i] != '"' {
			continue
		}
		if i+1 < len(s.text) && s.text[i+1] == '"' {
			i++
			continue
		}
		if i == s.pos+1 {
			return false // an empty name
		}
		s.copy(i + 1)
		s.expects, s.word = false, true
		return true
	}
	return false
}

// param takes $n.
func (s *lifter) param() bool {
	end := s.pos + 1
	for end < len(s.text) && isDigit(s.text[end]) {
		end++
	}
	n, err := strconv.Atoi(s.text[s.pos+1 : end])
	if err != nil || n < 1 || n > 1<<15 || s.runsOn(end) {
		return false
	}
	s.Params = max(s.Params, n)
	s.copy(end)
	s.expects, s.word = false, false
	return true
}

// runsOn reports whether a word or a quote follows without a gap.
func (s *lifter) runsOn(at int) bool {
	return at < len(s.text) && (isLetter(s.text[at]) || isDigit(s.text[at]) || s.text[at] == '$' || s.text[at] == '\'' || s.text[at] == '"')
}

// number takes a number that begins at s.pos; from is where its sign stands, or
// the same place.
func (s *lifter) number(from int) bool {
	end, whole := s.pos, true
	digits := func() {
		for end < len(s.text) && isDigit(s.text[end]) {
			end++
		}
	}
	if digits(); end < len(s.text) && s.text[end] == '.' {
		if whole, end = false, end+1; end >= len(s.text) || !isDigit(s.text[end]) {
			return false // 1. and 1..2
		}
		digits()
	}
	if end < len(s.text) && (s.text[end] == 'e' || s.text[end] == 'E') {
		return false
	}
	if s.runsOn(end) || end < len(s.text) && s.text[end] == '.' {
		return false
	}
	value := s.text[s.pos:end]
	if from < s.pos {
		value = "-" + value
	}
	if s.word {
		s.copy(end)
		s.expects, s.word = false, false
		return true
	}
	class := Numeric
	if whole {
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			if class = Int8; n == int64(int32(n)) {
				class = Int4
			}
		}
	}
	return s.literal(from, end, class, value)
}

// name takes a key word or a name.
func (s *lifter) name() bool {
	end := s.pos + 1
	for end < len(s.text) && (isLetter(s.text[end]) || isDigit(s.text[end]) || s.text[end] == '$') {
		end++
	}
	if end < len(s.text) && (s.text[end] == '\'' || s.text[end] == '"' || s.text[end] == '&') && end-s.pos == 1 {
		return false // the prefix of a string or a name
	}
	var word [longestBefore]byte
	s.expects = false
	if end-s.pos <= len(word) {
		for i := range end - s.pos {
			word[i] = s.text[s.pos+i] | 0x20 // no word of the list has a character that this makes of another
		}
		s.expects = before[string(word[:end-s.pos])]
	}
	s.word = !s.expects
	s.copy(end)
	return true
}

const longestBefore = 9

// before are words behind which a literal stands for a value.
var before = map[string]bool{"select": true, "distinct": true, "all": true, "where": true, "and": true, "or": true, "not": true, "in": true, "any": true,
	"between": true, "like": true, "ilike": true, "case": true, "when": true, "then": true, "else": true, "limit": true, "offset": true, "values": true,
	"having": true, "on": true, "by": true, "from": true, "returning": true, "set": true, "escape": true, "similar": true, "symmetric": true, "to": true}

// operator takes a run of operator characters. Of several, PostgreSQL leaves a
// minus at the end alone unless the run has a character that SQL's own operators
// have not.
func (s *lifter) operator() bool {
	end := s.pos
	for end < len(s.text) && isOperator[s.text[end]] {
		if rest := s.text[end:]; strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*") {
			break
		}
		end++
	}
	run := s.text[s.pos:end]
	signs := len(run)
	if strings.IndexAny(run, "~!@#^&|`?%") < 0 {
		for signs > 1 && (run[signs-1] == '+' || run[signs-1] == '-') {
			signs--
		}
	}
	unary := s.expects
	if signs < len(run) || len(run) == 1 && unary {
		// What ends the run is one sign; more of them are rare enough to leave.
		if sign := len(run) - 1; run[sign] == '-' && (signs == sign || sign == 0) && end < len(s.text) && isDigit(s.text[end]) {
			s.copy(end - 1)
			from := s.pos
			s.pos, s.word = end, false
			return s.number(from)
		}
	}
	s.copy(end)
	s.expects, s.word = true, false
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= 0x80 }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// With returns the statement's text with parameters in the place of the
// literals that lifted marks, numbered from first on.
func (l *Lifted) With(text string, lifted []bool, first int) string {
	var b strings.Builder
	at := 0
	for i, lit := range l.Literals {
		if !lifted[i] {
			continue
		}
		b.WriteString(text[at:lit.From])
		b.WriteString(" $" + strconv.Itoa(first) + " ") // SELECT'a'and is three words, SELECT$1and is one
		first++
		at = lit.To
	}
	b.WriteString(text[at:])
	return b.String()
}
