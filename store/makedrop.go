package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
)

// Make carries CREATE DATABASE out: it makes a physical database with options
// (SQL, of Clarus's own writing) and opens it. Where the configuration names
// no provider for it, it is made at that of from. A crash at any point leaves
// either the database or a physical one that the next start removes: its name
// is never used again.
func (d *Databases) Make(ctx context.Context, name, options string, from *Database) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if d.Get(name) != nil {
		return &pgwire.ServerError{Severity: "ERROR", Code: "42P04", Message: fmt.Sprintf("database %q already exists", name)}
	}
	db, err := d.describe(name, "")
	if err != nil {
		return err
	}
	if db.Provider == nil {
		db.Provider = from.Provider
	}
	p := Place{Name: name, Provider: db.Provider.Name(), Number: number(), State: making}
	p.Physical = physical(name, p.Number)
	db.settleAt(p, d.pin)
	if err := db.alone(); err != nil {
		return err
	}
	if err := d.put(p); err != nil {
		return err
	}
	err = d.atProvider(ctx, db, "CREATE DATABASE "+sqlast.Quote(p.Physical)+" TEMPLATE template0 ENCODING 'UTF8'"+options)
	if err == nil {
		err = d.pin.forget(name)
	}
	if err == nil {
		err = db.Open(ctx)
	}
	if err == nil {
		p.State = made
		err = d.remember(func(list []Place) []Place {
			list = slices.DeleteFunc(list, func(q Place) bool { return q.Name == name && q.State == dropped })
			return append(without(list, p), p)
		})
	}
	if err != nil {
		db.abandon()
		d.sweep(context.WithoutCancel(ctx), func(string, error) {})
		return err
	}
	d.enroll(db)
	return nil
}

// Drop carries DROP DATABASE out. force ends the sessions that use it. Where
// the configuration names it, it is remembered that it is gone.
func (d *Databases) Drop(ctx context.Context, name string, force bool) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	db := d.Get(name)
	if db == nil {
		return Missing(name)
	}
	if db.Several() {
		return clarus.Refuse("DROP DATABASE of one that may have tables at several providers", "Drop its tables, and then its databases at the providers.")
	}
	if err := d.clear(ctx, name, force); err != nil {
		return err
	}
	p := Place{Name: name, Provider: db.Provider.Name(), Physical: db.Physical, Number: db.Number, State: dropping}
	if err := d.own(ctx, db); err != nil {
		d.reopen(name)
		return err
	}
	if err := d.put(p); err != nil {
		d.reopen(name)
		return err
	}
	drop := "DROP DATABASE " + sqlast.Quote(db.Physical)
	if force {
		drop += " WITH (FORCE)"
	}
	if err := d.atProvider(ctx, db, drop); err != nil {
		if _, refused := errors.AsType[*pgwire.ServerError](err); !refused {
			return err // whether it is gone is not known: the next start sees to it
		}
		d.reopen(name)
		p.State = made
		return errors.Join(err, d.put(p))
	}
	d.mu.Lock()
	delete(d.rooms, name)
	d.mu.Unlock()
	db.abandon()
	err := d.pin.forget(name)
	if !slices.Contains(d.configured, name) {
		return errors.Join(err, d.forget(p))
	}
	return errors.Join(err, d.remember(func(list []Place) []Place {
		return append(without(list, p), Place{Name: name, State: dropped})
	}))
}

// Missing is the error for a database that does not exist.
func Missing(name string) error {
	return &pgwire.ServerError{Severity: "ERROR", Code: "3D000", Message: fmt.Sprintf("database %q does not exist", name)}
}

// own refuses to drop what is not Clarus's.
func (d *Databases) own(ctx context.Context, db *Database) error {
	p, err := db.Provider.Open(ctx, db.Physical)
	if err != nil {
		return err
	}
	defer p.Close()
	rows, err := provider.Ask(ctx, p, "SELECT to_regclass('clarus.catalog') IS NOT NULL")
	if err != nil {
		return err
	}
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] != "t" {
		return db.altered("it is gone")
	}
	return nil
}

// sweep removes the physical databases that an interrupted CREATE or DROP
// DATABASE left.
func (d *Databases) sweep(ctx context.Context, failed Unavailable) {
	d.mu.Lock()
	places := slices.Clone(d.places)
	d.mu.Unlock()
	for _, p := range places {
		if p.State != making && p.State != dropping {
			continue
		}
		if err := d.finish(ctx, p); err != nil {
			failed(p.Name, err)
		}
	}
}

