// Package gate stands before every effect: it judges what is asked, makes a
// durable audit intent of it and gives a Permit, without which run does
// nothing. It knows no SQL.
package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

const (
	// Window is how long a durable intent covers further statements that are
	// the same in everything but their parameters. Within it they do not wait
	// for a disk; a crash then loses how many of them ran, not that they did.
	Window = 100 * time.Millisecond

	// settleDelay is how long outcomes gather before the gate hurries them to
	// the disk: with the time of one write they follow within 10 ms.
	settleDelay = 5 * time.Millisecond
)

// A Request is what somebody wants to do. Its slices must not be changed once
// it was handed to the gate.
type Request struct {
	Session   string // unique over all sessions of all time
	Principal audit.Principal
	Action    audit.Action
	Shape     audit.Shape
	Class     audit.Class

	Datasets   []string // logical names of all that the plan touches
	Attributes []string
	Providers  []string
}

// event makes the audit event of r.
func (r *Request) event(o audit.Outcome) audit.Event {
	return audit.Event{
		Session: r.Session, Principal: r.Principal, Action: r.Action, Shape: r.Shape, Class: r.Class,
		Datasets: r.Datasets, Attributes: r.Attributes, Providers: r.Providers, Outcome: o,
	}
}

// An Observation is what a detector gets to see: no values.
type Observation struct {
	Request
	At time.Time
}

// A Verdict is a detector's answer. The zero value lets the request pass.
type Verdict struct {
	Deny   bool
	Reason audit.Reason // why it is denied; the user and the log get it
}

// A Detector judges every request, those covered by an earlier intent too. It
// takes microseconds, does no I/O and is safe for concurrent use.
type Detector interface {
	Judge(Observation) Verdict
}

// A Gate is safe for concurrent use.
type Gate struct {
	sink      audit.Sink
	detectors []Detector

	mu       sync.Mutex
	intents  map[intentKey]intent // durable ones that may still cover something
	swept    time.Time            // when expired intents were last removed
	trail    []audit.Future       // outcomes whose fate is not known yet
	settling bool                 // a settle is on its way
	lost     int64                // outcomes that the sink lost and that no event tells of yet
	idle     sync.Cond            // settling became false
}

// New makes a gate before sink, which stays the caller's to close, after the gate.
func New(sink audit.Sink, detectors ...Detector) *Gate {
	g := &Gate{sink: sink, detectors: slices.Clone(detectors), intents: map[intentKey]intent{}}
	g.idle.L = &g.mu
	return g
}

// Authorise lets the detectors judge r and returns a Permit once an intent that
// covers r is durable. A request that is denied is in the log, durably, before
// its error is returned.
//
// Errors: Denied (a detector, or a plan of class refuse), Unavailable (the sink
// failed: nothing may happen), Canceled (ctx ended first), Internal (r is no
// valid event). With an error the Permit is the zero value.
func (g *Gate) Authorise(ctx context.Context, r Request) (Permit, error) {
	now := time.Now()
	ev := r.event(audit.OutcomeIntent)
	ev.Time = now
	if err := ev.Check(); err != nil {
		return Permit{}, &clarus.Error{Op: "gate", Kind: clarus.Internal, Msg: "a request that cannot be audited", Err: err}
	}
	if v := g.judge(Observation{r, now}); v.Deny {
		return Permit{}, g.deny(ctx, r, v.Reason)
	}
	if err := ctx.Err(); err != nil {
		return Permit{}, canceled(err)
	}
	if g.covered(&r, now) {
		return newPermit(g, r), nil
	}
	if r.coverable() {
		ev.Covers = Window
	}
	if err := g.await(ctx, ev); err != nil {
		if clarus.KindOf(err) == clarus.Canceled { // the intent may be in the log: say that nothing came of it
			newPermit(g, r).Done(ctx, Outcome{SQLSTATE: "57014", Err: err})
		}
		return Permit{}, err
	}
	g.remember(&r, now)
	return newPermit(g, r), nil
}

func (g *Gate) judge(o Observation) Verdict {
	if o.Class == audit.ClassRefuse {
		return Verdict{Deny: true, Reason: audit.Because("the plan refuses it")}
	}
	for _, d := range g.detectors {
		if v := d.Judge(o); v.Deny {
			return v
		}
	}
	return Verdict{}
}

// deny records the refusal and returns it as an error, or that it could not be
// recorded.
func (g *Gate) deny(ctx context.Context, r Request, why audit.Reason) error {
	ev := r.event(audit.OutcomeRefused)
	ev.SQLSTATE, ev.Reason = "42501", why
	if err := g.await(ctx, ev); err != nil {
		return err
	}
	msg := "denied"
	if !why.IsZero() {
		msg = "denied: " + why.String()
	}
	return &clarus.Error{Op: "gate", Kind: clarus.Denied, Msg: msg, Hint: "the owner's audit log has the request and the reason"}
}

// Record makes an event durable: a refusal, a finding of integrity, the start
// of a session. Nothing of its effect may be visible before Record returns nil.
// A canceled ctx ends the waiting, not the recording. Errors: Unavailable,
// Canceled, Internal (no valid event).
func (g *Gate) Record(ctx context.Context, e audit.Event) error {
	if err := e.Check(); err != nil {
		return &clarus.Error{Op: "gate", Kind: clarus.Internal, Msg: "an event that cannot be audited", Err: err}
	}
	return g.await(ctx, e)
}

// Close waits until every outcome reported so far is durable or known to be
// lost. Errors: Unavailable (some were lost), Canceled.
func (g *Gate) Close(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.idle.Broadcast()
	})
	defer stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.settling {
		if ctx.Err() != nil {
			return canceled(ctx.Err())
		}
		g.idle.Wait()
	}
	if g.lost > 0 {
		return unavailable(errors.New("outcomes of statements were lost"))
	}
	return nil
}
