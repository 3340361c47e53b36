//go:build bench

package publish_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/figures"
)

// TestSyntheticBench draws synthetic rows of Adult and measures how alike they are, the
// mean of five runs for each epsilon, and writes it into docs/benchmarks.md.
func TestSyntheticBench(t *testing.T) {
	a := loadAdult(t)
	dir := t.TempDir()
	program := build(t, dir)
	for name, text := range a.files {
		write(t, dir, "h_"+name+".csv", []byte(text))
	}
	write(t, dir, "in.csv", a.data)
	var rows strings.Builder
	rows.WriteString("| Adult, 30,162 rows, delta 10^-9 | one attribute | two attributes | worst pair | CPU |\n|---|--:|--:|--:|--:|\n")
	for _, open := range []bool{false, true} {
		for _, epsilon := range []float64{0.3, 1, 3, 10, 100} {
			policy := fmt.Sprintf("version: 1\nrelease: {method: synthetic, epsilon: %g, delta: 1.0e-9}\nattributes:\n", epsilon)
			for _, name := range adultNames {
				more := fmt.Sprintf(", hierarchy: {file: h_%s.csv}", name)
				if name == "age" {
					more = ", type: numeric, bounds: [17, 90], bins: 37"
				} else if open {
					more = ""
				}
				policy += fmt.Sprintf("  %s: {class: quasi-identifier%s}\n", name, more)
			}
			write(t, dir, "p.yaml", []byte(policy))
			const runs = 5
			one, two, worst, cpu := 0.0, 0.0, 0.0, 0.0
			for range runs {
				cpu += publishFile(t, program, dir).cpu / runs
				s := reported(t, dir).Sampled
				two += s.Mean / runs
				for _, v := range s.Single {
					one += v.Distance / runs / float64(len(s.Single))
				}
				most := 0.0
				for _, v := range s.Pairs {
					most = max(most, v.Distance)
				}
				worst += most / runs
			}
			domains := "domains from files"
			if open {
				domains = "categories learned"
			}
			fmt.Fprintf(&rows, "| epsilon %g, %s | %.4f | %.4f | %.4f | %.2f s |\n", epsilon, domains, one, two, worst, cpu)
		}
	}
	t.Log("\n" + rows.String())
	if a.real {
		figures.Write(t, "../docs/benchmarks.md", "synthetic", rows.String())
	}
}
