package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/provider"
)

// fitness asks a provider what matters of a database: is it UTF-8, may the role
// create schemas, which server is it, and how many tables are there that Clarus
// did not make.
const fitness = `SELECT pg_catalog.pg_encoding_to_char(d.encoding), pg_catalog.has_database_privilege(d.oid, 'CREATE'),
  pg_catalog.current_setting('server_version'), pg_catalog.to_regclass('clarus.catalog') IS NOT NULL,
  (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'clarus') AND n.nspname NOT LIKE 'pg\_%')
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`

// lookAt checks that a provider's database can be used.
func lookAt(ctx context.Context, cfg *policy.Config, database string, out io.Writer) error {
	for name, p := range cfg.Providers {
		at, err := newProvider(cfg, name, p, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		s, err := at.Open(ctx, p.Postgres.Database)
		if err != nil {
			return err
		}
		defer s.Close()
		rows, err := provider.Ask(ctx, s, fitness)
		if err != nil || len(rows) != 1 || len(rows[0]) != 5 {
			return &clarus.Error{Op: "init", Attr: database, Kind: clarus.Unavailable, Msg: "the provider does not say what its database is", Err: err}
		}
		encoding, mayCreate, version, used, tables := rows[0][0], rows[0][1] == "t", rows[0][2], rows[0][3] == "t", rows[0][4]
		wrong := &clarus.Error{Op: "init", Attr: database, Kind: clarus.Misconfigured}
		switch {
		case encoding != "UTF8":
			wrong.Msg, wrong.Hint = "the provider's database is in encoding "+encoding+", not UTF8", "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
			return wrong
		case !mayCreate:
			wrong.Msg, wrong.Hint = "the role "+p.Postgres.User+" may not create schemas in it", "Make it the owner: ALTER DATABASE … OWNER TO …"
			return wrong
		case used:
			wrong.Msg, wrong.Hint = "another Clarus uses it", "Use the keyring and the state directory of that one, or another database: a new keyring opens nothing that is there."
			return wrong
		}
		fmt.Fprintf(out, "%s: PostgreSQL %s, database %s in UTF8, the role %s may create schemas\n", name, version, p.Postgres.Database, p.Postgres.User)
		if tables != "0" {
			fmt.Fprintf(out, "%s: it has tables of its own already (%s): they stay as they are, in clear, and applications do not see them through Clarus\n", name, tables)
		}
	}
	return nil
}
