package oracle

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/clarus-project/clarus/internal/canary"
)

// Findings are the canaries found, by place.
type Findings map[string][]canary.Hit

// Places that Search looks at.
const (
	ProviderData = "provider's data directory"
	ProviderWAL  = "provider's WAL"
	ProviderLog  = "provider's log"
	Traffic      = "traffic to the provider"
	OwnFiles     = "clarus's audit, state and log"
	TwinFiles    = "twin's directory"
	Processes    = "environment and title of clarus's processes"
)

// Search looks for canaries everywhere but in Clarus's memory. The sessions
// must have ended. It ends Clarus on the way, looks at its files both before
// and after, and closes the relay so that all traffic is recorded.
func (i *Instance) Search(ctx context.Context, set *canary.Set) (Findings, error) {
	found := Findings{}
	if err := i.Provider.Admin(ctx, "postgres", "CHECKPOINT"); err != nil {
		return nil, err
	}
	add := func(place string, hits []canary.Hit, err error) error {
		found[place] = append(found[place], hits...)
		return err
	}
	err := i.processes(set, add)
	own := func() error {
		hits, _, err := set.Tree(i.Dir)
		for _, h := range hits {
			place := OwnFiles
			switch {
			case strings.HasSuffix(h.Where, filepath.Join(i.Dir, "traffic")):
				place = Traffic
			case strings.Contains(h.Where, i.twin()):
				place = TwinFiles
			}
			_ = add(place, []canary.Hit{h}, nil)
		}
		return err
	}
	err = errors.Join(err, own(), i.StopClarus())
	err = errors.Join(err, i.Relay.Close())
	i.Relay = nil
	err = errors.Join(err, own())
	hits, _, tree := set.Tree(i.Provider.Dir)
	for _, h := range hits {
		place := ProviderData
		if strings.HasPrefix(h.Where, filepath.Join(i.Provider.Dir, "pg_wal")) {
			place = ProviderWAL
		}
		_ = add(place, []canary.Hit{h}, nil)
	}
	hits, log := set.File(i.Provider.Log)
	return found, errors.Join(err, tree, add(ProviderLog, hits, log))
}

// processes looks at the processes below Clarus, the twin's above all.
func (i *Instance) processes(set *canary.Set, add func(string, []canary.Hit, error) error) error {
	pids, err := canary.Children(i.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for _, pid := range append(pids, i.cmd.Process.Pid) {
		hits, e := set.Process(pid)
		err = errors.Join(err, add(Processes, hits, e))
	}
	return err
}
