package postgres

import "strings"

// parseOptions reads the start-up parameter "options", the command line of a
// backend, into settings. It knows "-c name=value", "-cname=value" and
// "--name=value"; words are separated by white space, which a backslash keeps.
func parseOptions(line string, settings map[string]string) error {
	words := splitWords(line)
	for i := 0; i < len(words); i++ {
		word := words[i]
		var assignment string
		switch {
		case word == "-c" && i+1 < len(words):
			i++
			assignment = words[i]
		case strings.HasPrefix(word, "-c"):
			assignment = word[2:]
		case strings.HasPrefix(word, "--"):
			assignment = word[2:]
		default:
			return fatalf("22023", "invalid command-line argument %q in the start-up parameter options", word)
		}
		name, value, ok := strings.Cut(assignment, "=")
		if name = strings.ReplaceAll(strings.ToLower(name), "-", "_"); !ok || name == "" {
			return fatalf("42601", "%q in the start-up parameter options requires a value", word)
		}
		if oneOf(name, "user", "database", "options", "replication") {
			return fatalf("42704", "unrecognized configuration parameter %q in the start-up parameter options", name)
		}
		settings[name] = value
	}
	return nil
}

func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	inside, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			inside, escaped = true, true
		case strings.ContainsRune(" \t\n\v\f\r", r):
			if inside {
				words = append(words, word.String())
				word.Reset()
			}
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}
