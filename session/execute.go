package session

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// execute runs a portal to its end, or to limit rows if limit is not 0.
func (s *Session) execute(ctx context.Context, p *portal, limit int) error {
	if limit == 0 && !p.ready {
		tag, err := s.perform(ctx, p, func(body []byte) error {
			s.client.W().Begin('D').Bytes(body).End()
			return s.client.W().Err()
		})
		if err == nil {
			s.client.W().CommandComplete(tag)
			p.ready, p.tag = true, tag
		}
		return err
	}
	if !p.ready {
		tag, err := s.perform(ctx, p, s.keep(&p.rows))
		if err != nil {
			return err
		}
		p.tag, p.ready = tag, true
	}
	n := len(p.rows)
	if limit > 0 && limit < n {
		n = limit
	}
	for _, body := range p.rows[:n] {
		s.client.W().Begin('D').Bytes(body).End()
	}
	p.rows = p.rows[n:]
	if len(p.rows) > 0 || (limit > 0 && n == limit) {
		s.client.W().Empty('s')
		return nil
	}
	s.client.W().CommandComplete(p.lastTag(n))
	return nil
}

// lastTag is the tag that ends a portal that was run in portions: it counts the
// rows of the last one.
func (p *portal) lastTag(n int) string {
	if i := strings.LastIndexByte(p.tag, ' '); i >= 0 && p.st.fields != nil {
		return p.tag[:i+1] + strconv.Itoa(n)
	}
	return p.tag
}

// perform carries a statement out, in the time that the client gives it.
func (s *Session) perform(ctx context.Context, p *portal, row func([]byte) error) (string, error) {
	ctx, done := s.timed(ctx)
	defer done()
	tag, err := s.judged(ctx, p, row)
	if err != nil && context.Cause(ctx) == errTimeout {
		err = canceled(ctx, err)
	}
	return tag, err
}

// judged has the gate judge the statement, runs it and reports the outcome.
func (s *Session) judged(ctx context.Context, p *portal, row func([]byte) error) (tag string, err error) {
	if p.st.look != nil {
		return s.look(ctx, p, row)
	}
	if err := s.viewing(p.st.st); err != nil || s.view != "" && p.st.st.Kind == sqlast.Query {
		return "", s.refused(ctx, p.st.st, s.onlyLooks())
	}
	if err := s.confine(p.st.st.Kind); err != nil {
		return "", s.refused(ctx, p.st.st, err)
	}
	switch p.st.st.Kind {
	case sqlast.Transaction:
		return s.transaction(ctx, p.st.st)
	case sqlast.Constraints:
		return s.setConstraints(ctx, p.st.st)
	case sqlast.Unlisten:
		return "UNLISTEN", nil // nothing is listened to
	case sqlast.Declare:
		return s.declare(ctx, p)
	case sqlast.Fetch:
		return s.fetch(ctx, p, row)
	case sqlast.Prepare:
		return s.prepareNamed(ctx, p.st.st)
	case sqlast.Execute:
		return s.executeNamed(ctx, p, row)
	case sqlast.ClosePortal:
		return s.closeCursor(p.st.st.ClosedCursor())
	case sqlast.Set, sqlast.Show, sqlast.Discard, sqlast.Deallocate:
		return s.utility(ctx, p, row)
	}
	configs, err := s.configs(ctx, p)
	if err != nil {
		return "", err
	}
	var values [][]byte
	if configs != nil {
		hand := row
		row = func(body []byte) (err error) {
			if values, err = pgwire.Row(slices.Clone(body), nil); err != nil {
				return err
			}
			return hand(body)
		}
	}
	if p.st.plan != nil {
		p = s.fitting(p)
	}
	if err := s.mayDo(p.st); err != nil {
		return "", s.refused(ctx, p.st.st, err)
	}
	if p, err = s.writable(ctx, p); err != nil {
		return "", err
	}
	request := s.asked(p.st)
	if p.st.plan == nil && s.db.Several() {
		if request.Providers, err = s.concerned(ctx, p.st.st); err != nil {
			return "", err
		}
	}
	permit, err := s.host.Gate.Authorise(ctx, request)
	if err != nil {
		return "", err
	}
	tag, err = s.carryOut(ctx, permit, p, row)
	if err == nil {
		err = s.configure(ctx, configs, values)
	}
	permit.Done(ctx, gate.Outcome{Rows: rowsOf(tag), SQLSTATE: state(err), Err: err})
	if clarus.KindOf(err) == clarus.Integrity && err != nil {
		err = errors.Join(err, s.host.Gate.Record(context.WithoutCancel(ctx), audit.Event{Session: s.id, Principal: s.who,
			Action: audit.ActionIntegrity, Shape: p.st.shape, Datasets: request.Datasets, Providers: request.Providers,
			Outcome: audit.OutcomeFailed, SQLSTATE: "XX001"}))
	}
	return tag, err
}

