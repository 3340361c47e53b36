package session

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/run"
)

// fitting returns the portal with a plan for the formats and the values that the
// client gave: what this side cannot write as text, or not read, the twin finishes.
func (s *Session) fitting(p *portal) *portal {
	switch p.st.plan.Class {
	case plan.Push, plan.Refine:
	case plan.Direct:
		return s.known(p)
	default:
		return p
	}
	formats := p.results()
	for i, out := range p.st.plan.Pushed.Outputs {
		if out.Attr != nil && formats[i] == 0 && !s.writes(out.Attr.Type) {
			return p.unpushed()
		}
	}
	if p.st.plan.Class == plan.Push {
		return p
	}
	for i, f := range p.st.plan.Pushed.Folds {
		if formats[i] == 0 && !s.writes(f.Type) {
			return p.unpushed()
		}
	}
	refinement, ok := run.Refine(p.st.plan.Pushed, p.args(), s.host.MaxRows)
	if !ok {
		return p.unpushed()
	}
	q := *p
	q.refinement = refinement
	return &q
}

// unpushed is the portal with its residual plan.
func (p *portal) unpushed() *portal {
	st, q := *p.st, *p
	st.plan, q.st = st.plan.Unpushed(), &st
	return &q
}

// writes reports whether this side knows the text format of a type under the
// session's settings.
func (s *Session) writes(typ uint32) bool {
	setting, ok := pgvalue.Written(typ)
	if !ok || setting == "" {
		return ok
	}
	_, value, set := strings.Cut(s.settings.current[setting], " = ")
	return !set || plainSettings[setting].MatchString(value)
}

// plainSettings are the values under which pgvalue writes text.
var plainSettings = map[string]*regexp.Regexp{"datestyle": regexp.MustCompile(`(?i)^'iso\b`), "bytea_output": regexp.MustCompile(`(?i)^'hex'$`),
	"extra_float_digits": regexp.MustCompile(`^'[123]'$`)}

// push has the provider answer a statement that was rewritten for carriers.
func (s *Session) push(ctx context.Context, permit gate.Permit, p *portal, row func([]byte) error) (string, error) {
	remote, err := s.at(ctx, p.st.plan.Provider)
	if err != nil {
		return "", err
	}
	args, err := s.probing(ctx, p)
	if err != nil {
		return "", err
	}
	args.Ends = s.ends(p)
	tag, err := s.host.Vault.Push(ctx, permit, remote, p.st.plan.Pushed, p.refinement, args, p.results(), row)
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok && p.st.plan.Class == plan.Refine {
		err = run.Explain(s.catalog(), se, nil, run.Row{}) // nothing that it computes fails for any data
	} else if ok {
		err = s.passError(err)
	}
	return tag, err
}
