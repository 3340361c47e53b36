package run

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
)

// A diary is what happened, in order.
type diary struct {
	mu   sync.Mutex
	list []string
}

func (d *diary) write(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, what)
}

func (d *diary) at(what string) int { return slices.Index(d.list, what) }

// heldSites hands out the time in which no commit is under way.
type heldSites struct {
	Sites
	d *diary
}

func (s heldSites) Hold(context.Context) (func(), error) {
	s.d.write("hold")
	return sync.OnceFunc(func() { s.d.write("release") }), nil
}

// A teller is a provider that writes down what it is asked.
type teller struct {
	provider.Session
	name  string
	d     *diary
	after <-chan struct{} // what it waits for before it binds
	bound chan struct{}
	err   error
}

func (p *teller) Prepare(context.Context, provider.Statement) error {
	p.d.write("prepare " + p.name)
	return nil
}

func (p *teller) Run(_ context.Context, s provider.Statement, _ func([]pgwire.Field) error, _ func([]byte) error) (string, error) {
	<-p.after
	if p.err != nil {
		return "", p.err
	}
	p.d.write("bind " + p.name)
	s.Bound()
	close(p.bound)
	return "SELECT 0", nil
}

// TestTogether holds commits back from before the first provider's snapshot
// until after the last one's, and takes the locks before that.
func TestTogether(t *testing.T) {
	d := &diary{}
	start := make(chan struct{})
	close(start)
	a := &teller{name: "a", d: d, after: start, bound: make(chan struct{})}
	b := &teller{name: "b", d: d, after: a.bound, bound: make(chan struct{})}
	list := []*portion{{at: b, r: &reader{}}, {at: a, r: &reader{}}}
	if err := together(t.Context(), heldSites{d: d}, list); err != nil {
		t.Fatal(err)
	}
	for _, order := range [][2]string{{"prepare a", "hold"}, {"prepare b", "hold"}, {"hold", "bind a"}, {"bind a", "bind b"}, {"bind b", "release"}} {
		if first, second := d.at(order[0]), d.at(order[1]); first < 0 || second < first {
			t.Errorf("%s is not before %s: %q", order[0], order[1], d.list)
		}
	}
}

// TestTogetherFails has one provider fail before it binds: commits go on, and
// its error is told rather than what became of the other.
func TestTogetherFails(t *testing.T) {
	d := &diary{}
	start := make(chan struct{})
	close(start)
	lost := errors.New("lost")
	a := &teller{name: "a", d: d, after: start, bound: make(chan struct{})}
	b := &teller{name: "b", d: d, after: a.bound, err: lost}
	err := together(t.Context(), heldSites{d: d}, []*portion{{at: a, r: &reader{}}, {at: b, r: &reader{}}})
	if !errors.Is(err, lost) || d.at("release") < 0 {
		t.Errorf("%v, %q", err, d.list)
	}
}
