package release

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish/living"
	"github.com/clarus-project/clarus/publish/table"
	"github.com/clarus-project/clarus/sqlast"
)

// A job keeps one release.
type job struct {
	db        *Database
	published policy.Published
	original  Name
	name      Name // of the release
	log       Name // of the table that says which state is shown

	// Of the steps, one at a time:
	release *living.Release // nil: not loaded
	columns []string        // that it was loaded for

	mu       sync.Mutex
	live     bool   // there is a state
	reported string // what the log was told last
	state    string // in words, after the last step that did what it should
	failure  error  // of the last step; nil: none
	failedAt time.Time
}

func newJob(db *Database, p policy.Published) *job {
	return &job{db: db, published: p, original: Name{p.Schema, p.Table}, name: Name{p.Release, p.Table}, log: Name{p.Release, policy.Releases}, state: "no step yet"}
}

// step ends what was prepared, and then, if follow is true, brings the release in step.
func (j *job) step(ctx context.Context, follow bool) error {
	err := j.try(ctx, follow)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.live = j.release != nil
	switch {
	case err == nil:
		j.failure = nil
		if j.release != nil {
			j.state = j.describe(j.release.Status())
		}
	case j.failure == nil:
		j.failedAt = time.Now()
		fallthrough
	default:
		j.failure = err
	}
	return err
}

func (j *job) describe(s living.Status) string {
	return fmt.Sprintf("state %d of %s, %d of %d rows shown in %d classes, %d held back, %d that cannot come back", s.Number,
		time.Now().UTC().Format(time.RFC3339), s.Shown, s.Rows, s.Classes, s.Held, s.Stranded+s.Barred)
}

func (j *job) try(ctx context.Context, follow bool) error {
	if !follow {
		if there, err := j.store(ctx).Load(); err != nil || there == nil {
			return err
		}
	}
	c, err := j.db.Connect(ctx, "clarus: "+j.name.String())
	if err != nil {
		return err
	}
	defer c.Close()
	original, err := describe(c, j.original)
	if err != nil {
		return err
	}
	if err := j.load(ctx, original); err != nil {
		return err
	}
	if err := j.make(ctx, c, original); err != nil {
		return err
	}
	shown, err := j.shown(c)
	if err != nil {
		return err
	}
	if known := j.release.Number(); shown > known {
		j.release = nil // the directory may come back
		return &clarus.Error{Op: "release", Attr: j.name.String(), Kind: clarus.Integrity, Err: living.ErrBehind,
			Msg:  fmt.Sprintf("the provider shows state %d, and the state directory knows %d", shown, known),
			Hint: "Restore the newest state directory: without it nobody knows what was seen."}
	}
	if j.release.Pending() != nil || shown != j.release.Number() {
		if err := j.publish(c); err != nil {
			return err
		}
	}
	if !follow {
		return nil
	}
	return j.follow(ctx, c, original.keys)
}

// follow reads the original and publishes what is to be published of it.
func (j *job) follow(ctx context.Context, c *pgwire.Simple, keys []string) error {
	t, _, err := Read(c, j.original, func(string, int, int) {})
	if err != nil {
		return err
	}
	if !slices.Equal(t.Names(), j.columns) {
		return &clarus.Error{Op: "release", Attr: j.original.String(), Kind: clarus.Conflict, Msg: "the table's columns changed", Hint: "Try again."}
	}
	if err := j.release.Sync(rowsOf(t, keys)); err != nil {
		return err
	}
	change, err := j.release.Prepare(ctx, false)
	if err != nil || change == nil {
		return err
	}
	return j.publish(c)
}

// rowsOf are a table's rows by their keys.
func rowsOf(t *table.Table, keys []string) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		key := make([]string, len(keys))
		for r := range t.Rows {
			row := make([]string, len(t.Columns))
			for i, c := range t.Columns {
				row[i] = c.At(r)
				if k := slices.Index(keys, c.Name); k >= 0 {
					key[k] = row[i]
				}
			}
			name, _ := json.Marshal(key) // of strings: it cannot fail
			if !yield(string(name), row) {
				return
			}
		}
	}
}

// load goes on with the state that is known, once and whenever the original has
// other columns.
func (j *job) load(ctx context.Context, original *description) error {
	wrong := &clarus.Error{Op: "release", Attr: j.original.String(), Kind: clarus.Misconfigured}
	if len(original.keys) == 0 {
		wrong.Msg, wrong.Hint = "the table has no primary key, which says which row is which", "Give it one."
		return wrong
	}
	for _, key := range original.keys {
		if a := j.published.Policy.Attribute(key); a == nil || a.Class != clarus.Identifier {
			wrong.Msg, wrong.Hint = key+" is part of the primary key, which leads from a row of the release to the one that it is of", "Make it an identifier in the publishing policy."
			return wrong
		}
	}
	if j.release != nil && slices.Equal(j.columns, original.names) {
		return nil
	}
	r, err := living.Load(j.published.Policy, original.names, j.open, j.store(ctx), living.Options{})
	if err != nil {
		return err
	}
	j.release, j.columns = r, original.names
	return nil
}

