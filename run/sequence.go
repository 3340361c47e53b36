package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// A draw follows one sequence through a statement. The values are drawn at the
// provider, in the client's own session; the twin only needs to draw the same
// ones. So the twin's sequence is set to where the provider's stands, the
// statement runs, as many values as it took are drawn at the provider, and if
// another session came between, it runs again over what was drawn.
type draw struct {
	seq    *catalog.Sequence
	start  int64 // the twin's next value when the statement began
	drawn  []int64
	before state // where the twin's stood when the statement began
	now    state // and when it was done
}

// state is where a sequence stands.
type state struct {
	last   int64
	called bool
}

// next is the value that comes after s.
func (d *draw) next(s state) int64 {
	first, last := d.ends()
	switch {
	case !s.called:
		return s.last
	case s.last == last && d.seq.Cycle:
		return first
	}
	return s.last + d.seq.Increment
}

// ends are the values from which and up to which the sequence runs.
func (d *draw) ends() (first, last int64) {
	if d.seq.Increment < 0 {
		return d.seq.Max, d.seq.Min
	}
	return d.seq.Min, d.seq.Max
}

// setSequences has the twin's sequences stand where the provider's do.
func (j *Job) setSequences(ctx context.Context) error {
	states, err := j.statesAtProvider(ctx)
	if err != nil {
		return err
	}
	sets := make([]string, 0, len(states))
	for i, oid := range j.Plan.Sequences {
		d := j.draws[oid]
		if d == nil {
			d = &draw{seq: j.Catalog.Logical.Sequence(oid)}
			j.draws[oid] = d
		}
		d.before = states[i]
		if len(d.drawn) > 0 {
			d.before = state{last: d.drawn[0]}
		}
		d.start = d.next(d.before)
		sets = append(sets, fmt.Sprintf("setval('%d'::regclass, %d, %t)", oid, d.before.last, d.before.called))
	}
	if len(sets) == 0 {
		return nil
	}
	_, err = j.Scratch.Root().Rows("SELECT " + strings.Join(sets, ", "))
	return err
}

// statesAtProvider asks where the plan's sequences stand.
func (j *Job) statesAtProvider(ctx context.Context) ([]state, error) {
	if len(j.Plan.Sequences) == 0 {
		return nil, nil
	}
	parts := make([]string, len(j.Plan.Sequences))
	for i, oid := range j.Plan.Sequences {
		s := j.Catalog.Logical.Sequence(oid)
		if s == nil {
			return nil, &clarus.Error{Op: "run", Kind: clarus.Internal, Msg: "the statement uses an unknown sequence"}
		}
		parts[i] = fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", i, sqlast.Qualify(s.Schema, s.Name))
	}
	rows, err := provider.Ask(ctx, j.Sites.Home(), strings.Join(parts, " UNION ALL ")+" ORDER BY 1")
	if err != nil {
		return nil, j.explain(err, nil, Row{})
	}
	states := make([]state, len(parts))
	for i := range states {
		if len(rows) != len(parts) || len(rows[i]) != 3 {
			return nil, &clarus.Error{Op: "sequence", Kind: clarus.Integrity, Msg: "a sequence has no state"}
		}
		if states[i], err = parseState(rows[i][1:]); err != nil {
			return nil, err
		}
	}
	return states, nil
}

func parseState(row []string) (state, error) {
	last, err := strconv.ParseInt(row[0], 10, 64)
	return state{last: last, called: row[1] == "t"}, err
}

// readSequences asks the twin how far the statement went.
func (j *Job) readSequences() error {
	if len(j.Plan.Sequences) == 0 {
		return nil
	}
	parts := make([]string, len(j.Plan.Sequences))
	for i, oid := range j.Plan.Sequences {
		s := j.draws[oid].seq
		parts[i] = fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", i, sqlast.Qualify(s.Schema, s.Name))
	}
	rows, err := j.Scratch.Root().Rows(strings.Join(parts, " UNION ALL ") + " ORDER BY 1")
	if err != nil {
		return err
	}
	for i, r := range rows {
		if j.draws[j.Plan.Sequences[i]].now, err = parseState(r[1:]); err != nil {
			return err
		}
	}
	return nil
}

