package session

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// prepareAdvisory recognises a statement that takes or gives back an advisory
// lock. Such locks belong to the client's session at the provider, where other
// sessions and other instances meet them.
func (s *Session) prepareAdvisory(ctx context.Context, p *statement) (bool, error) {
	call, ok := p.st.Advisory()
	if !ok {
		return false, nil
	}
	c, err := s.twin(ctx)
	if err != nil {
		return false, err
	}
	a, err := c.Analyze(p.st.Text, p.oids)
	if err != nil {
		return false, shifted(err, p.st.Offset)
	}
	list, err := analyze.Parse(a.Tree)
	if err != nil || len(list) != 1 || len(list[0].Relations) > 0 {
		return false, err
	}
	found := false
	for _, oid := range list[0].Functions {
		f, builtin := s.host.Builtins.Functions[oid]
		if f.Name == call.Function {
			found = true
		} else if !builtin || f.Volatility == 'v' {
			return false, nil
		}
	}
	if found {
		p.advisory, p.params, p.fields = &call, a.Params, a.Fields
	}
	return found, nil
}

// lockAdvisory carries it out at the provider, on a number that stands for the
// client's.
func (s *Session) lockAdvisory(ctx context.Context, p *portal, row func([]byte) error) (string, error) {
	call := p.st.advisory
	numbers, null, err := s.lockNumbers(ctx, p, call)
	if err != nil {
		return "", err
	}
	if null {
		return "SELECT 1", row(rowBody([][]byte{nil}))
	}
	st := provider.Statement{SQL: "SELECT pg_catalog." + call.Function + "()", Results: p.bind.Results}
	if call.Number > 0 {
		key, err := s.host.Vault.LockKey(ctx, numbers...)
		if err != nil {
			return "", err
		}
		st.SQL = "SELECT pg_catalog." + call.Function + "($1)"
		st.Types, st.Formats, st.Params = []uint32{20}, []int16{1}, [][]byte{binary.BigEndian.AppendUint64(nil, uint64(key))}
	}
	var values [][]byte
	fields := func(f []pgwire.Field) error {
		if len(f) != 1 || f[0].Type != p.st.fields[0].Type {
			return &clarus.Error{Op: "lock", Kind: clarus.Integrity, Msg: "the provider returned other columns than expected"}
		}
		return nil
	}
	tag, err := s.home().Run(ctx, st, fields, func(body []byte) error {
		list, err := pgwire.Row(slices.Clone(body), nil)
		values = list
		return err
	})
	switch {
	case err != nil:
		return "", run.Explain(s.catalog(), err, nil, run.Row{})
	case len(values) != 1:
		return "", &clarus.Error{Op: "lock", Kind: clarus.Integrity, Msg: "the provider returned no row"}
	}
	if strings.Contains(call.Function, "unlock") && call.Number > 0 && (string(values[0]) == "f" || string(values[0]) == "\x00") {
		mode := "ExclusiveLock"
		if strings.HasSuffix(call.Function, "_shared") {
			mode = "ShareLock"
		}
		s.notice(&pgwire.ServerError{Severity: "WARNING", Code: "01000", Message: "you don't own a lock of type " + mode})
	}
	return tag, row(rowBody(values))
}

// lockNumbers has the twin compute the call's arguments.
func (s *Session) lockNumbers(ctx context.Context, p *portal, call *sqlast.AdvisoryCall) (numbers []int64, null bool, err error) {
	if call.Number == 0 {
		return nil, false, nil
	}
	c, err := s.twin(ctx)
	if err != nil {
		return nil, false, err
	}
	stop := c.Watch(ctx)
	defer stop()
	st := twin.Statement{SQL: call.Args, Types: p.st.params, Formats: p.bind.Formats, Params: p.bind.Params, Results: []int16{1}}
	err = c.Run(st, func(body []byte) error {
		values, err := pgwire.Row(body, nil)
		for _, v := range values {
			if len(v) != 8 {
				null = true
				continue
			}
			numbers = append(numbers, int64(binary.BigEndian.Uint64(v)))
		}
		return err
	}, nil)
	return numbers, null, withoutPosition(err)
}
