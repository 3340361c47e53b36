package session

import (
	"context"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/provider"
)

// remotes are a client's sessions at providers, by the provider's name. The
// one at the database's default provider is open as long as the client's.
type remotes map[string]provider.Session

// home is the session at the database's default provider, which has the
// catalogue, the sequences and the advisory locks.
func (s *Session) home() provider.Session { return s.remotes[s.db.Provider.Name()] }

// at returns the session at a provider; "" is the default one.
func (s *Session) at(_ context.Context, name string) (provider.Session, error) {
	if name == "" || name == s.db.Provider.Name() {
		return s.home(), nil
	}
	return nil, clarus.Refuse("tables at provider "+name+" are not reachable yet", "Place the table at "+s.db.Provider.Name()+".")
}

// connect opens what a session has from the start: the twin and the default provider.
func (s *Session) connect(ctx context.Context) error {
	if _, err := s.twin(ctx); err != nil {
		return err
	}
	p, err := s.db.Provider.Open(ctx, s.db.Physical)
	if err == nil {
		s.remotes[s.db.Provider.Name()] = p
	}
	return err
}

// disconnect ends all sessions at providers.
func (s *Session) disconnect() {
	for _, p := range s.remotes {
		_ = p.Close()
	}
}