// make makes the tables of the release where they are not there, and lets those
// read it who see releases.
func (j *job) make(ctx context.Context, c *pgwire.Simple, original *description) error {
	for _, t := range []struct {
		name Name
		defs func() []string
	}{{j.log, logColumns}, {j.name, func() []string { return j.definitions(original) }}} {
		made, err := j.db.Made(ctx, t.name.Schema, t.name.Table)
		if err != nil {
			return err
		}
		defs := t.defs()
		if made {
			err = j.refit(c, t.name, defs)
		} else {
			err = first(
				func() error { return exec(c, "CREATE SCHEMA IF NOT EXISTS "+sqlast.Quote(t.name.Schema)) },
				func() error { return exec(c, "CREATE TABLE "+t.name.SQL()+" ("+strings.Join(defs, ", ")+")") },
			)
		}
		if err != nil {
			return err
		}
	}
	for _, user := range j.db.Readers {
		may, err := c.Ask(fmt.Sprintf("SELECT has_schema_privilege(%[1]s, %[2]s, 'USAGE') AND has_table_privilege(%[1]s, %[3]s, 'SELECT') AND has_table_privilege(%[1]s, %[4]s, 'SELECT')",
			sqlast.Literal(user), sqlast.Literal(j.name.Schema), sqlast.Literal(j.name.SQL()), sqlast.Literal(j.log.SQL())))
		if err != nil {
			return err
		}
		if may[0][0] == "t" {
			continue
		}
		err = first(
			func() error {
				return exec(c, "GRANT USAGE ON SCHEMA "+sqlast.Quote(j.name.Schema)+" TO "+sqlast.Quote(user))
			},
			func() error {
				return exec(c, "GRANT SELECT ON "+j.name.SQL()+", "+j.log.SQL()+" TO "+sqlast.Quote(user))
			},
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// refit makes a table anew whose columns are not those that it should have: the
// original's have other types. Before, it is noted that nothing is shown.
func (j *job) refit(c *pgwire.Simple, name Name, defs []string) error {
	is, err := describe(c, name)
	if err != nil {
		return err
	}
	for i, n := range is.names {
		is.names[i] = sqlast.Quote(n) + " " + is.types[n]
	}
	if name == j.log || slices.Equal(is.names, defs) {
		return nil
	}
	return first(
		func() error { return exec(c, "DELETE FROM "+j.log.SQL()+" WHERE name = "+sqlast.Literal(j.name.Table)) },
		func() error { return exec(c, "DROP TABLE "+name.SQL()) },
		func() error { return exec(c, "CREATE TABLE "+name.SQL()+" ("+strings.Join(defs, ", ")+")") },
	)
}

// definitions are the release's columns.
func (j *job) definitions(original *description) []string {
	t := &table.Table{}
	for _, name := range j.release.Columns() {
		t.Columns = append(t.Columns, &table.Column{Name: name})
	}
	list := Types(j.published.Policy, t, original.types)
	for i, c := range t.Columns {
		list[i] = sqlast.Quote(c.Name) + " " + list[i]
	}
	return list
}

// logColumns are those of the table that says which state of each release is shown.
func logColumns() []string {
	return []string{"name text NOT NULL", "state bigint NOT NULL", "classes bigint NOT NULL", "rows bigint NOT NULL", "published timestamptz NOT NULL"}
}

// shown is the state that the provider shows; 0: none.
func (j *job) shown(c *pgwire.Simple) (uint64, error) {
	rows, err := c.Ask("SELECT max(state)::text FROM " + j.log.SQL() + " WHERE name = " + sqlast.Literal(j.name.Table))
	if err != nil || rows[0][0] == pgwire.Null {
		return 0, err
	}
	return strconv.ParseUint(rows[0][0], 10, 64)
}

// publish has the provider show the newest state, whole, in one transaction: its
// readers see this state or the one before. Then it is confirmed. If it is not known
// whether the provider committed, the next step does the same again.
func (j *job) publish(c *pgwire.Simple) error {
	t, classes, err := j.table()
	if err != nil {
		return err
	}
	number := j.release.Number()
	steps := []func() error{
		func() error { return exec(c, "BEGIN") },
		func() error { return exec(c, "DELETE FROM "+j.name.SQL()) },
		func() error { return fill(c, j.name, t, func(string, int, int) {}) },
		func() error { return exec(c, "DELETE FROM "+j.log.SQL()+" WHERE name = "+sqlast.Literal(j.name.Table)) },
		func() error {
			return exec(c, fmt.Sprintf("INSERT INTO %s (name, state, classes, rows, published) VALUES (%s, %d, %d, %d, %s)", j.log.SQL(), sqlast.Literal(j.name.Table),
				number, classes, t.Rows, sqlast.Literal(time.Now().UTC().Format("2006-01-02 15:04:05+00"))))
		},
	}
	if err := first(steps...); err != nil {
		return err // the connection ends, and with it the transaction
	}
	if err := commit(c, j.name); err != nil {
		return err
	}
	if j.release.Pending() == nil {
		return nil
	}
	return j.release.Confirm(number)
}

// table is what is published, in random order. It is the last look at what leaves:
// no identifier, no class that is too small.
func (j *job) table() (t *table.Table, classes int, err error) {
	wrong := func(what string) error {
		return &clarus.Error{Op: "release", Attr: j.name.String(), Kind: clarus.Internal, Msg: "the release would have " + what + ": it is not published"}
	}
	t = &table.Table{}
	var builders []*table.Builder
	for _, name := range j.release.Columns() {
		if a := j.published.Policy.Attribute(name); a == nil || a.Class == clarus.Identifier {
			return nil, 0, wrong("the identifier " + name)
		}
		builders = append(builders, table.NewBuilder(name, 0))
	}
	var rows [][]string
	for class := range j.release.Classes() {
		if len(class.Rows) < j.published.Policy.K {
			return nil, 0, wrong("a class of " + strconv.Itoa(len(class.Rows)) + " rows")
		}
		classes++
		rows = append(rows, class.Rows...)
	}
	rand.Shuffle(len(rows), func(a, b int) { rows[a], rows[b] = rows[b], rows[a] })
	for _, row := range rows {
		for i, b := range builders {
			b.Add(row[i])
		}
	}
	for _, b := range builders {
		t.Columns = append(t.Columns, b.Column())
	}
	t.Rows = len(rows)
	return t, classes, nil
}
