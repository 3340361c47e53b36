// Package keystest is the conformance suite of keyrings.
package keystest

import (
	"sync"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/keys"
	"github.com/clarus-project/clarus/secret"
)

// Run holds a keyring to its contract. Each call of start opens the same stored
// keyring as a new start of the program would; earlier ones stay open.
func Run(t *testing.T, start func(t *testing.T) keys.Keyring) {
	for _, c := range []struct {
		name string
		test func(*testing.T, func(*testing.T) keys.Keyring)
	}{
		{"what was sealed opens", opens},
		{"every scope has a key of its own", apart},
		{"rolling epochs are new with each start", restarts},
		{"stable keys survive a start", stable},
		{"epochs never drawn are refused", unknown},
		{"a scope must name one key", scopes},
		{"epochs roll before their limit", rolls},
		{"concurrent use", concurrent},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, start) })
	}
}

var cell = keys.Scope{Purpose: keys.PurposeCell, Dataset: 1, Attribute: 2}

func current(t *testing.T, ring keys.Keyring, s keys.Scope) (keys.Epoch, secret.Bytes) {
	t.Helper()
	e, k, err := ring.Current(t.Context(), s)
	if err != nil {
		t.Fatalf("Current(%+v): %v", s, err)
	}
	if k.Len() != 32 {
		t.Fatalf("Current(%+v): a key of %d bytes", s, k.Len())
	}
	return e, k
}

func mustOpen(t *testing.T, ring keys.Keyring, s keys.Scope, e keys.Epoch, want secret.Bytes) {
	t.Helper()
	k, err := ring.Key(t.Context(), s, e)
	if err != nil {
		t.Fatalf("Key(%+v, %v): %v", s, e, err)
	}
	if !k.Equal(want) {
		t.Fatalf("Key(%+v, %v) is not the key that Current gave", s, e)
	}
}

func mustRefuse(t *testing.T, ring keys.Keyring, s keys.Scope, e keys.Epoch) {
	t.Helper()
	if _, err := ring.Key(t.Context(), s, e); clarus.KindOf(err) != clarus.Integrity {
		t.Errorf("Key(%+v, %v) = %v, not of kind Integrity", s, e, err)
	}
}

func opens(t *testing.T, start func(*testing.T) keys.Keyring) {
	ring := start(t)
	e, k := current(t, ring, cell)
	mustOpen(t, ring, cell, e, k)
	if e == (keys.Epoch{}) {
		t.Error("the epoch is zero")
	}
}

func apart(t *testing.T, start func(*testing.T) keys.Keyring) {
	ring := start(t)
	seen := map[string]keys.Scope{}
	for _, s := range []keys.Scope{
		cell,
		{Purpose: keys.PurposeTag, Dataset: 1, Attribute: 2},
		{Purpose: keys.PurposeRowID, Dataset: 1, Attribute: 2},
		{Purpose: keys.PurposeCell, Dataset: 2, Attribute: 1},
		{Purpose: keys.PurposeCell, Dataset: 1},
		{Purpose: keys.PurposeCell},
		{Purpose: keys.PurposeCell, Dataset: 1 << 32, Attribute: 2},
		{Purpose: keys.PurposeTag, Group: "a"},
		{Purpose: keys.PurposeTag, Group: "b"},
		{Purpose: keys.PurposeTag + "a"},
		{Purpose: keys.PurposeTag},
	} {
		_, k := current(t, ring, s)
		if other, ok := seen[string(k.Reveal())]; ok {
			t.Errorf("%+v and %+v have one key", s, other)
		}
		seen[string(k.Reveal())] = s
	}
}

func restarts(t *testing.T, start func(*testing.T) keys.Keyring) {
	first := start(t)
	e1, k1 := current(t, first, cell)
	second := start(t)
	e2, k2 := current(t, second, cell)
	if e1 == e2 || k1.Equal(k2) {
		t.Fatal("two starts seal in one epoch")
	}
	mustOpen(t, second, cell, e1, k1)
	mustOpen(t, first, cell, e2, k2) // drawn after first was opened
	if again, _ := current(t, first, cell); again != e1 {
		t.Error("another start changed this one's epoch")
	}
}

func stable(t *testing.T, start func(*testing.T) keys.Keyring) {
	for _, s := range []keys.Scope{{Purpose: keys.PurposeTag, Group: "g"}, {Purpose: keys.PurposeRowID, Dataset: 7}} {
		e1, k1 := current(t, start(t), s)
		second := start(t)
		e2, k2 := current(t, second, s)
		if e1 != e2 || !k1.Equal(k2) {
			t.Errorf("%+v changed with a start", s)
		}
		mustOpen(t, second, s, e1, k1)
	}
}

func unknown(t *testing.T, start func(*testing.T) keys.Keyring) {
	ring, tag := start(t), keys.Scope{Purpose: keys.PurposeTag, Group: "g"}
	rolling, _ := current(t, ring, cell)
	fixed, _ := current(t, ring, tag)
	mustRefuse(t, ring, cell, keys.Epoch{})
	mustRefuse(t, ring, cell, keys.Epoch{1, 2, 3})
	mustRefuse(t, ring, cell, fixed)
	mustRefuse(t, ring, tag, rolling)
}

func scopes(t *testing.T, start func(*testing.T) keys.Keyring) {
	ring := start(t)
	e, _ := current(t, ring, cell)
	for _, s := range []keys.Scope{{}, {Purpose: keys.PurposeTag, Group: "g", Attribute: 1}} {
		if _, _, err := ring.Current(t.Context(), s); err == nil {
			t.Errorf("Current(%+v) gave a key", s)
		}
		if _, err := ring.Key(t.Context(), s, e); err == nil {
			t.Errorf("Key(%+v) gave a key", s)
		}
	}
}

func rolls(t *testing.T, start func(*testing.T) keys.Keyring) {
	ring := start(t)
	first, k := current(t, ring, cell)
	for grants := 2; ; grants++ {
		e, _ := current(t, ring, cell)
		if e != first {
			break
		}
		if grants*secret.Grant > secret.RollAfter {
			t.Fatalf("the epoch goes on after %d uses", grants*secret.Grant)
		}
	}
	mustOpen(t, ring, cell, first, k)
}

func concurrent(t *testing.T, start func(*testing.T) keys.Keyring) {
	ring, other := start(t), start(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s := keys.Scope{Purpose: keys.PurposeCell, Dataset: 1, Attribute: uint32(i)}
			for range 100 {
				e, k, err := ring.Current(t.Context(), s)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := other.Key(t.Context(), s, e); err != nil || !got.Equal(k) {
					t.Errorf("another start does not open it: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
