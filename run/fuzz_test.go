package run

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"testing"

	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
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
		o := v.opener(context.Background(), pl, nil, &buffers{}, []int16{0}, func(body []byte) error {
			row, err := pgwire.Row(body, nil)
			if err != nil || len(row) != 1 || row[0] != nil {
				t.Errorf("handed on: %q, %v", body, err)
			}
			return nil
		})
		if o.add(body) == nil {
			_ = o.flush()
		}
	})
}

// FuzzRefined gives any bytes as clear values that a refine plan compares and
// sorts by: a value that is none of its type is an error.
func FuzzRefined(f *testing.F) {
	types := []uint32{pgvalue.BoolOID, pgvalue.Int4OID, pgvalue.Int8OID, pgvalue.Float4OID, pgvalue.NumericOID, pgvalue.DateOID, pgvalue.TimestampOID, pgvalue.TimetzOID,
		pgvalue.IntervalOID, pgvalue.UUIDOID, pgvalue.TextOID, pgvalue.BPCharOID, pgvalue.ByteaOID, pgvalue.NameOID}
	for i := range types {
		f.Add(uint8(i), []byte("\x00\x00\x00\x01"), []byte("\x00"))
		f.Add(uint8(i), []byte("\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07"), []byte("\x00\x01\x00\x00\x40\x00\x00\x00\x00\x07"))
	}
	ring := techniquetest.NewRing()
	v := NewVault(ring, ring.Deployment(), technique.List{cell.Technique{}, equality.Technique{}})
	f.Fuzz(func(t *testing.T, kind uint8, a, b []byte) {
		typ := types[int(kind)%len(types)]
		left := plan.Term{At: 1, Type: typ}
		pl := &plan.Pushed{Columns: []plan.PushedColumn{{Type: typ, Client: 0}, {Type: typ, Client: -1}}, Outputs: []plan.PushedOutput{{At: 0}}, Proofs: []plan.PushedOutput{{At: 1}}}
		equal := plan.Check{Op: "=", Left: left, Right: left}
		pl.Checks = []plan.Check{{Op: plan.Or, Parts: []plan.Check{{Op: plan.IsNull, Left: left}, equal}}}
		if typ == pgvalue.BoolOID {
			pl.Checks = append(pl.Checks, plan.Check{Op: plan.Or, Parts: []plan.Check{{Op: plan.IsTrue, Left: left}, equal}})
		}
		if typ == pgvalue.TextOID {
			pl.Checks = append(pl.Checks, plan.Check{Op: plan.Like, Left: left, Right: plan.Term{At: -1, Type: typ, Probe: plan.Probe{Type: typ, Value: []byte("%")}}})
		}
		if _, ordered, _ := pgvalue.Compare(typ, typ); ordered {
			pl.Order = []plan.Ordered{{Term: left}}
		}
		refinement, ok := Refine(pl, Args{}, 10)
		if !ok {
			t.Fatal("the plan has nothing that can be wrong")
		}
		rows, sound := 0, true
		o := v.opener(context.Background(), pl, refinement, &buffers{bytes: []byte{}}, []int16{1}, func([]byte) error { rows++; return nil })
		var err error
		for _, value := range [][]byte{a, b} {
			_, wrong := pgvalue.Canonical(typ, value)
			sound = sound && wrong == nil
			body := binary.BigEndian.AppendUint16(nil, 2)
			if err == nil {
				err = o.add(appendDatum(appendDatum(body, value), value))
			}
		}
		if err == nil {
			err = o.flush()
		}
		if err == nil && o.collector != nil {
			err = o.collector.each(o.hand)
		}
		if (err == nil) != sound || sound && rows != 2 {
			t.Errorf("%x and %x as type %d: %d rows, %v", a, b, typ, rows, err)
		}
	})
}
