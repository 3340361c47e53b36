package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/jsonl"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/session"
	"github.com/clarus-project/clarus/store"
)

func recoverCommand() *cobra.Command {
	var config, database, digest string
	c := &cobra.Command{
		Use:   "recover",
		Short: "Show, and confirm, the schema that a provider holds",
		Long: "Shows which version of a database's schema the provider holds, with its digest, and what the state directory knows of it. Note the digest " +
			"after changes to the schema, on paper or where the provider cannot write.\n\n" +
			"When the state directory is lost, nothing on this side says any more which version was reached, and a provider could show an older one. " +
			"Then Clarus does not start until you confirm the digest that you noted, with --digest. Stop Clarus before you confirm.",
		Example: "  clarus recover --config clarus.yaml --database app\n  clarus recover --config clarus.yaml --database app --digest 5f1c…",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := policy.LoadConfig(config)
			if err != nil {
				return err
			}
			if database == "" && len(cfg.Databases) == 1 {
				for database = range cfg.Databases {
				}
			}
			all, list, err := databasesAlone(cmd.Context(), cfg, database)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return usageError{fmt.Errorf("there is no database %q; the configuration has %s", database, strings.Join(slices.Sorted(maps.Keys(cfg.Databases)), ", "))}
			}
			if !cmd.Flags().Changed("digest") {
				for _, db := range list {
					if err := showSchema(cmd.Context(), db, cmd.OutOrStdout()); err != nil {
						return err
					}
				}
				return nil
			}
			vouched, ok := store.ParseDigest(digest)
			if !ok {
				return usageError{errors.New("--digest takes 64 hexadecimal digits")}
			}
			return confirm(cmd.Context(), cfg, database, cmd.OutOrStdout(), func() (int64, error) { return all.Confirm(cmd.Context(), list, vouched) })
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "clarus.yaml", "the configuration file")
	c.Flags().StringVar(&database, "database", "", "the logical database; may be left out if there is one only")
	c.Flags().StringVar(&digest, "digest", "", "the digest that you vouch for")
	return c
}

// databasesAlone are the databases that a name can mean, without a twin: their
// schemas can be read, and pinned.
func databasesAlone(ctx context.Context, cfg *policy.Config, name string) (*store.Databases, []*store.Database, error) {
	if _, err := os.Stat(cfg.Keyring.File); err != nil {
		return nil, nil, &clarus.Error{Op: "recover", Attr: cfg.Keyring.File, Kind: clarus.Misconfigured, Msg: "the keyring cannot be read",
			Hint: "Restore it from its backup: without it nothing at the provider opens.", Err: err}
	}
	ring, err := openRing(cfg)
	if err != nil {
		return nil, nil, err
	}
	s := &server{cfg: cfg, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), host: &session.Host{}}
	if err := s.reachProviders(); err != nil {
		return nil, nil, err
	}
	vault := run.NewVault(ring, ring.Deployment(), techniques)
	all, err := store.NewDatabases(cfg.State, func(name, at string) (*store.Database, error) { return s.describe(vault, name, at) })
	if err != nil {
		return nil, nil, err
	}
	_, configured := cfg.Databases[name]
	list, err := all.Find(ctx, name, configured, slices.Sorted(maps.Keys(cfg.Providers)))
	return all, list, err
}

func showSchema(ctx context.Context, db *store.Database, out io.Writer) error {
	version, digest, err := db.Inspect(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: the provider %s holds in %s version %d of the schema, digest %s\n", db.Name, db.Provider.Name(), db.Physical, version, digest)
	pinned, known, err := db.Pinned()
	if err != nil {
		return err
	}
	if known {
		fmt.Fprintf(out, "%s: the state directory knows version %d as reached\n", db.Name, pinned)
	} else {
		fmt.Fprintf(out, "%s: the state directory does not know this database\n", db.Name)
	}
	return nil
}

// confirm pins what the owner vouches for. That it is about to happen stands in
// the audit log first, which also keeps a running Clarus from being overtaken.
func confirm(ctx context.Context, cfg *policy.Config, database string, out io.Writer, pin func() (version int64, err error)) error {
	sink, err := jsonl.Open(cfg.Audit, jsonl.Options{MaxBytes: maxAudit})
	if err != nil {
		return err
	}
	defer sink.Close()
	g := gate.New(sink)
	defer func() {
		quick, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = g.Close(quick)
	}()
	e := audit.Event{Principal: audit.Principal{Database: database}, Action: audit.ActionRecover, Outcome: audit.OutcomeIntent}
	if err := g.Record(ctx, e); err != nil {
		return err
	}
	version, err := pin()
	e.Outcome = audit.OutcomeDone
	if err != nil {
		e.Outcome = audit.OutcomeFailed
	}
	if err := errors.Join(err, g.Record(ctx, e)); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: version %d is confirmed\n", database, version)
	return nil
}
