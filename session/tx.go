package session

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
)

// transaction carries out BEGIN, COMMIT and the like and returns the tag.
func (s *Session) transaction(ctx context.Context, st *sqlast.Statement) (string, error) {
	tx := st.Tx()
	if tx.Kind == sqlast.TxOther {
		return "", clarus.Refuse("two-phase commit is not supported", "Use COMMIT.")
	}
	text, err := st.Print()
	if err != nil {
		return "", err
	}
	switch tx.Kind {
	case sqlast.TxBegin:
		return s.begin(ctx, tx, text)
	case sqlast.TxCommit, sqlast.TxRollback:
		if tx.Chain && !s.block {
			return "", onlyInBlock(tx.Kind.String() + " AND CHAIN")
		}
		before, joined := s.remotes.told, s.joined()
		tag, err := s.finish(ctx, tx.Kind == sqlast.TxCommit, text)
		if err == nil && tx.Chain {
			s.block = true
			s.settings.begin()
			s.remotes.chain(before, joined)
		}
		return tag, err
	}
	return s.savepoint(ctx, tx, text)
}

func (s *Session) begin(ctx context.Context, tx sqlast.Tx, text string) (string, error) {
	if s.block {
		s.client.Notice(&pgwire.ServerError{Severity: "WARNING", Code: "25001", Message: "there is already a transaction in progress"})
	}
	s.readOnly = s.readOnly || strings.Contains(strings.ToUpper(text), "READ ONLY")
	if !s.block {
		if err := s.refresh(ctx); err != nil { // in the block it would be too late to follow
			return "", err
		}
	}
	s.remotes.distinct = s.remotes.distinct || strings.Contains(strings.ToUpper(text), "ISOLATION")
	begin := told{sql: text, mode: true}
	if _, err := s.tell(ctx, begin); err != nil {
		return "", run.Explain(s.catalog(), err, nil, run.Row{})
	}
	if !s.block {
		s.block = true
		s.settings.begin()
	}
	s.note(begin)
	if tx.Start {
		return "START TRANSACTION", nil
	}
	return "BEGIN", nil
}

func (s *Session) finish(ctx context.Context, commit bool, text string) (string, error) {
	if !s.block {
		s.client.Notice(&pgwire.ServerError{Severity: "WARNING", Code: "25P01", Message: "there is no transaction in progress"})
	}
	var tag string
	var err error
	end := rolledBack
	if commit && s.ddl != nil && !s.failed {
		tag, end, err = s.commitSchema(ctx, text)
	} else if tag, err = s.conclude(ctx, commit, text); err == nil && tag == "COMMIT" {
		end = committed
	}
	if err != nil {
		err = run.Explain(s.catalog(), err, nil, run.Row{})
	}
	s.ended(end == committed)
	if e := s.settleDDL(ctx, end); err == nil {
		err = e
	}
	return tag, err
}

// ending is how a transaction ended.
type ending int

const (
	rolledBack ending = iota
	committed
	unknown // whether it was committed did not become known
)

// uncertain reports whether a COMMIT that failed with err may have been carried out.
func uncertain(err error) bool {
	e, ok := errors.AsType[*pgwire.ServerError](err)
	if err == nil || !ok {
		return err != nil
	}
	return e.Severity == "FATAL" || e.Severity == "PANIC" || strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57")
}

// ended forgets what belonged to the transaction.
func (s *Session) ended(committed bool) {
	s.endPortals(committed)
	s.block, s.failed = false, false
	s.settings.end(committed)
	s.leaveRemotes(true)
	if s.scratch != nil {
		if err := s.scratch.Finish(); err != nil {
			s.scratch.Drop()
			s.scratch = nil
			return
		}
		s.scratch.settled = -1
	}
}

