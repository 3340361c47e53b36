package check

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/clarus-project/clarus/publish/hierarchy"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
)

// A Result is what was measured.
type Result struct {
	Rows        int          `json:"rows"`
	Suppressed  int          `json:"suppressed"` // rows whose quasi-identifiers all say nothing
	Classes     int          `json:"classes"`
	SmallestRow int          `json:"smallest_class_rows"`
	Smallest    int          `json:"smallest_class"` // in persons
	Largest     int          `json:"largest_class"`
	Mean        float64      `json:"mean_class"`
	Sizes       []Bucket     `json:"class_sizes"`
	Loss        float64      `json:"normalised_loss"`         // LM, NCP: 0 nothing lost, 1 all
	Penalty     float64      `json:"discernibility"`          // DM (Bayardo and Agrawal, ICDE 2005)
	Attributes  []Attribute  `json:"attributes"`              // quasi-identifiers
	Disclosures []Disclosure `json:"confidential_attributes"` // confidential ones
	Risk        Risk         `json:"risk"`
	Sampled     *Sampled     `json:"synthetic,omitempty"` // of rows that were drawn; all above is nothing then
}

// A Bucket counts the classes whose size is in a range.
type Bucket struct {
	From    int `json:"from"`
	To      int `json:"to"`
	Classes int `json:"classes"`
	Rows    int `json:"rows"`
}

// An Attribute is what a quasi-identifier lost.
type Attribute struct {
	Name      string  `json:"name"`
	Loss      float64 `json:"loss"`
	Values    int     `json:"different_cells"`
	Perturbed bool    `json:"perturbed,omitempty"`     // cells are not covers: Error and Changed are measured instead of Loss
	Error     float64 `json:"squared_error,omitempty"` // on a scale: SSE/SST, the share of the variance that is gone
	Changed   float64 `json:"changed_cells,omitempty"` // share of cells that differ from their original
}

// perturbed measures an attribute whose cells are not covers.
func perturbed(q *Quasi, before, after *table.Column) Attribute {
	a := Attribute{Name: q.Name, Perturbed: true, Values: distinct(after)}
	n := float64(max(1, len(before.Codes)))
	mean, sse, sst, scaled := 0.0, 0.0, 0.0, true
	at := make([]float64, len(before.Codes))
	for r := range at {
		x, err := Position(q.Scale, q.Order, before.At(r))
		at[r], scaled = x, scaled && err == nil
		mean += x / n
		if before.At(r) != after.At(r) {
			a.Changed += 1 / n
		}
	}
	for r, x := range at {
		y, err := Position(q.Scale, q.Order, after.At(r))
		scaled = scaled && err == nil
		sse += (x - y) * (x - y)
		sst += (x - mean) * (x - mean)
	}
	if scaled && sst > 0 {
		a.Error = sse / sst
	}
	return a
}

// A Disclosure is what classes show of a confidential attribute.
type Disclosure struct {
	Name        string  `json:"name"`
	LeastL      int     `json:"least_distinct_l"`
	LeastE      float64 `json:"least_entropy_l"`
	MostT       float64 `json:"greatest_t_equal"`
	Homogeneous int     `json:"rows_in_classes_of_one_value"`
	Certainty   float64 `json:"greatest_share_of_one_value"` // in a class
	Baseline    float64 `json:"share_of_the_most_frequent_value"`
}

// Risk is the chance of finding whose a row is (Dankar and El Emam, EDBT 2010).
type Risk struct {
	Prosecutor     float64 `json:"prosecutor_highest"`      // who knows that the person is in the data
	ProsecutorMean float64 `json:"prosecutor_mean"`         // over rows
	Marketer       float64 `json:"marketer"`                // share of rows that a full match finds
	UniqueBefore   float64 `json:"unique_rows_in_original"` // sample uniqueness
	UniqueAfter    float64 `json:"unique_rows_in_release"`
	// Journalist is the risk among a population; nil: none was given.
	Journalist *Journalist `json:"journalist,omitempty"`
}

// tolerance is how far a measure may be over its bound by rounding.
const tolerance = 1e-9

