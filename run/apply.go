package run

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
)

// An effect is what the statement did to one row on the twin, as a net result.
type effect struct {
	old   int    // index of the fetched row; -1 for a new one
	from  string // where the fetched row was on the twin
	tid   string // where the row is now on the twin; "" if it was deleted
	value Row    // its new values
	calls bool   // a function had part in it
}

// apply carries over to the provider what the statement did on the twin. It
// reports again if rows were changed by others meanwhile: they are locked now,
// and the statement is to run over their newest versions.
func (j *Job) apply(ctx context.Context) (again bool, err error) {
	effects, order, err := j.effectsByTable()
	if err != nil {
		return false, err
	}
	if err := j.readSequences(); err != nil {
		return false, err
	}
	if err := j.keepClear(effects); err != nil {
		return false, err
	}
	locks, err := j.locks(effects)
	if err != nil {
		return false, err
	}
	if err := j.settleWriter(ctx, order, locks); err != nil {
		return false, err
	}
	for _, l := range locks {
		changed, err := j.lock(ctx, l)
		if err != nil {
			return false, err
		}
		again = again || changed
	}
	if again {
		return again, nil
	}
	if again, err = j.drawSequences(ctx); err != nil || again {
		return again, err
	}
	if err := j.check(ctx, "DEFERRED"); err != nil {
		return false, err
	}
	for _, oid := range j.arranged(order, effects) {
		if err := j.write(ctx, j.Catalog.Table(oid), effects[oid]); err != nil {
			return false, err
		}
	}
	return false, j.check(ctx, "IMMEDIATE")
}

