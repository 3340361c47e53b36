package audittest

import (
	"sync"
	"testing"

	"github.com/clarus-project/clarus/audit"
)

// TestMemory runs the suite against the sink in memory; opening it again goes
// on with what the one before it held.
func TestMemory(t *testing.T) {
	var mu sync.Mutex
	logs := map[string]*Memory{}
	Run(t, Harness{
		Open: func(t *testing.T, dir string) audit.Sink {
			mu.Lock()
			defer mu.Unlock()
			m := &Memory{}
			if old := logs[dir]; old != nil {
				m.events = old.Events()
			}
			logs[dir] = m
			return m
		},
		Read: func(t *testing.T, dir string) []audit.Event {
			mu.Lock()
			defer mu.Unlock()
			return logs[dir].Events()
		},
	})
}
