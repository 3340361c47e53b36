package session

import (
	"context"
	"fmt"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/store"
)

// database carries out CREATE DATABASE and DROP DATABASE.
func (s *Session) database(ctx context.Context, st *sqlast.Statement) (string, error) {
	f := st.DatabaseForm()
	if s.block || s.several {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "25001", Message: f.String() + " cannot run inside a transaction block"}
	}
	if f.Refuse != "" {
		return "", clarus.Refuse(f.Refuse+" is not supported", "Leave it out.")
	}
	var err error
	if f.Create {
		err = s.makeDatabase(ctx, f)
	} else {
		err = s.dropDatabase(ctx, f)
	}
	if err != nil {
		return "", err
	}
	return f.String(), nil
}

func (s *Session) makeDatabase(ctx context.Context, f sqlast.DatabaseForm) error {
	switch owner, known := s.host.Users[f.Owner]; {
	case f.Owner != "" && !known:
		return &pgwire.ServerError{Severity: "ERROR", Code: "42704", Message: fmt.Sprintf("role %q does not exist", f.Owner)}
	case !s.host.Users[s.who.User]:
		return &pgwire.ServerError{Severity: "ERROR", Code: "42501", Message: "permission denied to create database"}
	case f.Owner != "" && !owner:
		return clarus.Refuse("a database whose owner is not an owner in the configuration", "Leave OWNER out.")
	}
	return s.host.Databases.Make(ctx, f.Name, f.Options, s.db)
}

func (s *Session) dropDatabase(ctx context.Context, f sqlast.DatabaseForm) error {
	switch {
	case s.host.Databases.Get(f.Name) == nil && f.IfExists:
		s.client.Notice(&pgwire.ServerError{Severity: "NOTICE", Code: "00000", Message: fmt.Sprintf("database %q does not exist, skipping", f.Name)})
		return nil
	case s.host.Databases.Get(f.Name) == nil:
		return store.Missing(f.Name)
	case !s.host.Users[s.who.User]:
		return &pgwire.ServerError{Severity: "ERROR", Code: "42501", Message: "must be owner of database " + f.Name}
	case f.Name == s.db.Name:
		return &pgwire.ServerError{Severity: "ERROR", Code: "55006", Message: "cannot drop the currently open database"}
	}
	if err := s.emptyElsewhere(ctx, f.Name); err != nil {
		return err
	}
	return s.host.Databases.Drop(ctx, f.Name, f.Force)
}

// emptyElsewhere refuses to drop a database that has tables at another
// provider: nobody would drop them there.
func (s *Session) emptyElsewhere(ctx context.Context, name string) error {
	db := s.host.Databases.Get(name)
	if db == nil || !db.Several() {
		return nil
	}
	v, err := db.Current(ctx)
	if err != nil {
		return err
	}
	defer v.Twin.Release()
	for _, t := range v.Catalog.Tables {
		if t.Provider != db.Provider.Name() {
			return clarus.Refuse("DROP DATABASE of a database with tables at "+t.Provider, "Drop these tables before.")
		}
	}
	return nil
}
