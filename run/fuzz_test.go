package run

import (
	"context"
	"encoding/hex"
	"testing"

	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/cell"
	"github.com/clarus-project/clarus/technique/equality"
	"github.com/clarus-project/clarus/technique/techniquetest"
)

// FuzzUnpack takes any text for a packed identity and cell.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("0000000401020304aabb"), uint8(1))
	f.Add([]byte("00000000ffffffff"), uint8(2))
	f.Add([]byte("7fffffff00"), uint8(1))
	f.Add([]byte("0"), uint8(0))
	f.Fuzz(func(t *testing.T, text []byte, n uint8) {
		parts, cell, err := unpack(text, int(n))
		if err != nil {
			return
		}
		size := len(cell)
		for _, p := range parts {
			size += 4 + len(p)
		}
		if len(parts) != int(n) || size != hex.DecodedLen(len(text)) {
			t.Errorf("%q is %d parts and %d bytes", text, len(parts), size)
		}
	})
}

// FuzzPushed gives any bytes as the rows of a pushed statement: without the key
// none of them opens, and nothing of them is handed on but NULL.
func FuzzPushed(f *testing.F) {
	table := &catalog.Table{ID: 1, Name: "t", Columns: []*catalog.Column{{ID: 1, Num: 1, Name: "a", Type: 25, Equality: true}}}
	f.Add([]byte("\x00\x03\x00\x00\x00\x100123456789abcdef\x00\x00\x00\x02xx\x00\x00\x00\x100123456789abcdef"))
	f.Add([]byte("\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x02\x00\x00"))
	ring := techniquetest.NewRing()
	v := NewVault(ring, ring.Deployment(), technique.List{cell.Technique{}, equality.Technique{}})
	f.Fuzz(func(t *testing.T, body []byte) {
		pl := &plan.Pushed{Columns: make([]plan.PushedColumn, 3), Outputs: []plan.PushedOutput{
			{At: 1, Table: table, Attr: table.Columns[0], Identity: []int{0}, Nullable: true, Tag: 2}}}
		o := &opener{v: v, buffers: &buffers{}, ctx: context.Background(), plan: pl, results: []int16{0}, outputs: pl.Outputs,
			row: func(body []byte) error {
				row, err := pgwire.Row(body, nil)
				if err != nil || len(row) != 1 || row[0] != nil {
					t.Errorf("handed on: %q, %v", body, err)
				}
				return nil
			}}
		o.cells, o.located = make([]column, 1), places(o.outputs)
		if o.add(body) == nil {
			_ = o.flush()
		}
	})
}
