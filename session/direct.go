package session

import (
	"context"
	"slices"

	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/twin"
)

// known returns the portal of a direct write with its values, or with the
// residual plan where one of them, or a row of RETURNING in the formats that the
// client asked for, cannot be made here.
func (s *Session) known(p *portal) *portal {
	w := p.st.plan.Write
	formats := p.results()
	for i, at := range w.Returns {
		if formats[i] == 0 && !s.writes(w.Table.Columns[at].Type) {
			return p.unpushed()
		}
	}
	for i, out := range w.Change.Outputs {
		if out.Attr != nil && formats[i] == 0 && !s.writes(out.Attr.Type) {
			return p.unpushed()
		}
	}
	if w.Timed && s.block {
		return p.unpushed() // in a block it is one value, which the twin keeps
	}
	values, ok := run.Given(w, p.args())
	if !ok {
		return p.unpushed()
	}
	q := *p
	q.values = values
	return &q
}

// write has the provider carry out a direct write.
func (s *Session) write(ctx context.Context, permit gate.Permit, p *portal, row func([]byte) error) (string, error) {
	remote, err := sites{s}.Writer(ctx, p.st.plan.Write.Table)
	if err != nil {
		return "", err
	}
	args, err := s.probing(ctx, p)
	if err != nil {
		return "", err
	}
	args.Commit = s.last && !s.block && s.ddl == nil && !s.catalog().Deferrable() && !s.db.Several()
	w := &run.Writer{Vault: s.host.Vault, Permit: permit, Catalog: s.catalog(), Home: s.home(), Provider: remote}
	tag, err := w.Write(ctx, p.st.plan.Write, p.values, args, p.results(), row)
	s.noteDraws(w.Draws)
	return tag, err
}

// noteDraws keeps what was drawn for tellDraws.
func (s *Session) noteDraws(draws []run.Draw) {
	for _, d := range draws {
		s.drawn = append(slices.DeleteFunc(s.drawn, func(o run.Draw) bool { return o.Sequence == d.Sequence }), d)
	}
}

// mayDraw reports whether the user may use the sequences that a direct write
// draws from; if not the twin has the error.
func (s *Session) mayDraw(c *twin.Conn, pl *plan.Plan) (bool, error) {
	for _, seq := range pl.Write.Use {
		rows, err := c.Rows("SELECT pg_catalog.has_sequence_privilege($1::pg_catalog.oid, 'USAGE, UPDATE')", itoa(int(seq)))
		if err != nil {
			return false, err
		}
		if len(rows) != 1 || rows[0][0] != "t" {
			return false, nil
		}
	}
	return true, nil
}

// tellDraws tells the scratch database what was drawn without it, for currval and
// lastval.
func (s *Session) tellDraws(w *twin.Scratch) error {
	for _, d := range s.drawn {
		if s.catalog().Logical.Sequence(d.Sequence) == nil {
			continue
		}
		if err := w.Drew(d.Sequence, d.Value); err != nil {
			return err
		}
	}
	s.drawn = nil
	return nil
}
