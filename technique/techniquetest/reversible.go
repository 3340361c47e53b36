package techniquetest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

func (f *fixture) mustOpen(t *testing.T, c technique.Codec, cells []clarus.Sealed) {
	t.Helper()
	out, err := c.Open(f.rows, cells)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range out {
		if !bytes.Equal(v.Bytes, f.values[i].Bytes) || v.IsNull() != f.values[i].IsNull() {
			t.Errorf("value %d changed", i)
		}
	}
}

// opens checks the way back: at once, after a new epoch, by a codec that was
// bound later, and over more cells than one grant of a key allows.
func (f *fixture) opens(t *testing.T) {
	cells := f.seal(t)
	f.mustOpen(t, f.codec, cells)
	f.ring.Roll()
	f.mustOpen(t, f.bind(t, f.params), cells)
	mixed := slices.Clone(cells)
	fresh, err := f.bind(t, f.params).Seal(f.rows, f.values)
	if err != nil {
		t.Fatal(err)
	}
	mixed[0] = fresh[0]
	f.mustOpen(t, f.codec, mixed)

	n := 2*secret.Grant + 1
	rows, many := Rows(n), slices.Repeat(f.values[:1], n)
	sealed, err := f.codec.Seal(rows, many)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.codec.Open(rows, sealed)
	if err != nil || len(out) != n || !bytes.Equal(out[n-1].Bytes, f.values[0].Bytes) {
		t.Errorf("%d cells: %v", n, err)
	}
}

// bound moves cells to where they do not belong.
func (f *fixture) bound(t *testing.T) {
	cells, last := f.seal(t), len(f.values)-1
	f.mustFail(t, "another row", f.codec, Rows(1), cells[:1], 0)
	swapped := slices.Clone(cells)
	swapped[0], swapped[last] = swapped[last], swapped[0]
	f.mustFail(t, "swapped rows", f.codec, f.rows, swapped, 0)

	for what, move := range map[string]func(*technique.Params){
		"another attribute":  func(p *technique.Params) { p.Attribute.Attribute++ },
		"another dataset":    func(p *technique.Params) { p.Attribute.Dataset++ },
		"another deployment": func(p *technique.Params) { p.Deployment[15] ^= 1 },
	} {
		p := f.params
		move(&p)
		f.mustFail(t, what, f.bind(t, p), f.rows, cells, 0)
	}
	stranger := *f
	stranger.ring = NewRing()
	f.mustFail(t, "another keyring", stranger.bind(t, f.params), f.rows, cells, 0)

	// Two epochs of one side: the header of one on the body of the other.
	f.ring.Roll()
	later, err := f.bind(t, f.params).Seal(f.rows, f.values)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(cells[0]); cut++ {
		mixed := slices.Concat(cells[0][:cut], later[0][cut:])
		if bytes.Equal(mixed, cells[0]) || bytes.Equal(mixed, later[0]) {
			continue
		}
		f.mustFail(t, "a mixture of two cells", f.codec, f.rows[:1], []clarus.Sealed{mixed}, 0)
	}
}

func (f *fixture) flips(t *testing.T) {
	for i, cell := range f.seal(t) {
		for bit := range len(cell) * 8 {
			flipped := slices.Clone(cell)
			flipped[bit/8] ^= 1 << (bit % 8)
			f.mustFail(t, "a flipped bit", f.codec, f.rows[i:i+1], []clarus.Sealed{flipped}, 0)
		}
	}
}

func (f *fixture) cuts(t *testing.T) {
	cell := f.seal(t)[0]
	for n := range len(cell) {
		f.mustFail(t, "cut short", f.codec, f.rows[:1], []clarus.Sealed{cell[:n:n]}, 0)
	}
	f.mustFail(t, "a byte more", f.codec, f.rows[:1], []clarus.Sealed{append(slices.Clone(cell), 0)}, 0)
	f.mustFail(t, "SQL NULL", f.codec, f.rows[:1], []clarus.Sealed{nil}, 0)
}

// allOrNothing breaks the last cell: the values before it stay hidden.
func (f *fixture) allOrNothing(t *testing.T) {
	cells, last := f.seal(t), len(f.values)-1
	cells[last] = slices.Clone(cells[last])
	cells[last][len(cells[last])-1] ^= 1
	f.mustFail(t, "the last cell altered", f.codec, f.rows, cells, last)
}