// confidential checks what every class must satisfy in an attribute.
func (c *checker) confidential(a *Confidential) {
	before, after := c.original.Column(a.Name), c.release.Column(a.Name)
	d := Disclosure{Name: a.Name, LeastL: math.MaxInt, LeastE: math.Inf(1)}
	whole := map[string]int{} // of the original: what everybody may know
	for r, k := range c.class {
		whole[before.At(r)]++
		switch v := after.At(r); {
		case k < 0 && v != Suppressed:
			c.violated("suppressed rows show no "+a.Name, "row %d does", r+1)
			return
		case k >= 0 && v != before.At(r):
			c.violated(a.Name+" is published as it is", "row %d differs", r+1)
			return
		}
	}
	for _, n := range whole {
		d.Baseline = max(d.Baseline, float64(n)/float64(len(c.class)))
	}
	told := map[string]bool{}
	count := map[string]int{}
	for k, rows := range c.members() {
		clear(count)
		for _, r := range rows {
			count[after.At(int(r))]++
		}
		n, top := len(rows), 0
		for _, x := range count {
			top = max(top, x)
		}
		d.LeastL = min(d.LeastL, len(count))
		d.LeastE = min(d.LeastE, math.Exp(entropy(count, n)))
		d.MostT = max(d.MostT, variation(count, n, whole, len(c.class)))
		d.Certainty = max(d.Certainty, float64(top)/float64(n))
		if len(count) == 1 {
			d.Homogeneous += n
		}
		for _, want := range a.Wants {
			ok, found := satisfied(want, a, count, n, whole, len(c.class))
			if !ok && !told[want.String()] {
				told[want.String()] = true
				c.violated(want.String()+" of "+a.Name, "%s in the class %s", found, c.describe(k))
			}
		}
	}
	if len(c.size) == 0 {
		d.LeastL, d.LeastE = 0, 0
	}
	c.result.Disclosures = append(c.result.Disclosures, d)
}

// members yields the rows of each class.
func (c *checker) members() iter.Seq2[int, []int32] {
	return func(yield func(int, []int32) bool) {
		if c.rows == nil {
			at := make([]int32, len(c.size)+1)
			for k, n := range c.size {
				at[k+1] = at[k] + int32(n)
			}
			c.starts, c.rows = slices.Clone(at), make([]int32, at[len(c.size)])
			for r, k := range c.class {
				if k >= 0 {
					c.rows[at[k]] = int32(r)
					at[k]++
				}
			}
		}
		for k := range c.size {
			if !yield(k, c.rows[c.starts[k]:c.starts[k+1]]) {
				return
			}
		}
	}
}

// satisfied judges one class by one requirement.
func satisfied(want model.Requirement, a *Confidential, count map[string]int, n int, whole map[string]int, rows int) (ok bool, found string) {
	switch want.Kind {
	case model.DistinctL:
		return float64(len(count)) >= want.L, fmt.Sprintf("%d different values", len(count))
	case model.EntropyL:
		e := entropy(count, n)
		return e >= math.Log(want.L)-tolerance, fmt.Sprintf("an entropy of log %.4g", math.Exp(e))
	case model.RecursiveL:
		sorted := make([]int, 0, len(count))
		for _, x := range count {
			sorted = append(sorted, x)
		}
		slices.Sort(sorted)
		slices.Reverse(sorted)
		tail := 0
		for i, x := range sorted {
			if i >= int(want.L)-1 {
				tail += x
			}
		}
		return float64(sorted[0]) < want.C*float64(tail), fmt.Sprintf("the most frequent value %d times, those from the %g-th on %d times", sorted[0], want.L, tail)
	case model.TCloseness:
		t := math.Inf(1)
		switch want.Distance {
		case model.Equal:
			t = variation(count, n, whole, rows)
		case model.Ordered:
			t = orderedDistance(a.Order, count, n, whole, rows)
		case model.Hierarchical:
			t = treeDistance(a.Tree, count, n, whole, rows)
		}
		return t <= want.T+tolerance, fmt.Sprintf("a distance of %.6g", t)
	}
	return false, "a model that is not known"
}

func entropy(count map[string]int, n int) float64 {
	h := 0.0
	for _, x := range count {
		p := float64(x) / float64(n)
		h -= p * math.Log(p)
	}
	return h
}

