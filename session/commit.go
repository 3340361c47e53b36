package session

import (
	"context"
	"fmt"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/provider"
)

// sites are the session's providers, for what run does.
type sites struct{ s *Session }

func (v sites) Home() provider.Session { return v.s.home() }

func (v sites) At(ctx context.Context, name string) (provider.Session, error) {
	return v.s.at(ctx, name)
}

// patience is how long a statement waits until no commit is under way.
const patience = 5e9 // nanoseconds

func (v sites) Hold(ctx context.Context) (func(), error) {
	quick, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done, err := v.s.db.Commits.Hold(quick)
	if err != nil && ctx.Err() == nil {
		err = &clarus.Error{Op: "fetch", Kind: clarus.Unavailable, Msg: "a commit that is under way does not end", Hint: "Try again."}
	}
	return done, err
}

// Writer holds a transaction to one provider that is written: what it locks
// there counts too, for a lock that is lost must not go unnoticed. In a
// transaction that changes the schema that is the default provider; tables
// that it makes elsewhere are no tables yet for anybody else, and go with it.
func (v sites) Writer(ctx context.Context, tables ...*catalog.Table) (provider.Session, error) {
	s := v.s
	name := tables[0].Provider
	for _, t := range tables {
		if t.Provider != name {
			return nil, clarus.Refuse(fmt.Sprintf("the statement changed or locked rows at %s and at %s, which cannot be committed together", name, t.Provider),
				"Change the tables of each provider in a transaction of its own.")
		}
	}
	if !s.db.Several() {
		return s.at(ctx, name)
	}
	for _, t := range tables {
		if s.ddl != nil && !s.ddl.base.Catalog.Holds(t) {
			continue
		}
		if w := s.remotes.writer; w != "" && w != name {
			return nil, otherWriter(w, name, s.ddl != nil)
		}
		s.remotes.writer = name
	}
	return s.at(ctx, name)
}

func otherWriter(was, name string, ddl bool) error {
	if ddl {
		return clarus.Refuse(fmt.Sprintf("the transaction changed the schema, which is at %s, and is to change or lock rows at %s", was, name),
			"Commit the schema's change first.")
	}
	return clarus.Refuse(fmt.Sprintf("the transaction changed or locked rows at %s, and is to do so at %s: they cannot be committed together", was, name),
		"Change the tables of each provider in a transaction of its own.")
}

// conclude ends the transaction block at all its providers by text, which is a
// form of COMMIT or ROLLBACK. The tag is that of the one which was written: it
// decides, and has to be first; the others only read.
func (s *Session) conclude(ctx context.Context, commit bool, text string) (tag string, err error) {
	if !s.db.Several() {
		return s.home().Run(ctx, sql(text), nil, nil)
	}
	others := s.joined()
	if commit && !s.failed {
		done, err := s.beginCommit(ctx)
		if err != nil {
			s.endBlocks(ctx, others, "ROLLBACK")
			return "", err
		}
		defer done()
	}
	w := s.remotes.others[s.remotes.writer]
	if w == nil || !commit {
		if tag, err = s.home().Run(ctx, sql(text), nil, nil); err != nil {
			text = "ROLLBACK"
		}
		s.endOthers(ctx, others, text)
		return tag, err
	}
	if !s.failed {
		// A session at home that was ended has lost its locks.
		if _, err := s.home().Run(ctx, sql("SELECT 1"), nil, func([]byte) error { return nil }); err != nil {
			s.endBlocks(ctx, others, "ROLLBACK")
			return "", err
		}
	}
	if tag, err = w.Run(ctx, sql(text), nil, nil); err != nil {
		text = "ROLLBACK"
	} else {
		others = slices.DeleteFunc(others, func(name string) bool { return name == s.remotes.writer })
	}
	s.endBlocks(ctx, others, text)
	return tag, err
}

// commitSchema commits a transaction that changed the schema. The tables that
// it made at other providers come first: nobody knows them yet, and those that
// they replace stand aside until home has decided which are wanted. What home
// decides, Settle brings about, now or when the provider is asked next.
func (s *Session) commitSchema(ctx context.Context, text string) (tag string, end ending, err error) {
	others := s.joined()
	if err := s.ddl.save(ctx, s); err != nil {
		s.endBlocks(ctx, others, "ROLLBACK")
		return "", rolledBack, err
	}
	done, err := s.beginCommit(ctx)
	if err != nil {
		s.endBlocks(ctx, others, "ROLLBACK")
		return "", rolledBack, err
	}
	defer done()
	touched := slices.DeleteFunc(slices.Clone(others), func(name string) bool { return !s.ddl.touched[name] })
	s.db.Unsettle(touched...)
	for _, name := range touched {
		tag, err := s.remotes.others[name].Run(ctx, sql(text), nil, nil)
		if err == nil && tag != "COMMIT" {
			err = &clarus.Error{Op: "commit", Attr: name, Kind: clarus.Integrity, Msg: "the provider did not commit the schema's change"}
		}
		if err != nil {
			s.endBlocks(ctx, others, "ROLLBACK")
			return "", rolledBack, err
		}
		others = slices.DeleteFunc(others, func(n string) bool { return n == name })
	}
	switch tag, err = s.home().Run(ctx, sql(text), nil, nil); {
	case err == nil && tag == "COMMIT":
		end = committed
	case uncertain(err):
		end, text = unknown, "ROLLBACK"
	default:
		text = "ROLLBACK"
	}
	s.endOthers(ctx, others, text)
	return tag, end, err
}

