package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/ddl"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
)

// An Annex is a database at another provider than the default one, for tables
// that the policy places there.
type Annex struct {
	Provider provider.Provider
	Physical string // the database's name there
}

// An annex has two states: settled, when it holds the tables that the catalogue
// wants and no others of this database's; or not, when a schema's change there
// may be half done: its tables are committed, and whether they are wanted is
// decided at home. Nothing uses one that is not settled.

// Several reports whether the database may have tables at several providers.
func (d *Database) Several() bool { return len(d.elsewhere) > 0 }

// Elsewhere are the other providers that the policy or the catalogue names.
func (d *Database) Elsewhere() []string { return d.elsewhere }

// look sets Elsewhere from the policy and the tables that there are.
func (d *Database) look(tables []*catalog.Table) {
	list := d.Policy.Providers()
	for _, t := range tables {
		list = append(list, t.Provider)
	}
	slices.Sort(list)
	d.elsewhere = slices.DeleteFunc(slices.Compact(list), func(name string) bool { return name == d.Provider.Name() })
}

// Unsettle says that a schema's change is about to be committed at these providers.
func (d *Database) Unsettle(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		delete(d.inStep, name)
	}
}

func (d *Database) isSettled(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inStep[name]
}

// OpenAt opens a session at another provider, which must be settled.
func (d *Database) OpenAt(ctx context.Context, name string) (provider.Session, error) {
	annex := d.Annexes[name]
	return annex.Provider.Open(ctx, annex.Physical)
}

// Tidy settles a provider, or leaves it to who needs it next.
func (d *Database) Tidy(ctx context.Context, name string) {
	quick, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	_ = d.Settle(quick, name, false)
}

// lockWait is how long settling waits for locks: those of a schema's change
// that is under way, and at the provider those of tables that are to go.
const lockWait = 5 * time.Second

// Settle brings another provider in step with the catalogue, if that is due.
// The catalogue's lock is held meanwhile, so that no change of the schema is
// under way; locked says that the caller's transaction has it.
func (d *Database) Settle(ctx context.Context, name string, locked bool) error {
	if d.isSettled(name) {
		return nil
	}
	annex, ok := d.Annexes[name]
	if !ok {
		return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Misconfigured, Msg: "there are tables at provider " + name + ", which is not in the configuration",
			Hint: "Add it to providers."}
	}
	d.mending.Lock()
	defer d.mending.Unlock()
	if d.isSettled(name) {
		return nil
	}
	if !locked {
		home, err := d.Provider.Open(ctx, d.Physical)
		if err != nil {
			return err
		}
		defer home.Close()
		for _, sql := range []string{"BEGIN", lockTimeout} {
			if _, err := home.Run(ctx, provider.Statement{SQL: sql}, nil, nil); err != nil {
				return err
			}
		}
		if err := d.Lock(ctx, home); err != nil {
			return d.unsettled(name, err)
		}
	}
	d.mu.Lock()
	wanted := d.current.Catalog
	d.mu.Unlock()
	p, err := annex.Provider.Open(ctx, annex.Physical)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := d.bring(ctx, name, p, wanted); err != nil {
		return d.unsettled(name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inStep[name] = true
	return nil
}

func (d *Database) unsettled(name string, err error) error {
	c := code(err)
	if !strings.HasPrefix(c, "SQLSTATE") {
		return err
	}
	return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Unavailable,
		Msg:  fmt.Sprintf("provider %s cannot be brought in step with the schema (%s)", name, c),
		Hint: "Try again. Clarus's role there needs the right to create schemas in the database: make it the database's owner."}
}

var lockTimeout = fmt.Sprintf("SET LOCAL lock_timeout = '%dms'", lockWait.Milliseconds())

