package report

import (
	"fmt"

	"github.com/clarus-project/clarus/publish/check"
)

// drawn is what a release keeps whose rows were drawn.
func drawn(s *check.Synthetic) []string {
	whose := "one row"
	if s.Subject != "" {
		whose = fmt.Sprintf("all rows of one person (%s; at most %d of them count)", s.Subject, s.Each)
	}
	return []string{
		fmt.Sprintf("(epsilon, delta)-differential privacy, epsilon = %g and delta = %g (zCDP with rho = %s), against adding or leaving out %s", s.Epsilon, s.Delta, s.Rho, whose),
		"its rows are drawn from a model; no row is anybody's. k-anonymity is not the model here: a row may equal one of the data by chance, and nothing follows from that",
		"every cell is a value of the declared domain, or one that is frequent in the data",
	}
}

// beyondDrawn is what such a release leaves open.
func beyondDrawn() []string {
	return []string{
		"this report: how alike release and data are was measured on the data without noise. The promise is for the release alone; keep the report",
		"what is true of the persons in the data in general is in the release, and can be used on anybody",
		"other releases and answers about the same persons cost as much again: epsilons add up",
		"that the release was made tells that every value is in its declared domain",
		"dependences of attributes that were not measured together are those that follow from the tree; others are gone, so results need a look at the original",
	}
}

// sampled writes what was measured of drawn rows.
func sampled(m *check.Result, line func(format string, args ...any)) {
	line("rows        %d, drawn", m.Rows)
	line("alike       pairs of attributes differ by %.4f on average (total variation: the share of rows that would have to change)", m.Sampled.Mean)
	for _, v := range m.Sampled.Single {
		line("  %-20s %.4f", v.Attributes[0], v.Distance)
	}
	for _, p := range m.Sampled.Tree {
		line("measured    %s with %s", p[0], p[1])
	}
}
