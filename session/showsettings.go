package session

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
)

// elsewhere are settings of a transaction, which is the provider's: they change
// without SET.
var elsewhere = []string{"default_transaction_deferrable", "default_transaction_isolation", "default_transaction_read_only",
	"transaction_deferrable", "transaction_isolation", "transaction_read_only"}

// tellSettings tells the twin which settings this session has elsewhere, before
// a statement that may ask for all of them. alone says that the connection for
// analysis will answer it.
func (s *Session) tellSettings(ctx context.Context, pl *plan.Plan, alone bool) error {
	if !pl.Settings && !pl.Opaque {
		return nil
	}
	names := slices.Clone(elsewhere)
	for name := range s.settings.current {
		if where, ok := known[name]; ok && (where&atTwin == 0 && where&atProvider != 0 || name == "statement_timeout") {
			names = append(names, name)
		}
	}
	if len(names) == len(elsewhere) && !pl.Settings {
		return nil
	}
	values, err := s.atHome(ctx, names)
	if err != nil {
		return err
	}
	if _, ok := s.settings.current["client_min_messages"]; ok {
		values["client_min_messages"] = levels[s.minMessages()]
	}
	text, err := json.Marshal(values)
	if err != nil {
		return err
	}
	if alone {
		c, err := s.twin(ctx)
		if err != nil {
			return err
		}
		return c.Tell(string(text))
	}
	w, err := s.workspace(ctx)
	if err != nil {
		return err
	}
	return w.User.Tell(string(text))
}

// atHome asks the provider for its values of settings.
func (s *Session) atHome(ctx context.Context, names []string) (map[string]string, error) {
	values := map[string]string{}
	st := provider.Statement{SQL: "SELECT name, setting FROM pg_catalog.pg_settings WHERE name = ANY ($1)", Types: []uint32{1009},
		Params: [][]byte{textArray(names)}}
	_, err := s.home().Run(ctx, st, nil, func(body []byte) error {
		cells, err := pgwire.Row(body, nil)
		if err != nil || len(cells) != 2 || !slices.Contains(names, string(cells[0])) {
			return &clarus.Error{Op: "settings", Kind: clarus.Integrity, Msg: "the provider returned other settings than were asked for"}
		}
		values[string(cells[0])] = string(cells[1])
		return nil
	})
	if isServer(err) {
		err = run.Explain(s.catalog(), err, nil, run.Row{})
	}
	return values, err
}

// textArray writes names of settings as an array.
func textArray(names []string) []byte {
	out := []byte("{")
	for i, n := range names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, n...)
	}
	return append(out, '}')
}
