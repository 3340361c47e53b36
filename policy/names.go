package policy

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// parseTable reads the name of a table as a policy writes it: table or
// schema.table, letter by letter as PostgreSQL's catalogue has it (upper case
// is kept, not folded). A part that holds a dot or a quote stands in double
// quotes, as in SQL.
func parseTable(s string) (tableName, error) {
	parts, err := splitName(s)
	switch {
	case err != nil:
		return tableName{}, err
	case len(parts) == 1:
		return tableName{"public", parts[0]}, nil
	case len(parts) == 2:
		return tableName{parts[0], parts[1]}, nil
	default:
		return tableName{}, errors.New("has more parts than schema.table")
	}
}

// TableName reads the name of a table as policies write it, and a user may.
func TableName(s string) (schema, table string, err error) {
	t, err := parseTable(s)
	return t.schema, t.table, err
}

// splitName splits at the dots outside of double quotes.
func splitName(s string) ([]string, error) {
	var parts []string
	for rest := s; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			var ok bool
			if part, rest, ok = quoted(rest[1:]); !ok {
				return nil, errors.New("has a double quote without its end")
			}
			if rest != "" && rest[0] != '.' {
				return nil, errors.New("goes on after a double quote")
			}
		} else {
			end := strings.IndexByte(rest, '.')
			if end < 0 {
				end = len(rest)
			}
			part, rest = rest[:end], rest[end:]
			if strings.Contains(part, `"`) {
				return nil, errors.New("has a double quote in its middle")
			}
		}
		if part == "" {
			return nil, errors.New("has an empty part")
		}
		parts = append(parts, part)
		if rest == "" {
			return parts, nil
		}
		rest = rest[1:]
	}
}

// quoted reads up to the closing double quote; a doubled one stands for itself.
func quoted(s string) (part, rest string, ok bool) {
	var b strings.Builder
	for {
		end := strings.IndexByte(s, '"')
		if end < 0 {
			return "", "", false
		}
		b.WriteString(s[:end])
		s = s[end+1:]
		if !strings.HasPrefix(s, `"`) {
			return b.String(), s, true
		}
		b.WriteByte('"')
		s = s[1:]
	}
}

var needsQuotes = regexp.MustCompile(`[."]`)

// quoteName writes a part so that parseTable reads it back.
func quoteName(s string) string {
	if s != "" && !needsQuotes.MatchString(s) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