// drawSequences draws at the provider what the statement drew on the twin. It
// reports again if the values are not the same.
func (j *Job) drawSequences(ctx context.Context) (again bool, err error) {
	for _, d := range j.draws {
		taken, drew := d.taken()
		switch {
		case d.now == d.before:
		case j.Plan.SetsSequence || !drew:
			_, err = provider.Ask(ctx, j.Sites.Home(), fmt.Sprintf("SELECT setval('%s'::regclass, %d, %t)", sqlast.Qualify(d.seq.Schema, d.seq.Name), d.now.last, d.now.called))
			if err != nil {
				err = j.explain(err, nil, Row{})
			}
		default:
			var moved bool
			moved, err = j.draw(ctx, d, taken)
			again = again || moved
		}
		if err != nil {
			return false, err
		}
	}
	return again, nil
}

// drawAnyway draws what a statement drew before it failed with err on the
// twin, as PostgreSQL does, and returns err.
func (j *Job) drawAnyway(ctx context.Context, err error) error {
	if _, ok := errors.AsType[*pgwire.ServerError](err); !ok || len(j.Plan.Sequences) == 0 || twin.IsLockTimeout(err) {
		return err
	}
	if e := j.readSequences(); e != nil {
		return errors.Join(err, e)
	}
	if _, e := j.drawSequences(ctx); e != nil {
		return errors.Join(err, e)
	}
	return err
}

// mostDrawn is the most values that one statement draws; a larger step of a
// sequence is a setval within a function.
const mostDrawn = 10_000_000

// taken is how many values the statement drew, if it moved the sequence by
// drawing.
func (d *draw) taken() (n int64, drew bool) {
	now := d.now
	if !now.called {
		return 0, false
	}
	inc := d.seq.Increment
	first, last := d.ends()
	from := d.start
	if inc > 0 == (now.last < from) && now.last != from {
		if !d.seq.Cycle {
			return 0, false
		}
		n, from = (last-from)/inc+1, first // it began again at its other end
	}
	n += (now.last-from)/inc + 1
	return n, n <= mostDrawn && (now.last-from)%inc == 0
}

// value is the i-th value drawn, from 0.
func (d *draw) value(i int64) int64 {
	first, last := d.ends()
	lap := (last - d.start) / d.seq.Increment // the index of the last value before it begins again
	if i <= lap || !d.seq.Cycle {
		return d.start + i*d.seq.Increment
	}
	return first + (i-lap-1)%((last-first)/d.seq.Increment+1)*d.seq.Increment
}

// draw draws what is missing of n values and reports again if another session
// drew between them.
func (j *Job) draw(ctx context.Context, d *draw, n int64) (again bool, err error) {
	if missing := n - int64(len(d.drawn)); missing > 0 {
		rows, err := provider.Ask(ctx, j.Sites.Home(), fmt.Sprintf("SELECT nextval('%s'::regclass) FROM generate_series(1, %d)", sqlast.Qualify(d.seq.Schema, d.seq.Name), missing))
		if err != nil {
			return false, j.explain(err, nil, Row{})
		}
		for _, r := range rows {
			if len(r) != 1 {
				return false, &clarus.Error{Op: "sequence", Kind: clarus.Integrity, Msg: "the provider drew something else than values"}
			}
			v, err := strconv.ParseInt(r[0], 10, 64)
			if err != nil {
				return false, err
			}
			d.drawn = append(d.drawn, v)
		}
	}
	for i, v := range d.drawn[:min(n, int64(len(d.drawn)))] {
		if v != d.value(int64(i)) {
			// What was drawn in one run is used in the next, from the first gap on.
			d.drawn = d.drawn[i:]
			return true, nil
		}
	}
	return false, nil
}

// gave reports whether an integer in binary format is a value that the
// statement drew.
func (d *draw) gave(v []byte) bool {
	var n int64
	switch len(v) {
	case 2:
		n = int64(int16(binary.BigEndian.Uint16(v)))
	case 4:
		n = int64(int32(binary.BigEndian.Uint32(v)))
	case 8:
		n = int64(binary.BigEndian.Uint64(v))
	default:
		return false
	}
	taken, drew := d.taken()
	if !drew {
		return false
	}
	if !d.seq.Cycle {
		i := (n - d.start) / d.seq.Increment
		return 0 <= i && i < taken && d.value(i) == n
	}
	for i := range taken {
		if d.value(i) == n {
			return true
		}
	}
	return false
}
