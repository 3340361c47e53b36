package gate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

// An intentKey is where an intent is looked up; the rest of the request is
// compared.
type intentKey struct {
	session string
	action  audit.Action
	class   audit.Class
	shape   audit.Shape
}

type intent struct {
	request Request
	until   time.Time
}

func (r *Request) key() intentKey { return intentKey{r.Session, r.Action, r.Class, r.Shape} }

// coverable reports whether an intent for r may cover later statements too:
// those that come by the thousand.
func (r *Request) coverable() bool {
	switch r.Action {
	case audit.ActionSelect, audit.ActionInsert, audit.ActionUpdate, audit.ActionDelete, audit.ActionMerge:
		return r.Session != "" && !r.Shape.IsZero()
	}
	return false
}

// covered reports whether a durable intent already tells of r: the same shape
// can mean other tables under another search path, so names are compared too.
func (g *Gate) covered(r *Request, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	in, ok := g.intents[r.key()]
	return ok && now.Before(in.until) && in.request.Principal == r.Principal &&
		slices.Equal(in.request.Datasets, r.Datasets) &&
		slices.Equal(in.request.Attributes, r.Attributes) &&
		slices.Equal(in.request.Providers, r.Providers)
}

// remember lets the intent made at now cover its like, and forgets expired ones.
func (g *Gate) remember(r *Request, now time.Time) {
	if !r.coverable() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost > 0 { // since the intent was written
		return
	}
	if now.Sub(g.swept) > Window {
		g.swept = now
		for k, in := range g.intents {
			if !now.Before(in.until) {
				delete(g.intents, k)
			}
		}
	}
	g.intents[r.key()] = intent{*r, now.Add(Window)}
}

// await appends e, after the news that outcomes were lost if there is such, and
// waits until both are durable. Nobody evades the log by going away: ctx ends
// the waiting only.
func (g *Gate) await(ctx context.Context, e audit.Event) error {
	keep := context.WithoutCancel(ctx)
	g.mu.Lock()
	lost := g.lost
	var news audit.Future
	if lost > 0 {
		g.lost = 0
		news = g.sink.Append(keep, audit.Event{
			Action: audit.ActionIntegrity, Outcome: audit.OutcomeFailed, Rows: lost,
			Reason: audit.Because("outcomes of this many statements were lost when the log could not be written"),
		})
	}
	f := g.sink.Append(keep, e)
	g.mu.Unlock()
	if news != nil {
		if err := news.Wait(keep); err != nil {
			g.mu.Lock()
			g.lost += lost
			g.mu.Unlock()
			return failure(ctx, err)
		}
	}
	if err := f.Wait(ctx); err != nil {
		return failure(ctx, err)
	}
	return nil
}

// follow appends an outcome and sees to it that its fate becomes known.
func (g *Gate) follow(ctx context.Context, e audit.Event) {
	f := g.sink.Append(ctx, e)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trail = append(g.trail, f)
	if !g.settling {
		g.settling = true
		time.AfterFunc(settleDelay, g.settle)
	}
}

// settle learns what became of the outcomes. Waiting hurries them.
func (g *Gate) settle() {
	g.mu.Lock()
	trail := g.trail
	g.trail = nil
	g.mu.Unlock()
	var lost int64
	for _, f := range slices.Backward(trail) { // the last one first: one write for all
		if f.Wait(context.Background()) != nil {
			lost++
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if lost > 0 {
		g.lost += lost
		clear(g.intents)
	}
	if len(g.trail) > 0 {
		time.AfterFunc(settleDelay, g.settle)
		return
	}
	g.settling = false
	g.idle.Broadcast()
}

// failure gives a sink's error its meaning: the user went away, or the log did.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return canceled(err)
	}
	return unavailable(err)
}

func canceled(err error) error {
	return &clarus.Error{Op: "gate", Kind: clarus.Canceled, Msg: "canceled while waiting for the audit log", Err: err}
}

func unavailable(err error) error {
	return &clarus.Error{
		Op: "gate", Kind: clarus.Unavailable, Msg: "the audit log is not available, so nothing was done",
		Hint: "the owner of this Clarus must see to its audit log: room on the disk, the rights of the file", Err: err,
	}
}
