package cell

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/technique/techniquetest"
)

func value(b ...byte) clarus.Value { return clarus.Value{Bytes: append([]byte{}, b...)} }

func text(s string) clarus.Value { return clarus.Value{Bytes: []byte(s)} }

var attribute = clarus.AttributeID{Dataset: 3, Attribute: 5}

func TestConformance(t *testing.T) {
	techniquetest.Run(t, Technique{},
		techniquetest.Case{Name: "bool", Params: technique.Params{Type: pgvalue.BoolOID, Attribute: attribute},
			Values: []clarus.Value{value(0), value(1)}},
		techniquetest.Case{Name: "int4", Params: technique.Params{Type: pgvalue.Int4OID, Attribute: attribute},
			Values: []clarus.Value{value(0, 0, 0, 0), value(0, 0, 0, 1)}},
		techniquetest.Case{Name: "text", Params: technique.Params{Type: pgvalue.TextOID, Attribute: attribute},
			Values: []clarus.Value{text(""), text("hypertension"), text("sixteen bytes ok")}},
		techniquetest.Case{Name: "enum padded to its longest label", Params: technique.Params{Type: 99999, Attribute: attribute, Pad: 40},
			Values: []clarus.Value{text(""), text("f"), text(strings.Repeat("long", 10))}},
	)
}

func bound(t testing.TB, p technique.Params, source technique.KeySource) technique.Codec {
	t.Helper()
	s, err := Technique{}.Configure(p)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Bind(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPadded(t *testing.T) {
	for _, c := range []struct{ n, least, want int }{
		{0, 1, 1}, {1, 1, 1}, {4, 4, 4}, {16, 16, 16}, {0, 16, 16}, {17, 16, 32}, {128, 16, 128}, {129, 16, 144},
		{256, 16, 256}, {257, 16, 288}, {512, 16, 512}, {513, 16, 576}, {1 << 20, 16, 1 << 20}, {1<<20 + 1, 16, 9 << 17},
		{100, 100, 100}, {101, 100, 112}, {40, 100, 100}, {5, 4, 16}, {maxValue, 16, maxValue},
	} {
		if got := padded(c.n, c.least); got != c.want {
			t.Errorf("padded(%d, %d) = %d, want %d", c.n, c.least, got, c.want)
		}
	}
	classes := map[int]bool{}
	for n := range 1 << 16 {
		p := padded(n, step)
		if p < n || p > max(step, n+max(step-1, n/8)) {
			t.Fatalf("padded(%d) = %d", n, p)
		}
		classes[p] = true
	}
	if len(classes) != 16+8*8 {
		t.Errorf("%d classes of length below 2^16", len(classes))
	}
}

func TestLimits(t *testing.T) {
	for _, pad := range []int{-1, maxValue + 1} {
		if _, err := (Technique{}).Configure(technique.Params{Pad: pad}); clarus.KindOf(err) != clarus.Misconfigured {
			t.Errorf("Pad %d: %v", pad, err)
		}
	}
	if maxValue+Overhead >= 1<<30 {
		t.Error("the largest cell is larger than a bytea")
	}
	c := bound(t, technique.Params{Type: pgvalue.ByteaOID}, techniquetest.NewRing())
	if _, err := c.Seal(techniquetest.Rows(1), []clarus.Value{{Bytes: make([]byte, maxValue+1)}}); clarus.KindOf(err) != clarus.Limit {
		t.Errorf("too long: %v", err)
	}
}

// A failing keyring gives no key for sealing, or none for opening.
type failing struct {
	*techniquetest.Ring
	current, key error
}

func (f failing) Current(ctx context.Context, s secret.Scope) (secret.Epoch, secret.Bytes, error) {
	if f.current != nil {
		return secret.Epoch{}, secret.Bytes{}, f.current
	}
	return f.Ring.Current(ctx, s)
}

func (f failing) Key(ctx context.Context, s secret.Scope, e secret.Epoch) (secret.Bytes, error) {
	if f.key != nil {
		return secret.Bytes{}, f.key
	}
	return f.Ring.Key(ctx, s, e)
}

func TestKeyringFails(t *testing.T) {
	ring, away := techniquetest.NewRing(), errors.New("the HSM is away")
	rows, values := techniquetest.Rows(1), []clarus.Value{text("a")}
	if out, err := bound(t, technique.Params{}, failing{Ring: ring, current: away}).Seal(rows, values); out != nil || !errors.Is(err, away) {
		t.Errorf("Seal without a key: %v, %v", out, err)
	}
	cells, err := bound(t, technique.Params{}, ring).Seal(rows, values)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := bound(t, technique.Params{}, failing{Ring: ring, key: away}).Open(rows, cells); out != nil || !errors.Is(err, away) || clarus.KindOf(err) == clarus.Integrity {
		t.Errorf("Open without a key: %v, %v", out, err)
	}
}

// TestGrants shows that a key is asked for again after secret.Grant cells.
func TestGrants(t *testing.T) {
	ring := techniquetest.NewRing()
	c := bound(t, technique.Params{Type: pgvalue.BoolOID}, ring)
	epoch := func(n int) []byte {
		cells, err := c.Seal(techniquetest.Rows(n), make([]clarus.Value, n))
		if err != nil {
			t.Fatal(err)
		}
		return cells[n-1][2:18]
	}
	first := epoch(1)
	ring.Roll()
	if !bytes.Equal(epoch(secret.Grant-1), first) {
		t.Error("the grant ended early")
	}
	if bytes.Equal(epoch(1), first) {
		t.Error("a key is used beyond its grant")
	}
}

func TestConcurrent(t *testing.T) {
	ring := techniquetest.NewRing()
	c := bound(t, technique.Params{Type: pgvalue.TextOID}, ring)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			rows, values := techniquetest.Rows(500), make([]clarus.Value, 500)
			for i := range values {
				values[i] = clarus.Value{Bytes: rows[i][:]}
			}
			cells, err := c.Seal(rows, values)
			if err != nil {
				t.Error(err)
				return
			}
			out, err := c.Open(rows, cells)
			if err != nil || !bytes.Equal(out[499].Bytes, values[499].Bytes) {
				t.Errorf("Open: %v", err)
			}
			ring.Roll()
		})
	}
	wg.Wait()
}