// beginCommit waits until the transaction may be committed, if it wrote. The
// constraints that were deferred are checked before: a commit that has begun
// must not wait for other transactions.
func (s *Session) beginCommit(ctx context.Context) (done func(), err error) {
	if s.remotes.writer == "" || !s.db.Several() {
		return func() {}, nil
	}
	if s.catalog().Deferrable() {
		if _, err := s.home().Run(ctx, sql("SET CONSTRAINTS ALL IMMEDIATE"), nil, nil); err != nil {
			return nil, err
		}
		for _, name := range s.joined() {
			if _, err := s.remotes.others[name].Run(ctx, sql("SET CONSTRAINTS ALL IMMEDIATE"), nil, nil); err != nil {
				return nil, err
			}
		}
	}
	return s.db.Commits.Share(ctx)
}

// endBlocks ends the block at home and at the others, whatever state they are in.
func (s *Session) endBlocks(ctx context.Context, others []string, text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollBackTime)
	defer cancel()
	if _, err := s.home().Run(ctx, sql(text), nil, nil); err != nil {
		if _, err := s.home().Sync(ctx); err == nil {
			_, _ = s.home().Run(ctx, sql("ROLLBACK"), nil, nil) // else the connection is lost: the next statement tells
		}
	}
	s.endOthers(ctx, others, text)
}

// endOthers ends the block at the others. One that cannot be told is left:
// nothing of it is to stay.
func (s *Session) endOthers(ctx context.Context, others []string, text string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollBackTime)
	defer cancel()
	for _, name := range others {
		r := s.remotes.others[name]
		if _, err := r.Sync(ctx); err != nil {
			s.drop(name)
			continue
		}
		if _, err := r.Run(ctx, sql(text), nil, nil); err != nil {
			s.drop(name)
		}
	}
}

// leaveRemotes forgets what belonged to the transaction at the providers. kept:
// it ended there so that the settings are those that hold here.
func (s *Session) leaveRemotes(kept bool) {
	r := &s.remotes
	r.told, r.asked, r.writer = nil, nil, ""
	for _, name := range s.joined() {
		if kept {
			r.others[name].given = s.settings.remote(false)
		}
		r.others[name].joined = false
	}
}

// chain begins the next block as the last one was.
func (r *remotes) chain(before []told, joined []string) {
	for _, t := range before {
		if t.mode {
			r.told = append(r.told, t)
		}
	}
	for _, name := range joined {
		if o := r.others[name]; o != nil {
			o.joined = true
		}
	}
}

// syncOthers has the other providers answer what is due. Outside a block that
// ends their part of the implicit transaction. One that is lost is dropped,
// outside a block; in it, the block fails.
func (s *Session) syncOthers(ctx context.Context) (lost bool) {
	for _, name := range s.joined() {
		status, err := s.remotes.others[name].Sync(ctx)
		switch {
		case s.block && (err != nil || status == 'I'):
			lost = true
		case err != nil && !isServer(err):
			s.drop(name)
		}
	}
	return lost
}

// commitImplicit ends the implicit transaction at all its providers; the one
// that was written is first.
func (s *Session) commitImplicit(ctx context.Context) error {
	if !s.db.Several() {
		_, err := s.home().Sync(ctx)
		return err
	}
	var early error
	if !s.doomed {
		done, err := s.beginCommit(ctx)
		if err == nil {
			defer done()
		} else if early = err; !isServer(err) {
			_ = s.home().Fail(ctx)
		}
	}
	first := provider.Session(s.home())
	if r := s.remotes.others[s.remotes.writer]; r != nil {
		first = r
	}
	if early != nil {
		_ = first.Fail(ctx)
	}
	_, err := first.Sync(ctx)
	s.syncOthers(ctx)
	if _, e := s.home().Sync(ctx); err == nil {
		err = e
	}
	if early != nil {
		err = early
	}
	return err
}
