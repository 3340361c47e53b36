package run

import (
	"context"
	"fmt"
	"strconv"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
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
	before state
}

// state is where a sequence stands.
type state struct {
	last   int64
	called bool
}

func (d *draw) next(s state) int64 {
	if s.called {
		return s.last + d.seq.Increment
	}
	return s.last
}

// setSequences has the twin's sequences stand where the provider's do.
func (j *Job) setSequences(ctx context.Context) error {
	for _, oid := range j.Plan.Sequences {
		d := j.draws[oid]
		if d == nil {
			d = &draw{seq: j.Catalog.Logical.Sequence(oid)}
			if d.seq == nil {
				return &clarus.Error{Op: "run", Kind: clarus.Internal, Msg: "the statement uses an unknown sequence"}
			}
			j.draws[oid] = d
		}
		var err error
		if len(d.drawn) > 0 {
			d.before = state{last: d.drawn[0]}
		} else if d.before, err = j.stateAtProvider(ctx, d.seq); err != nil {
			return err
		}
		d.start = d.next(d.before)
		if _, err := j.Scratch.Root().Rows(fmt.Sprintf("SELECT setval('%d'::regclass, %d, %t)", oid, d.before.last, d.before.called)); err != nil {
			return err
		}
	}
	return nil
}

func (j *Job) stateAtProvider(ctx context.Context, s *catalog.Sequence) (state, error) {
	rows, err := j.ask(ctx, "SELECT last_value, is_called FROM "+sqlast.Qualify(s.Schema, s.Name))
	if err != nil {
		return state{}, err
	}
	return parseState(rows)
}

func parseState(rows [][]string) (state, error) {
	if len(rows) != 1 || len(rows[0]) != 2 {
		return state{}, &clarus.Error{Op: "sequence", Kind: clarus.Integrity, Msg: "a sequence has no state"}
	}
	last, err := strconv.ParseInt(rows[0][0], 10, 64)
	return state{last: last, called: rows[0][1] == "t"}, err
}

// ask runs a query of Clarus's own at the provider.
func (j *Job) ask(ctx context.Context, sql string) ([][]string, error) {
	var rows [][]string
	_, err := j.Provider.Run(ctx, provider.Statement{SQL: sql}, nil, func(body []byte) error {
		cells, err := pgwire.Row(body, nil)
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = string(c)
		}
		rows = append(rows, row)
		return err
	})
	return rows, err
}

// drawSequences draws at the provider what the statement drew on the twin. It
// reports again if the values are not the same.
func (j *Job) drawSequences(ctx context.Context) (again bool, err error) {
	for oid, d := range j.draws {
		rows, err := j.Scratch.Root().Rows("SELECT last_value, is_called FROM " + sqlast.Qualify(d.seq.Schema, d.seq.Name))
		if err != nil {
			return false, err
		}
		now, err := parseState(rows)
		if err != nil {
			return false, err
		}
		if j.Plan.SetsSequence {
			if now != d.before {
				if _, err := j.ask(ctx, fmt.Sprintf("SELECT setval('%s'::regclass, %d, %t)", sqlast.Qualify(d.seq.Schema, d.seq.Name), now.last, now.called)); err != nil {
					return false, err
				}
			}
			continue
		}
		moved, err := j.drawOne(ctx, oid, d, now)
		if err != nil {
			return false, err
		}
		again = again || moved
	}
	return again, nil
}

func (j *Job) drawOne(ctx context.Context, _ uint32, d *draw, now state) (again bool, err error) {
	if now == d.before {
		return false, nil
	}
	taken := (d.next(now) - d.start) / d.seq.Increment
	if missing := taken - int64(len(d.drawn)); missing > 0 {
		rows, err := j.ask(ctx, fmt.Sprintf("SELECT nextval('%s'::regclass) FROM generate_series(1, %d)", sqlast.Qualify(d.seq.Schema, d.seq.Name), missing))
		if err != nil {
			return false, err
		}
		for _, r := range rows {
			v, err := strconv.ParseInt(r[0], 10, 64)
			if err != nil {
				return false, err
			}
			d.drawn = append(d.drawn, v)
		}
	}
	for i, v := range d.drawn[:taken] {
		if v != d.start+int64(i)*d.seq.Increment {
			// Another session drew meanwhile. What was drawn in one run is used in the next, from the first gap on.
			d.drawn = d.drawn[i:]
			return true, nil
		}
	}
	return false, nil
}
