package policy

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/clarus-project/clarus"
)

// Explain lists what the policy says, attribute by attribute, for the owner to
// read. What columns decide (keys, types) is in Protection.Because.
func (p *Policy) Explain() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.file)
	unlisted := "what is not listed: " + p.byDefault()
	if p.defaults.reason != "" {
		unlisted += " (" + strings.TrimSpace(p.defaults.reason) + ")"
	}
	fmt.Fprintln(&b, unlisted)
	tables := make([]*dataset, 0, len(p.datasets))
	for _, d := range p.datasets {
		tables = append(tables, d)
	}
	slices.SortFunc(tables, func(a, b *dataset) int { return strings.Compare(a.name.String(), b.name.String()) })
	for _, d := range tables {
		p.explain(&b, d)
	}
	return b.String()
}

func (p *Policy) byDefault() string {
	if p.defaults.clear {
		return "clear"
	}
	return "sealed, " + preserves(p.defaults.preserve) + ", leak at most " + p.defaults.leak.String() + "; surrogate keys clear"
}

func (p *Policy) explain(b *strings.Builder, d *dataset) {
	fmt.Fprintf(b, "\n%s", d.name)
	if d.provider != "" {
		fmt.Fprintf(b, " at %s", d.provider)
	}
	if d.subject != "" {
		fmt.Fprintf(b, ", subject %s", d.subject)
	}
	if pub := d.published; pub != nil {
		fmt.Fprintf(b, ", published as %s", tableName{pub.Release, pub.Table})
		if pub.Provider != "" {
			fmt.Fprintf(b, " at %s", pub.Provider)
		}
	}
	if d.release {
		b.WriteString(", kept by Clarus alone")
	}
	fmt.Fprintln(b)
	w := tabwriter.NewWriter(b, 0, 8, 2, ' ', 0)
	for _, name := range sortedKeys(d.attributes) {
		a := d.attributes[name]
		line := "clear"
		if !a.class.Clear() {
			line = "sealed, " + preserves(a.preserve) + ", leak at most " + a.leak.String()
		}
		if a.reason != "" {
			line += " (" + strings.TrimSpace(a.reason) + ")"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", quoteName(name), a.class, line)
	}
	if d.clear {
		fmt.Fprintf(w, "  others\t%s\tclear\n", clarus.NonConfidential)
	}
	w.Flush() // to memory: it cannot fail
	if a := d.aggregates; a != nil {
		fmt.Fprintf(b, "  aggregates with %s noise, %d rows and %d groups of a subject, %s each", a.Noise, a.Rows, a.Groups, a.Question)
		for _, user := range sortedKeys(a.Budgets) {
			for _, purpose := range sortedKeys(a.Budgets[user]) {
				fmt.Fprintf(b, "; %s for %s: %s", user, purpose, a.Budgets[user][purpose])
			}
		}
		fmt.Fprintln(b)
	}
}

func preserves(ops []clarus.Operation) string {
	if len(ops) == 0 {
		return "preserves nothing"
	}
	return "preserves " + words(ops)
}

// String writes "1", or "equality 4, order 1" where levels differ.
func (c ceiling) String() string {
	if c[clarus.Equality] == c[clarus.Order] {
		return fmt.Sprint(int(c[clarus.Equality]))
	}
	return fmt.Sprintf("equality %d, order %d", c[clarus.Equality], c[clarus.Order])
}

func words(ops []clarus.Operation) string {
	names := make([]string, len(ops))
	for i, op := range ops {
		names[i] = string(op)
	}
	return enumerate(names, "and")
}
