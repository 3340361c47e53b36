package techniquetest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/technique"
)

// A Case is one configuration to hold to the contract.
type Case struct {
	Name   string
	Params technique.Params // Deployment is set by Run
	Values []clarus.Value   // two or more, pairwise unequal, of one padded length, in ascending order if that is preserved; NULL is added
	// Same are pairs of values that PostgreSQL's = calls equal although their bytes
	// differ.
	Same [][2]clarus.Value
}

// Run holds a technique to its contract and to its own profile.
func Run(t *testing.T, tech technique.Technique, cases ...Case) {
	if tech.Name() == "" {
		t.Error("the technique has no name")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { newFixture(t, tech, c).run(t) })
	}
}

// A fixture is a configured technique, sealed values and their rows.
type fixture struct {
	tech    technique.Technique
	params  technique.Params
	ring    *Ring
	profile technique.Profile
	codec   technique.Codec
	rows    []clarus.RowID
	values  []clarus.Value
	same    [][2]clarus.Value
}

func newFixture(t *testing.T, tech technique.Technique, c Case) *fixture {
	t.Helper()
	f := &fixture{tech: tech, params: c.Params, ring: NewRing(), same: c.Same}
	f.params.Deployment = f.ring.Deployment()
	f.values = append(append(f.values, c.Values...), clarus.Value{})
	f.rows = Rows(len(f.values))
	f.profile = configure(t, tech, f.params).Profile()
	f.codec = f.bind(t, f.params)
	return f
}

// Rows returns n row identities by chance.
func Rows(n int) []clarus.RowID {
	rows := make([]clarus.RowID, n)
	for i := range rows {
		rand.Read(rows[i][:])
	}
	return rows
}

func configure(t *testing.T, tech technique.Technique, p technique.Params) technique.Scheme {
	t.Helper()
	s, err := tech.Configure(p)
	if err != nil {
		t.Fatalf("Configure(%+v): %v", p, err)
	}
	return s
}

func (f *fixture) bind(t *testing.T, p technique.Params) technique.Codec {
	t.Helper()
	c, err := configure(t, f.tech, p).Bind(t.Context(), f.ring)
	if err != nil {
		t.Fatalf("Bind: %v", err)
	}
	return c
}

func (f *fixture) seal(t *testing.T) []clarus.Sealed {
	t.Helper()
	cells, err := f.codec.Seal(f.rows, f.values)
	if err != nil || len(cells) != len(f.values) {
		t.Fatalf("Seal: %d cells for %d values, %v", len(cells), len(f.values), err)
	}
	return cells
}

func (f *fixture) run(t *testing.T) {
	t.Run("lengths must agree", f.lengths)
	t.Run("the stored bytes do not hold the value", f.hidden)
	t.Run("the profile is well formed", f.wellFormed)
	if f.profile.Reversible {
		t.Run("opens", f.opens)
		t.Run("is bound", f.bound)
		t.Run("every flipped bit is noticed", f.flips)
		t.Run("every other length is noticed", f.cuts)
		t.Run("all or nothing", f.allOrNothing)
	} else {
		t.Run("does not open", f.doesNotOpen)
	}
	if prober, ok := f.codec.(technique.Prober); ok {
		t.Run("probes", func(t *testing.T) { f.probes(t, prober) })
	}
	if f.preserves(clarus.Order) {
		t.Run("preserves order", f.order)
	}
	if f.preserves(clarus.Equality) {
		t.Run("preserves equality", f.equality)
	} else if len(f.profile.Preserves) == 0 {
		t.Run("hides equality", f.fresh)
	}
}

func (f *fixture) preserves(op clarus.Operation) bool {
	for _, p := range f.profile.Preserves {
		if p == op {
			return true
		}
	}
	return false
}

func (f *fixture) lengths(t *testing.T) {
	if _, err := f.codec.Seal(f.rows[1:], f.values); err == nil {
		t.Error("Seal took fewer rows than values")
	}
	cells := f.seal(t)
	if _, err := f.codec.Open(f.rows[1:], cells); err == nil {
		t.Error("Open took fewer rows than cells")
	}
	if out, err := f.codec.Seal(nil, nil); err != nil || len(out) != 0 {
		t.Errorf("an empty batch: %v, %v", out, err)
	}
}

func (f *fixture) hidden(t *testing.T) {
	for i, cell := range f.seal(t) {
		if v := f.values[i].Bytes; len(v) >= 8 && bytes.Contains(cell, v) {
			t.Errorf("value %d stands in its cell", i)
		}
	}
}