// variation is the total variation distance of a class from the whole.
func variation(count map[string]int, n int, whole map[string]int, rows int) float64 {
	d := 1.0 // as if the class had nothing of the whole's values
	for v, x := range count {
		p, q := float64(x)/float64(n), float64(whole[v])/float64(rows)
		d -= min(p, q)
	}
	return max(0, d)
}

// orderedDistance is the earth mover's distance on a line of equal steps.
func orderedDistance(order []string, count map[string]int, n int, whole map[string]int, rows int) float64 {
	d, carried := 0.0, 0.0
	for _, v := range order {
		carried += float64(count[v])/float64(n) - float64(whole[v])/float64(rows)
		d += math.Abs(carried)
	}
	return d / float64(max(1, len(order)-1))
}

// treeDistance is the earth mover's distance in a tree: for each node, what must
// pass the edge above it, by half the height of that edge.
func treeDistance(t *hierarchy.Hierarchy, count map[string]int, n int, whole map[string]int, rows int) float64 {
	if t == nil {
		return math.Inf(1)
	}
	d := 0.0
	for l := range t.Levels[:len(t.Levels)-1] {
		level := &t.Levels[l]
		for node := range level.Labels {
			x := 0.0
			for leaf := level.First[node]; leaf < level.First[node+1]; leaf++ {
				v := t.Levels[0].Labels[leaf]
				x += float64(count[v])/float64(n) - float64(whole[v])/float64(rows)
			}
			d += math.Abs(x)
		}
	}
	return d / 2 / float64(max(1, t.Height()))
}

// risks fills in what follows from the sizes of classes.
func (c *checker) risks() {
	r := c.result
	r.Classes = len(c.size)
	if len(c.size) > 0 {
		r.Smallest, r.Largest, r.SmallestRow = slices.Min(c.persons), slices.Max(c.size), slices.Min(c.size)
		r.Mean = float64(r.Rows-c.out) / float64(len(c.size))
		r.Risk.Prosecutor = 1 / float64(r.Smallest)
	}
	unique, found := 0, 0.0
	for k, n := range c.size {
		r.Penalty += float64(n) * float64(n)
		found += float64(n) / float64(c.persons[k])
		if n == 1 {
			unique++
		}
	}
	r.Penalty += float64(c.out) * float64(r.Rows)
	rows := float64(max(1, r.Rows))
	r.Risk.ProsecutorMean = found / rows
	r.Risk.Marketer = float64(len(c.size)) / rows
	r.Risk.UniqueAfter = float64(unique) / rows
	r.Risk.UniqueBefore = float64(c.uniqueBefore()) / rows
	r.Sizes = buckets(c.size)
	lost := 0
	for _, a := range r.Attributes {
		if !a.Perturbed {
			r.Loss += a.Loss
			lost++
		}
	}
	r.Loss /= float64(max(1, lost))
}

// uniqueBefore counts the rows of the original that no other equals in the
// quasi-identifiers.
func (c *checker) uniqueBefore() int {
	class := make([]int32, c.original.Rows)
	var count []int
	for _, q := range c.spec.Quasi {
		next := map[uint64]int32{}
		count = count[:0]
		for r, x := range c.original.Column(q.Name).Codes {
			key := uint64(class[r])<<32 | uint64(x)
			id, ok := next[key]
			if !ok {
				id = int32(len(next))
				next[key] = id
				count = append(count, 0)
			}
			class[r] = id
			count[id]++
		}
	}
	n := 0
	for _, x := range count {
		if x == 1 {
			n++
		}
	}
	return n
}

// buckets counts classes by size: ranges that double.
func buckets(sizes []int) []Bucket {
	var out []Bucket
	if len(sizes) == 0 {
		return out
	}
	least := slices.Min(sizes)
	for from := max(1, least); ; {
		to := from + max(1, from/4) - 1
		b := Bucket{From: from, To: to}
		more := false
		for _, n := range sizes {
			if n >= from && n <= to {
				b.Classes++
				b.Rows += n
			}
			more = more || n > to
		}
		out = append(out, b)
		if !more {
			return out
		}
		from = to + 1
	}
}
