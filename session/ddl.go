package session

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/ddl"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/store"
)

// change is the DDL of one transaction: it sees its own uncommitted schema, in
// a scratch database of its own.
type change struct {
	scratch    *lease
	catalog    *catalog.Catalog
	statements []store.Statement
	base       *store.Version  // the version that it started from
	next       *store.Next     // once it is saved
	touched    map[string]bool // other providers whose tables it changes
}

// save stores the next version of the schema in the provider's transaction.
func (c *change) save(ctx context.Context, s *Session) error {
	next := *c.catalog
	next.Version = c.base.Catalog.Version + 1
	c.catalog = &next
	c.next = &store.Next{Catalog: c.catalog, Base: c.base, Statements: c.statements, Scratch: c.scratch.Scratch}
	return s.db.Append(ctx, s.home(), c.next)
}

// startDDL takes the schema's lock and a scratch database for the transaction.
func (s *Session) startDDL(ctx context.Context) error {
	if s.ddl != nil {
		return nil
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if w := s.remotes.writer; s.db.Several() && w != "" && !s.isHome(w) {
		return clarus.Refuse("the transaction changed or locked rows at "+w+", and is to change the schema, which is at "+s.db.Provider.Name(),
			"Commit the rows first.")
	}
	if !s.block {
		// The schema and the tables change in one transaction, which endImplicit ends.
		if _, err := s.tell(ctx, told{sql: "BEGIN"}); err != nil {
			return err
		}
	}
	if err := s.lockSchema(ctx); err != nil {
		return err
	}
	if err := s.refresh(ctx); err != nil {
		return err
	}
	l := s.scratch
	s.scratch = nil
	if l == nil {
		fresh, err := s.version.Twin.Lease(ctx, s.who.User)
		if err != nil {
			return err
		}
		fresh.User.Notices(s.notice)
		l = &lease{Scratch: fresh, settled: -1}
	}
	if err := l.Finish(); err != nil {
		return err
	}
	if err := l.Unlock(); err != nil {
		return err
	}
	l.settled = -1
	s.ddl = &change{scratch: l, catalog: s.version.Catalog, base: s.version, touched: map[string]bool{}}
	s.remotes.writer = s.db.Provider.Name()
	return nil
}

// lockSchema takes the schema's lock; without it, what was begun ends again.
func (s *Session) lockSchema(ctx context.Context) error {
	err := s.db.Lock(ctx, s.home())
	if err == nil || s.block {
		return err
	}
	_ = s.home().Fail(ctx)
	return errors.Join(err, s.rollBack(ctx))
}

// settleDDL ends the transaction's DDL: the scratch database becomes the next
// version, or goes.
func (s *Session) settleDDL(ctx context.Context, end ending) error {
	c := s.ddl
	if c == nil {
		return nil
	}
	s.ddl = nil
	ctx = context.WithoutCancel(ctx)
	var err error
	switch {
	case end == rolledBack || c.next == nil:
		c.scratch.Drop()
	case end == unknown:
		s.db.Doubt(c.next)
		return nil // the providers are brought in step when that is known
	default:
		err = s.db.Publish(ctx, c.next)
	}
	for name := range c.touched {
		s.db.Tidy(ctx, name)
	}
	return err
}

// schema carries out a DDL statement and returns its tag.
func (s *Session) schema(ctx context.Context, permit gate.Permit, st *sqlast.Statement) (tag string, err error) {
	form := st.Form()
	if form.Refuse != "" {
		return "", clarus.Refuse(form.Refuse, "See docs/limits.md.")
	}
	if form.Alone != "" {
		if s.block || s.several {
			return "", &pgwire.ServerError{Severity: "ERROR", Code: "25001", Message: form.Alone + " cannot run inside a transaction block"}
		}
		once, err := st.Once()
		if err != nil {
			return "", err
		}
		return s.change(ctx, permit, once)
	}
	as, err := st.CreateAs()
	if err != nil {
		return "", err
	}
	if as != nil {
		return s.createAs(ctx, permit, st, as)
	}
	return s.change(ctx, permit, st)
}

// change carries out what changes the schema, and rows only where the schema's
// change does.
func (s *Session) change(ctx context.Context, permit gate.Permit, st *sqlast.Statement) (tag string, err error) {
	if err := s.startDDL(ctx); err != nil {
		return "", err
	}
	c, form := s.ddl, st.Form()
	if err := s.settle(c.scratch.User, &c.scratch.settled); err != nil {
		return "", err
	}
	path, err := c.scratch.User.Rows("SHOW search_path")
	if err != nil {
		return "", err
	}
	before := c.catalog
	loaded, err := s.loadFor(ctx, permit, st, form)
	if err != nil {
		return "", err
	}
	seq, err := s.sequenceToAlter(ctx, st)
	if err != nil {
		return "", err
	}
	if err := c.scratch.Open(); err != nil {
		return "", err
	}
	files, err := c.scratch.Files()
	if err != nil {
		return "", err
	}
	if tag, err = s.onTwin(ctx, st.Text); err != nil {
		return "", err
	}
	rewritten, err := c.rewritten(files)
	if err != nil {
		return "", err
	}
	if err := s.follow(ctx, permit, before, loaded, rewritten); err != nil {
		return "", err
	}
	if err := s.restart(ctx, seq); err != nil {
		return "", err
	}
	text, err := st.Print()
	if err != nil {
		text = st.Text
	}
	c.statements = append(c.statements, store.Statement{User: s.who.User, SearchPath: path[0][0], SQL: text})
	return tag, nil
}

// rewritten are the tables whose rows the twin wrote anew since files.
func (c *change) rewritten(files map[uint32]string) (map[uint32]bool, error) {
	now, err := c.scratch.Files()
	if err != nil {
		return nil, err
	}
	list := map[uint32]bool{}
	for oid, file := range now {
		if was, ok := files[oid]; ok && was != file {
			list[oid] = true
		}
	}
	return list, nil
}

// onTwin runs a statement in the transaction's scratch database.
func (s *Session) onTwin(ctx context.Context, sql string) (tag string, err error) {
	u := s.ddl.scratch.User
	stop := u.Watch(ctx)
	defer stop()
	u.Query(sql)
	if err := u.Send(); err != nil {
		return "", err
	}
	tag, err = u.Finish()
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok {
		// Users know the database by its own name.
		told := *se
		told.Message = strings.ReplaceAll(se.Message, "database "+s.ddl.scratch.Name(), "database "+s.db.Name)
		err = &told
	}
	return tag, err
}

// loadFor loads the tables whose rows take part in a schema statement, such as
// those that a new constraint is checked against.
func (s *Session) loadFor(ctx context.Context, permit gate.Permit, st *sqlast.Statement, form sqlast.DDLForm) (map[clarus.DatasetID]int, error) {
	c := s.ddl
	var tables []*catalog.Table
	if form.Data {
		names, _ := st.Relations()
		found, err := s.resolve(ctx, names, true)
		if err != nil {
			return nil, err
		}
		tables = found
	}
	if form.Linked {
		tables = append(tables, linked(c.catalog, tables)...)
	}
	if form.Typed {
		tables = slices.DeleteFunc(slices.Clone(c.catalog.Tables), func(t *catalog.Table) bool { return !t.Typed() })
	}
	return s.fill(ctx, permit, c.catalog, tables, false)
}

// linked are the tables that foreign keys lead to from tables, or from which
// they lead there.
func linked(c *catalog.Catalog, tables []*catalog.Table) (list []*catalog.Table) {
	for _, t := range c.Tables {
		for _, k := range t.Relation.Constraints {
			if k.Kind != 'f' {
				continue
			}
			if ref := c.Table(k.Ref); slices.Contains(tables, t) {
				list = append(list, ref)
			} else if slices.Contains(tables, ref) {
				list = append(list, t)
			}
		}
	}
	return list
}

// fill loads tables whole into the transaction's scratch database, and tells how
// many rows each has; with more, beside those that it holds.
func (s *Session) fill(ctx context.Context, permit gate.Permit, cat *catalog.Catalog, tables []*catalog.Table, more bool) (map[clarus.DatasetID]int, error) {
	loaded := map[clarus.DatasetID]int{}
	var fetches []plan.Fetch
	for _, t := range tables {
		if _, ok := loaded[t.ID]; !ok {
			loaded[t.ID] = 0
			fetches = append(fetches, plan.Fetch{Table: t})
		}
	}
	if len(fetches) > 0 {
		for _, f := range fetches {
			// The rows must not change between what is read and what is written anew.
			remote, err := s.at(ctx, f.Table.Provider)
			if err != nil {
				return nil, err
			}
			if _, err := remote.Run(ctx, sql("LOCK TABLE "+ddl.Fragment(f.Table)+" IN ACCESS EXCLUSIVE MODE"), nil, nil); err != nil {
				return nil, run.Explain(cat, err, f.Table, run.Row{})
			}
		}
	}
	rows, err := s.host.Vault.Fetch(ctx, permit, sites{s}, fetches, run.Args{}, s.host.MaxRows)
	if err != nil {
		return nil, run.Explain(cat, err, nil, run.Row{})
	}
	for _, r := range rows {
		loaded[r.Table.ID] = len(r.Rows)
	}
	return loaded, run.Load(s.ddl.scratch.Scratch, rows, more)
}

// follow brings the provider in step with what the statement did to the twin's
// schema.
func (s *Session) follow(ctx context.Context, permit gate.Permit, before *catalog.Catalog, loaded map[clarus.DatasetID]int, rewritten map[uint32]bool) error {
	c := s.ddl
	l, err := c.scratch.Introspect()
	if err != nil {
		return err
	}
	rows := ddl.Rows{Rewritten: rewritten, Empty: map[uint32]bool{}}
	for _, t := range before.Tables {
		n, ok := loaded[t.ID]
		rows.Empty[t.Relation.OID] = ok && n == 0
	}
	ch, err := ddl.Diff(c.base.Catalog, before, l, s.db.Policy, s.db.Provider.Name(), rows)
	if err != nil {
		return err
	}
	if err := s.mayChange(before, ch.Catalog); err != nil {
		return err
	}
	var missing []*catalog.Table
	for _, step := range ch.Steps {
		if step.Rewrite == nil {
			continue
		}
		if _, ok := loaded[step.Rewrite.From.ID]; !ok {
			missing = append(missing, step.Rewrite.From)
		}
	}
	if len(missing) > 0 {
		// These tables did not take part in the statement, so their rows are as their old form says.
		if _, err := s.fill(ctx, permit, before, missing, true); err != nil {
			return err
		}
	}
	for _, step := range ch.Steps {
		if err := s.step(ctx, permit, ch.Catalog, step); err != nil {
			return err
		}
	}
	c.catalog = ch.Catalog
	return nil
}

func (s *Session) step(ctx context.Context, permit gate.Permit, cat *catalog.Catalog, step ddl.Step) error {
	remote, err := s.at(ctx, step.Provider)
	if err != nil {
		return err
	}
	if !s.isHome(step.Provider) {
		s.ddl.touched[step.Provider] = true
	}
	if step.Rewrite == nil {
		if _, err := remote.Run(ctx, sql(step.SQL), nil, nil); err != nil {
			return run.Explain(cat, err, nil, run.Row{})
		}
		return nil
	}
	j := &run.Job{Vault: s.host.Vault, Permit: permit, Catalog: cat, Plan: &plan.Plan{}, Sites: sites{s}, Scratch: s.ddl.scratch.Scratch}
	return j.Carry(ctx, step.Rewrite.To)
}

// resolve finds tables by the names of a statement, in the session's search
// path. lenient passes over what is no table.
func (s *Session) resolve(ctx context.Context, names []sqlast.Name, lenient bool) ([]*catalog.Table, error) {
	c, err := s.twin(ctx)
	if err != nil {
		return nil, err
	}
	var list []*catalog.Table
	for _, n := range names {
		rows, err := c.Rows("SELECT coalesce(pg_catalog.to_regclass($1)::pg_catalog.oid::bigint, 0)", n.String())
		if err != nil {
			return nil, err
		}
		t := s.tableByOID(rows[0][0])
		if t == nil && !lenient {
			return nil, &pgwire.ServerError{Severity: "ERROR", Code: "42P01", Message: "relation " + n.String() + " does not exist or is not a table"}
		}
		if t != nil && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list, nil
}
