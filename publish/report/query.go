package report

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/table"
)

// A Query is a count of the rows that have given values in two attributes, on
// the original and as it is estimated from the release: a row counts by the
// share of its cells' values that are asked for.
type Query struct {
	Attributes []string `json:"attributes"`
	True       int      `json:"true"`
	Estimated  float64  `json:"estimated"`
	Error      float64  `json:"relative_error"` // against the greater of the true count and a hundredth of a per cent of rows, 1 at least
}

// asked is how many queries a report has, examined how many rows they look at.
const (
	asked    = 60
	examined = 200_000
)

// queries asks the same questions of every release of one table, so that
// reports can be compared.
func queries(original, release *table.Table, s *check.Spec) ([]Query, float64) {
	var fields []*field
	for i := range s.Quasi {
		if !s.Quasi[i].Perturbed {
			fields = append(fields, newField(original, release, &s.Quasi[i]))
		}
	}
	if len(fields) == 0 || original.Rows == 0 {
		return nil, 0
	}
	rng := rand.New(rand.NewPCG(1, 2))
	step := max(1, original.Rows/examined)
	var list []Query
	var errors []float64
	for range asked {
		f, g := fields[rng.IntN(len(fields))], fields[rng.IntN(len(fields))]
		pair := []*field{f}
		if f != g {
			pair = append(pair, g)
		}
		q := ask(pair, original.Rows, step, rng)
		list = append(list, q)
		errors = append(errors, q.Error)
	}
	slices.Sort(errors)
	return list, errors[len(errors)/2]
}

// A field is a quasi-identifier before and after.
type field struct {
	name          string
	before, after *table.Column
	leaf          []int         // of each original value; -1: not in the domain
	covers        []check.Cover // of each published cell
	leaves        int
}

func newField(original, release *table.Table, q *check.Quasi) *field {
	f := &field{name: q.Name, before: original.Column(q.Name), after: release.Column(q.Name), leaves: len(q.Leaves)}
	f.leaf, f.covers = check.Read(q, f.before, f.after)
	return f
}

// ask counts rows that have one of a third of each field's values, at random.
func ask(fields []*field, rows, step int, rng *rand.Rand) Query {
	var q Query
	wanted := make([][]bool, len(fields)) // by leaf
	share := make([][]float64, len(fields))
	for i, f := range fields {
		q.Attributes = append(q.Attributes, f.name)
		wanted[i] = make([]bool, f.leaves)
		from, n := rng.IntN(f.leaves), max(1, f.leaves/3)
		for j := range n {
			wanted[i][(from+j)%f.leaves] = true
		}
		share[i] = make([]float64, len(f.covers))
		for x := range f.covers {
			share[i][x] = f.covers[x].Share(wanted[i])
		}
	}
	seen := 0
	for r := 0; r < rows; r += step {
		seen++
		all, p := true, 1.0
		for i, f := range fields {
			leaf := f.leaf[f.before.Codes[r]]
			all = all && leaf >= 0 && wanted[i][leaf]
			p *= share[i][f.after.Codes[r]]
		}
		if all {
			q.True++
		}
		q.Estimated += p
	}
	q.Error = math.Abs(q.Estimated-float64(q.True)) / max(float64(q.True), 1, 1e-4*float64(seen))
	return q
}
