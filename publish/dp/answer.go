package dp

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
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
	list := q.groups(rows, q.bound(rows, q.inDomains(rows)))
	told := int64(0)
	if q.open() {
		if told, err = q.Threshold(); err != nil {
			return nil, err
		}
	}
	out := []Group{}
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

// inDomains returns the rows, by index, whose keys are in their domains.
func (q *Question) inDomains(rows []Row) []int {
	known := make([]map[string]bool, len(q.Keys))
	for i, k := range q.Keys {
		if k.Domain != nil {
			known[i] = map[string]bool{}
			for _, v := range k.Domain {
				known[i][string(v)] = true
			}
		}
	}
	out := make([]int, 0, len(rows))
	for at, r := range rows {
		fits := true
		for i, m := range known {
			fits = fits && (m == nil || r.Keys[i] != nil && m[string(r.Keys[i])])
		}
		if fits {
			out = append(out, at)
		}
	}
	return out
}

// bound keeps of each subject at most q.Rows rows, in at most q.Groups groups.
// Which ones depends on this subject's rows alone: on the order of their hashes.
func (q *Question) bound(rows []Row, list []int) []int {
	number := map[string]int{} // of each subject
	of := make([]int, len(list))
	var ends []int // of each subject's rows in sorted
	for i, at := range list {
		n, ok := number[rows[at].Subject]
		if !ok {
			n = len(ends)
			number[rows[at].Subject] = n
			ends = append(ends, 0)
		}
		of[i] = n
		ends[n]++
	}
	for n := 1; n < len(ends); n++ {
		ends[n] += ends[n-1]
	}
	sorted := make([]int, len(list))
	next := slices.Clone(ends)
	for i, at := range list {
		next[of[i]]--
		sorted[next[of[i]]] = at
	}
	out, from := make([]int, 0, len(list)), 0
	for _, end := range ends {
		if mine := sorted[from:end]; len(mine) <= q.Groups { // and so at most q.Rows
			out = append(out, mine...)
		} else {
			out = append(out, q.choose(rows, mine)...)
		}
		from = end
	}
	return out
}

// choose is bound for the rows of one subject.
func (q *Question) choose(rows []Row, mine []int) []int {
	hashes := make(map[int][sha256.Size]byte, len(mine))
	for _, at := range mine {
		hashes[at] = rows[at].hash()
	}
	slices.SortFunc(mine, func(a, b int) int {
		x, y := hashes[a], hashes[b]
		return bytes.Compare(x[:], y[:])
	})
	out, groups := []int{}, map[string]bool{}
	for _, at := range mine {
		id := groupID(rows[at].Keys)
		if len(out) < q.Rows && (len(groups) < q.Groups || groups[id]) {
			groups[id] = true
			out = append(out, at)
		}
	}
	return out
}

// groupID tells groups apart: each key with its length, NULL with none.
func groupID(keys [][]byte) string { return string(appendID(nil, keys)) }

func appendID(b []byte, keys [][]byte) []byte {
	for _, k := range keys {
		if k == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		b = binary.BigEndian.AppendUint64(b, uint64(len(k)))
		b = append(b, k...)
	}
	return b
}

func (r Row) hash() [sha256.Size]byte {
	b := appendID(nil, r.Keys)
	for _, v := range r.Values {
		if !v.Valid {
			b = append(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint64(append(b, 1), uint64(v.Steps))
	}
	return sha256.Sum256(b)
}

// A group is the rows of one group that count.
type group struct {
	keys [][]byte
	all  []Row // of which it has those in rows
	rows []int
}

// groups sorts rows into those that domains make, or that occur.
func (q *Question) groups(rows []Row, counted []int) []*group {
	var list []*group
	at := map[string]*group{}
	add := func(keys [][]byte) *group {
		g := &group{keys: keys, all: rows}
		list = append(list, g)
		at[groupID(keys)] = g
		return g
	}
	if !q.open() {
		q.combinations(nil, func(keys [][]byte) { add(slices.Clone(keys)) })
	}
	var id []byte
	for _, i := range counted {
		id = appendID(id[:0], rows[i].Keys)
		g := at[string(id)]
		if g == nil {
			g = add(rows[i].Keys)
		}
		g.rows = append(g.rows, i)
	}
	if q.open() { // in the order of what is told, not in that of the rows
		slices.SortFunc(list, func(a, b *group) int { return cmp.Compare(groupID(a.keys), groupID(b.keys)) })
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
		for _, i := range g.rows {
			seen[g.all[i].Subject] = true
		}
		total.SetInt64(int64(len(seen)))
	default:
		for _, i := range g.rows {
			if v, ok := m.of(&g.all[i]); ok {
				total.Add(total, x.SetInt64(v))
			}
		}
	}
	z, err := n.draw(s)
	return total.Add(total, x.SetInt64(z)), err
}

// of is what a row adds.
func (m Measure) of(r *Row) (int64, bool) {
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
	values := g.sorted(m)
	from, to := m.Lower, m.Upper
	for range m.turns() {
		middle := from + (to-from)/2
		z, err := n.draw(s)
		if err != nil {
			return nil, err
		}
		if score := m.score(values, middle); score.Add(score, big.NewInt(z)).Sign() >= 0 {
			to = middle
		} else if from < to {
			from = middle + 1
		}
	}
	return big.NewInt(from), nil
}

// sorted are the group's values, in order.
func (g *group) sorted(m Measure) []int64 {
	var values []int64
	for _, i := range g.rows {
		if v := g.all[i].Values[m.Value]; v.Valid {
			values = append(values, clamp(v.Steps, m.Lower, m.Upper))
		}
	}
	slices.Sort(values)
	return values
}

// score is not negative if Num/Den of the values are up to x: Den times their number
// less Num times that of all.
func (m Measure) score(values []int64, x int64) *big.Int {
	up, _ := slices.BinarySearch(values, x+1)
	return new(big.Int).Sub(product(m.Den, uint64(up)), product(m.Num, uint64(len(values))))
}
