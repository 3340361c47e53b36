package analyze

import "strings"

// lineLen is PostgreSQL's LINELEN: format_node_dump cuts its output into
// chunks of at most so many bytes.
const lineLen = 78

// unwrap undoes format_node_dump (print.c). That function knows nothing of
// tokens: it takes 78 bytes, goes back to the last space among them, and puts
// a newline in its place, also where the space belonged to a name (and was
// escaped by a backslash); where there is no space it puts a newline into the
// middle of a token. Names may hold newlines of their own, escaped as well.
// So the newlines are told apart by simulating the cut. Where two originals
// give the same text, which takes a name made for it, unwrap fails: names
// come from users, and a guess would let them forge structure.
func unwrap(s string) (string, error) {
	if strings.IndexByte(s, '\n') < 0 {
		return s, nil
	}
	var out strings.Builder
	out.Grow(len(s))
	odd := false // the byte before ends in an odd number of backslashes
	for start := 0; start < len(s); {
		end, parity, spaced, err := chunkEnd(s, start, odd)
		if err != nil {
			return "", err
		}
		out.WriteString(s[start:end])
		odd = parity
		if end == len(s) {
			break
		}
		if end == len(s)-1 { // the newline that ends the text
			break
		}
		soft := true
		if end-start == lineLen && !spaced {
			if soft, err = spaceDropped(s[end+1], odd); err != nil {
				return "", err
			}
		}
		if soft {
			out.WriteByte(' ')
			odd = false
		}
		start = end + 1
	}
	return out.String(), nil
}

// chunkEnd finds the newline that ends the chunk at start, or the end of s.
// It returns the escape state there and whether the chunk holds a space that
// the cut could have gone back to.
func chunkEnd(s string, start int, odd bool) (end int, parity, spaced bool, err error) {
	for i := start; i < len(s); i++ {
		c := s[i]
		if c == '\n' {
			if i-start == lineLen || !odd {
				return i, odd, spaced, nil
			}
			own, err := ownNewline(s, start, i)
			if err != nil || !own {
				return i, odd, spaced, err
			}
		} else if i-start >= lineLen {
			return 0, false, false, unreadable("a line is longer than PostgreSQL makes them")
		}
		if c == ' ' && i > start {
			spaced = true
		}
		odd = c == '\\' && !odd
	}
	return len(s), odd, spaced, nil
}

// ownNewline tells whether the escaped newline at i, in the chunk that began
// at start, belongs to a name rather than to the wrapping. A cut there means
// that the rest of the 78 bytes, and the byte after them, held no space.
func ownNewline(s string, start, i int) (bool, error) {
	rest := s[i+1:]
	if n := lineLen - (i - start); n < len(rest) {
		rest = rest[:n]
	} else {
		return true, nil // all that was left fitted in the chunk: nothing was cut
	}
	if strings.IndexByte(rest, ' ') >= 0 {
		return true, nil
	}
	odd, escaped := false, false
	for j := range len(rest) {
		if rest[j] == '\n' {
			if !odd {
				return true, nil
			}
			escaped = true
		}
		odd = rest[j] == '\\' && !odd
	}
	if escaped {
		return false, ambiguous()
	}
	return false, nil
}

// spaceDropped tells whether a space was lost at the end of a full chunk that
// holds no other; next is the byte after the newline.
func spaceDropped(next byte, odd bool) (bool, error) {
	if odd { // an escaped space was lost, or the cut is between a backslash and its byte
		switch next {
		case '\\':
			return false, ambiguous()
		case ' ', '\n', '\t', '(', ')', '{', '}':
			return false, nil
		}
		return true, nil
	}
	if next == ':' || next == '"' {
		return false, ambiguous()
	}
	return false, nil // the token goes on, or ends at a bracket that needs no space
}

func ambiguous() error {
	return unreadable("a long name with special characters makes the analysis ambiguous")
}
