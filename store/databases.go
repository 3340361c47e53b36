package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/durable"
	"github.com/clarus-project/clarus/pgwire"
)

// Databases are the logical databases: those of the configuration, and those
// that owners made by SQL, which the state directory remembers.
type Databases struct {
	path     string
	pin      Pin
	describe Describe

	configured []string // names in the configuration

	changing sync.Mutex // one making or dropping at a time

	mu     sync.Mutex
	places []Place
	rooms  map[string]*room
}

// Describe gives a logical database as the configuration has it, not opened:
// policy, twin, pin and, if provider is "", the provider that the
// configuration names for it, else nil; else that of this name.
type Describe func(name, provider string) (*Database, error)

// A Place is where a database that was made or dropped by SQL is.
type Place struct {
	Name     string
	Provider string
	Physical string // at the provider
	Number   uint32 // see Database.Number
	State    state
}

type state string

const (
	making   state = "making"   // there may be a physical database, and nobody was told of it
	made     state = "made"     // there is one
	dropping state = "dropping" // there may still be one
	dropped  state = "dropped"  // there is none, though the configuration names the database
)

// A room is a database that can be used, and who is in it.
type room struct {
	db     *Database
	guests map[*Guest]bool
	closed bool // being dropped: nobody may enter
}

// A Guest is a session's stay in a database.
type Guest struct {
	Database *Database
	end      func()
	room     *room
	all      *Databases
}

// NewDatabases reads which databases the state directory remembers.
func NewDatabases(dir string, describe Describe) (*Databases, error) {
	pin, err := NewPin(dir)
	if err != nil {
		return nil, err
	}
	d := &Databases{path: filepath.Join(dir, "databases.json"), pin: pin, describe: describe, rooms: map[string]*room{}}
	text, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &d.places)
	}
	if err != nil {
		return nil, unreadable(d.path, "the record of databases", err)
	}
	return d, nil
}

// remember records durably what change makes of the places.
func (d *Databases) remember(change func([]Place) []Place) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := change(slices.Clone(d.places))
	text, err := json.Marshal(next)
	if err == nil {
		err = durable.Replace(d.path, text)
	}
	if err == nil {
		d.places = next
	}
	return err
}

// put records p in the place of what was known of its physical database.
func (d *Databases) put(p Place) error {
	return d.remember(func(list []Place) []Place { return append(without(list, p), p) })
}

func (d *Databases) forget(p Place) error {
	return d.remember(func(list []Place) []Place { return without(list, p) })
}

func without(list []Place, p Place) []Place {
	return slices.DeleteFunc(list, func(q Place) bool { return q.Name == p.Name && q.Physical == p.Physical })
}

// place returns where a database is that SQL made or dropped.
func (d *Databases) place(name string) (Place, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.places, func(p Place) bool { return p.Name == name && (p.State == made || p.State == dropped) })
	if i < 0 {
		return Place{}, false
	}
	return d.places[i], true
}

func (d *Databases) enroll(db *Database) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rooms[db.Name] = &room{db: db, guests: map[*Guest]bool{}}
}

// Get returns a database, or nil.
func (d *Databases) Get(name string) *Database {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.rooms[name]; r != nil && !r.closed {
		return r.db
	}
	return nil
}

// List returns all databases in the order of their names.
func (d *Databases) List() []*Database {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*Database
	for _, r := range d.rooms {
		list = append(list, r.db)
	}
	slices.SortFunc(list, func(a, b *Database) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Enter lets a session into a database until it calls Leave; end is called,
// from another goroutine, if the database is dropped with FORCE meanwhile.
func (d *Databases) Enter(name string, end func()) (*Guest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rooms[name]
	if r == nil || r.closed {
		return nil, &pgwire.ServerError{Severity: "FATAL", Code: "3D000", Message: fmt.Sprintf("database %q does not exist", name)}
	}
	g := &Guest{Database: r.db, end: end, room: r, all: d}
	r.guests[g] = true
	return g, nil
}

// Leave ends the stay.
func (g *Guest) Leave() {
	g.all.mu.Lock()
	defer g.all.mu.Unlock()
	delete(g.room.guests, g)
}

// patience is how long a DROP DATABASE waits for sessions that are about to
// end, as PostgreSQL does.
const (
	patience = 5 * time.Second
	glance   = 20 * time.Millisecond
)

// clear waits until nobody is in a room, which it closes; force ends who is there.
func (d *Databases) clear(ctx context.Context, name string, force bool) error {
	deadline := time.Now().Add(patience)
	for told := false; ; told = true {
		d.mu.Lock()
		r := d.rooms[name]
		n := len(r.guests)
		r.closed = n == 0 || force
		if force && !told {
			for g := range r.guests {
				go g.end()
			}
		}
		d.mu.Unlock()
		if n == 0 {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			d.reopen(name)
			return used(name, n)
		}
		time.Sleep(glance)
	}
}

func used(name string, sessions int) error {
	detail := "There is 1 other session using the database."
	if sessions > 1 {
		detail = fmt.Sprintf("There are %d other sessions using the database.", sessions)
	}
	return &pgwire.ServerError{Severity: "ERROR", Code: "55006", Message: fmt.Sprintf("database %q is being accessed by other users", name), Detail: detail}
}

func (d *Databases) reopen(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.rooms[name]; r != nil {
		r.closed = false
	}
}

// Unavailable is told of a remembered database that could not be opened at
// start. It is opened when somebody connects.
type Unavailable func(name string, err error)

// Open opens the databases that the configuration names and those that SQL
// made. One of the configuration that cannot be opened is an error, unless
// SQL makes it (awaited) and has not yet, or has dropped it.
func (d *Databases) Open(ctx context.Context, configured []string, awaited func(string) bool, failed Unavailable) error {
	d.configured = configured
	d.sweep(ctx, failed)
	for _, name := range configured {
		if _, known := d.place(name); known || awaited(name) {
			continue
		}
		db, err := d.describe(name, "")
		if err != nil {
			return err
		}
		db.Pin = d.pin
		if err := db.Open(ctx); err != nil {
			return err
		}
		d.enroll(db)
	}
	for _, p := range slices.Clone(d.places) {
		if p.State != made {
			continue
		}
		db, err := d.at(p)
		if err != nil {
			return err
		}
		if err := db.Open(ctx); err != nil {
			if clarus.KindOf(err) == clarus.Integrity {
				return err
			}
			failed(p.Name, err)
		}
		d.enroll(db)
	}
	return nil
}

// at describes the database of a place.
func (d *Databases) at(p Place) (*Database, error) {
	db, err := d.describe(p.Name, p.Provider)
	if err != nil {
		return nil, err
	}
	db.settleAt(p, d.pin)
	return db, db.alone()
}
