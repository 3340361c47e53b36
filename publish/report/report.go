// Package report says in text, JSON and HTML what a release risks and what it is
// still good for, and what its model does not protect against.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/mask"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// A Report is about one release.
type Report struct {
	Made       time.Time     `json:"made"`
	Promises   []string      `json:"promises"` // that the release keeps
	Left       []string      `json:"left_out"` // attributes that are not published
	Measured   *check.Result `json:"measured"`
	Queries    []Query       `json:"queries"` // what counts over the release are worth
	QueryError float64       `json:"median_query_error"`
	Beyond     []string      `json:"not_protected_against"`
}

// New makes the report of a release that passed its check.
func New(original, release *table.Table, s *check.Spec, r *check.Result, made time.Time) *Report {
	out := &Report{Made: made.UTC().Truncate(time.Second), Measured: r, Left: s.Absent, Promises: promises(s)}
	if s.Synthetic != nil {
		out.Promises, out.Beyond = drawn(s.Synthetic), beyondDrawn()
		return out
	}
	out.Queries, out.QueryError = queries(original, release, s)
	out.Beyond = beyond(s, r)
	return out
}

func promises(s *check.Spec) []string {
	who := "rows"
	if s.Subject != "" {
		who = "persons (" + s.Subject + ")"
	}
	list := []string{fmt.Sprintf("k-anonymity: every class has %d %s or more", s.K, who)}
	for _, a := range s.Confidential {
		for _, w := range a.Wants {
			list = append(list, fmt.Sprintf("%s of %s in every class", w, a.Name))
		}
	}
	var covered, means []string
	for _, q := range s.Quasi {
		if q.Perturbed {
			means = append(means, q.Name)
		} else {
			covered = append(covered, q.Name)
		}
	}
	if len(covered) > 0 {
		list = append(list, "every cell of "+strings.Join(covered, ", ")+" covers its original value")
	}
	if len(means) > 0 {
		list = append(list, "cells of "+strings.Join(means, ", ")+" are the means of their classes, not original values")
	}
	for _, m := range s.Masked {
		list = append(list, m.Name+" is published "+mask.Describe(m.Mask))
	}
	return list
}

// beyond lists what the promises leave open.
func beyond(s *check.Spec, r *check.Result) []string {
	var list []string
	for i, a := range s.Confidential {
		d := r.Disclosures[i]
		switch {
		case len(a.Wants) == 0 && d.Homogeneous > 0:
			list = append(list, fmt.Sprintf("%s has no model: %d rows are in classes where all have one value, so whoever finds the class learns it", a.Name, d.Homogeneous))
		case len(a.Wants) == 0:
			list = append(list, fmt.Sprintf("%s has no model: in some class one value has a share of %.0f %%", a.Name, 100*d.Certainty))
		case !wants(a, model.TCloseness):
			list = append(list, fmt.Sprintf("%s has no t-closeness: in some class one value has a share of %.0f %%, in the whole %.0f %%, and values that differ may mean the same", a.Name, 100*d.Certainty, 100*d.Baseline))
		}
	}
	if len(s.Kept) > 0 {
		list = append(list, "the attributes "+strings.Join(s.Kept, ", ")+" are published as they are: whoever knows them elsewhere can use them as quasi-identifiers")
	}
	for _, m := range s.Masked {
		list = append(list, m.Name+" is masked, not anonymised: who knows about what it is can still use it")
	}
	if s.Subject == "" {
		list = append(list, "rows are counted as persons: if one person has several, name it as subject")
	}
	return append(list,
		"what somebody knows of a confidential value, or of who is not in the data, narrows a class further",
		"a second release of the same persons, by this program or others, can be intersected with this one",
		"cells are as tight as the classes allow: who knows the program can reason about which coarser classes were not needed (downcoding); random choices make that uncertain, not impossible",
		"whoever learns that a person is in the data learns what is true of its whole class")
}

func wants(a check.Confidential, kind model.Kind) bool {
	for _, w := range a.Wants {
		if w.Kind == kind {
			return true
		}
	}
	return false
}

// JSON writes the report as JSON.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text writes the report for a terminal.
func (r *Report) Text(w io.Writer) error {
	m := r.Measured
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("the release keeps, checked on its own text:")
	for _, p := range r.Promises {
		line("  %s", p)
	}
	line("")
	if m.Sampled != nil {
		sampled(m, line)
	} else {
		r.classes(line)
	}
	if len(r.Left) > 0 {
		line("left out    %s", strings.Join(r.Left, ", "))
	}
	line("")
	line("it does not protect against:")
	for _, s := range r.Beyond {
		line("  - %s", s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// classes writes what was measured of classes.
func (r *Report) classes(line func(format string, args ...any)) {
	m := r.Measured
	line("rows        %d, %d suppressed", m.Rows, m.Suppressed)
	line("classes     %d, of %d to %d rows, %.2f on average", m.Classes, m.SmallestRow, m.Largest, m.Mean)
	if slices.ContainsFunc(m.Attributes, func(a check.Attribute) bool { return !a.Perturbed }) {
		line("loss        %.5f of 1 (LM); discernibility %.0f", m.Loss, m.Penalty)
	} else {
		line("loss        discernibility %.0f", m.Penalty)
	}
	for _, a := range m.Attributes {
		if a.Perturbed {
			gone := ""
			if a.Error > 0 {
				gone = fmt.Sprintf("%.1f %% of its variance gone, ", 100*a.Error)
			}
			line("  %-20s %s%.1f %% of cells changed, %d different cells", a.Name, gone, 100*a.Changed, a.Values)
			continue
		}
		line("  %-20s %.5f, %d different cells", a.Name, a.Loss, a.Values)
	}
	if len(r.Queries) > 0 {
		line("counts      half of %d queries on one or two attributes are off by %.1f %% or less", len(r.Queries), 100*r.QueryError)
	}
	line("risk        prosecutor at most %.4f, %.4f on average; marketer %.4f", m.Risk.Prosecutor, m.Risk.ProsecutorMean, m.Risk.Marketer)
	if j := m.Risk.Journalist; j != nil {
		line("journalist  at most %.4f, %.4f on average, among a population of %d rows; the smallest class has %d of them", j.Highest, j.Mean, j.Population, j.Least)
		if j.Lacking > 0 {
			line("            the population has fewer persons for %d classes than the release: it is not all who may be in the data", j.Lacking)
		}
	}
	line("unique      %.1f %% of rows before, %.1f %% in the release", 100*m.Risk.UniqueBefore, 100*m.Risk.UniqueAfter)
	for _, d := range m.Disclosures {
		line("disclosure  %s: at least %d values and entropy log %.2f in a class, distance at most %.3f, most certain value %.1f %% (in the whole %.1f %%)",
			d.Name, d.LeastL, d.LeastE, d.MostT, 100*d.Certainty, 100*d.Baseline)
	}
}
