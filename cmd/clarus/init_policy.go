package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/clarus-project/clarus/sqlast"
)

// emptyPolicy is what init writes where it was given no schema.
const emptyPolicy = `# What is wanted for each attribute; Clarus chooses how. What is not named here is
# sealed: nobody at the provider can read it, and nothing can be computed on it
# there. docs/policy.md is the reference.
version: 1
defaults: {unlisted: seal, leak: 1}

# Name the tables that applications search, for example:
#
# datasets:
#   patient:
#     attributes:
#       id:    {class: technical}        # a surrogate key: stays clear
#       name:  {class: identifier, preserve: [equality], leak: {equality: 4}}
#       birth: {class: quasi-identifier}
#       ward:  {class: non-confidential} # anyone may read it
#       note:  {class: confidential}
`

const guessedPolicy = `# GUESSED by clarus init from %s, by the names of columns and by keys. Read every line before
# you create a table: what exists keeps its protection when this file changes.
#
# No column was guessed to be non-confidential. Where a search is slow, add preserve: [equality] with
# leak: {equality: 4}: the provider then sees which rows are equal. docs/policy.md is the reference.
version: 1
defaults: {unlisted: seal, leak: 1}
datasets:
`

// guesses are classes by words in a column's name, the first that fits.
var guesses = []struct {
	words       *regexp.Regexp
	class, what string
}{
	{words("birth|born|dob|zip|postal|postcode|plz|city|town|gender|sex|age|nationality|religion|profession|occupation|ethnicity"), "quasi-identifier",
		"together with others it names a person"},
	{words("name|first|last|surname|forename|e_?mail|mail|phone|mobile|telephone|fax|address|street|ssn|insurance|passport|iban|bic|account|card|licence|license|plate|login|username|ip"),
		"identifier", "it names a person"},
}

var separators = regexp.MustCompile(`[^A-Za-z0-9]+`)

func words(list string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)(^|_)(` + list + `)(s|_?no|_?nr|_?number|_?code|_?id)?($|_)`)
}

// guessPolicy proposes a policy for the tables that a script creates.
func guessPolicy(from, script string) (string, error) {
	tables, err := sqlast.Tables(script)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, guessedPolicy, from)
	for _, t := range tables {
		name := yamlKey(t.Name)
		if t.Schema != "" {
			name = yamlKey(dotted(t.Schema) + "." + dotted(t.Name))
		} else if strings.Contains(t.Name, ".") {
			name = yamlKey(dotted(t.Name))
		}
		fmt.Fprintf(&b, "  %s:\n", name)
		head := "    attributes:\n"
		for _, c := range t.Columns {
			if c.Later && !c.Made {
				fmt.Fprintf(&b, "    # %s is left to the defaults: a constraint on it comes after the table\n", c.Name)
				continue
			}
			wish, why := guess(tables, c)
			fmt.Fprintf(&b, "%s      %s: {%s} # guess: %s\n", head, yamlKey(c.Name), wish, why)
			head = ""
		}
		if head != "" {
			b.WriteString("    attributes: {}\n")
		}
	}
	if len(tables) == 0 {
		return "", fmt.Errorf("%s creates no table", from)
	}
	return b.String(), nil
}

// guess proposes what to write of a column, and says why.
func guess(tables []*sqlast.TableForm, c sqlast.ColumnForm) (wish, why string) {
	if made(tables, c, 0) {
		return "class: technical", "its values are made by the database, or refer to such"
	}
	class, why := "confidential", "nothing is known of it"
	for _, g := range guesses {
		if g.words.MatchString(separators.ReplaceAllString(c.Name, "_")) {
			class, why = g.class, g.what
			break
		}
	}
	if c.Key {
		return "class: " + class + ", preserve: [equality], leak: {equality: 4}", why + "; keys need equality"
	}
	return "class: " + class, why
}

// made reports whether a column's values say nothing, since the database makes
// them, or refer to such a column.
func made(tables []*sqlast.TableForm, c sqlast.ColumnForm, depth int) bool {
	if c.Made {
		return true
	}
	if c.Reference == nil || depth > len(tables) {
		return false
	}
	for _, t := range tables {
		if t.Name != c.Reference.Table || t.Schema != c.Reference.Schema {
			continue
		}
		for _, r := range t.Columns {
			if r.Name == c.Reference.Column || c.Reference.Column == "" && r.Primary {
				return made(tables, r, depth+1)
			}
		}
	}
	return false
}

// dotted quotes a part of a dataset's name if it has a dot.
func dotted(part string) string {
	if strings.ContainsAny(part, `."`) {
		return `"` + part + `"`
	}
	return part
}

var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// yamlKey writes a name as a key. Words that YAML takes for something else are quoted.
func yamlKey(name string) string {
	switch strings.ToLower(name) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
	default:
		if plainKey.MatchString(name) {
			return name
		}
	}
	return "'" + strings.ReplaceAll(name, "'", "''") + "'"
}
