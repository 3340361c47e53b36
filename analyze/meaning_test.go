package analyze

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A catalogue names numbers: "operator 96" -> "=(integer,integer)".
type catalogue map[string]string

// lookups says where a server has the names.
var lookups = map[string]string{
	"relation":  "SELECT %d::regclass::text",
	"function":  "SELECT %d::regprocedure::text",
	"operator":  "SELECT %d::regoperator::text",
	"type":      "SELECT %d::regtype::text",
	"collation": "SELECT collname FROM pg_collation WHERE oid = %d",
}

func collectNames(asked map[string]bool, st *Statement) {
	ask := func(kind string, oids ...uint32) {
		for _, o := range oids {
			asked[fmt.Sprintf("%s %d", kind, o)] = true
		}
	}
	ask("function", st.Functions...)
	ask("operator", st.Operators...)
	ask("type", st.Types...)
	ask("collation", st.Collations...)
	ask("relation", st.NextValues...)
	for _, r := range st.Relations {
		ask("relation", r.OID)
	}
	for _, r := range st.RegConsts {
		ask("type", r.Type)
	}
}

func writeNames(t *testing.T, s *session, asked map[string]bool) {
	var lines []string
	for key := range asked {
		kind, num, _ := strings.Cut(key, " ")
		oid, _ := strconv.Atoi(num)
		if got := s.rows(fmt.Sprintf(lookups[kind], oid)); len(got) == 1 {
			lines = append(lines, key+" "+got[0])
		}
	}
	slices.SortFunc(lines, func(a, b string) int { // by catalogue, then number
		wa, wb := strings.Fields(a), strings.Fields(b)
		return cmp.Or(strings.Compare(wa[0], wb[0]), len(wa[1])-len(wb[1]), strings.Compare(wa[1], wb[1]))
	})
	check(t, os.WriteFile("testdata/names.txt", []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

func (c catalogue) name(kind string, oid uint32) string {
	return cmp.Or(c[fmt.Sprintf("%s %d", kind, oid)], strconv.Itoa(int(oid)))
}

func (c catalogue) names(kind string, oids []uint32) string {
	var out []string
	for _, o := range oids {
		out = append(out, c.name(kind, o))
	}
	return strings.Join(out, " ")
}

// meaning prints everything that Parse says about a tree; what is empty is left out.
func (c catalogue) meaning(tree string) string {
	list, err := Parse(tree)
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	for _, st := range list {
		out = append(out, c.statement(st))
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(out, "\nand\n")
}

func (c catalogue) statement(st *Statement) string {
	var b strings.Builder
	line := func(head, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s: %s\n", head, text)
		}
	}
	fmt.Fprintf(&b, "%s%s\n", st.Command, flags(st))
	for _, r := range st.Relations {
		c.relation(&b, r)
	}
	line("functions", c.names("function", st.Functions))
	line("operators", c.names("operator", st.Operators))
	line("types", c.names("type", st.Types))
	line("collations", c.names("collation", st.Collations))
	line("next values", c.names("relation", st.NextValues))
	var words []string
	for _, v := range st.SQLValues {
		words = append(words, v.String())
	}
	line("values", strings.Join(words, " "))
	words = nil
	for _, r := range st.RegConsts {
		words = append(words, fmt.Sprintf("%s %d", c.name("type", r.Type), r.OID))
	}
	line("names", strings.Join(words, ", "))
	words = nil
	for _, p := range st.Params {
		words = append(words, fmt.Sprintf("$%d %s", p.ID, c.name("type", p.Type)))
	}
	line("parameters", strings.Join(words, ", "))
	c.targets(&b, "target", st.Targets)
	c.targets(&b, "returning", st.Returning)
	return strings.TrimSpace(b.String())
}

// flags prints what is set, in words.
func flags(st *Statement) string {
	out := ""
	for _, f := range []struct {
		name string
		set  bool
	}{{"simple", st.Simple}, {"modifying-cte", st.ModifyingCTE}, {"for-update", st.ForUpdate}, {"row-security", st.RowSecurity},
		{"sublinks", st.SubLinks}, {"recursive", st.Recursive}, {"current-of", st.CurrentOf}, {"aggregates", st.HasAggregates},
		{"window", st.HasWindow}, {"distinct", st.HasDistinct}, {"group", st.HasGroup}, {"sort", st.HasSort}, {"limit", st.HasLimit},
		{"set-ops", st.HasSetOps}, {"srf", st.HasSRF}, {"conflict", st.HasConflict}} {
		if f.set {
			out += " " + f.name
		}
	}
	if st.JoinCount > 0 {
		out += fmt.Sprintf(" joins=%d", st.JoinCount)
	}
	return out
}

func (c catalogue) relation(b *strings.Builder, r Relation) {
	fmt.Fprintf(b, "relation: %s kind=%c references=%d", c.name("relation", r.OID), r.Kind, r.References)
	for _, l := range []struct {
		name string
		list []int16
	}{{"selected", r.Selected}, {"inserted", r.Inserted}, {"updated", r.Updated}} {
		if len(l.list) > 0 {
			fmt.Fprintf(b, " %s=%v", l.name, l.list)
		}
	}
	for _, f := range []struct {
		name string
		set  bool
	}{{"target", r.Target}, {"locked", r.Locked}, {"sampled", r.TableSample}, {"inherit", r.Inherit}, {"secured", r.Secured}} {
		if f.set {
			b.WriteString(" " + f.name)
		}
	}
	var f strings.Builder
	r.Filter.write(&f, true)
	exact := ""
	if r.Exact {
		exact = " (exact)"
	}
	fmt.Fprintf(b, "\n  filter: %s%s\n", c.expand(f.String()), exact)
}

var (
	operatorOID = regexp.MustCompile(`@(\d+)/(\d+)(~\d+)?`)
	typeOID_    = regexp.MustCompile(`:(\d+)`)
)

// expand puts names for the numbers in a printed filter.
func (c catalogue) expand(filter string) string {
	filter = typeOID_.ReplaceAllStringFunc(filter, func(m string) string {
		oid, _ := strconv.Atoi(m[1:])
		return ":" + strings.ReplaceAll(c.name("type", uint32(oid)), " ", "_")
	})
	return operatorOID.ReplaceAllStringFunc(filter, func(m string) string {
		w := operatorOID.FindStringSubmatch(m)
		op, _ := strconv.Atoi(w[1])
		name, _, _ := strings.Cut(c.name("operator", uint32(op)), "(")
		if w[3] == "" {
			return name
		}
		coll, _ := strconv.Atoi(w[3][1:])
		return name + "~" + c.name("collation", uint32(coll))
	})
}

func (c catalogue) targets(b *strings.Builder, head string, list []Target) {
	for _, t := range list {
		fmt.Fprintf(b, "%s: %d %q", head, t.Column, t.Name)
		if t.Plain {
			fmt.Fprintf(b, " = %s #%d", c.name("relation", t.Table), t.Attr)
		}
		if t.Value != nil {
			fmt.Fprintf(b, " = %s", c.expand(t.Value.text(true)))
		}
		if t.Junk {
			b.WriteString(" junk")
		}
		b.WriteByte('\n')
	}
}