// rowsOf is the number at the end of a command tag.
func rowsOf(tag string) int64 {
	n, _ := strconv.ParseInt(tag[strings.LastIndexByte(tag, ' ')+1:], 10, 64)
	return n
}

// refused records a statement that was refused before it was planned.
func (s *Session) refused(ctx context.Context, st *sqlast.Statement, err error) error {
	if k := clarus.KindOf(err); isServer(err) || (k != clarus.Unsupported && k != clarus.Denied) {
		return err
	}
	code := "0A000"
	if clarus.KindOf(err) == clarus.Denied {
		code = "42501"
	}
	e := s.host.Gate.Record(ctx, audit.Event{Session: s.id, Principal: s.who, Action: audit.ActionRefused,
		Shape: audit.ShapeOf(sqlast.Shape(st.Text)), Class: audit.ClassRefuse, Outcome: audit.OutcomeRefused, SQLSTATE: code})
	if e != nil {
		return e
	}
	return err
}

func isServer(err error) bool {
	_, ok := errors.AsType[*pgwire.ServerError](err)
	return ok
}

// carryOut runs a permitted statement.
func (s *Session) carryOut(ctx context.Context, permit gate.Permit, p *portal, row func([]byte) error) (string, error) {
	switch p.st.st.Kind {
	case sqlast.DDL:
		return s.schema(ctx, permit, p.st.st)
	case sqlast.Copy:
		return s.copy(ctx, permit, p)
	case sqlast.Truncate:
		return s.truncate(ctx, permit, p.st.st)
	case sqlast.Lock:
		return s.lockTables(ctx, p.st.st)
	case sqlast.Maintain:
		return s.maintain(ctx, p.st.st)
	case sqlast.Database:
		return s.database(ctx, p.st.st)
	case sqlast.Explain:
		return s.explain(ctx, p, row)
	case sqlast.Refresh:
		return s.refreshRelease(ctx, p.st.st)
	}
	if p.st.advisory != nil {
		return s.lockAdvisory(ctx, p, row)
	}
	if p.st.plan == nil {
		return "", s.refused(ctx, p.st.st, clarus.Refuse("this kind of statement is not supported", "See docs/limits.md."))
	}
	return s.planned(ctx, permit, p, row)
}

// planned runs a query by its plan.
func (s *Session) planned(ctx context.Context, permit gate.Permit, p *portal, row func([]byte) error) (tag string, err error) {
	if class := p.st.plan.Class; class == plan.Direct && p.values == nil || class == plan.Refine && p.refinement == nil {
		p = s.fitting(p) // it is part of another statement
	}
	if err := s.mayTouch(p.st.plan); err != nil {
		return "", err
	}
	alone := p.st.plan.Class == plan.Twin && p.st.configs == nil && !s.block && s.ddl == nil && len(p.st.plan.Sequences) == 0 && !p.st.plan.Draws
	if err := s.tellSettings(ctx, p.st.plan, alone); err != nil {
		return "", err
	}
	switch pl := p.st.plan; {
	case s.private() && pl.Class != plan.Private && pl.Class != plan.Twin:
		return "", &clarus.Error{Op: "execute", Kind: clarus.Internal, Msg: "a plan that is not private for a user who gets private answers only"}
	case pl.Class == plan.Private:
		tag, err = s.answer(ctx, permit, p, row)
	case pl.Class == plan.Pass:
		tag, err = s.pass(ctx, p, row)
	case pl.Class == plan.Push || pl.Class == plan.Refine:
		tag, err = s.push(ctx, permit, p, row)
	case pl.Class == plan.Direct:
		tag, err = s.write(ctx, permit, p, row)
	case p.st.configs != nil && (pl.Opaque || pl.Calls):
		return "", clarus.Refuse("set_config in a statement that calls functions made by users", "Use a statement of its own.")
	case alone:
		tag, err = s.onAnalyst(ctx, p, row)
	default:
		tag, err = s.residual(ctx, permit, p, row)
	}
	if err != nil || s.block || !p.st.st.Kind.IsWrite() || !s.catalog().Deferrable() {
		return tag, err
	}
	// Outside a transaction block a deferred constraint is checked now, while the error can still be reported.
	if _, err := s.tell(ctx, told{sql: "SET CONSTRAINTS ALL IMMEDIATE"}); err != nil {
		return "", run.Explain(s.catalog(), err, nil, run.Row{})
	}
	return tag, nil
}

