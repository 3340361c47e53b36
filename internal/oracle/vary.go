package oracle

import (
	"regexp"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/sqlast"
)

var (
	begins  = regexp.MustCompile(`(?i)^\s*(begin|start transaction)\b`)
	ends    = regexp.MustCompile(`(?i)^\s*(commit|end|abort|rollback(\s*;?\s*$|\s+(work|transaction|and)))\b`)
	unasked = regexp.MustCompile(`(?i)\bfor\s+(no\s+key\s+)?(update|key|share)\b|random\(|clock_timestamp|pg_sleep|nextval|set_config|\bpg_|has_\w+_privilege|\breg(class|type|proc|role)|information_schema|\bexplain\b|^\s*(show|fetch|move|execute)\b`)
	chosen  = regexp.MustCompile(`(?i)\b(limit|offset|fetch)\b`)
	sorted  = regexp.MustCompile(`(?i)\border\s+by\b`)
)

// Vary returns the script with more queries: behind each one that stands outside
// of a transaction block the same again with other literals, taken from the
// script's other statements. By then the query was asked three times, so what
// Clarus keeps of it is used; and a value that is none for its place must be the
// same error. The catalogue is left out: it shows what a script could not make.
func (s *Script) Vary() *Script {
	pool := map[kind][]string{}
	for _, sec := range s.Sections {
		var l sqlast.Lifted
		if !l.Lift(sec.SQL) {
			continue
		}
		for _, c := range l.Literals {
			if text, k := sec.SQL[c.From:c.To], kindOf(sec.SQL, c); !slices.Contains(pool[k], text) {
				pool[k] = append(pool[k], text)
			}
		}
	}
	out := &Script{Path: s.Path, trailer: s.trailer}
	block, pending, at := map[string]bool{}, 0, 0
	for _, sec := range s.Sections {
		out.Sections = append(out.Sections, sec)
		switch sec.Kind {
		case "async":
			pending++
		case "await":
			pending--
		case "disconnect":
			delete(block, sec.Session)
		}
		for line := range strings.Lines(sec.SQL) {
			block[sec.Session] = (block[sec.Session] || begins.MatchString(line)) && !ends.MatchString(line)
		}
		if sec.Kind != "query" || len(sec.Params) > 0 || len(sec.Refusals) > 0 || pending > 0 || block[sec.Session] ||
			unasked.MatchString(sec.SQL) || chosen.MatchString(sec.SQL) && !sorted.MatchString(sec.SQL) {
			continue
		}
		for _, sql := range variants(sec.SQL, pool, &at) {
			// Another ordinal may leave rows without an order, so a list is a set here.
			out.Sections = append(out.Sections, &Section{Line: sec.Line, Session: sec.Session, Kind: "vary", SQL: sql, Varied: true})
		}
	}
	return out
}

// A kind of literal takes the place of its own kind only: a canary, which must
// not reach a provider, never that of a word that may.
type kind struct {
	class  sqlast.ConstantClass
	canary bool
}

func kindOf(sql string, c sqlast.Constant) kind {
	return kind{c.Class, strings.Contains(sql[c.From:c.To], "cnry")}
}

// variants are a query with another first literal, another last one, and with
// others everywhere. at is where in the pools the next values stand.
func variants(sql string, pool map[kind][]string, at *int) []string {
	var l sqlast.Lifted
	if !l.Lift(sql) || len(l.Literals) == 0 {
		return nil
	}
	last := len(l.Literals) - 1
	var list []string
	for _, changed := range []func(int) bool{func(i int) bool { return i == 0 }, func(i int) bool { return i == last }, func(int) bool { return true }} {
		var b strings.Builder
		from := 0
		for i, c := range l.Literals {
			if !changed(i) {
				continue
			}
			*at++
			values := pool[kindOf(sql, c)]
			b.WriteString(sql[from:c.From] + values[*at%len(values)])
			from = c.To
		}
		if text := b.String() + sql[from:]; text != sql && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}
