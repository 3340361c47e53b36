package audit

import "strings"

// word copies a keyword or a name, unless it is a value written as a word or
// the first letter of a literal.
func (s *shaper) word() {
	end := s.endOfWord(s.pos)
	tok := s.in[s.pos:end]
	lower := strings.ToLower(tok)
	next := s.in[end:]
	switch {
	case lower == "e" && strings.HasPrefix(next, "'"):
		s.quoted(end+1, true)
		return
	case len(lower) == 1 && strings.Contains("bxn", lower) && strings.HasPrefix(next, "'"):
		s.quoted(end+1, false)
		return
	case lower == "u" && strings.HasPrefix(next, "&'"):
		s.quoted(end+2, false)
		return
	case s.isValue(lower):
		s.mask(end)
		return
	}
	if s.first == "" {
		s.first = lower
	}
	if lower == "set" && (s.first == "set" || s.first == "alter") {
		s.assigning = true
	}
	s.pos = end
	s.emit(tok)
	if s.assigning && (lower == "to" || s.last[1] == "time" && lower == "zone") {
		s.value()
	}
	s.saw(lower)
}

// isValue reports whether a word stands for a value here: TRUE and FALSE but
// in IS [NOT] TRUE, NULL but in IS NULL, NOT NULL and SET NULL.
func (s *shaper) isValue(word string) bool {
	before, prev := s.last[0], s.last[1]
	switch word {
	case "true", "false":
		return prev != "is" && (prev != "not" || before != "is")
	case "null":
		return prev != "is" && prev != "not" && prev != "set"
	}
	return false
}

// value masks the right side of SET x = …, up to the end of the statement.
// Values stand there as bare words, too.
func (s *shaper) value() {
	s.assigning = false
	i := s.pos
	for i < len(s.in) && s.in[i] != ';' {
		if strings.IndexByte(`'"$`, s.in[i]) >= 0 || strings.HasPrefix(s.in[i:], "--") || strings.HasPrefix(s.in[i:], "/*") {
			i = len(s.in) // a semicolon further on may be part of a value
			break
		}
		i++
	}
	s.gap = true
	s.mask(i)
}
