// Package store keeps the schema of a logical database: sealed at the
// provider, where it changes in the same transaction as the tables, and pinned
// on this side, so that a provider that rolls it back is found out. The twin
// follows what is stored and is rebuilt from it at start.
package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/technique"
	"github.com/clarus-project/clarus/twin"
)

// A Database is one logical database.
type Database struct {
	Name     string
	Policy   *policy.Policy
	Provider provider.Provider // the one that holds the catalogue, and tables by default
	Physical string            // the database's name at the provider
	// Number sets the database apart from all others under one keyring: its
	// datasets and its catalogue have numbers that begin with it. It is 0 for a
	// database that the configuration names and SQL has not made.
	Number  uint32
	Records Records
	Twin    *twin.Server
	Pin     Pin

	opening sync.Mutex // one reading of the log at a time

	mu      sync.Mutex
	current *Version
	suspect bool // the provider may have another version than current
}

// Records has the codecs of Clarus's own records.
type Records interface {
	Record(ctx context.Context, a clarus.AttributeID) (technique.Codec, error)
}

// A Version is one version of the schema with the twin that has it.
type Version struct {
	Catalog *catalog.Catalog
	Twin    *twin.Version
}

// A Statement is one DDL statement of the log, as it ran on the twin.
type Statement struct {
	User       string
	SearchPath string
	SQL        string
}

// An entry is one version in the log at the provider.
type entry struct {
	Statements  []Statement
	Tables      []*catalog.Table
	NextDataset clarus.DatasetID
}

const (
	createSQL = `CREATE SCHEMA IF NOT EXISTS clarus;
CREATE TABLE IF NOT EXISTS clarus.catalog (version bigint PRIMARY KEY, entry bytea NOT NULL)`
	lockSQL = "LOCK TABLE clarus.catalog IN SHARE ROW EXCLUSIVE MODE"
	headSQL = "SELECT coalesce(max(version), 0)::text FROM clarus.catalog"
	readSQL = "SELECT version, entry FROM clarus.catalog ORDER BY version"
	addSQL  = "INSERT INTO clarus.catalog (version, entry) VALUES ($1, $2)"
)

// catalogRecord is the attribute number of catalogue entries among Clarus's
// own records.
const catalogRecord = 1

// Open reads the stored schema, checks it against the pin and rebuilds the
// twin's database from it.
func (d *Database) Open(ctx context.Context) error {
	p, err := d.Provider.Open(ctx, d.Physical)
	if err != nil {
		return err
	}
	defer p.Close()
	locale, err := provider.Ask(ctx, p, "SELECT datcollate, datctype, pg_encoding_to_char(encoding) FROM pg_catalog.pg_database WHERE datname = current_database()")
	if err != nil {
		return d.unprepared(err)
	}
	if len(locale) != 1 || len(locale[0]) != 3 || locale[0][2] != "UTF8" {
		return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Misconfigured, Msg: "the provider's database is not in encoding UTF8",
			Hint: "Create it with ENCODING 'UTF8'."}
	}
	for _, sql := range splitStatements(createSQL) {
		if _, err := p.Run(ctx, provider.Statement{SQL: sql}, nil, nil); err != nil {
			return d.unprepared(err)
		}
	}
	entries, err := d.read(ctx, p)
	if err != nil {
		return err
	}
	if _, err := p.Sync(ctx); err != nil {
		return err
	}
	if err := d.Pin.check(d.Name, int64(len(entries))); err != nil {
		return err
	}
	return d.rebuild(ctx, locale[0], entries)
}

func (d *Database) unprepared(err error) error {
	return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Misconfigured,
		Msg: "the provider's database cannot be prepared (" + code(err) + ")", Hint: "Clarus's role there needs the right to create schemas in it: make it the database's owner."}
}

func code(err error) string {
	if e, ok := err.(*pgwire.ServerError); ok {
		return "SQLSTATE " + e.Code
	}
	return err.Error()
}

func splitStatements(sql string) []string {
	var list []string
	from := 0
	for i := range len(sql) {
		if sql[i] == ';' {
			list = append(list, sql[from:i])
			from = i + 1
		}
	}
	return append(list, sql[from:])
}

// read opens all entries. They must be the versions from 1 on, each sealed for
// its own number.
func (d *Database) read(ctx context.Context, p provider.Session) ([]entry, error) {
	codec, err := d.Records.Record(ctx, clarus.AttributeID{Dataset: d.base(), Attribute: catalogRecord})
	if err != nil {
		return nil, err
	}
	var list []entry
	_, err = p.Run(ctx, provider.Statement{SQL: readSQL, Results: []int16{1}}, nil, func(body []byte) error {
		cells, err := pgwire.Row(body, nil)
		if err != nil {
			return err
		}
		n := int64(len(list) + 1)
		if len(cells) != 2 || len(cells[0]) != 8 || int64(binary.BigEndian.Uint64(cells[0])) != n {
			return d.altered("versions are missing or out of order")
		}
		values, err := codec.Open([]clarus.RowID{rowOf(n)}, []clarus.Sealed{cells[1]})
		if err != nil {
			return d.altered("version " + strconv.FormatInt(n, 10) + " does not open")
		}
		var e entry
		if err := json.Unmarshal(values[0].Bytes, &e); err != nil {
			return d.altered("version " + strconv.FormatInt(n, 10) + " is not well formed")
		}
		list = append(list, e)
		return nil
	})
	return list, err
}

func (d *Database) altered(what string) error {
	return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Integrity, Msg: "the catalogue at the provider was altered: " + what,
		Hint: "Compare with a backup and audit the provider. Check also that the keyring belongs to this database."}
}