// finish removes what an interrupted statement left at p. Where this side is
// an old copy, CREATE DATABASE may have been completed since: a database that
// has a schema is kept.
func (d *Databases) finish(ctx context.Context, p Place) error {
	db, err := d.at(p)
	if err != nil {
		return err
	}
	if p.State == making {
		live, err := d.live(ctx, db)
		if err != nil {
			return err
		}
		if live {
			p.State = made
			return d.put(p)
		}
	}
	if err := d.atProvider(ctx, db, "DROP DATABASE IF EXISTS "+sqlast.Quote(p.Physical)); err != nil {
		return err
	}
	if p.State == dropping {
		if err := d.pin.forget(p.Name); err != nil {
			return err
		}
	}
	return d.forget(p)
}

// live reports whether a physical database exists and has a schema.
func (d *Databases) live(ctx context.Context, db *Database) (bool, error) {
	exists := false
	err := d.beside(ctx, db, func(p provider.Session) error {
		rows, err := provider.Ask(ctx, p, "SELECT FROM pg_catalog.pg_database WHERE datname = "+sqlast.Literal(db.Physical))
		exists = len(rows) > 0
		return err
	})
	if err != nil || !exists {
		return false, err
	}
	p, err := db.Provider.Open(ctx, db.Physical)
	if err != nil {
		return false, err
	}
	defer p.Close()
	rows, err := provider.Ask(ctx, p, headSQL)
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok && se.Code == "42P01" {
		return false, nil // Clarus has not been in it
	}
	return err == nil && len(rows) == 1 && rows[0][0] != "0", err
}

// beside gives a session in another database at db's provider.
func (d *Databases) beside(ctx context.Context, db *Database, do func(provider.Session) error) error {
	within := "postgres"
	for _, other := range d.List() {
		if other.Provider.Name() == db.Provider.Name() && other.Physical != db.Physical {
			within = other.Physical
			break
		}
	}
	p, err := db.Provider.Open(ctx, within)
	if err != nil {
		return err
	}
	defer p.Close()
	return do(p)
}

// atProvider runs a statement about db's physical database from beside it.
func (d *Databases) atProvider(ctx context.Context, db *Database, sql string) error {
	err := d.beside(ctx, db, func(p provider.Session) error {
		_, err := p.Run(ctx, provider.Statement{SQL: sql}, nil, nil)
		if err == nil {
			_, err = p.Sync(ctx)
		}
		return err
	})
	se, ok := errors.AsType[*pgwire.ServerError](err)
	if !ok {
		return err
	}
	told := &pgwire.ServerError{Severity: "ERROR", Code: se.Code, Message: "the provider " + db.Provider.Name() + " refuses: SQLSTATE " + se.Code}
	switch {
	case se.Code == "42501" && strings.HasPrefix(sql, "CREATE"):
		told.Message = "permission denied to create database"
		told.Hint = "Clarus's role at provider " + db.Provider.Name() + " needs CREATEDB there; or create the database yourself and name it in the configuration."
	case se.Code == "42501":
		told.Message = fmt.Sprintf("permission denied to drop database %q", db.Name)
		told.Hint = "Clarus's role at provider " + db.Provider.Name() + " does not own the database."
	case se.Code == "55006" && strings.HasPrefix(sql, "DROP"):
		told.Message, told.Detail = fmt.Sprintf("database %q is being accessed by other users", db.Name), "At the provider there are sessions that are not Clarus's."
	case se.Code[:2] == "22" || se.Code[:2] == "42":
		told.Hint = "Its options may not suit the provider: leave them out."
	}
	return told
}

// number draws the number of a new database.
func number() uint32 {
	var b [4]byte
	for b == [4]byte{} {
		_, _ = rand.Read(b[:])
	}
	return binary.BigEndian.Uint32(b[:])
}

// physical is the name of a database at its provider: one that no other ever had.
func physical(name string, number uint32) string {
	suffix := fmt.Sprintf("_%08x", number)
	for len(name)+len(suffix) > 63 {
		name = strings.ToValidUTF8(name[:len(name)-1], "")
	}
	return name + suffix
}

// settleAt makes a database that of a place. It has no annexes: names there
// tell databases of one provider apart by the physical database alone.
func (d *Database) settleAt(p Place, pin Pin) {
	d.Pin, d.Physical, d.Number, d.Annexes = pin, p.Physical, p.Number, nil
}

// alone refuses a policy that places tables at other providers.
func (d *Database) alone() error {
	for _, name := range d.Policy.Providers() {
		if name != d.Provider.Name() {
			return clarus.Refuse("a database made by SQL whose policy places tables at provider "+name+", beside "+d.Provider.Name(),
				"Make the databases at the providers yourself, and name this one in the configuration.")
		}
	}
	return nil
}

// abandon gives up what the twin has of a database.
func (d *Database) abandon() {
	d.mu.Lock()
	v := d.current
	d.current = nil
	d.mu.Unlock()
	if v != nil {
		v.Twin.Retire()
	}
}

// base is what the numbers of the database's datasets begin with.
func (d *Database) base() clarus.DatasetID { return clarus.DatasetID(d.Number) << 32 }
