// Package microagg finds small classes of similar records, so that each record
// may be published as the mean of its class (microaggregation). Similar means a
// small sum of squared errors, SSE, in the given coordinates, which the caller
// has put on one scale.
//
// MDAV is the reference method (Domingo-Ferrer and Torra, Data Mining and
// Knowledge Discovery 11, 2005). Classes is the default: records are divided at
// the median of the most varying coordinate into blocks, blocks are divided by
// MDAV, then records move and swap, classes dissolve and split while that lowers
// SSE (ONA: Soria-Comas, Domingo-Ferrer and Mulero, Information Sciences 2019),
// again in blocks that are cut otherwise. It is linear in records but for the
// cutting, n log n.
package microagg

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Data is records of numbers, one after the other.
type Data struct {
	Values []float64
	Width  int // numbers of a record
}

// Len is the number of records.
func (d *Data) Len() int { return len(d.Values) / d.Width }

// Row returns record i.
func (d *Data) Row(i int32) []float64 { return d.Values[int(i)*d.Width : int(i+1)*d.Width] }

// Standardise puts every coordinate on mean 0 and variance 1; a constant one
// becomes 0.
func (d *Data) Standardise() {
	n := d.Len()
	for c := range d.Width {
		mean, square := 0.0, 0.0
		for i := range n {
			mean += d.Values[i*d.Width+c]
		}
		mean /= float64(n)
		for i := range n {
			x := d.Values[i*d.Width+c] - mean
			square += x * x
		}
		sd := math.Sqrt(square / float64(n))
		for i := range n {
			x := &d.Values[i*d.Width+c]
			if *x -= mean; sd > 0 {
				*x /= sd
			}
		}
	}
}

// distance is the square of the Euclidean distance.
func distance(a, b []float64) float64 {
	d := 0.0
	b = b[:len(a)]
	for i, x := range a {
		y := x - b[i]
		d += y * y
	}
	return d
}

// mean writes the mean of rows into out.
func (d *Data) mean(rows []int32, out []float64) {
	clear(out)
	for _, r := range rows {
		for i, x := range d.Row(r) {
			out[i] += x
		}
	}
	for i := range out {
		out[i] /= float64(len(rows))
	}
}

// SSE is the sum of squared distances of records from their class's mean.
func SSE(d *Data, classes [][]int32) float64 {
	c := make([]float64, d.Width)
	total := 0.0
	for _, rows := range classes {
		d.mean(rows, c)
		for _, r := range rows {
			total += distance(d.Row(r), c)
		}
	}
	return total
}

// SST is the sum of squared distances from the mean of all.
func SST(d *Data) float64 { return SSE(d, [][]int32{d.all()}) }

func (d *Data) all() []int32 {
	rows := make([]int32, d.Len())
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

// ErrFew: there are fewer than k records.
var ErrFew = errors.New("microagg: fewer than k records")

// Options say how Classes works.
type Options struct {
	K        int
	Seed     uint64
	Effort   int // rounds of refinement; 0: the default
	Progress func(done, of int)
}

// blockSize is the number of records that are worked on at a time.
const blockSize = 512

// Classes divides the records into classes of k or more.
func Classes(ctx context.Context, d *Data, o Options) ([][]int32, error) {
	n := d.Len()
	if o.K < 1 || n < o.K {
		return nil, ErrFew
	}
	if o.Effort == 0 {
		o.Effort = defaultRounds(n)
	}
	rounds := o.Effort
	tell := func(done int) {
		if o.Progress != nil {
			o.Progress(done, rounds+1)
		}
	}
	blocks := d.divide(d.all(), max(blockSize, 8*o.K), 0)
	parts := make([][][]int32, len(blocks))
	err := parallel(ctx, len(blocks), func(i int) { parts[i] = mdav(d, blocks[i], o.K) })
	classes := slices.Concat(parts...)
	for round := 0; round < rounds && err == nil; round++ {
		tell(round + 1)
		classes, err = refine(ctx, d, classes, o, round)
	}
	tell(rounds + 1)
	return classes, err
}

// defaultRounds spends more on small data, where it is cheap.
func defaultRounds(n int) int {
	switch {
	case n <= 5_000:
		return 30
	case n <= 50_000:
		return 8
	}
	return 2
}

// patient is from how many rounds on refinement also goes ways that cost at first.
const patient = 20

// heat is what a change may cost in a round, as a share of a class's mean error:
// less and less, nothing in the last rounds.
func (o *Options) heat(round int) float64 {
	last := o.Effort - 4
	if o.Effort < patient || round >= last {
		return 0
	}
	x := 1 - float64(round)/float64(last)
	return 0.3 * x * x
}

// renewals is how often a block's classes are taken apart in a round.
func (o *Options) renewals(classes int) int {
	switch {
	case o.Effort >= patient:
		return 5 * classes
	case o.Effort > 2:
		return 2 * classes
	}
	return classes / 2
}

// divide cuts rows at the median of the coordinate that varies most, until parts
// have at most size rows. The turn counts on among the coordinates, so that
// another turn cuts otherwise.
func (d *Data) divide(rows []int32, size, turn int) [][]int32 {
	if len(rows) <= size {
		return [][]int32{rows}
	}
	c := d.widest(rows, turn)
	slices.SortFunc(rows, func(a, b int32) int {
		x, y := d.Values[int(a)*d.Width+c], d.Values[int(b)*d.Width+c]
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return int(a) - int(b)
	})
	m := len(rows) / 2
	return append(d.divide(rows[:m], size, turn), d.divide(rows[m:], size, turn)...)
}

// widest is the coordinate of greatest variance, or of the turn-th greatest.
func (d *Data) widest(rows []int32, turn int) int {
	sum, square := make([]float64, d.Width), make([]float64, d.Width)
	for _, r := range rows {
		for i, x := range d.Row(r) {
			sum[i] += x
			square[i] += x * x
		}
	}
	order := make([]int, d.Width)
	for i := range order {
		order[i] = i
		square[i] -= sum[i] * sum[i] / float64(len(rows))
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case square[a] > square[b]:
			return -1
		case square[a] < square[b]:
			return 1
		}
		return 0
	})
	return order[turn%min(3, d.Width)]
}

// parallel calls do for each number below n.
func parallel(ctx context.Context, n int, do func(i int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