// What another provider keeps of its own accord: whose database it is, and
// which tables are Clarus's. No other table is ever touched.
const (
	annexSQL = `CREATE SCHEMA IF NOT EXISTS clarus;
CREATE TABLE IF NOT EXISTS clarus.owner (id uuid PRIMARY KEY);
CREATE TABLE IF NOT EXISTS clarus.fragment (schema text, name text, PRIMARY KEY (schema, name))`
	isAnnexSQL  = "SELECT 1 WHERE to_regclass('clarus.owner') IS NOT NULL"
	isHomeSQL   = "SELECT 1 WHERE to_regclass('clarus.catalog') IS NOT NULL"
	ownerSQL    = "SELECT id FROM clarus.owner"
	ownSQL      = "INSERT INTO clarus.owner VALUES ('%s')"
	holdSQL     = "LOCK TABLE clarus.owner IN EXCLUSIVE MODE"
	fragmentSQL = `SELECT f.schema, f.name, EXISTS (SELECT FROM pg_catalog.pg_tables t WHERE t.schemaname = f.schema AND t.tablename = f.name),
EXISTS (SELECT FROM pg_catalog.pg_tables t WHERE t.schemaname = 'clarus' AND t.tablename = f.name)
FROM clarus.fragment f ORDER BY 1, 2`
	localeSQL = "SELECT datcollate, datctype, pg_encoding_to_char(encoding) FROM pg_catalog.pg_database WHERE datname = current_database()"
)

// bring has p hold what the catalogue wants of it: tables that a change moved
// aside come back if they are wanted still, and what is not wanted goes.
func (d *Database) bring(ctx context.Context, name string, p provider.Session, c *catalog.Catalog) error {
	do := func(sql string) error {
		_, err := p.Run(ctx, provider.Statement{SQL: sql}, nil, nil)
		return err
	}
	if err := d.prepare(ctx, name, p, do); err != nil {
		return err
	}
	wanted := map[[2]string]bool{}
	for _, t := range c.Tables {
		if t.Provider == name {
			wanted[[2]string{t.Schema, t.Physical()}] = true
		}
	}
	rows, err := provider.Ask(ctx, p, fragmentSQL)
	if err != nil {
		return err
	}
	var drop, back []string
	for _, r := range rows {
		if len(r) != 4 {
			return d.altered("the list of tables at " + name)
		}
		there, aside := sqlast.Qualify(r[0], r[1]), sqlast.Qualify(ddl.Aside, r[1])
		switch {
		case wanted[[2]string{r[0], r[1]}] && r[2] == "t":
		case wanted[[2]string{r[0], r[1]}] && r[3] == "t":
			back = append(back, "ALTER TABLE "+aside+" SET SCHEMA "+sqlast.Quote(r[0]))
		case wanted[[2]string{r[0], r[1]}]: // it is lost: who needs it is told
		default:
			if r[2] == "t" {
				drop = append(drop, there)
			}
			if r[3] == "t" {
				drop = append(drop, aside)
			}
			if err := do("DELETE FROM clarus.fragment WHERE schema = " + sqlast.Literal(r[0]) + " AND name = " + sqlast.Literal(r[1])); err != nil {
				return err
			}
		}
	}
	if len(drop) > 0 {
		if err := do("DROP TABLE " + strings.Join(drop, ", ")); err != nil {
			return err
		}
	}
	for _, sql := range back { // now that the names of its indexes are free
		if err := do(sql); err != nil {
			return err
		}
	}
	return do("COMMIT")
}

// prepare begins a transaction at another provider and makes what Clarus needs
// there. It refuses a database that is another's, or that sorts otherwise.
func (d *Database) prepare(ctx context.Context, name string, p provider.Session, do func(string) error) error {
	wrong := func(msg, hint string) error {
		return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Misconfigured, Msg: "the database at provider " + name + " " + msg, Hint: hint}
	}
	locale, err := provider.Ask(ctx, p, localeSQL)
	if err != nil {
		return err
	}
	if len(locale) != 1 || !slices.Equal(locale[0], append(slices.Clone(d.locale), "UTF8")) {
		return wrong("has another locale or encoding than the one at the default provider", "Create it with ENCODING 'UTF8' and the same LC_COLLATE and LC_CTYPE.")
	}
	for _, sql := range append(splitStatements(annexSQL), "BEGIN", lockTimeout, holdSQL) {
		if err := do(sql); err != nil {
			return err
		}
	}
	if rows, err := provider.Ask(ctx, p, isHomeSQL); err != nil {
		return err
	} else if len(rows) > 0 {
		return wrong("has a catalogue: it is a database of its own", "Give this provider another database.")
	}
	id, err := d.Records.Mark(ctx, d.Name)
	if err != nil {
		return err
	}
	owner, err := provider.Ask(ctx, p, ownerSQL)
	switch {
	case err != nil:
		return err
	case len(owner) == 0:
		return do(fmt.Sprintf(ownSQL, id))
	case len(owner) > 1 || owner[0][0] != id:
		return wrong("belongs to another database of Clarus", "Give each logical database one of its own at each provider.")
	}
	return nil
}
