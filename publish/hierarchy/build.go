package hierarchy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Flat is a hierarchy of the values and a root.
func Flat(values []string) (*Hierarchy, error) {
	paths := make([][]string, len(values))
	for i, v := range values {
		paths[i] = []string{v, Root}
	}
	return New(paths)
}

// Number reads a number as hierarchies and intervals understand it.
func Number(value string) (float64, error) {
	x, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%q is not a number", value)
	}
	return x, nil
}

// Format writes a number as Number reads it.
func Format(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// Numeric sorts values as numbers. Values equal as numbers keep their order.
func Numeric(values []string) ([]string, []float64, error) {
	type pair struct {
		text   string
		number float64
	}
	pairs := make([]pair, len(values))
	for i, v := range values {
		x, err := Number(v)
		if err != nil {
			return nil, nil, err
		}
		pairs[i] = pair{v, x}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.number, b.number) })
	texts, numbers := make([]string, len(pairs)), make([]float64, len(pairs))
	for i, p := range pairs {
		texts[i], numbers[i] = p.text, p.number
	}
	return texts, numbers, nil
}

// Intervals is a hierarchy of numbers: level i has intervals of width widths[i]
// that begin at multiples of it, each width a multiple of the one before.
func Intervals(values []string, widths []float64) (*Hierarchy, error) {
	if err := multiples(widths); err != nil {
		return nil, err
	}
	texts, numbers, err := Numeric(values)
	if err != nil {
		return nil, err
	}
	paths := make([][]string, len(texts))
	for i, t := range texts {
		paths[i] = []string{t}
		for _, w := range widths {
			paths[i] = append(paths[i], interval(numbers[i], w))
		}
		paths[i] = append(paths[i], Root)
	}
	return New(paths)
}

func multiples(widths []float64) error {
	for i, w := range widths {
		if w <= 0 || i > 0 && (w <= widths[i-1] || math.Abs(math.Remainder(w, widths[i-1])) > 1e-9*w) {
			return fmt.Errorf("the width %s is not a multiple of the one before", Format(w))
		}
	}
	return nil
}

// interval is the label of the interval of a width that a number is in.
func interval(x, width float64) string {
	// 0.3/0.1 is a little less than 3, 3*0.1 a little more than 0.3.
	i := math.Floor(math.Round(x/width*1e9) / 1e9)
	end := func(i float64) string { return Format(math.Round(i*width*1e9) / 1e9) }
	return "[" + end(i) + "," + end(i+1) + ")"
}

// Prefixes is a hierarchy of codes, say postal codes: each level hides the given
// number of characters at the end of the longest code, further ones above it.
func Prefixes(values []string, hide []int) (*Hierarchy, error) {
	longest := 0
	for _, v := range values {
		longest = max(longest, utf8.RuneCountInString(v))
	}
	sorted := slices.Sorted(slices.Values(values))
	paths := make([][]string, len(sorted))
	for i, v := range sorted {
		r := []rune(v)
		paths[i] = []string{v}
		for j, n := range hide {
			if n <= 0 || n >= longest || j > 0 && n <= hide[j-1] {
				return nil, fmt.Errorf("hiding %d characters is not between 1 and %d, more at each level", n, longest-1)
			}
			keep := min(len(r), longest-n)
			paths[i] = append(paths[i], string(r[:keep])+strings.Repeat("*", longest-keep))
		}
		paths[i] = append(paths[i], Root)
	}
	return New(paths)
}

// DateLayouts are the forms of dates that are read.
var DateLayouts = []string{"2006-01-02", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05", "2006/01/02", "02.01.2006", "20060102"}

// Date reads a date.
func Date(value string) (time.Time, error) {
	for _, layout := range DateLayouts {
		if t, err := time.Parse(layout, strings.TrimSpace(value)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a date like 2006-01-31", value)
}

// Units of dates, each within the next but week.
var dateUnits = map[string]func(time.Time) string{
	"day":     func(t time.Time) string { return t.Format("2006-01-02") },
	"month":   func(t time.Time) string { return t.Format("2006-01") },
	"quarter": func(t time.Time) string { return fmt.Sprintf("%d-Q%d", t.Year(), (int(t.Month())+2)/3) },
	"year":    func(t time.Time) string { return t.Format("2006") },
	"decade":  func(t time.Time) string { return fmt.Sprintf("%ds", t.Year()/10*10) },
}

// DateUnits are the names of levels that Dates knows, finest first.
var DateUnits = []string{"day", "month", "quarter", "year", "decade"}

// Dates is a hierarchy of dates with one level for each unit.
func Dates(values []string, units []string) (*Hierarchy, error) {
	last := -1
	for _, u := range units {
		i := slices.Index(DateUnits, u)
		if i <= last {
			return nil, fmt.Errorf("%q is not one of %s, finest first", u, strings.Join(DateUnits, ", "))
		}
		last = i
	}
	type dated struct {
		text string
		at   time.Time
	}
	list := make([]dated, len(values))
	for i, v := range values {
		t, err := Date(v)
		if err != nil {
			return nil, err
		}
		list[i] = dated{v, t}
	}
	slices.SortStableFunc(list, func(a, b dated) int { return a.at.Compare(b.at) })
	paths := make([][]string, len(list))
	for i, d := range list {
		paths[i] = []string{d.text}
		for _, u := range units {
			paths[i] = append(paths[i], dateUnits[u](d.at))
		}
		paths[i] = append(paths[i], Root)
	}
	return New(paths)
}

// Balanced builds a hierarchy from ordered values and how often each occurs:
// every level halves the nodes of the one above at the median row. Labels are
// the ends of each node's run.
func Balanced(values []string, count []int) (*Hierarchy, error) {
	if len(values) == 0 || len(values) != len(count) {
		return nil, fmt.Errorf("the hierarchy has no values")
	}
	type run struct{ lo, hi int }
	levels := [][]run{{{0, len(values)}}}
	for {
		var next []run
		for _, r := range levels[len(levels)-1] {
			if r.hi-r.lo == 1 {
				next = append(next, r)
				continue
			}
			m := median(count, r.lo, r.hi)
			next = append(next, run{r.lo, m}, run{m, r.hi})
		}
		if len(next) == len(levels[len(levels)-1]) {
			break
		}
		levels = append(levels, next)
	}
	paths := make([][]string, len(values))
	for l := len(levels) - 1; l >= 0; l-- {
		for _, r := range levels[l] {
			label := "[" + values[r.lo] + "," + values[r.hi-1] + "]"
			if r.hi-r.lo == 1 {
				label = values[r.lo]
			}
			for i := r.lo; i < r.hi; i++ {
				paths[i] = append(paths[i], label)
			}
		}
	}
	return New(paths)
}

// median divides the run lo..hi into two parts of about equal count, neither empty.
func median(count []int, lo, hi int) int {
	total := 0
	for _, c := range count[lo:hi] {
		total += c
	}
	sum := 0
	for i := lo; i < hi-1; i++ {
		if sum += count[i]; 2*sum >= total {
			return i + 1
		}
	}
	return hi - 1
}
