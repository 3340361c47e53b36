package run

import (
	"context"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/twin"
)

// Load fills a scratch database with opened rows and locks nothing. With more,
// it keeps what was loaded before.
func Load(s *twin.Scratch, rows []*Rows, more bool) error {
	loads := make([]twin.Load, len(rows))
	for i, r := range rows {
		loads[i] = load(r)
	}
	if more {
		return s.Add(loads)
	}
	return s.Fill(loads, nil)
}

// Carry seals the rows that the scratch database holds of a table, as a schema
// statement left them, and stores them in the table's new form.
func (j *Job) Carry(ctx context.Context, t *catalog.Table) (err error) {
	if j.writer, err = j.Sites.Writer(ctx, t); err != nil {
		return err
	}
	if err := j.Scratch.Begin(false, false); err != nil {
		return err
	}
	rows, err := j.held(t)
	if end := j.Scratch.End(false); err == nil {
		err = end
	}
	if err != nil {
		return err
	}
	return j.Vault.Insert(ctx, j, t, rows)
}

func (j *Job) held(t *catalog.Table) ([]Row, error) {
	var rows []Row
	err := j.written(t, nil, func(_ string, values [][]byte) { rows = append(rows, Row{Values: values}) })
	return rows, err
}

// CopyIn carries out a COPY into table t: act feeds the twin, which checks and
// completes the rows; then they are sealed and stored.
func (j *Job) CopyIn(ctx context.Context, t *catalog.Table, act func(*twin.Conn) (string, error)) (tag string, err error) {
	j.draws, j.skipped = map[uint32]*draw{}, map[clarus.RowID]bool{}
	if j.writer, err = j.Sites.Writer(ctx, t); err != nil {
		return "", err
	}
	if err := j.Scratch.Fill([]twin.Load{{OID: t.Relation.OID, Table: logical(t)}}, j.all()); err != nil {
		return "", err
	}
	j.Scratch.Touched(t.Relation.OID, logical(t))
	if err := j.setSequences(ctx); err != nil {
		return "", err
	}
	stop := j.Scratch.User.Watch(ctx)
	defer stop()
	if err := j.Scratch.Begin(j.Lasting, false); err != nil {
		return "", err
	}
	if tag, err = act(j.Scratch.User); err == nil {
		err = j.store(ctx, t)
	} else {
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

// store seals and stores what a COPY left on the twin.
func (j *Job) store(ctx context.Context, t *catalog.Table) error {
	if err := j.readSequences(); err != nil {
		return err
	}
	again, err := j.drawSequences(ctx)
	if err != nil {
		return err
	}
	if again {
		return conflict("another session drew from a sequence that the rows use")
	}
	rows, err := j.held(t)
	if err != nil {
		return err
	}
	return j.Vault.Insert(ctx, j, t, rows)
}