// pass has the provider answer.
func (s *Session) pass(ctx context.Context, p *portal, row func([]byte) error) (string, error) {
	remote, err := s.passing(ctx, p.st)
	if err != nil {
		return "", err
	}
	expected := func(fields []pgwire.Field) error { return sameColumns(fields, p.st.fields, p.results()) }
	tag, err := remote.Run(ctx, s.sent(p), expected, row)
	if isServer(err) {
		err = s.passError(err)
	}
	return tag, err
}

// ends reports whether a statement only reads, and is the last before Sync.
func (s *Session) ends(p *portal) bool {
	return s.last && s.ddl == nil && p.st.st.Kind == sqlast.Query && !p.st.plan.Effects()
}

// passing is where a pass plan runs.
func (s *Session) passing(ctx context.Context, st *statement) (provider.Session, error) {
	switch pl := st.plan; {
	case len(pl.Targets) > 0:
		return sites{s}.Writer(ctx, pl.Targets...)
	case pl.Locks:
		return sites{s}.Writer(ctx, pl.Tables...)
	default:
		return s.at(ctx, pl.Provider)
	}
}

// passError keeps the provider's words about clear data, with logical names.
func (s *Session) passError(err error) error {
	se, _ := errors.AsType[*pgwire.ServerError](err)
	if class := se.Code[:min(2, len(se.Code))]; class == "22" || class == "21" {
		return &pgwire.ServerError{Severity: "ERROR", Code: se.Code, Message: se.Message}
	}
	return run.ExplainClear(s.catalog(), se)
}

// onAnalyst has the twin answer what needs no rows.
func (s *Session) onAnalyst(ctx context.Context, p *portal, row func([]byte) error) (tag string, err error) {
	c, err := s.twin(ctx)
	if err != nil {
		return "", err
	}
	stop := c.Watch(ctx)
	defer stop()
	if err := c.Do("BEGIN READ ONLY"); err != nil {
		return "", err
	}
	err = c.Run(s.onTwinStatement(p), row, func(t string) { tag = t })
	if end := c.Do("ROLLBACK"); err == nil {
		err = end
	}
	return tag, shifted(err, p.st.st.Offset)
}

func (s *Session) onTwinStatement(p *portal) twin.Statement {
	return twin.Statement{SQL: p.st.st.Text, Types: p.st.params, Formats: p.bind.Formats, Params: p.bind.Params, Results: p.bind.Results}
}

// residual has the twin finish over rows that are fetched and opened.
func (s *Session) residual(ctx context.Context, permit gate.Permit, p *portal, row func([]byte) error) (tag string, err error) {
	j, err := s.job(ctx, permit, p.st.plan)
	if err != nil {
		return "", err
	}
	if j.Args, err = s.probing(ctx, p); err != nil {
		return "", err
	}
	if p.st.plan.Locks {
		ok := false
		if j.Lock, j.Skip, ok = p.st.st.RowLock(); !ok {
			return "", clarus.Refuse("several different locking clauses in one statement", "Use the same one for all tables.")
		}
	}
	if p.st.configs != nil {
		// Users may not call it on the twin: what a function sets there would be lost.
		if err := j.Scratch.Administer("GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC"); err != nil {
			return "", err
		}
		defer func() {
			if e := j.Scratch.Administer("REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC"); err == nil {
				err = e
			}
		}()
	}
	unseen := false // the statement ran code that reads a table which was not loaded
	act := func(c *twin.Conn, row func([]byte) error) (tag string, err error) {
		if err := c.Do(s.settings.constraints...); err != nil {
			return "", err
		}
		err = c.Run(s.onTwinStatement(p), row, func(t string) { tag = t })
		unseen = twin.IsLockTimeout(err)
		return tag, err
	}
	sentRows := false
	tag, err = j.Run(ctx, act, func(body []byte) error { sentRows = true; return row(body) })
	if unseen && !(j.Plan.Opaque && j.Plan.Calls) && !sentRows {
		j.Plan = j.Plan.Whole(s.env())
		if err := s.mayTouch(j.Plan); err != nil {
			return "", err
		}
		tag, err = j.Run(ctx, act, row)
	}
	return tag, shifted(err, p.st.st.Offset)
}

func (s *Session) job(ctx context.Context, permit gate.Permit, pl *plan.Plan) (*run.Job, error) {
	if err := s.mayTouch(pl); err != nil {
		return nil, err
	}
	w, err := s.workspace(ctx)
	if err != nil {
		return nil, err
	}
	if pl.Draws || pl.Opaque || pl.Calls || len(pl.Sequences) > 0 {
		if err := s.tellDraws(w); err != nil {
			return nil, err
		}
	}
	return &run.Job{Vault: s.host.Vault, Permit: permit, Catalog: s.catalog(), Plan: pl, Sites: sites{s}, Scratch: w, Keeper: s.keeper,
		Lasting: s.block && s.ddl == nil, Shared: s.ddl != nil, Limit: s.host.MaxRows}, nil
}
