package session

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
)

// remotes are a client's sessions at the providers of its database. The one at
// the default provider, at home, is open as long as the client's, and always
// in the client's transaction: the catalogue, the sequences and the advisory
// locks are there. The others are opened when they are needed first, and join
// a transaction when it needs them first.
type remotes struct {
	home   provider.Session
	others map[string]*remote // by the provider's name

	level    string // of isolation, if nobody asks for another
	distinct bool   // somebody asked for one, once

	// Of the open transaction:
	told   []told   // what controls the block, for those who join later
	asked  []string // providers whose tables are read or written
	writer string   // the one where rows were changed or locked; "": none
}

// A remote is a session at another provider than the default one.
type remote struct {
	provider.Session
	given  map[string]string // the client's settings that it has
	joined bool              // it is in the open transaction
}

// A told is a statement that controls a transaction block.
type told struct {
	sql       string
	only      string // the one provider that it concerns; "": all
	mode      bool   // it says how the transaction is: AND CHAIN keeps it
	savepoint string // the one that it makes
	writer    string // as it was then
}

// home is the session at the database's default provider.
func (s *Session) home() provider.Session { return s.remotes.home }

// isHome reports whether a provider is the default one.
func (s *Session) isHome(name string) bool { return name == s.db.Provider.Name() }

// connect opens what a session has from the start: the twin and the default provider.
func (s *Session) connect(ctx context.Context) error {
	if _, err := s.twin(ctx); err != nil {
		return err
	}
	p, err := s.db.Provider.Open(ctx, s.db.Physical)
	if err != nil {
		return err
	}
	s.remotes.home = p
	if !s.db.Several() {
		return nil
	}
	s.remotes.level, err = isolation(ctx, p, "default_transaction_isolation")
	return err
}

// isolation asks for a level of isolation.
func isolation(ctx context.Context, p provider.Session, setting string) (string, error) {
	rows, err := provider.Ask(ctx, p, "SHOW "+setting)
	if err == nil && (len(rows) != 1 || len(rows[0]) != 1) {
		err = &clarus.Error{Op: "connect", Kind: clarus.Integrity, Msg: "the provider does not tell its level of isolation"}
	}
	if err != nil {
		return "", err
	}
	return rows[0][0], nil
}

// disconnect ends all sessions at providers.
func (s *Session) disconnect() {
	for name := range s.remotes.others {
		s.drop(name)
	}
	if s.remotes.home != nil {
		_ = s.remotes.home.Close()
	}
}

// drop ends a session at another provider. It is opened anew when it is needed.
func (s *Session) drop(name string) {
	if r := s.remotes.others[name]; r != nil {
		_ = r.Close()
		delete(s.remotes.others, name)
	}
}

