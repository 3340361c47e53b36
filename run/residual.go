package run

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// A Job is a statement that the twin finishes, and all that it takes. It is
// for one statement.
type Job struct {
	Vault   *Vault
	Permit  gate.Permit
	Catalog *catalog.Catalog
	Plan    *plan.Plan
	Sites   Sites
	Scratch *twin.Scratch
	Lasting bool // the client's transaction goes on after the statement
	Keeper  bool // the session may write releases
	Shared  bool // statements are analysed in the scratch database too: no lock may stay
	Limit   int  // most rows to fetch
	Args    Args
	Lock    string // locking clause for rows that the statement locks, such as "FOR UPDATE SKIP LOCKED"
	Skip    bool   // rows that others lock are passed over

	fetched []*Rows
	writer  provider.Session // where rows change or are locked, once that is known
	place   string           // its name
	skipped map[clarus.RowID]bool
	draws   map[uint32]*draw
}

// An Action runs the user's statement on the twin and hands on its rows.
type Action func(c *twin.Conn, row func(body []byte) error) (tag string, err error)

// rounds is how often a statement starts anew because other transactions
// changed rows that it was about to change.
const rounds = 100

// Run carries the job out. Rows go to row; where the statement has effects at
// the provider, only after all of them are done.
func (j *Job) Run(ctx context.Context, act Action, row func(body []byte) error) (tag string, err error) {
	if !j.Permit.Valid() {
		return "", &clarus.Error{Op: "run", Kind: clarus.Internal, Msg: "no permit"}
	}
	j.draws, j.skipped = map[uint32]*draw{}, map[clarus.RowID]bool{}
	if !j.Plan.Effects() {
		return j.once(ctx, act, row, nil)
	}
	for range rounds {
		var rows [][]byte
		again := false
		tag, err = j.once(ctx, act, func(body []byte) error { rows = append(rows, bytes.Clone(body)); return nil }, func() (err error) {
			again, err = j.apply(ctx)
			return err
		})
		if err != nil {
			return "", err
		}
		if again {
			continue
		}
		for _, r := range rows {
			if err := row(r); err != nil {
				return "", err
			}
		}
		return tag, nil
	}
	return "", conflict("other transactions keep changing the rows that the statement needs")
}

func conflict(msg string) error {
	return &clarus.Error{Op: "run", Kind: clarus.Conflict, Msg: msg, Hint: "Try the transaction again."}
}

// once fetches, loads and runs the statement; after looks at what it did
// before the twin forgets it.
func (j *Job) once(ctx context.Context, act Action, row func([]byte) error, after func() error) (tag string, err error) {
	if err := j.load(ctx); err != nil {
		return "", err
	}
	stop := j.Scratch.User.Watch(ctx)
	defer stop()
	if err := j.Scratch.Begin(j.Lasting, !j.Plan.Effects()); err != nil {
		return "", err
	}
	tag, err = act(j.Scratch.User, row)
	if err == nil && after != nil {
		err = after()
	} else if err != nil {
		err = j.drawAnyway(ctx, err)
	}
	if end := j.Scratch.End(j.Lasting); err == nil {
		err = end
	}
	if free := j.release(); err == nil {
		err = free
	}
	return tag, err
}

// release gives back what the next statement's analysis would wait for.
func (j *Job) release() error {
	if !j.Shared {
		return nil
	}
	return j.Scratch.Unlock()
}

// load brings the rows that the plan needs to the twin.
func (j *Job) load(ctx context.Context) error {
	var err error
	if j.fetched, err = j.Vault.Fetch(ctx, j.Permit, j.Sites, j.Plan.Fetches, j.Args, j.Limit); err != nil {
		return j.explain(err, nil, Row{})
	}
	var loads []twin.Load
	for _, r := range j.fetched {
		r.Rows = slices.DeleteFunc(r.Rows, func(row Row) bool { return j.skipped[row.ID] })
		l := load(r)
		l.Ordered = j.Plan.Effects() && r.pages()
		loads = append(loads, l)
	}
	for _, t := range j.Plan.Empty {
		loads = append(loads, twin.Load{OID: t.Relation.OID, Table: logical(t)})
	}
	for _, a := range j.Plan.Actions {
		if err := j.Scratch.Act(a.Key.OID, a.Delete); err != nil {
			return err
		}
	}
	for _, t := range j.Plan.Recorded() {
		// Before Fill, whose locks last until the statement is done.
		if err := j.Scratch.Record(t.Relation.OID, logical(t), j.Plan.Calls); err != nil {
			return err
		}
	}
	if err := j.Scratch.Fill(loads, j.all()); err != nil {
		if j.Plan.Private != nil {
			err = unsaid(err)
		}
		return err
	}
	for _, t := range j.Plan.Recorded() {
		// What the statement writes stays in the table's file after the rollback, until it is emptied.
		j.Scratch.Touched(t.Relation.OID, logical(t))
	}
	return j.setSequences(ctx)
}

