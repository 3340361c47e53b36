// Package store keeps the schema of a logical database: sealed at the
// provider, where it changes in the same transaction as the tables, and pinned
// on this side, so that a provider that rolls it back is found out. The twin
// follows what is stored and is rebuilt from it at start.
package store

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
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
	Annexes  map[string]Annex  // the other providers, by name
	Commits  Commits           // all that are under way
	// Number sets the database apart from all others under one keyring: its
	// datasets and its catalogue have numbers that begin with it. It is 0 for a
	// database that the configuration names and SQL has not made.
	Number  uint32
	Records Records
	Twin    *twin.Server
	Pin     Pin

	// Warn is told of what the owner should know and what keeps nothing from
	// working; it may be nil.
	Warn func(msg string, err error)

	// Set when the database is opened first.
	elsewhere []string // other providers that the policy or the catalogue names
	locale    []string // collation and character type at the default provider

	opening sync.Mutex // one reading of the log at a time
	mending sync.Mutex // one settling of another provider at a time

	mu        sync.Mutex
	current   *Version
	suspected int             // how often the provider may have had another version than current
	settled   int             // how many of these the log has answered
	pending   []*Next         // versions whose commit did not become known
	inStep    map[string]bool // other providers that hold what current wants
}

// Records has the codecs of Clarus's own records.
type Records interface {
	Record(ctx context.Context, a clarus.AttributeID) (technique.Codec, error)
	// Mark is a UUID that stands for a text and says nothing of it.
	Mark(ctx context.Context, text string) (string, error)
}

// A Version is one version of the schema with the twin that has it.
type Version struct {
	Catalog *catalog.Catalog
	Digest  Digest
	Twin    *twin.Version
}

// Open reads the stored schema, checks it against the pin and has the twin
// follow it.
func (d *Database) Open(ctx context.Context) error {
	d.mu.Lock()
	suspected := d.suspected
	d.mu.Unlock()
	p, err := d.Provider.Open(ctx, d.Physical)
	if err != nil {
		return err
	}
	defer p.Close()
	locale, err := provider.Ask(ctx, p, localeSQL)
	if err != nil {
		return d.unprepared(err)
	}
	if len(locale) != 1 || len(locale[0]) != 3 || locale[0][2] != "UTF8" {
		return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Misconfigured, Msg: "the provider's database is not in encoding UTF8",
			Hint: "Create it with ENCODING 'UTF8'."}
	}
	if other, err := provider.Ask(ctx, p, isAnnexSQL); err != nil {
		return d.unprepared(err)
	} else if len(other) > 0 {
		return &clarus.Error{Op: "open", Attr: d.Name, Kind: clarus.Misconfigured, Msg: "the provider's database has tables of another database of Clarus",
			Hint: "Give each logical database one of its own at each provider."}
	}
	for _, sql := range splitStatements(createSQL) {
		if _, err := p.Run(ctx, provider.Statement{SQL: sql}, nil, nil); err != nil {
			return d.unprepared(err)
		}
	}
	h, err := d.read(ctx, p)
	if err != nil {
		return err
	}
	if _, err := p.Sync(ctx); err != nil {
		return err
	}
	if err := d.Pin.check(d.Name, h); err != nil {
		return err
	}
	if err := d.follow(ctx, locale[0], h); err != nil {
		return err
	}
	if d.inStep == nil {
		d.locale, d.inStep = locale[0][:2], map[string]bool{}
		d.look(d.current.Catalog.Tables)
	}
	d.mu.Lock()
	d.settled = suspected
	d.mu.Unlock()
	return d.Pin.reach(d.Name, h.version(), h.digest())
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
	return d.Open(ctx)
}

// InForce reports whether v is still the version in force.
func (d *Database) InForce(v *Version) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return v == d.current && !d.doubtful()
}

// doubtful reports whether the log has to be read anew. d.mu is held.
func (d *Database) doubtful() bool {
	return d.current == nil || d.suspected != d.settled || d.current.Twin.Lost()
}

// Suspect says that the provider may have another version than is in force here.
func (d *Database) Suspect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suspected++
}

// Doubt takes a version that was appended in a transaction whose end did not
// become known. The log tells when the schema is needed next.
func (d *Database) Doubt(n *Next) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.suspected++
	d.pending = append(d.pending, n)
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

// A Next is the version that a transaction makes.
type Next struct {
	Catalog    *catalog.Catalog // with the new version's number
	Base       *Version         // the version that it follows on
	Statements []Statement
	Scratch    *twin.Scratch // the twin's database in which the statements ran

	digest Digest // once it is appended
}

// Append stores the next version in the transaction of p. There is room on this
// side to pin it then.
func (d *Database) Append(ctx context.Context, p provider.Session, n *Next) error {
	if err := d.Pin.room(); err != nil {
		return err
	}
	oids, err := n.Scratch.OIDs()
	if err != nil {
		return err
	}
	text, err := json.Marshal(entry{Statements: n.Statements, Tables: n.Catalog.Tables, NextDataset: n.Catalog.NextDataset,
		Enums: n.Catalog.Enums, NextLabel: n.Catalog.NextLabel, Previous: n.Base.Digest[:], OIDs: oids})
	if err != nil {
		return err
	}
	n.digest = n.Base.Digest.then(text)
	return d.append(ctx, p, n.Catalog.Version, text)
}

// Publish puts the version that a transaction appended in force, after the
// transaction has committed.
func (d *Database) Publish(ctx context.Context, n *Next) error {
	if err := d.promote(ctx, n); err != nil {
		d.Suspect() // the provider has it: the log is replayed when the schema is needed next
	}
	return d.Pin.reach(d.Name, n.Catalog.Version, n.digest)
}

// promote makes the scratch database of a version the twin's.
func (d *Database) promote(ctx context.Context, n *Next) error {
	v, err := n.Scratch.Promote(ctx, n.Catalog.Version)
	if err == nil {
		d.enforce(&Version{Catalog: n.Catalog, Digest: n.digest, Twin: v})
	}
	return err
}

// enforce puts a version in force, unless a newer one is: the log was read
// while that was committed.
func (d *Database) enforce(v *Version) {
	d.mu.Lock()
	old := d.current
	if old != nil && !old.Twin.Lost() && old.Catalog.Version > v.Catalog.Version {
		old = v
	} else {
		d.current = v
	}
	d.mu.Unlock()
	if old != nil {
		old.Twin.Retire()
	}
}