// FuzzOpen looks for bytes that crash the decoder, or open although this side
// did not make them.
func FuzzOpen(f *testing.F) {
	c := bound(f, technique.Params{Type: pgvalue.TextOID}, techniquetest.NewRing())
	rows := techniquetest.Rows(1)
	made, err := c.Seal(rows, []clarus.Value{text("value")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(made[0]))
	f.Add([]byte{})
	f.Add(append([]byte{version, algorithm}, make([]byte, 80)...))
	f.Fuzz(func(t *testing.T, cell []byte) {
		out, err := c.Open(rows, []clarus.Sealed{cell})
		if err == nil && !bytes.Equal(cell, made[0]) {
			t.Errorf("%x opens", cell)
		}
		if err != nil && (out != nil || clarus.KindOf(err) != clarus.Integrity) {
			t.Errorf("%v, %v", out, err)
		}
	})
}

// FuzzDecode looks for two plain encodings of one value and one padding.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 7, 0})
	f.Add([]byte{255, 255, 255, 255, 0})
	f.Fuzz(func(t *testing.T, plain []byte) {
		v, ok := decode(plain)
		if !ok {
			return
		}
		again := append(encode(make([]byte, lenSize+max(len(v.Bytes), 0)), v, len(v.Bytes)), make([]byte, len(plain)-lenSize-len(v.Bytes))...)
		if !bytes.Equal(again, plain) {
			t.Errorf("%x decodes as a value that encodes as %x", plain, again)
		}
	})
}