// logical is a table's name on the twin.
func logical(t *catalog.Table) string { return sqlast.Qualify(t.Schema, t.Name) }

// all names every table of the schema.
func (j *Job) all() map[uint32]string {
	m := make(map[uint32]string, len(j.Catalog.Tables))
	for _, t := range j.Catalog.Tables {
		m[t.Relation.OID] = logical(t)
	}
	return m
}

// analysed is the number of rows from which statistics are worth their time.
const analysed = 200

// load makes the binary COPY of opened rows. Generated columns are computed
// by the twin.
func load(r *Rows) twin.Load {
	l := twin.Load{OID: r.Table.Relation.OID, Table: logical(r.Table), Big: len(r.Rows) >= analysed,
		Unchecked: r.Table.Relation.OwnCheck()}
	var names string
	var keep []int
	for i, c := range r.Table.Columns {
		if r.Table.Relation.Column(c.Num).Generated {
			continue
		}
		if len(keep) > 0 {
			names += ", "
		}
		names += sqlast.Quote(c.Name)
		keep = append(keep, i)
	}
	l.Into = l.Table
	if len(keep) > 0 {
		l.Into += " (" + names + ")"
	}
	l.Rows = &encoder{rows: r.Rows, keep: keep, buf: slices.Clone(copyHeader)}
	return l
}

// pages reports whether rows may need more than one page on the twin, where a
// value can be some times as long as it is here, and a name has 64 bytes. Two rows
// keep their order whatever they need.
func (r *Rows) pages() bool {
	const few = 600 // bytes
	if len(r.Rows) < 3 {
		return false
	}
	n, fixed := 0, 32
	for _, c := range r.Table.Columns {
		if c.Type == pgvalue.NameOID {
			fixed += 64
		}
	}
	for i := 0; i < len(r.Rows) && n <= few; i++ {
		n += fixed
		for _, v := range r.Rows[i].Values {
			n += len(v)
		}
	}
	return n > few
}

// encoder reads rows as binary COPY.
type encoder struct {
	rows []Row
	keep []int
	next int
	done bool
	buf  []byte
	row  [][]byte
}

func (e *encoder) Read(p []byte) (int, error) {
	for len(e.buf) < len(p) && e.next < len(e.rows) {
		e.row = e.row[:0]
		for _, i := range e.keep {
			e.row = append(e.row, e.rows[e.next].Values[i])
		}
		e.buf = appendCopy(e.buf, e.row)
		e.next++
	}
	if e.next == len(e.rows) && !e.done {
		e.buf, e.done = append(e.buf, copyTrailer...), true
	}
	if len(e.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.buf)
	e.buf = append(e.buf[:0], e.buf[n:]...)
	return n, nil
}

// target returns the fetched rows of a table, or nil if it was not fetched.
func (j *Job) target(oid uint32) *Rows {
	for _, r := range j.fetched {
		if r.Table.Relation.OID == oid {
			return r
		}
	}
	return nil
}

// Check runs a statement on the twin over empty tables, for the errors that it
// may raise, and takes it back.
func (j *Job) Check(ctx context.Context, sql string) error {
	if err := j.Scratch.Fill(nil, nil); err != nil {
		return err
	}
	if err := j.Scratch.Open(); err != nil {
		return err
	}
	stop := j.Scratch.User.Watch(ctx)
	defer stop()
	if err := j.Scratch.Begin(j.Lasting, false); err != nil {
		return err
	}
	err := j.Scratch.User.Run(twin.Statement{SQL: sql}, nil, nil)
	if end := j.Scratch.End(j.Lasting); err == nil {
		err = end
	}
	return err
}
