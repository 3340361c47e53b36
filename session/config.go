package session

import (
	"context"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/sqlast"
)

// A configured is a setting that a call of set_config makes.
type configured struct {
	column int // of the result, which holds the value
	name   string
	local  bool
}

// configs are the settings that the statement will make. A setting that cannot
// be made is an error before the statement runs.
func (s *Session) configs(ctx context.Context, p *portal) ([]configured, error) {
	var list []configured
	for _, call := range p.st.configs {
		name, ok := bound(p, call.Name)
		local, ok2 := bound(p, call.Local)
		if !ok || !ok2 {
			return nil, &pgwire.ServerError{Severity: "ERROR", Code: "22004", Message: "SET requires parameter name"}
		}
		name = fold(name)
		if _, ok := known[name]; !ok && !strings.ContainsRune(name, '.') {
			return nil, s.unknown(ctx, name)
		}
		list = append(list, configured{call.Column, name, slices.Contains([]string{"t", "true", "on", "yes", "1", "\x01"}, fold(local))})
	}
	return list, nil
}

// bound is an argument's text; ok is false for NULL.
func bound(p *portal, a sqlast.Argument) (text string, ok bool) {
	if a.Param == 0 {
		return a.Text, true
	}
	if a.Param > len(p.bind.Params) || p.bind.Params[a.Param-1] == nil {
		return "", false
	}
	return string(p.bind.Params[a.Param-1]), true
}

// configure makes the settings of a statement that has run; values is its row.
// Outside a transaction block a local one has ended already.
func (s *Session) configure(ctx context.Context, list []configured, values [][]byte) error {
	for _, c := range list {
		if c.local && !s.block || c.column >= len(values) {
			continue
		}
		if err := s.set(ctx, c.name, string(values[c.column]), c.local); err != nil {
			return err
		}
	}
	return nil
}
