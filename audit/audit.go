// Package audit is the contract of the audit log: what an event is, and what a
// sink promises about it.
//
// The log stands on the trusted side and is written before the effect of what
// it tells is visible. An Event says who did what to which attributes, never
// with which values: it has no field that could hold one. The log proves that
// what was logged was not altered; that everything was logged assumes an
// honest proxy.
//
// A sink is one package that passes audittest.Run.
package audit

import "context"

// A Sink keeps events for good. It is safe for concurrent use.
//
// Order: the sink numbers events (Event.Seq) in the order in which Append was
// called; calls by one goroutine, and calls ordered by any synchronisation,
// keep their order. If an event is durable, so is every event numbered before it.
//
// What leaks: whoever reads the sink's storage learns all that an Event holds:
// users, addresses, statement shapes, names of attributes, row counts, times.
// It belongs on the trusted side only.
type Sink interface {
	// Append hands e to the sink and returns at once: it waits neither for a
	// disk nor for room. The sink sets Seq, and Time where it is zero. The
	// event becomes durable when Wait is called on its Future, else by itself
	// within 5 ms and the time of one write.
	//
	// If ctx is already done, or e fails Event.Check, or too much is waiting
	// (kind Limit), or the sink is closed (kind Shutdown), nothing is kept and
	// the Future says so. Ending ctx later takes nothing back.
	Append(ctx context.Context, e Event) Future

	// Close makes durable what was appended, then refuses more. It returns the
	// error that kept anything from becoming durable; a second Close returns
	// what the first one did.
	Close() error
}

// A Future is the fate of one appended event.
type Future interface {
	// Wait hurries the event and returns nil only when it is durable: it
	// survives the death of this process and of the machine's power. An error
	// (kind Unavailable, Limit, Invalid or Shutdown) means that it may be
	// absent: what it would have allowed must not happen.
	//
	// When ctx ends first, Wait returns ctx's error; the event may become
	// durable all the same. Wait may be called many times, by many goroutines.
	Wait(ctx context.Context) error
}
