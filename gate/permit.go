package gate

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

// A Permit says that one execution of one request was judged and is in the
// log. Only a Gate makes valid ones; the zero value is not. Copies are the same
// permit. It is safe for concurrent use.
type Permit struct{ p *permit }

type permit struct {
	gate    *Gate
	request Request
	done    atomic.Bool
}

func newPermit(g *Gate, r Request) Permit { return Permit{&permit{gate: g, request: r}} }

// Valid reports whether a gate made p and Done was not called yet.
func (p Permit) Valid() bool { return p.p != nil && !p.p.done.Load() }

// Request returns what was permitted, for run to compare with what it is about
// to do. It is the zero Request for the zero Permit.
func (p Permit) Request() Request {
	if p.p == nil {
		return Request{}
	}
	return p.p.request
}

// An Outcome is what became of a permitted request.
type Outcome struct {
	Rows     int64  // released or written
	SQLSTATE string // as the user saw it; empty or of class 00, 01, 02: it succeeded
	Err      error  // nil: it succeeded; of it the log gets the kind only
}

// Done appends what became of p's request, and ends p: later calls do nothing.
// It does not wait; the outcome follows within 10 ms. An end of ctx
// does not matter. If the sink loses the outcome, nothing is covered any more
// and the next intent waits behind an event that says how many were lost.
func (p Permit) Done(ctx context.Context, o Outcome) {
	if p.p == nil || p.p.done.Swap(true) {
		return
	}
	p.p.gate.follow(context.WithoutCancel(ctx), o.event(&p.p.request))
}

func (o *Outcome) event(r *Request) audit.Event {
	ev := r.event(audit.OutcomeDone)
	ev.Rows = max(o.Rows, 0)
	ev.SQLSTATE = o.SQLSTATE
	if ev.Check() != nil { // a provider can send anything as an SQLSTATE
		ev.SQLSTATE = ""
	}
	if o.Err == nil && succeeded(ev.SQLSTATE) && ev.SQLSTATE == o.SQLSTATE {
		return ev
	}
	ev.Outcome = audit.OutcomeFailed
	_, ours := errors.AsType[*clarus.Error](o.Err)
	switch {
	case ours || o.Err != nil && ev.SQLSTATE == "":
		ev.Reason = audit.BecauseKind(clarus.KindOf(o.Err))
	case ev.SQLSTATE == "":
		ev.Reason = audit.Because("the provider sent an SQLSTATE that is none")
	}
	return ev
}

// succeeded reports whether an SQLSTATE is of the classes success, warning and
// no data.
func succeeded(state string) bool {
	return state == "" || state[0] == '0' && state[1] >= '0' && state[1] <= '2'
}