// at returns the session at a provider, to use tables there; "" is the default
// one, for what uses none.
func (s *Session) at(ctx context.Context, name string) (provider.Session, error) {
	if name == "" {
		return s.home(), nil
	}
	if err := s.oneSnapshot(ctx, name); err != nil {
		return nil, err
	}
	if s.isHome(name) {
		return s.home(), nil
	}
	r := s.remotes.others[name]
	switch {
	case r != nil && r.joined:
		return r, nil
	case r != nil:
		if _, err := r.Sync(ctx); err != nil { // nothing is under way: it says only what is known
			s.drop(name)
			r = nil
		}
	}
	if err := s.db.Settle(ctx, name, s.ddl != nil); err != nil {
		return nil, err
	}
	if r == nil {
		var err error
		if r, err = s.open(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := s.join(ctx, name, r); err != nil {
		s.drop(name)
		return nil, err
	}
	return r, nil
}

// oneSnapshot refuses a second provider to a transaction that is to see one
// snapshot from its first statement to its last: providers have none in common.
func (s *Session) oneSnapshot(ctx context.Context, name string) error {
	if slices.Contains(s.remotes.asked, name) {
		return nil
	}
	if len(s.remotes.asked) > 0 {
		level := s.remotes.level
		if s.remotes.distinct {
			var err error
			if level, err = isolation(ctx, s.home(), "transaction_isolation"); err != nil {
				return run.Explain(s.catalog(), err, nil, run.Row{})
			}
		}
		if level != "read committed" && level != "read uncommitted" {
			return clarus.Refuse(fmt.Sprintf("tables at %s and at %s in one transaction of level %s", s.remotes.asked[0], name, strings.ToUpper(level)),
				"Use READ COMMITTED, in which each statement sees one state of all providers, or a transaction for each provider.")
		}
	}
	s.remotes.asked = append(s.remotes.asked, name)
	return nil
}

func (s *Session) open(ctx context.Context, name string) (*remote, error) {
	p, err := s.db.OpenAt(ctx, name)
	if err != nil {
		return nil, err
	}
	level, err := isolation(ctx, p, "default_transaction_isolation")
	if err == nil && level != s.remotes.level {
		err = &clarus.Error{Op: "connect", Attr: name, Kind: clarus.Misconfigured,
			Msg:  fmt.Sprintf("the provider's default_transaction_isolation is %s, the default provider's is %s", level, s.remotes.level),
			Hint: "Make them equal, for Clarus's role or its database."}
	}
	if err == nil {
		_, err = p.Sync(ctx)
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	r := &remote{Session: p}
	if s.remotes.others == nil {
		s.remotes.others = map[string]*remote{}
	}
	s.remotes.others[name] = r
	return r, nil
}

// join gives a session at another provider the client's settings and has it
// take part in the open transaction.
func (s *Session) join(ctx context.Context, name string, r *remote) error {
	wish := s.settings.remote(true)
	for _, setting := range slices.Sorted(maps.Keys(r.given)) {
		if _, ok := wish[setting]; !ok {
			if _, err := r.Run(ctx, sql("RESET "+setting), nil, nil); err != nil {
				return run.Explain(s.catalog(), err, nil, run.Row{})
			}
		}
	}
	for _, setting := range slices.Sorted(maps.Keys(wish)) {
		if r.given[setting] != wish[setting] {
			if _, err := r.Run(ctx, sql(wish[setting]), nil, nil); err != nil {
				return run.Explain(s.catalog(), err, nil, run.Row{})
			}
		}
	}
	r.given = wish
	if _, err := r.Sync(ctx); err != nil { // what follows may fail; the settings stay
		return err
	}
	list := s.remotes.told
	if !s.block && s.ddl != nil {
		list = []told{{sql: "BEGIN"}}
	}
	for _, t := range list {
		if t.only == "" || t.only == name {
			if _, err := r.Run(ctx, sql(t.sql), nil, nil); err != nil {
				return run.Explain(s.catalog(), err, nil, run.Row{})
			}
		}
	}
	r.joined = true
	if !s.remotes.distinct {
		return nil
	}
	return s.sameLevel(ctx, name, r)
}

// sameLevel holds a session that joined to the transaction's level of isolation.
func (s *Session) sameLevel(ctx context.Context, name string, r *remote) error {
	want, err := isolation(ctx, s.home(), "transaction_isolation")
	if err != nil {
		return run.Explain(s.catalog(), err, nil, run.Row{})
	}
	is, err := isolation(ctx, r, "transaction_isolation")
	if err != nil {
		return run.Explain(s.catalog(), err, nil, run.Row{})
	}
	if is != want {
		return clarus.Refuse(fmt.Sprintf("tables at %s, where the transaction would have level %s, not %s", name, strings.ToUpper(is), strings.ToUpper(want)),
			"Set default_transaction_isolation, or say the level in BEGIN.")
	}
	return nil
}

// remote are the settings that a provider has to know. lasting: those from
// before the transaction block.
func (t *settings) remote(lasting bool) map[string]string {
	from := t.current
	if lasting && t.atBegin != nil {
		from = t.atBegin
	}
	m := map[string]string{}
	for name, text := range from {
		if effect, _ := t.effect(name); effect&atProvider != 0 && !strings.HasPrefix(name, "transaction_") {
			m[name] = text
		}
	}
	return m
}

// joined are the names of the other providers in the open transaction, in order.
func (s *Session) joined() []string {
	var list []string
	for name, r := range s.remotes.others {
		if r.joined {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// tell has all providers of the transaction carry out what controls it. The
// tag is the default provider's.
func (s *Session) tell(ctx context.Context, t told) (tag string, err error) {
	if t.only == "" || s.isHome(t.only) {
		if tag, err = s.home().Run(ctx, sql(t.sql), nil, nil); err != nil {
			return "", err
		}
	}
	for _, name := range s.joined() {
		if t.only == "" || t.only == name {
			if _, err := s.remotes.others[name].Run(ctx, sql(t.sql), nil, nil); err != nil {
				return "", err
			}
		}
	}
	return tag, nil
}

// note keeps what was told for those who join the block later.
func (s *Session) note(t told) {
	if t.writer = s.remotes.writer; s.block {
		s.remotes.told = append(s.remotes.told, t)
	}
}

// find returns the index of the newest savepoint of a name in what was told, or -1.
func (r *remotes) find(savepoint string) int {
	for i := len(r.told) - 1; i >= 0; i-- {
		if r.told[i].savepoint == savepoint {
			return i
		}
	}
	return -1
}

// release forgets a savepoint and those after it.
func (r *remotes) release(savepoint string) {
	if at := r.find(savepoint); at >= 0 {
		rest := slices.DeleteFunc(slices.Clone(r.told[at:]), func(t told) bool { return t.savepoint != "" })
		r.told = append(r.told[:at], rest...)
	}
}

// rollbackTo forgets what came after a savepoint.
func (r *remotes) rollbackTo(savepoint string) {
	if at := r.find(savepoint); at >= 0 {
		r.writer = r.told[at].writer
		r.told = r.told[:at+1]
	}
}
