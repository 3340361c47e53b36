package jsonl

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/clarus-project/clarus/audit/audittest"
)

// BenchmarkAppend awaits every event; group commit shows with many writers.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "audit.log"))
			defer s.Close()
			b.ResetTimer()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := w; i < b.N; i += writers {
						append1(b, s, i)
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}

// BenchmarkEnqueue is what an event costs its caller when nobody waits.
func BenchmarkEnqueue(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "audit.log"))
	defer s.Close()
	e := audittest.Event("s", 1)
	for i := 0; b.Loop(); i++ {
		f := s.Append(b.Context(), e)
		if i%1000 == 999 {
			f.Wait(b.Context())
		}
	}
}

// BenchmarkVerify gives the time for each line of a log.
func BenchmarkVerify(b *testing.B) {
	path, _ := written(b, 5000)
	for b.Loop() {
		if err := Verify(path); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/line")
}
