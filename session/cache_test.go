package session

import (
	"testing"

	"github.com/clarus-project/clarus/catalog"
)

func TestTextsWhoseMeaningPasses(t *testing.T) {
	for text, kept := range map[string]bool{
		"SELECT now()":                                true,
		"SELECT NOW () - interval '1 day'":            true,
		"SELECT name FROM known WHERE snow = 'x'":     true,
		"SELECT 'now'::timestamptz":                   false,
		"SELECT * FROM t WHERE d = 'Today'":           false,
		"SELECT * FROM t WHERE d < $$ tomorrow $$":    false,
		"SELECT date 'yesterday'":                     false,
		`SELECT E'\x6eow'::date`:                      false,
		`SELECT U&'\006eow'::date`:                    false,
		"SELECT u&'!006eow' UESCAPE '!'":              false,
		"SELECT * FROM t WHERE at > ' now '":          false,
		"SELECT 1 /* now */":                          false,
		"SELECT a, b FROM t WHERE c = 'what you see'": true,
	} {
		if passing.MatchString(text) == kept {
			t.Errorf("%q: kept is %t, want %t", text, !kept, kept)
		}
	}
}

func TestCacheForgetsWhatIsNotAskedFor(t *testing.T) {
	var c generations[meaning]
	schema := &catalog.Catalog{}
	ask := func(text string) question { return question{schema: schema, text: text} }
	c.put(ask("often"), &meaning{})
	c.put(ask("once"), &meaning{})
	for i := range 3 * cacheSize {
		c.put(ask(string(rune(i))), &meaning{})
		if c.get(ask("often")) == nil {
			t.Fatalf("what is asked for all the time is gone after %d others", i)
		}
	}
	if c.get(ask("once")) != nil {
		t.Error("what nobody asks for is still there")
	}
	if n := len(c.young) + len(c.old); n > 2*cacheSize {
		t.Errorf("it holds %d meanings, more than %d", n, 2*cacheSize)
	}
}
