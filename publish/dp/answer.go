package dp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"sort"
)

// A Row is one row of what was asked about.
type Row struct {
	Subject string
	Keys    [][]byte // nil: NULL
	Values  []Number
}

// A Number is a value in steps; not Valid: NULL.
type Number struct {
	Steps int64
	Valid bool
}

// A Group is what is told of one group.
type Group struct {
	Keys    [][]byte   `json:"keys"`
	Numbers []*big.Int `json:"numbers"` // one for each of the question's measures
}

// Answer measures rows and adds noise. What it returns costs the question's Cost;
// it is for a Ledger to hand on. Groups are ordered by their keys, or as the
// domains are.
func (q *Question) Answer(s *Sampler, rows []Row) ([]Group, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	noises, err := q.noises()
	if err != nil {
		return nil, err
	}
	list := q.groups(q.bound(q.inDomains(rows)))
	told := int64(0)
	if q.open() {
		if told, err = q.Threshold(); err != nil {
			return nil, err
		}
	}
	var out []Group
	for _, g := range list {
		numbers := make([]*big.Int, 0, len(noises))
		for i, m := range q.measures() {
			n, err := g.measure(s, m, noises[i])
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, n)
		}
		if q.open() && numbers[q.telling()].Cmp(big.NewInt(told)) < 0 {
			continue
		}
		out = append(out, Group{Keys: g.keys, Numbers: numbers[:len(q.Measures)]})
	}
	return out, nil
}

// inDomains leaves out rows with keys that are not in their domains.
func (q *Question) inDomains(rows []Row) []Row {
	var known []map[string]bool
	for _, k := range q.Keys {
		var m map[string]bool
		if k.Domain != nil {
			m = map[string]bool{}
			for _, v := range k.Domain {
				m[string(v)] = true
			}
		}
		known = append(known, m)
	}
	var out []Row
	for _, r := range rows {
		fits := true
		for i, m := range known {
			fits = fits && (m == nil || r.Keys[i] != nil && m[string(r.Keys[i])])
		}
		if fits {
			out = append(out, r)
		}
	}
	return out
}

// bound keeps of each subject at most q.Rows rows, in at most q.Groups groups.
// Which ones depends on this subject's rows alone: on the order of their hashes.
func (q *Question) bound(rows []Row) []Row {
	of := map[string][]int{}
	for i, r := range rows {
		of[r.Subject] = append(of[r.Subject], i)
	}
	keep := make([]bool, len(rows))
	for _, list := range of {
		hashes := map[int][]byte{}
		if len(list) > 1 {
			for _, i := range list {
				hashes[i] = rows[i].hash()
			}
			slices.SortFunc(list, func(a, b int) int { return bytes.Compare(hashes[a], hashes[b]) })
		}
		taken, groups := 0, map[string]bool{}
		for _, i := range list {
			id := groupID(rows[i].Keys)
			if taken == q.Rows || len(groups) == q.Groups && !groups[id] {
				continue
			}
			groups[id] = true
			keep[i] = true
			taken++
		}
	}
	var out []Row
	for i, r := range rows {
		if keep[i] {
			out = append(out, r)
		}
	}
	return out
}

// groupID tells groups apart: each key with its length, NULL with none.
func groupID(keys [][]byte) string {
	var b []byte
	for _, k := range keys {
		if k == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		b = binary.BigEndian.AppendUint64(b, uint64(len(k)))
		b = append(b, k...)
	}
	return string(b)
}

func (r Row) hash() []byte {
	b := []byte(groupID(r.Keys))
	for _, v := range r.Values {
		if !v.Valid {
			b = append(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint64(append(b, 1), uint64(v.Steps))
	}
	h := sha256.Sum256(b)
	return h[:]
}

// A group is the rows of one group that count.
type group struct {
	keys [][]byte
	rows []Row
}

// groups sorts rows into those that domains make, or that occur.
func (q *Question) groups(rows []Row) []*group {
	var list []*group
	at := map[string]*group{}
	add := func(keys [][]byte) *group {
		g := &group{keys: keys}
		list = append(list, g)
		at[groupID(keys)] = g
		return g
	}
	if !q.open() {
		q.combinations(nil, func(keys [][]byte) { add(slices.Clone(keys)) })
	}
	for _, r := range rows {
		g := at[groupID(r.Keys)]
		if g == nil {
			g = add(r.Keys)
		}
		g.rows = append(g.rows, r)
	}
	if q.open() { // in the order of what is told, not in that of the rows
		sort.Slice(list, func(i, j int) bool { return groupID(list[i].keys) < groupID(list[j].keys) })
	}
	return list
}

// combinations calls do with all keys that the domains make; of none it makes one.
func (q *Question) combinations(keys [][]byte, do func([][]byte)) {
	if len(keys) == len(q.Keys) {
		do(keys)
		return
	}
	for _, v := range q.Keys[len(keys)].Domain {
		q.combinations(append(keys, v), do)
	}
}

// measure is a measure of the group with its noise.
func (g *group) measure(s *Sampler, m Measure, n noise) (*big.Int, error) {
	if m.Kind == Quantile {
		return g.quantile(s, m, n)
	}
	total, x := new(big.Int), new(big.Int)
	switch m.Kind {
	case Subjects:
		seen := map[string]bool{}
		for _, r := range g.rows {
			seen[r.Subject] = true
		}
		total.SetInt64(int64(len(seen)))
	default:
		for _, r := range g.rows {
			if v, ok := m.of(r); ok {
				total.Add(total, x.SetInt64(v))
			}
		}
	}
	z, err := n.draw(s)
	return total.Add(total, x.SetInt64(z)), err
}

// of is what a row adds.
func (m Measure) of(r Row) (int64, bool) {
	if m.Value < 0 {
		return 1, true
	}
	v := r.Values[m.Value]
	x := clamp(v.Steps, m.Lower, m.Upper)
	switch m.Kind {
	case Count:
		x = 1
	case Spread:
		x = 2*x - m.Lower - m.Upper
	case Squares:
		x = 2*x - m.Lower - m.Upper
		x *= x
	}
	return x, v.Valid
}

func clamp[T cmp.Ordered](x, lower, upper T) T { return min(max(x, lower), upper) }

// quantile searches the least value up to which Num/Den of the values are: half of
// what is left is given up each time, by a comparison with noise. How often is
// known beforehand, and so is what it costs.
func (g *group) quantile(s *Sampler, m Measure, n noise) (*big.Int, error) {
	var values []int64
	for _, r := range g.rows {
		if v := r.Values[m.Value]; v.Valid {
			values = append(values, clamp(v.Steps, m.Lower, m.Upper))
		}
	}
	slices.Sort(values)
	from, to := m.Lower, m.Upper
	for range m.turns() {
		middle := from + (to-from)/2
		z, err := n.draw(s)
		if err != nil {
			return nil, err
		}
		up, _ := slices.BinarySearch(values, middle+1)
		// Den*up - Num*all + z >= 0, where no product overflows: 2^20 * 2^40 at most.
		if enough := new(big.Int).Sub(product(m.Den, uint64(up)), product(m.Num, uint64(len(values)))); enough.Add(enough, big.NewInt(z)).Sign() >= 0 {
			to = middle
		} else if from < to {
			from = middle + 1
		}
	}
	return big.NewInt(from), nil
}
