package store

import (
	"context"
	"fmt"

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

// Known describes a database that the configuration names or that this side
// remembers to have made; nil if there is none.
func (d *Databases) Known(name string, configured bool) (*Database, error) {
	p, ok := d.place(name)
	switch {
	case ok && p.State == made:
		return d.at(p)
	case ok || !configured:
		return nil, nil
	}
	db, err := d.describe(name, "")
	if err == nil {
		db.Pin = d.pin
	}
	return db, err
}
