package release

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/policy"
)

// A Database is a logical database of which Clarus keeps releases.
type Database struct {
	Name      string
	Number    uint32 // sets it apart from another that had the name before
	Published []policy.Published
	Readers   []string // users who see releases
	State     string   // the directory of the states of its releases
	// Connect opens a session of Clarus's own, the only kind that may write releases.
	Connect func(ctx context.Context, application string) (*pgwire.Simple, error)
	// Made reports whether Clarus made a table to be a release.
	Made func(ctx context.Context, schema, table string) (bool, error)
	// Seal and Open protect a state, which has the original's rows; name is what
	// it is of.
	Seal func(ctx context.Context, name string, state []byte) ([]byte, error)
	Open func(ctx context.Context, name string, sealed []byte) ([]byte, error)
}

// A Keeper keeps releases in step with their originals, one step at a time. What
// was committed before a step begins is in the release when it ends, as far as that
// is safe.
type Keeper struct {
	database func(name string) (*Database, error)
	log      *slog.Logger
	turn     chan struct{} // holds one token: whose step it is

	mu   sync.Mutex
	jobs map[jobName]*job
}

type jobName struct{ database, schema, table string }

// NewKeeper makes a keeper of the releases of databases that are found by their names.
func NewKeeper(database func(name string) (*Database, error), log *slog.Logger) *Keeper {
	k := &Keeper{database: database, log: log, turn: make(chan struct{}, 1), jobs: map[jobName]*job{}}
	k.turn <- struct{}{}
	return k
}

// job returns that of a dataset.
func (k *Keeper) job(database, schema, table string) (*job, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := jobName{database, schema, table}
	if j := k.jobs[name]; j != nil {
		return j, nil
	}
	db, err := k.database(database)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(db.Published, func(p policy.Published) bool { return p.Schema == schema && p.Table == table })
	if i < 0 {
		return nil, &clarus.Error{Op: "release", Attr: schema + "." + table, Kind: clarus.Misconfigured, Msg: "the policy does not publish it"}
	}
	j := newJob(db, db.Published[i])
	k.jobs[name] = j
	return j, nil
}

// Run keeps a database's releases in step until ctx ends: each once at the start,
// to end what a crash interrupted, then as often as its policy says.
func (k *Keeper) Run(ctx context.Context, database string) error {
	db, err := k.database(database)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	for _, p := range db.Published {
		j, err := k.job(database, p.Schema, p.Table)
		if err != nil {
			return err
		}
		running.Go(func() { k.follow(ctx, j) })
	}
	running.Wait()
	return nil
}

func (k *Keeper) follow(ctx context.Context, j *job) {
	if j.published.Every == 0 {
		k.report(j, k.step(ctx, j, false))
		return
	}
	tick := time.NewTicker(j.published.Every)
	defer tick.Stop()
	for {
		if err := k.step(ctx, j, true); ctx.Err() == nil {
			k.report(j, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// report tells the owner, once, what keeps a release from following. A table that
// is not there yet does not. What may hold a value is not told to the log.
func (k *Keeper) report(j *job, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if se, ok := errors.AsType[*pgwire.ServerError](err); err == nil || ok && se.Code == "42P01" && !j.live {
		j.reported = ""
		return
	}
	reason := "SHOW clarus.releases tells owners why"
	if _, ours := errors.AsType[*clarus.Error](err); ours {
		reason = err.Error()
	}
	if se, theirs := errors.AsType[*pgwire.ServerError](err); theirs {
		reason += ": SQLSTATE " + se.Code
	}
	if reason != j.reported {
		j.reported = reason
		k.log.Warn("a release does not follow", "database", j.db.Name, "release", j.name.String(), "reason", reason)
	}
}

// step makes one step when it is its turn.
func (k *Keeper) step(ctx context.Context, j *job, follow bool) error {
	select {
	case <-k.turn:
	case <-ctx.Done():
		return &clarus.Error{Op: "release", Kind: clarus.Canceled, Msg: "canceled while another release was brought in step"}
	}
	defer func() { k.turn <- struct{}{} }()
	return j.step(ctx, follow)
}

// Refresh brings a release in step, and says in words how it is.
func (k *Keeper) Refresh(ctx context.Context, database, schema, table string) (string, error) {
	j, err := k.job(database, schema, table)
	if err != nil {
		return "", err
	}
	if err := k.step(ctx, j, true); err != nil {
		return "", known(j, err)
	}
	return j.said(), nil
}

// known makes any error one that a client may see: an owner is.
func known(j *job, err error) error {
	if _, ok := errors.AsType[*clarus.Error](err); ok {
		return err
	}
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok {
		return se
	}
	return &clarus.Error{Op: "release", Attr: j.name.String(), Kind: clarus.Invalid, Msg: "the release does not follow: " + err.Error(), Hint: "It stays as it was. See docs/publish.md."}
}

// Status says in words how each release of a database is, and why one does not
// follow, which may hold values.
func (k *Keeper) Status(database string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var lines []string
	for name, j := range k.jobs {
		if name.database == database {
			lines = append(lines, j.said())
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// said is how the release was after its last step.
func (j *job) said() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := j.name.String() + ": " + j.state
	if j.failure != nil {
		text += "; it does not follow since " + j.failedAt.UTC().Format(time.RFC3339) + ": " + j.failure.Error()
	}
	return text
}