// wellFormed checks carrier and leaks: what is preserved must also be declared
// as leaked.
func (f *fixture) wellFormed(t *testing.T) {
	if f.profile.Expansion == "" {
		t.Error("no expansion")
	}
	if _, ok := f.codec.(technique.Prober); !ok && len(f.profile.Preserves) > 0 {
		t.Error("it preserves operations and cannot be probed")
	}
	if len(f.profile.Preserves) > 0 && f.profile.Reversible {
		t.Error("it opens and preserves operations: make it two techniques, one for the cell and one for the carrier beside it")
	}
	for _, op := range f.profile.Preserves {
		if !slices.Contains(f.tech.Preserves(), op) {
			t.Errorf("the profile preserves %s, of which the technique does not speak", op)
		}
		if f.profile.Leaks[op] < clarus.LeakAsked {
			t.Errorf("%s is preserved, but leaks only %d", op, f.profile.Leaks[op])
		}
	}
	for i, cell := range f.seal(t) {
		switch {
		case cell == nil && f.profile.Reversible:
			t.Errorf("value %d has no cell", i)
		case cell == nil && !f.values[i].IsNull():
			t.Errorf("value %d has no carrier", i)
		case cell != nil && f.profile.Carrier == "uuid" && len(cell) != 16:
			t.Errorf("a uuid of %d bytes", len(cell))
		}
	}
	if c := f.profile.Carrier; !slices.Contains([]string{"uuid", "bytea", "bigint", "numeric", "text"}, c) {
		t.Errorf("the carrier %q is no ordinary type", c)
	}
}

func (f *fixture) doesNotOpen(t *testing.T) {
	if out, err := f.codec.Open(f.rows, f.seal(t)); err == nil || out != nil {
		t.Errorf("Open = %v, %v", out, err)
	}
}

// order checks that carriers compare at the provider as values do.
func (f *fixture) order(t *testing.T) {
	cells := f.seal(t)
	for i := range len(f.values) - 2 { // the last one is NULL
		less := bytes.Compare(cells[i], cells[i+1]) < 0
		if f.profile.Carrier == "bigint" {
			less = int64(binary.BigEndian.Uint64(cells[i])) < int64(binary.BigEndian.Uint64(cells[i+1]))
		}
		if !less {
			t.Errorf("the carrier of value %d is not below that of value %d", i, i+1)
		}
	}
}

// equality checks that equal values, and only these, have equal carriers.
func (f *fixture) equality(t *testing.T) {
	cells, again := f.seal(t), f.seal(t)
	for i := range cells {
		for j := range again {
			if got, want := bytes.Equal(cells[i], again[j]), i == j; got != want {
				t.Errorf("values %d and %d: equal carriers %v", i, j, got)
			}
		}
	}
	for i, pair := range f.same {
		out, err := f.codec.Seal(Rows(2), pair[:])
		if err != nil || !bytes.Equal(out[0], out[1]) {
			t.Errorf("equal pair %d has carriers %x (%v)", i, out, err)
		}
	}
	other := f.params
	other.Attribute.Attribute++
	other.Group = ""
	apart, err := f.bind(t, other).Seal(f.rows, f.values)
	if err != nil || bytes.Equal(apart[0], cells[0]) {
		t.Errorf("two attributes without a common group have equal carriers (%v)", err)
	}
}

func (f *fixture) probes(t *testing.T, p technique.Prober) {
	for i, cell := range f.seal(t) {
		if got, err := p.Probe(f.values[i]); err != nil || !bytes.Equal(got, cell) || (got == nil) != (cell == nil) {
			t.Errorf("Probe(value %d) = %x, %v; stored is %x", i, got, err, cell)
		}
	}
}

// fresh checks that neither content nor length tells equal values from others.
func (f *fixture) fresh(t *testing.T) {
	cells, again := f.seal(t), f.seal(t)
	for i := range cells {
		if bytes.Equal(cells[i], again[i]) {
			t.Errorf("value %d was sealed twice to the same bytes", i)
		}
		if len(cells[i]) != len(cells[0]) {
			t.Errorf("value %d has %d bytes, value 0 has %d", i, len(cells[i]), len(cells[0]))
		}
	}
}

// mustFail checks that a batch does not open, for one of the reasons.
func (f *fixture) mustFail(t *testing.T, what string, c technique.Codec, rows []clarus.RowID, cells []clarus.Sealed, index int) {
	t.Helper()
	out, err := c.Open(rows, cells)
	fault, ok := errors.AsType[*technique.Fault](err)
	switch {
	case out != nil || err == nil:
		t.Errorf("%s: opens", what)
	case clarus.KindOf(err) != clarus.Integrity || !ok || fault.Index != index:
		t.Errorf("%s: %v, not of kind Integrity at %d", what, err, index)
	}
}