func (s *Session) savepoint(ctx context.Context, tx sqlast.Tx, text string) (string, error) {
	if tx.Kind == sqlast.TxRollbackTo && s.ddl != nil {
		return "", clarus.Refuse("ROLLBACK TO SAVEPOINT in a transaction that changed the schema is not supported", "Roll the whole transaction back.")
	}
	t := told{sql: text}
	if tx.Kind == sqlast.TxSavepoint {
		t.savepoint = tx.Savepoint
	}
	tag, err := s.tell(ctx, t)
	if err != nil {
		if se, ok := errors.AsType[*pgwire.ServerError](err); ok && (se.Code == "3B001" || se.Code == "25P01") {
			message := "savepoint \"" + tx.Savepoint + "\" does not exist"
			if se.Code == "25P01" {
				return "", onlyInBlock(tx.Kind.String())
			}
			return "", &pgwire.ServerError{Severity: "ERROR", Code: se.Code, Message: message}
		}
		return "", run.Explain(s.catalog(), err, nil, run.Row{})
	}
	switch tx.Kind {
	case sqlast.TxSavepoint:
		s.settings.savepoint(tx.Savepoint, s.serial)
		s.note(t)
	case sqlast.TxRelease:
		s.settings.release(tx.Savepoint)
		s.remotes.release(tx.Savepoint)
	case sqlast.TxRollbackTo:
		s.failed = false
		since := s.settings.rollbackTo(tx.Savepoint)
		s.remotes.rollbackTo(tx.Savepoint)
		maps.DeleteFunc(s.portals, func(_ string, p *portal) bool { return p.serial > since })
	}
	return tag, nil
}

// fail makes the open transaction fail after an error, at all its providers.
func (s *Session) fail(ctx context.Context) {
	s.failed, s.doomed = s.block, !s.block
	_ = s.home().Fail(ctx)
	for _, name := range s.joined() {
		_ = s.remotes.others[name].Fail(ctx)
	}
}

// Fail says that an error was reported in the extended protocol.
func (s *Session) Fail(ctx context.Context) { s.fail(ctx) }

// Flush has nothing to do: the session owes no answers.
func (s *Session) Flush(context.Context) error { return nil }

// Sync ends the implicit transaction.
func (s *Session) Sync(ctx context.Context) (byte, error) {
	ctx, done := s.run(ctx)
	defer done()
	err := s.endImplicit(ctx)
	if s.block && s.syncOthers(ctx) && !s.failed {
		s.fail(ctx)
		s.syncOthers(ctx)
	}
	status, e := s.home().Sync(ctx)
	if err == nil {
		err = e
	}
	if err != nil {
		return 0, err
	}
	if s.block && status == 'I' {
		// The provider ended what it had begun; nothing of it is left.
		return 0, &clarus.Error{Op: "sync", Kind: clarus.Integrity, Msg: "the provider ended the transaction by itself", Hint: "Connect again."}
	}
	switch {
	case s.failed:
		return 'E', nil
	case s.block:
		return 'T', nil
	}
	return 'I', nil
}

// endImplicit commits what was done outside a transaction block.
func (s *Session) endImplicit(ctx context.Context) error {
	if s.block {
		return nil
	}
	if s.ddl == nil {
		err := s.commitImplicit(ctx)
		if err != nil {
			err = run.Explain(s.version.Catalog, err, nil, run.Row{})
		}
		s.leaveImplicit(err == nil && !s.doomed)
		return err
	}
	var err error
	end := rolledBack
	if !s.doomed {
		if _, end, err = s.commitSchema(ctx, "COMMIT"); isServer(err) {
			err = run.Explain(s.catalog(), err, nil, run.Row{})
		}
	}
	if end != committed {
		err = errors.Join(err, s.rollBack(ctx))
	}
	if _, e := s.home().Sync(ctx); err == nil {
		err = e
	}
	s.syncOthers(ctx)
	s.leaveImplicit(end == committed)
	if e := s.settleDDL(ctx, end); err == nil {
		err = e
	}
	return err
}

// leaveImplicit forgets what belonged to the implicit transaction.
func (s *Session) leaveImplicit(committed bool) {
	s.endPortals(committed)
	s.leaveRemotes(committed)
	s.doomed = false
}

// rollBackTime is how long a provider may take to roll back.
const rollBackTime = 30 * time.Second

// rollBack ends the transaction that startDDL began at the providers.
func (s *Session) rollBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollBackTime)
	defer cancel()
	s.endOthers(ctx, s.joined(), "ROLLBACK")
	if _, err := s.home().Sync(ctx); err != nil {
		return err
	}
	_, err := s.home().Run(ctx, sql("ROLLBACK"), nil, nil)
	return err
}