// check says when the provider checks the foreign keys whose actions the twin
// carries out: DEFERRED while rows change one by one, then IMMEDIATE.
func (j *Job) check(ctx context.Context, when string) error {
	var names []string
	for _, a := range j.Plan.Actions {
		name := sqlast.Qualify(a.Child.Schema, a.Key.Name)
		if a.Child.Provider == j.place && a.Key.Moves() && !a.Child.Plain() && !a.Key.Deferred && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 || j.writer == nil {
		return nil
	}
	_, err := j.writer.Run(ctx, provider.Statement{SQL: "SET CONSTRAINTS " + strings.Join(names, ", ") + " " + when}, nil, nil)
	if err != nil {
		return j.explain(err, nil, Row{})
	}
	return nil
}

// effectsByTable reads what changed, by table, and in which order tables were
// changed first.
func (j *Job) effectsByTable() (map[uint32][]*effect, []uint32, error) {
	effects := map[uint32][]*effect{}
	var order []uint32
	if len(j.Plan.Recorded()) == 0 {
		return effects, nil, nil
	}
	changes, err := j.Scratch.Changes()
	if err != nil {
		return nil, nil, err
	}
	current := map[uint32]map[string]*effect{} // by table and ctid now
	for _, c := range changes {
		if current[c.Table] == nil {
			current[c.Table] = map[string]*effect{}
			order = append(order, c.Table)
			if err := j.existing(c.Table, current[c.Table]); err != nil {
				return nil, nil, err
			}
		}
		rows := current[c.Table]
		e := rows[c.Old]
		if c.Op == 'I' {
			e = &effect{old: -1}
		}
		if e == nil {
			return nil, nil, &clarus.Error{Op: "run", Kind: clarus.Internal, Msg: "the twin changed a row that was not loaded"}
		}
		delete(rows, c.Old)
		first := e.tid == c.Old || c.Op == 'I'
		e.tid, e.calls = c.New, e.calls || c.Nested
		if c.New != "" {
			rows[c.New] = e
		}
		if first && !slices.Contains(effects[c.Table], e) {
			effects[c.Table] = append(effects[c.Table], e)
		}
	}
	for oid, list := range effects {
		if err := j.confirmEffects(oid, list); err != nil {
			return nil, nil, err
		}
		list = slices.DeleteFunc(list, func(e *effect) bool { return e.old < 0 && e.tid == "" })
		if err := j.newValues(j.Catalog.Table(oid), list); err != nil {
			return nil, nil, err
		}
		effects[oid] = list
	}
	return effects, order, nil
}

// existing enters the fetched rows of a table by their ctid.
func (j *Job) existing(oid uint32, rows map[string]*effect) error {
	r := j.target(oid)
	if r == nil {
		return nil
	}
	at, err := j.positions(r)
	for tid, i := range at {
		rows[tid] = &effect{old: i, from: tid, tid: tid}
	}
	return err
}

// confirmEffects proves that the fetched rows that changed are those.
func (j *Job) confirmEffects(oid uint32, list []*effect) error {
	at := map[string]int{}
	for _, e := range list {
		if e.old >= 0 {
			at[e.from] = e.old
		}
	}
	if len(at) == 0 {
		return nil
	}
	return j.confirm(j.target(oid), at)
}

// newValues reads the new versions of rows from the twin.
func (j *Job) newValues(t *catalog.Table, list []*effect) error {
	byTID := map[string]*effect{}
	var tids []string
	for _, e := range list {
		if e.tid != "" {
			byTID[e.tid] = e
			tids = append(tids, e.tid)
		}
	}
	if len(tids) == 0 {
		return nil
	}
	err := j.written(t, tids, func(tid string, values [][]byte) {
		if e := byTID[tid]; e != nil {
			e.value.Values = values
		}
	})
	if err == nil && slices.ContainsFunc(list, func(e *effect) bool { return e.tid != "" && e.value.Values == nil }) {
		err = &clarus.Error{Op: "run", Kind: clarus.Internal, Msg: "the twin does not hold a row that it changed"}
	}
	return err
}

// written reads rows of a table as the statement left them.
func (j *Job) written(t *catalog.Table, tids []string, row func(tid string, values [][]byte)) error {
	columns, types := quotedColumns(t)
	return j.Scratch.Written(logical(t), columns, types, tids, func(cells [][]byte) error {
		values := make([][]byte, len(t.Columns))
		for i := range values {
			values[i] = bytes.Clone(cells[i+1])
		}
		row(string(cells[0]), values)
		return nil
	})
}

// A locking is fetched rows of one table that are to be locked.
type locking struct {
	rows   *Rows
	which  []int // indexes of rows
	clause string
	skip   bool // rows that others lock are passed over from now on
}

// locks are the rows that will change, or that the statement locks.
func (j *Job) locks(effects map[uint32][]*effect) ([]locking, error) {
	var list []locking
	for _, r := range j.fetched {
		effects := effects[r.Table.Relation.OID]
		l := locking{rows: r, clause: "FOR NO KEY UPDATE"}
		for _, e := range effects {
			if e.old >= 0 {
				l.which = append(l.which, e.old)
			}
		}
		if slices.ContainsFunc(effects, func(e *effect) bool { return e.tid == "" || e.old >= 0 && keyMoves(r, e) }) {
			l.clause = "FOR UPDATE"
		}
		if len(l.which) > 0 {
			list = append(list, l)
		}
	}
	clause := j.Lock
	switch {
	case j.Plan.Locks:
	case j.Plan.Calls:
		clause = "FOR UPDATE" // whatever a function locked
	default:
		return list, nil
	}
	for _, r := range j.fetched {
		tids, err := j.Scratch.RowLocks(logical(r.Table))
		if err != nil {
			return nil, err
		}
		if len(tids) == 0 {
			continue
		}
		at, err := j.positions(r)
		if err != nil {
			return nil, err
		}
		l := locking{rows: r, clause: clause, skip: j.Skip}
		locked := map[string]int{}
		for _, tid := range tids {
			if i, ok := at[tid]; ok {
				l.which = append(l.which, i)
				locked[tid] = i
			}
		}
		if err := j.confirm(r, locked); err != nil {
			return nil, err
		}
		if len(l.which) > 0 {
			list = append(list, l)
		}
	}
	return list, nil
}

// settleWriter asks for the session where rows of these tables change or are
// locked. It is refused before anything is done if there are several.
func (j *Job) settleWriter(ctx context.Context, changed []uint32, locks []locking) (err error) {
	var tables []*catalog.Table
	for _, oid := range changed {
		tables = append(tables, j.Catalog.Table(oid))
	}
	for _, l := range locks {
		tables = append(tables, l.rows.Table)
	}
	if len(tables) > 0 {
		j.place = tables[0].Provider
		j.writer, err = j.Sites.Writer(ctx, tables...)
	}
	return err
}

// keyMoves reports whether an update changes a column of a key.
func keyMoves(r *Rows, e *effect) bool {
	for i, c := range r.Table.Columns {
		for _, k := range r.Table.Relation.Constraints {
			if (k.Kind == 'p' || k.Kind == 'u') && slices.Contains(k.Columns, c.Num) && !bytes.Equal(r.Rows[e.old].Values[i], e.value.Values[i]) {
				return true
			}
		}
	}
	return false
}

// lock locks rows at the provider, in the order of their identity, and reports
// whether one of them is not as it was fetched.
func (j *Job) lock(ctx context.Context, l locking) (changed bool, err error) {
	r, rows := l.rows, l.which
	slices.SortFunc(rows, func(a, b int) int { return bytes.Compare(place(r.Table, r.Rows[a]), place(r.Table, r.Rows[b])) })
	rows = slices.Compact(rows)
	st, params := j.locate(r, rows, "SELECT "+quoted(layoutOf(r.Table).names)+" FROM "+fragment(r.Table), l.clause)
	st.Results = []int16{1}
	same := make([]bool, len(rows))
	there := make([]bool, len(rows))
	var cells [][]byte
	_, _, err = j.writer.Batch(ctx, st, params, func(i int, body []byte) error {
		var err error
		if cells, err = pgwire.Row(body, cells); err != nil {
			return err
		}
		there[i] = true
		same[i] = slices.EqualFunc(cells, r.Rows[rows[i]].stored, equalDatum)
		return nil
	})
	if err != nil {
		return false, j.explain(err, r.Table, Row{})
	}
	for i, row := range rows {
		if !there[i] && l.skip {
			j.skipped[r.Rows[row].ID] = true
		}
		changed = changed || !same[i]
	}
	return changed, nil
}

func equalDatum(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// place is what a row is found by at the provider, as one byte string.
func place(t *catalog.Table, r Row) []byte {
	if t.Plain() {
		return r.stored[0]
	}
	return r.ID[:]
}

// locate completes a statement by a condition that finds one row, and makes
// its parameters for each of rows.
func (j *Job) locate(r *Rows, rows []int, sql, clause string, before ...[][]byte) (provider.Statement, [][][]byte) {
	st := provider.Statement{Formats: []int16{1}}
	names, types := placeColumns(r.Table)
	shift := 0
	if len(before) > 0 {
		shift = len(before[0])
	}
	sql += " WHERE " + conjunction(names, shift)
	if clause != "" {
		sql += " " + clause
	}
	st.SQL, st.Types = sql, types
	params := make([][][]byte, len(rows))
	for i, row := range rows {
		if shift > 0 {
			params[i] = append(params[i], before[i]...)
		}
		params[i] = append(params[i], placeValues(r.Table, r.Rows[row])...)
	}
	return st, params
}

// write seals the effects on one table and carries them out at the provider,
// in their order.
func (j *Job) write(ctx context.Context, t *catalog.Table, list []*effect) error {
	for len(list) > 0 {
		kind := kindOf(list[0])
		n := 1
		for n < len(list) && kindOf(list[n]) == kind {
			n++
		}
		var err error
		switch kind {
		case 'I':
			err = j.insert(ctx, t, list[:n])
		case 'U':
			err = j.update(ctx, t, list[:n])
		default:
			err = j.remove(ctx, t, list[:n])
		}
		if err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

func kindOf(e *effect) byte {
	switch {
	case e.old < 0:
		return 'I'
	case e.tid == "":
		return 'D'
	}
	return 'U'
}

func (j *Job) insert(ctx context.Context, t *catalog.Table, list []*effect) error {
	rows := make([]Row, len(list))
	for i, e := range list {
		rows[i] = e.value
	}
	return j.Vault.Insert(ctx, j, t, rows)
}

func (j *Job) update(ctx context.Context, t *catalog.Table, list []*effect) error {
	r := j.target(t.Relation.OID)
	rows, old := make([]Row, len(list)), make([]int, len(list))
	for i, e := range list {
		e.value.ID = r.Rows[e.old].ID
		rows[i], old[i] = e.value, e.old
	}
	sealed, err := j.Vault.seal(ctx, t, rows)
	if err != nil {
		return err
	}
	names, types := t.Stored()
	st, params := j.locate(r, old, "UPDATE "+fragment(t)+" SET "+assignments(names), "", sealed...)
	st.Types = append(slices.Clone(types), st.Types...)
	tags, failed, err := j.writer.Batch(ctx, st, params, nil)
	if err != nil {
		return j.explain(err, t, rows[failed])
	}
	return expectTags(t, tags, "UPDATE 1")
}

func (j *Job) remove(ctx context.Context, t *catalog.Table, list []*effect) error {
	r := j.target(t.Relation.OID)
	old := make([]int, len(list))
	for i, e := range list {
		old[i] = e.old
	}
	st, params := j.locate(r, old, "DELETE FROM "+fragment(t), "")
	tags, failed, err := j.writer.Batch(ctx, st, params, nil)
	if err != nil {
		return j.explain(err, t, r.Rows[old[failed]])
	}
	if slices.ContainsFunc(j.Plan.Actions, func(a catalog.Action) bool { return a.Child == t && a.Delete && a.Key.OnDelete == 'c' }) {
		return nil // the provider's own cascade may have been first
	}
	return expectTags(t, tags, "DELETE 1")
}

// expectTags holds the provider to what it must have done to a locked row.
func expectTags(t *catalog.Table, tags []string, want string) error {
	for _, tag := range tags {
		if tag != want {
			return repeated(t, "the provider lost a row that was locked")
		}
	}
	return nil
}

// copyFrom is the number of rows from which COPY is cheaper than INSERT.
const copyFrom = 32

// Insert seals new rows and stores them: those that may refer to each other in
// one statement, at whose end the provider checks.
func (v *Vault) Insert(ctx context.Context, j *Job, t *catalog.Table, rows []Row) error {
	if t.StoresIdentity() {
		for i := range rows {
			_, _ = rand.Read(rows[i].ID[:])
		}
	}
	batch := sealBatch
	if t.RefersToItself() {
		batch = max(len(rows), 1)
	}
	for from := 0; from < len(rows); from += batch {
		part := rows[from:min(from+batch, len(rows))]
		sealed, err := v.seal(ctx, t, part)
		if err != nil {
			return err
		}
		if err := v.store(ctx, j, t, part, sealed); err != nil {
			return err
		}
	}
	return nil
}

// store stores sealed rows by one statement.
func (v *Vault) store(ctx context.Context, j *Job, t *catalog.Table, rows []Row, sealed [][][]byte) error {
	names, types := t.Stored()
	if len(rows) >= copyFrom || len(names)*len(rows) > plan.MostParameters {
		return v.copyIn(ctx, j, t, rows, sealed)
	}
	n := len(rows)
	if len(names) == 0 {
		n = 1 // a row without columns has a statement of its own
	}
	for from := 0; from < len(rows); from += n {
		if _, err := j.put(ctx, t, plan.Insert(t, n), types, rows[from:from+n], sealed[from:from+n], false); err != nil {
			return err
		}
	}
	return nil
}

// put runs an INSERT of sealed rows.
func (j *Job) put(ctx context.Context, t *catalog.Table, sql string, types []uint32, rows []Row, sealed [][][]byte, commit bool) (string, error) {
	st := provider.Statement{SQL: sql, Formats: []int16{1}, Types: make([]uint32, 0, len(rows)*len(types)), Commit: commit}
	for _, r := range sealed {
		st.Types, st.Params = append(st.Types, types...), append(st.Params, r...)
	}
	tag, err := j.writer.Run(ctx, st, nil, nil)
	switch {
	case err != nil && len(rows) == 1:
		err = j.explain(err, t, rows[0])
	case err != nil:
		err = j.explainBatch(err, t, rows, sealed)
	}
	return tag, err
}

const sealBatch = 4096
