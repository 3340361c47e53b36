package session

import (
	"context"
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// A statement is one prepared statement: what it is, and how it will be
// carried out under the version of the schema that it was planned for.
type statement struct {
	st      *sqlast.Statement // nil: the empty statement
	shape   audit.Shape
	oids    []uint32 // types that the client declared
	params  []uint32
	fields  []pgwire.Field // nil: no rows
	inner   *statement     // the query of a DECLARE
	plan    *plan.Plan     // nil for what is not a query
	made    *catalog.Catalog
	edition int // of the settings

	constants [][]byte             // literals of the text that the plan takes as parameters, behind params; in binary format
	types     []uint32             // theirs
	kept      bool                 // its meaning may be kept
	datasets  []string             // names of the plan's tables, once they were asked for
	configs   []sqlast.ConfigCall  // calls of set_config
	advisory  *sqlast.AdvisoryCall // the statement is about an advisory lock
	look      *look                // it shows what a provider holds
}

// prepare analyses and plans one statement.
func (s *Session) prepare(ctx context.Context, st *sqlast.Statement, oids []uint32) (*statement, error) {
	p := &statement{st: st, oids: oids, shape: audit.ShapeOf(sqlast.Shape(st.Text))}
	if err := s.viewing(st); err != nil {
		return nil, err
	}
	if err := s.confine(st.Kind); err != nil {
		return nil, err
	}
	switch st.Kind {
	case sqlast.Query:
		if s.private() {
			return p, s.analysePrivately(ctx, p)
		}
		if s.view != "" {
			return p, s.prepareLook(ctx, p)
		}
		if done, err := s.prepareAdvisory(ctx, p); done || err != nil {
			return p, err
		}
		return p, s.analyse(ctx, p)
	case sqlast.Insert, sqlast.Update, sqlast.Delete, sqlast.Merge:
		return p, s.analyse(ctx, p)
	case sqlast.Do:
		return p, s.prepareBlock(ctx, p)
	case sqlast.Declare:
		return p, s.prepareCursor(ctx, p)
	case sqlast.Fetch, sqlast.Execute:
		p.fields = s.returned(st)
	case sqlast.Show:
		return p, s.showFields(ctx, p)
	case sqlast.Explain:
		p.fields = []pgwire.Field{textField("QUERY PLAN")}
	}
	return p, nil
}

// returned are the columns of what another statement made: a cursor, or a
// prepared statement. If it does not exist there are none, and the error comes
// when the statement runs.
func (s *Session) returned(st *sqlast.Statement) []pgwire.Field {
	if st.Kind == sqlast.Execute {
		if p := s.statements[st.PreparedName()]; p != nil {
			return p.fields
		}
		return nil
	}
	m := st.Movement()
	if po := s.portals[m.Cursor]; po != nil && po.cursor != nil && !m.Move {
		return po.st.fields
	}
	return nil
}

// prepareBlock plans a DO: a function made by a user, which may read and write
// any table.
func (s *Session) prepareBlock(ctx context.Context, p *statement) error {
	if _, err := s.twin(ctx); err != nil {
		return err
	}
	p.made, p.edition = s.catalog(), s.settings.edition
	p.plan = (&plan.Plan{Class: plan.Residual, Why: "it is a block of code"}).Whole(s.env())
	return nil
}

// showFields are the columns of a SHOW: the setting is named as PostgreSQL
// writes it.
func (s *Session) showFields(ctx context.Context, p *statement) error {
	if name := p.st.ShowName(); name == viewSetting || name == releasesSetting {
		p.fields = []pgwire.Field{textField(name)}
		return nil
	}
	c, err := s.twin(ctx)
	if err != nil {
		return err
	}
	a, err := c.Analyze(p.st.Text, nil)
	if err != nil {
		return shifted(err, p.st.Offset)
	}
	p.fields = a.Fields
	return nil
}

func textField(name string) pgwire.Field {
	return pgwire.Field{Name: name, Type: 25, Size: -1, Typmod: -1}
}

// analyse has the twin say what a query means, and plans it; or remembers both.
func (s *Session) analyse(ctx context.Context, p *statement) error {
	c, err := s.twin(ctx)
	if err != nil {
		return err
	}
	q, keep := s.question(p)
	if keep {
		if m := s.host.Cache.meanings.get(q); m != nil {
			p.params, p.fields, p.plan, p.made, p.edition, p.kept = m.params, m.fields, m.plan, s.catalog(), s.settings.edition, true
			return nil
		}
	}
	text := p.st
	list, err := s.mean(ctx, c, p)
	if p.kept = err == nil && keep && p.st == text && p.configs == nil && lasting(list); p.kept {
		s.host.Cache.meanings.put(q, &meaning{params: p.params, fields: p.fields, plan: p.plan})
	}
	return err
}

// mean asks the twin and plans.
func (s *Session) mean(ctx context.Context, c *twin.Conn, p *statement) ([]*analyze.Statement, error) {
	a, err := c.Analyze(p.st.Text, p.oids)
	if err != nil {
		return nil, shifted(err, p.st.Offset)
	}
	list, err := analyze.Parse(a.Tree)
	if err != nil {
		return nil, err
	}
	p.params, p.fields, p.made, p.edition = a.Params, a.Fields, s.catalog(), s.settings.edition
	if st, other, read, ok := s.withDatabases(c, p, list); ok {
		p.st, a, list = st, other, read
	}
	if len(list) == 1 && slices.Contains(list[0].SQLValues, analyze.CurrentCatalog) {
		// Its value would be the name of a database of the twin. The columns keep their names.
		var ok bool
		if p.st, ok = p.st.WithoutCatalog(); ok {
			if a, err = c.Analyze(p.st.Text, p.oids); err != nil {
				return nil, withoutPosition(err)
			}
			if list, err = analyze.Parse(a.Tree); err != nil {
				return nil, err
			}
		}
	}
	env := s.env()
	p.configs = p.st.SetConfigs()
	env.SetConfig = p.configs != nil
	if p.plan, err = s.choose(env, list, p.st, a.Fields); err != nil {
		return nil, err
	}
	switch p.plan.Class {
	case plan.Pass, plan.Push, plan.Refine:
		return list, s.privileges(c, p)
	case plan.Direct:
		if err := s.privileges(c, p); err != nil {
			return nil, err
		}
		may, err := s.mayDraw(c, p.plan)
		if !may {
			p.plan = p.plan.Unpushed()
		}
		return list, err
	}
	return list, nil
}

// choose plans an analysed statement as well as can be.
func (s *Session) choose(env plan.Env, list []*analyze.Statement, st *sqlast.Statement, fields []pgwire.Field) (*plan.Plan, error) {
	p, err := plan.Make(env, list)
	if err != nil {
		return nil, err
	}
	var results []uint32
	for _, f := range fields {
		results = append(results, f.Type)
	}
	p.TryPass(s.env(), list, st, results)
	if len(p.Reads) > 0 {
		if p.Class != plan.Pass {
			return nil, clarus.Refuse("a sequence is read beside what is answered on this side", "Read it by a statement of its own.")
		}
		p.Provider, p.Providers = s.db.Provider.Name(), []string{s.db.Provider.Name()}
	}
	p.TryPush(s.env(), list, results)
	p.TryWrite(s.env(), list, results)
	return p, nil
}

// privileges checks what the user may do, before a provider that knows no
// users is asked: EXPLAIN plans the statement, and so checks, but runs nothing.
func (s *Session) privileges(c *twin.Conn, p *statement) error {
	err := c.Run(twin.Statement{SQL: "EXPLAIN (COSTS OFF) " + p.st.Text, Types: p.params, Params: make([][]byte, len(p.params))}, nil, nil)
	return shifted(err, p.st.Offset-len("EXPLAIN (COSTS OFF) "))
}

// current returns the statement planned for the schema and settings that hold
// now.
func (s *Session) current(ctx context.Context, p *statement) (*statement, error) {
	switch {
	case p.inner != nil:
		inner, err := s.current(ctx, p.inner)
		if err != nil || inner == p.inner {
			return p, err
		}
		q := *p
		q.inner = inner
		return &q, nil
	case p.st.Kind == sqlast.Fetch || p.st.Kind == sqlast.Execute:
		q := *p
		q.fields = s.returned(p.st)
		return &q, nil
	case p.plan == nil:
		return p, nil
	}
	if _, err := s.twin(ctx); err != nil {
		return nil, err
	}
	if p.made == s.catalog() && p.edition == s.settings.edition {
		return p, nil
	}
	q, err := s.prepare(ctx, p.st, p.params)
	if err != nil {
		return nil, err
	}
	if !sameFields(p.fields, q.fields) {
		return nil, changedResult()
	}
	return q, nil
}

func sameFields(a, b []pgwire.Field) bool {
	return slices.EqualFunc(a, b, func(a, b pgwire.Field) bool { return a.Type == b.Type && a.Name == b.Name })
}

func changedResult() error {
	return clarus.Refuse("cached plan must not change result type", "Prepare the statement again.")
}

// A portal is a statement bound to parameters.
type portal struct {
	st    *statement
	bind  pgwire.Bind
	rows  [][]byte // rows that were computed and not yet fetched
	tag   string
	ready bool // rows and tag are complete

	values     *run.Values     // of a direct write
	refinement *run.Refinement // of a refine plan
	cursor     *cursor         // made by DECLARE
	serial     int             // order of creation, for savepoints
}

// addPortal gives a portal its name.
func (s *Session) addPortal(name string, p *portal) {
	s.serial++
	p.serial = s.serial
	s.portals[name] = p
}

// endPortals closes the portals of a transaction that ended. Cursors WITH HOLD
// outlive the one that committed.
func (s *Session) endPortals(committed bool) {
	for name, p := range s.portals {
		if p.cursor == nil || !p.cursor.kept && !(p.cursor.hold && committed) {
			delete(s.portals, name)
			continue
		}
		p.cursor.kept, p.serial = true, 0
	}
}

// results are the result formats, one for each column.
func (p *portal) results() []int16 {
	list := make([]int16, len(p.st.fields))
	for i := range list {
		switch len(p.bind.Results) {
		case 0:
		case 1:
			list[i] = p.bind.Results[0]
		default:
			list[i] = p.bind.Results[i]
		}
	}
	return list
}

// described are the columns as the portal will send them.
func (p *portal) described() []pgwire.Field {
	fields := slices.Clone(p.st.fields)
	for i, f := range p.results() {
		fields[i].Format = f
	}
	return fields
}

var actions = map[sqlast.Kind]audit.Action{sqlast.Query: audit.ActionSelect, sqlast.Insert: audit.ActionInsert, sqlast.Update: audit.ActionUpdate,
	sqlast.Delete: audit.ActionDelete, sqlast.Merge: audit.ActionMerge, sqlast.DDL: audit.ActionDDL, sqlast.Database: audit.ActionDDL}

var classes = map[plan.Class]audit.Class{plan.Twin: audit.ClassTwin, plan.Pass: audit.ClassPass, plan.Push: audit.ClassPush, plan.Refine: audit.ClassRefine, plan.Direct: audit.ClassDirect, plan.Residual: audit.ClassResidual,
	plan.Private: audit.ClassPrivate}

// asked is the request that the gate judges.
func (s *Session) asked(p *statement) gate.Request {
	r := gate.Request{Session: s.id, Principal: s.who, Shape: p.shape, Action: audit.ActionUtility}
	if action, ok := actions[p.st.Kind]; ok {
		r.Action = action
	}
	if p.plan == nil {
		r.Providers = []string{s.db.Provider.Name()}
		return r
	}
	if p.datasets == nil {
		p.datasets = datasetNames(p.plan.Tables)
	}
	r.Class, r.Datasets, r.Providers = classes[p.plan.Class], p.datasets, p.plan.Providers
	return r
}

// concerned are the providers that may take part in a statement without a plan.
func (s *Session) concerned(ctx context.Context, st *sqlast.Statement) ([]string, error) {
	home := s.db.Provider.Name()
	if st.Kind == sqlast.DDL { // the policy, and foreign keys, decide which
		return append([]string{home}, s.db.Elsewhere()...), nil
	}
	names, _ := st.Relations()
	tables, err := s.resolve(ctx, names, true)
	if err != nil {
		return nil, err
	}
	if list := plan.Providers(tables); len(list) > 0 {
		return list, nil
	}
	return []string{home}, nil
}

func datasetNames(tables []*catalog.Table) []string {
	var names []string
	for _, t := range tables {
		names = append(names, t.Schema+"."+t.Name)
	}
	return names
}
