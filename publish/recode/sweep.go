package recode

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// sweep improves classes in blocks of neighbours under a random order.
func (s *search) sweep(ctx context.Context, classes *Classes, round int) (*Classes, error) {
	columns := s.shuffled(round)
	order := make([]keyed, classes.Len())
	for i := range order {
		class := classes.Class(i)
		order[i] = keyed{s.key(class[s.rng.IntN(len(class))], columns), int32(i)}
	}
	sortKeyed(order)
	window := max(96, 10*s.K)
	if len(s.Sensitive) > 0 {
		window *= 2
	}
	starts := []int{0}
	for i, rows := 0, 0; i < len(order); i++ {
		rows += len(classes.Class(int(order[i].id)))
		if rows >= window || i == len(order)-1 {
			starts, rows = append(starts, i+1), 0
		}
	}
	results := make([]result, len(starts)-1)
	seed := s.rng.Uint64()
	err := s.parallel(ctx, len(results), func(w *scratch, i int) {
		b := s.load(w, classes, order[starts[i]:starts[i+1]])
		b.improve(passes, rand.New(rand.NewPCG(seed, uint64(i))))
		results[i] = b.result()
	})
	if err != nil {
		return nil, err
	}
	out := newClasses(s.n, s.K)
	for _, r := range results {
		at := int32(0)
		for _, size := range r.sizes {
			out.add(r.rows[at : at+size])
			at += size
		}
	}
	return out, nil
}

// A result is a block's classes.
type result struct{ rows, sizes []int32 }

func (b *block) result() result {
	r := result{rows: make([]int32, 0, len(b.rows))}
	for _, members := range b.members {
		for _, m := range members {
			r.rows = append(r.rows, b.rows[m])
		}
		if len(members) > 0 {
			r.sizes = append(r.sizes, int32(len(members)))
		}
	}
	return r
}

// parallel calls do for each number below n, each worker with its own scratch.
func (s *search) parallel(ctx context.Context, n int, do func(w *scratch, i int)) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, w := range s.workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(w, i)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

// load makes a block of some classes.
func (s *search) load(w *scratch, classes *Classes, list []keyed) *block {
	b := &block{k: s.K}
	for _, o := range list {
		b.rows = append(b.rows, classes.Class(int(o.id))...)
	}
	n := len(b.rows)
	for c := range s.Columns {
		if s.Columns[c].Span != nil {
			b.span = append(b.span, spanColumn{s.unit[c], s.Columns[c].Span})
		} else {
			b.set = append(b.set, setColumn{s.unit[c]})
		}
	}
	b.code, b.pos = make([]int32, n*len(b.set)), make([]uint32, n*len(b.span))
	set, span := 0, 0
	for c := range s.Columns {
		codes := s.Columns[c].Codes
		if s.Columns[c].Span != nil {
			for i, r := range b.rows {
				b.pos[i*len(b.span)+span] = codes[r]
			}
			span++
			continue
		}
		stamp := w.stamp[c]
		for i, r := range b.rows {
			v := codes[r]
			if stamp[v] == 0 {
				b.width++
				stamp[v] = int32(b.width)
			}
			b.code[i*len(b.set)+set] = stamp[v] - 1
		}
		for _, r := range b.rows {
			stamp[codes[r]] = 0
		}
		set++
	}
	s.loadGuards(b, w)
	b.class, b.at, b.out = make([]int32, n), make([]int32, n), make([]float64, n)
	i := int32(0)
	for _, o := range list {
		c := b.grow()
		for range classes.Class(int(o.id)) {
			b.put(i, c)
			i++
		}
	}
	return b
}

func (s *search) loadGuards(b *block, w *scratch) {
	b.sens = make([]int32, len(b.rows)*len(s.Sensitive))
	b.gcount = make([][]int32, len(s.Sensitive))
	for g := range s.Sensitive {
		a, stamp := &s.Sensitive[g], w.sens[g]
		var values []uint32
		for _, r := range b.rows {
			if v := a.Codes[r]; stamp[v] == 0 {
				stamp[v] = 1
				values = append(values, v)
			}
		}
		slices.Sort(values)
		for i, v := range values {
			stamp[v] = int32(i)
		}
		for i, r := range b.rows {
			b.sens[i*len(s.Sensitive)+g] = stamp[a.Codes[r]]
		}
		for _, v := range values {
			stamp[v] = 0
		}
		b.guards = append(b.guards, guardColumn{a.Guard, len(values), values})
	}
}

// loss is the mean loss of a row.
func (s *search) loss(classes *Classes) float64 {
	total := 0.0
	seen := map[uint32]struct{}{}
	for i := range classes.Len() {
		rows := classes.Class(i)
		for c := range s.Columns {
			codes := s.Columns[c].Codes
			if s.Columns[c].Span == nil {
				clear(seen)
				for _, r := range rows {
					seen[codes[r]] = struct{}{}
				}
				total += s.unit[c] * float64((len(seen)-1)*len(rows))
				continue
			}
			lo, hi := codes[rows[0]], codes[rows[0]]
			for _, r := range rows {
				lo, hi = min(lo, codes[r]), max(hi, codes[r])
			}
			total += s.span(c, lo, hi) * float64(len(rows))
		}
	}
	return total / float64(s.n)
}
