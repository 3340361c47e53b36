package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/provider"
)

// Inspect reads the log at the provider and tells its newest version and that
// version's digest. It changes nothing and needs neither twin nor pin.
func (d *Database) Inspect(ctx context.Context) (version int64, digest Digest, err error) {
	p, err := d.Provider.Open(ctx, d.Physical)
	if err != nil {
		return 0, Digest{}, err
	}
	defer p.Close()
	exists, err := provider.Ask(ctx, p, existsSQL)
	if err != nil {
		return 0, Digest{}, d.unprepared(err)
	}
	h := newHistory()
	if len(exists) == 1 && exists[0][0] == "t" {
		if h, err = d.read(ctx, p); err != nil {
			return 0, Digest{}, err
		}
	}
	return h.version(), h.digest(), nil
}

// Confirm pins the version that the provider shows, whatever was pinned
// before, if its digest is the one that the owner vouches for.
func (d *Database) Confirm(ctx context.Context, vouched Digest) (version int64, err error) {
	version, digest, err := d.Inspect(ctx)
	if err != nil {
		return 0, err
	}
	if digest != vouched {
		return 0, &clarus.Error{Op: "recover", Attr: d.Name, Kind: clarus.Integrity,
			Msg:  fmt.Sprintf("the provider shows version %d of the schema with another digest, %s", version, digest),
			Hint: "What the provider shows is not what you noted: it is older, newer, or another database's. Nothing was confirmed."}
	}
	return version, d.Pin.set(d.Name, version, digest)
}

// Pinned tells which version was reached, as this side knows it.
func (d *Database) Pinned() (version int64, known bool, err error) {
	r, known, err := d.Pin.get(d.Name)
	return r.Version, known, err
}

// Reached tells the version in force and its digest, for the owner to note.
func (d *Database) Reached() (version int64, digest Digest, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil {
		return 0, Digest{}, false
	}
	return d.current.Catalog.Version, d.current.Digest, true
}

// Find describes the databases that can be meant by a name: the one that the
// configuration names, or that this side remembers to have made, else those that
// SQL made at one of the providers and that this side has forgotten.
func (d *Databases) Find(ctx context.Context, name string, configured bool, providers []string) ([]*Database, error) {
	p, known := d.place(name)
	var db *Database
	var err error
	switch {
	case known && p.State == made:
		db, err = d.at(p)
	case configured && !known:
		db, err = d.describe(name, "")
	default:
		return d.forgotten(ctx, name, providers)
	}
	if err != nil {
		return nil, err
	}
	db.Pin = d.pin
	return []*Database{db}, nil
}

// forgotten looks for physical databases whose names say that SQL made them
// under a name, and whose catalogues open under the number in that name.
func (d *Databases) forgotten(ctx context.Context, name string, providers []string) ([]*Database, error) {
	var list []*Database
	for _, at := range providers {
		some, err := d.describe(name, at)
		if err != nil {
			return nil, err
		}
		var names [][]string
		err = d.beside(ctx, some, func(p provider.Session) (err error) {
			names, err = provider.Ask(ctx, p, "SELECT datname FROM pg_catalog.pg_database WHERE datname ~ '_[0-9a-f]{8}$' ORDER BY datname")
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, r := range names {
			n, err := strconv.ParseUint(r[0][len(r[0])-8:], 16, 32)
			if err != nil || physical(name, uint32(n)) != r[0] {
				continue
			}
			db, err := d.at(Place{Name: name, Provider: at, Physical: r[0], Number: uint32(n), State: made})
			if err != nil {
				return nil, err
			}
			if version, _, err := db.Inspect(ctx); err == nil && version > 0 {
				list = append(list, db)
			}
		}
	}
	return list, nil
}

// Confirm is Database.Confirm for the one of several whose digest it is. One that
// SQL made is remembered again.
func (d *Databases) Confirm(ctx context.Context, list []*Database, vouched Digest) (version int64, err error) {
	for _, db := range list {
		if version, err = db.Confirm(ctx, vouched); err != nil {
			continue
		}
		if db.Number != 0 {
			err = d.put(Place{Name: db.Name, Provider: db.Provider.Name(), Physical: db.Physical, Number: db.Number, State: made})
		}
		return version, err
	}
	return 0, err
}