// rowOf is the row identity of a version's entry.
func rowOf(n int64) (id clarus.RowID) {
	copy(id[:], "catalog")
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// rebuild replays the log on a new database of the twin.
func (d *Database) rebuild(ctx context.Context, locale []string, entries []entry) error {
	base, err := d.Twin.First(ctx, d.Name, locale[0], locale[1], plan.Denied)
	if err != nil {
		return err
	}
	owner := d.Twin.Owner()
	s, err := base.Lease(ctx, owner)
	if err != nil {
		return err
	}
	defer base.Retire()
	for i, e := range entries {
		for _, st := range e.Statements {
			if err := s.Replay(ctx, st.User, st.SearchPath, st.SQL); err != nil {
				return fmt.Errorf("replay version %d of the schema on the twin: %w", i+1, err)
			}
		}
	}
	l, err := s.Introspect()
	if err != nil {
		return err
	}
	n := int64(len(entries))
	v, err := s.Promote(ctx, n)
	if err != nil {
		return err
	}
	head := entry{NextDataset: d.base()}
	if n > 0 {
		head = entries[n-1]
	}
	made := catalog.New(n, head.NextDataset, head.Tables, l)
	for _, t := range head.Tables {
		if t.Relation == nil {
			return d.altered("table " + t.Schema + "." + t.Name + " is not in the log")
		}
	}
	d.enforce(&Version{Catalog: made, Twin: v})
	return nil
}

// Current returns the version that is in force. The caller holds its twin
// until it calls Release on it. Where the version at the provider is in doubt,
// the log is read anew before.
func (d *Database) Current(ctx context.Context) (*Version, error) {
	for {
		d.mu.Lock()
		if !d.doubtful() {
			d.current.Twin.Hold()
			v := d.current
			d.mu.Unlock()
			return v, nil
		}
		d.mu.Unlock()
		if err := d.settle(ctx); err != nil {
			return nil, err
		}
	}
}

// settle reads the log if it is still in doubt.
func (d *Database) settle(ctx context.Context) error {
	d.opening.Lock()
	defer d.opening.Unlock()
	d.mu.Lock()
	doubtful := d.doubtful()
	d.mu.Unlock()
	if !doubtful {
		return nil
	}
	if err := d.Open(ctx); err != nil {
		return err
	}
	return d.Pin.set(d.Name, d.number())
}

// InForce reports whether v is still the version in force.
func (d *Database) InForce(v *Version) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return v == d.current && !d.doubtful()
}

// doubtful reports whether the log has to be read anew. d.mu is held.
func (d *Database) doubtful() bool { return d.current == nil || d.suspect || d.current.Twin.Lost() }

// Suspect says that the provider may have another version than is in force
// here: the end of a transaction that changed the schema did not become known.
func (d *Database) Suspect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suspect = true
}

// number is the number of the version that is in force.
func (d *Database) number() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current.Catalog.Version
}

// Lock takes the catalogue's lock in the transaction of p, which keeps it to
// its end, and checks that this side knows the newest version.
func (d *Database) Lock(ctx context.Context, p provider.Session) error {
	if _, err := p.Run(ctx, provider.Statement{SQL: lockSQL}, nil, nil); err != nil {
		return err
	}
	rows, err := provider.Ask(ctx, p, headSQL)
	if err != nil {
		return err
	}
	if len(rows) != 1 || rows[0][0] != strconv.FormatInt(d.number(), 10) {
		d.Suspect()
		return &clarus.Error{Op: "ddl", Attr: d.Name, Kind: clarus.Conflict, Msg: "the schema at the provider is not the version that this Clarus knows",
			Hint: "Another Clarus changed it, or the provider rolled it back. Try again: it is read anew."}
	}
	return nil
}

// Append stores the next version in the transaction of p.
func (d *Database) Append(ctx context.Context, p provider.Session, c *catalog.Catalog, statements []Statement) error {
	text, err := json.Marshal(entry{Statements: statements, Tables: c.Tables, NextDataset: c.NextDataset})
	if err != nil {
		return err
	}
	codec, err := d.Records.Record(ctx, clarus.AttributeID{Dataset: d.base(), Attribute: catalogRecord})
	if err != nil {
		return err
	}
	sealed, err := codec.Seal([]clarus.RowID{rowOf(c.Version)}, []clarus.Value{{Bytes: text}})
	if err != nil {
		return err
	}
	_, err = p.Run(ctx, provider.Statement{SQL: addSQL, Types: []uint32{20, 17}, Formats: []int16{1},
		Params: [][]byte{binary.BigEndian.AppendUint64(nil, uint64(c.Version)), sealed[0]}}, nil, nil)
	return err
}

// Publish puts the version that a transaction made in force, after the
// transaction has committed. scratch is the twin's database in which its DDL ran.
func (d *Database) Publish(ctx context.Context, c *catalog.Catalog, scratch *twin.Scratch) error {
	v, err := scratch.Promote(ctx, c.Version)
	if err == nil {
		d.enforce(&Version{Catalog: c, Twin: v})
	} else {
		d.Suspect() // the provider has it: the log is replayed when the schema is needed next
	}
	return d.Pin.set(d.Name, c.Version)
}

// enforce puts a version in force.
func (d *Database) enforce(v *Version) {
	d.mu.Lock()
	old := d.current
	d.current, d.suspect = v, false
	d.mu.Unlock()
	if old != nil {
		old.Twin.Retire()
	}
}
