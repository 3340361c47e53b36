package twin

import (
	"errors"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
)

// What a version lost with a crash of the twin is told to clients as such, not
// as what the new server says of the old one's databases.
func TestReplaced(t *testing.T) {
	s := startTwin(t)
	v, err := s.First(t.Context(), "shop", "C.UTF-8", "C.UTF-8", Kept{func(string) bool { return false }, func(string) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Retire()
	before := &Version{srv: s, life: v.life - 1, template: "scr_of_before", analyst: "ana_of_before", ready: make(chan *Scratch, 1)}
	_, lease := before.Lease(t.Context(), "app")
	_, analyst := before.Analyst(t.Context(), "app")
	for what, err := range map[string]error{"lease": lease, "analyst": analyst} {
		own, ok := errors.AsType[*clarus.Error](err)
		if !ok || own.Kind != clarus.Unavailable {
			t.Errorf("%s: %v, want an error of kind Unavailable", what, err)
		}
		if said, ok := errors.AsType[*pgwire.ServerError](err); ok {
			t.Errorf("%s: clients see the server's %s", what, said.Code)
		}
	}
}
