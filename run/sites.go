package run

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
)

// Sites are a client's sessions at the providers of its database, all in the
// client's transaction.
type Sites interface {
	// Home is where the catalogue, the sequences and the advisory locks are.
	Home() provider.Session
	// At returns the session at a provider whose tables are to be read. It fails
	// where the transaction has a snapshot already that this one cannot share.
	At(ctx context.Context, provider string) (provider.Session, error)
	// Hold lets no commit begin, at any provider, until done is called, and
	// waits for those that are under way. What several providers show meanwhile
	// is one state of the database.
	Hold(ctx context.Context) (done func(), err error)
	// Writer returns the session where rows of these tables are to change or to
	// be locked. It fails where that is not one provider, or not the one where
	// the transaction has done so already: they would not be committed together.
	Writer(ctx context.Context, tables ...*catalog.Table) (provider.Session, error)
}

// A portion is the part of a fetch that one provider answers, in one statement.
type portion struct {
	at      provider.Session
	st      provider.Statement
	r       *reader
	fetches []plan.Fetch
}

// portions divides fetches by provider and writes their statements. The rows
// of all count against one limit.
func (v *Vault) portions(ctx context.Context, sites Sites, fetches []plan.Fetch, result []*Rows, args Args, limit int) ([]*portion, error) {
	byName := map[string]*portion{}
	var list []*portion
	count := new(atomic.Int64)
	for i, f := range fetches {
		p := byName[f.Table.Provider]
		if p == nil {
			at, err := sites.At(ctx, f.Table.Provider)
			if err != nil {
				return nil, err
			}
			p = &portion{at: at, r: &reader{v: v, ctx: ctx, limit: limit, count: count}}
			byName[f.Table.Provider], list = p, append(list, p)
		}
		l := layoutOf(f.Table)
		l.prove(plan.Proofs(f.Where))
		p.fetches = append(p.fetches, f)
		p.r.layouts, p.r.result = append(p.r.layouts, l), append(p.r.result, result[i])
		p.r.pending, p.r.seen = append(p.r.pending, nil), append(p.r.seen, map[clarus.RowID]bool{})
	}
	for _, p := range list {
		var err error
		if p.st, p.r.slots, err = v.union(ctx, p.fetches, p.r.layouts, args); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// read runs the statement and opens its rows.
func (p *portion) read(ctx context.Context) error {
	if _, err := p.at.Run(ctx, p.st, p.r.check(p.st), p.r.row); err != nil {
		return err
	}
	for i := range p.fetches {
		if err := p.r.flush(i); err != nil {
			return err
		}
	}
	return nil
}

// window is how long commits may be kept waiting for snapshots.
const window = 5 * time.Second

// together reads at several providers one state of the database: no commit is
// under way between the first one's snapshot and the last one's. The locks on
// the tables are taken before, so that nothing within waits for a transaction
// that waits for its own commit.
func together(ctx context.Context, sites Sites, list []*portion) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := each(list, func(p *portion) error { return p.at.Prepare(ctx, p.st) }); err != nil {
		return err
	}
	done, err := sites.Hold(ctx)
	if err != nil {
		return err
	}
	defer done()
	var bound sync.WaitGroup
	bound.Add(len(list))
	end := make(chan error, 1)
	go func() {
		end <- each(list, func(p *portion) error {
			taken := sync.OnceFunc(bound.Done)
			defer taken()
			p.st.Bound = taken
			err := p.read(ctx)
			if err != nil {
				cancel(err) // the others have nothing to wait for
			}
			return err
		})
	}()
	all := make(chan struct{})
	go func() { bound.Wait(); close(all) }()
	late := time.NewTimer(window)
	defer late.Stop()
	select {
	case <-all:
	case <-late.C:
		cancel(&clarus.Error{Op: "fetch", Kind: clarus.Unavailable, Msg: "a provider took too long to begin", Hint: "Try again."})
	}
	done()
	if err := <-end; err != nil {
		return context.Cause(ctx) // the first that failed
	}
	return nil
}

// each does f for all portions at once and returns the first error, in their order.
func each(list []*portion, f func(*portion) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, p := range list {
		wg.Go(func() { errs[i] = f(p) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
