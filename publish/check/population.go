package check

import (
	"cmp"
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/clarus-project/clarus/publish/table"
)

// A Population is the persons among whom somebody may look for those of a release:
// a register, say. Its rows are by leaf of each quasi-identifier.
type Population struct {
	Quasi []Quasi // those of the release, with the population's values among the leaves
	Rows  int
	Codes [][]uint32 // of each quasi-identifier, of each row
}

// A Journalist is somebody who does not know who is in the data, but has a register of all who may be
// (Dankar and El Emam, EDBT 2010): a row is found with a chance of one over the persons of the
// register that its cells cover.
type Journalist struct {
	Population int     `json:"population_rows"`
	Least      int     `json:"smallest_population_class"`
	Highest    float64 `json:"highest"`
	Mean       float64 `json:"mean"` // over rows
	// Lacking counts the classes that the register has fewer persons for than the release: it
	// cannot be all who may be in the data. They count by the release.
	Lacking int `json:"classes_larger_than_in_the_population"`
}

// journalist measures what the register does to the risk.
func (c *checker) journalist() {
	p := c.spec.Population
	r := newRegister(p, c)
	sizes := make([]int, len(c.size))
	var next atomic.Int64
	var wg sync.WaitGroup
	const batch = 64
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				from := int(next.Add(batch)) - batch
				if from >= len(sizes) {
					return
				}
				for k := from; k < min(from+batch, len(sizes)); k++ {
					sizes[k] = r.covered(int(c.sample[k]))
				}
			}
		})
	}
	wg.Wait()
	out := &Journalist{Population: p.Rows}
	rows := 0
	for k, n := range sizes {
		if n < c.persons[k] {
			out.Lacking++
			n = c.persons[k]
		}
		if k == 0 || n < out.Least {
			out.Least = n
		}
		risk := 1 / float64(n)
		out.Highest = max(out.Highest, risk)
		out.Mean += risk * float64(c.size[k])
		rows += c.size[k]
	}
	out.Mean /= float64(max(1, rows))
	c.result.Risk.Journalist = out
}

// A register is a population sorted by its quasi-identifiers, so that the rows of any
// combination of their first ones lie together.
type register struct {
	rows    int
	levels  []level
	release [][]uint32 // of each level: code of each row's cell
}

// A level is one quasi-identifier.
type level struct {
	codes  []uint32 // of each row of the population, sorted
	covers []Cover  // of each code of the release
}

func newRegister(p *Population, c *checker) *register {
	r := &register{rows: p.Rows}
	type candidate struct {
		level
		release []uint32
		share   float64 // of the leaves that a class covers, on average
		size    int
		codes   []uint32
	}
	var list []candidate
	for i := range p.Quasi {
		q := &p.Quasi[i]
		after := c.release.Column(q.Name)
		covers := r.read(q, after)
		one := candidate{level: level{covers: covers}, release: after.Codes, size: len(q.Leaves), codes: p.Codes[i]}
		for _, row := range c.sample {
			if cover := &covers[after.Codes[row]]; cover.all {
				one.share++
			} else {
				one.share += float64(len(cover.leaves)) / float64(max(1, len(q.Leaves)))
			}
		}
		list = append(list, one)
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(a.share, b.share) })
	order := make([]int32, p.Rows)
	for i := range order {
		order[i] = int32(i)
	}
	for _, one := range slices.Backward(list) {
		order = sorted(order, one.codes, one.size)
	}
	for _, one := range list {
		one.level.codes = make([]uint32, p.Rows)
		for i, row := range order {
			one.level.codes[i] = one.codes[row]
		}
		r.levels, r.release = append(r.levels, one.level), append(r.release, one.release)
	}
	return r
}

// read reads cells in the population's domain. What cannot be read there covers nobody, so that
// the class counts by the release.
func (r *register) read(q *Quasi, after *table.Column) []Cover {
	d := newDomain(q)
	covers := make([]Cover, len(after.Values))
	for i, label := range after.Values {
		if cover, err := d.read(label); err == nil {
			covers[i] = cover
		}
	}
	return covers
}

// sorted sorts rows by their codes; those of equal codes keep their order.
func sorted(rows []int32, codes []uint32, size int) []int32 {
	at := make([]int32, size+1)
	for _, x := range codes {
		at[x+1]++
	}
	for i := range size {
		at[i+1] += at[i]
	}
	out := make([]int32, len(rows))
	for _, r := range rows {
		x := codes[r]
		out[at[x]] = r
		at[x]++
	}
	return out
}

// covered counts the population's rows that the cells of a row of the release cover.
func (r *register) covered(row int) int {
	last := -1 // the last level that rules something out
	for l := range r.levels {
		if !r.levels[l].covers[r.release[l][row]].all {
			last = l
		}
	}
	return r.count(row, 0, last, 0, r.rows)
}

func (r *register) count(row, l, last, lo, hi int) int {
	if l > last || lo == hi {
		return hi - lo
	}
	codes := r.levels[l].codes
	cover := &r.levels[l].covers[r.release[l][row]]
	n := 0
	if cover.all {
		for lo < hi {
			end := after(codes, lo, hi, codes[lo])
			n += r.count(row, l+1, last, lo, end)
			lo = end
		}
		return n
	}
	for _, leaf := range cover.leaves {
		from := lo
		if leaf > 0 {
			from = after(codes, lo, hi, uint32(leaf-1))
		}
		if lo = after(codes, from, hi, uint32(leaf)); lo > from {
			n += r.count(row, l+1, last, from, lo)
		}
		if lo == hi {
			break
		}
	}
	return n
}

// after is the first place from lo on whose code is greater.
func after(codes []uint32, lo, hi int, code uint32) int {
	return lo + sort.Search(hi-lo, func(i int) bool { return codes[lo+i] > code })
}
