package cell

import (
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/techniquetest"
)

const batch = 1000

func batchOf(n int) ([]clarus.RowID, []clarus.Value) {
	rows, values := techniquetest.Rows(batch), make([]clarus.Value, batch)
	for i := range values {
		values[i] = clarus.Value{Bytes: make([]byte, n)}
	}
	return rows, values
}

func perCell(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/cell")
}

func BenchmarkSeal(b *testing.B) {
	c := bound(b, technique.Params{Type: pgvalue.TextOID}, techniquetest.NewRing())
	rows, values := batchOf(20)
	for b.Loop() {
		if _, err := c.Seal(rows, values); err != nil {
			b.Fatal(err)
		}
	}
	perCell(b)
}

func BenchmarkOpen(b *testing.B) {
	c := bound(b, technique.Params{Type: pgvalue.TextOID}, techniquetest.NewRing())
	rows, values := batchOf(20)
	cells, err := c.Seal(rows, values)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Open(rows, cells); err != nil {
			b.Fatal(err)
		}
	}
	perCell(b)
}
