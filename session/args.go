package session

import (
	"context"
	"slices"

	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/twin"
)

// args are what the plan's parameters are bound to: the client's parameters,
// then the constants that stand in the statement's text. What the twin runs has
// them in its text, and gets the client's parameters only.
func (p *portal) args() run.Args {
	a := run.Args{Types: p.st.params, Formats: p.bind.Formats, Values: p.bind.Params}
	if len(p.st.constants) == 0 {
		return a
	}
	formats := make([]int16, 0, len(a.Types)+len(p.st.constants))
	for i := range a.Types {
		formats = append(formats, p.bind.Format(i))
	}
	for range p.st.constants {
		formats = append(formats, 1)
	}
	return run.Args{Types: slices.Concat(a.Types, p.st.types), Formats: formats, Values: slices.Concat(a.Values, p.st.constants)}
}

// probing are args with those values in binary format that a probe needs. What
// cannot be read here the twin reads.
func (s *Session) probing(ctx context.Context, p *portal) (run.Args, error) {
	a := p.args()
	a.Binary = a.Values
	for _, n := range p.st.plan.Probed() {
		if n > len(p.bind.Params) || a.Values[n-1] == nil || p.bind.Format(n-1) != 0 {
			continue
		}
		b, ok := pgvalue.Read(a.Types[n-1], a.Values[n-1])
		if !ok {
			read, err := s.readByTwin(ctx, p)
			a.Binary = append(read, p.st.constants...)
			return a, err
		}
		if &a.Binary[0] == &a.Values[0] {
			a.Binary = slices.Clone(a.Values)
		}
		a.Binary[n-1] = b
	}
	return a, nil
}

// readByTwin has the twin turn the client's parameters into binary format.
func (s *Session) readByTwin(ctx context.Context, p *portal) (out [][]byte, err error) {
	c, err := s.twin(ctx)
	if err != nil {
		return nil, err
	}
	sql := "SELECT "
	for i := range p.bind.Params {
		if i > 0 {
			sql += ", "
		}
		sql += "$" + itoa(i+1)
	}
	err = c.Run(twin.Statement{SQL: sql, Types: p.st.params, Formats: p.bind.Formats, Params: p.bind.Params, Results: []int16{1}}, func(body []byte) (err error) {
		out, err = pgwire.Row(slices.Clone(body), nil)
		return err
	}, nil)
	return out, err
}

// sent is the statement as a pass plan's provider gets it.
func (s *Session) sent(p *portal) provider.Statement {
	a := p.args()
	return provider.Statement{SQL: p.st.plan.SQL, Types: a.Types, Formats: a.Formats, Params: a.Values, Results: p.bind.Results, Ends: s.ends(p)}
}
