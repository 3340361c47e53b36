package session

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/ddl"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
)

// viewSetting is the setting by which an owner sees what a provider sees: a
// plain look at a table then shows what the provider holds of it, as it is
// there. Nothing that the client writes is sent but names that were found and
// numbers of rows.
const viewSetting = "clarus.view"

// A look is what a statement shows of a provider's table.
type look struct {
	at     string
	table  *catalog.Table
	sql    string // "": the provider holds nothing of the table
	fields []pgwire.Field
}

// setView carries out SET and RESET of clarus.view.
func (s *Session) setView(ctx context.Context, st *sqlast.Statement, set sqlast.Setting) (string, error) {
	if set.Default {
		s.view = ""
		if strings.HasPrefix(strings.ToUpper(strings.TrimSpace(st.Text)), "RESET") {
			return "RESET", nil
		}
		return "SET", nil
	}
	name, one := st.SettingValue()
	e := audit.Event{Session: s.id, Principal: s.who, Action: audit.ActionView, Shape: audit.ShapeOf(sqlast.Shape(st.Text)), Outcome: audit.OutcomeDone}
	switch {
	case set.Local || s.block:
		return "", clarus.Refuse(viewSetting+" in a transaction", "Set it outside of one; RESET "+viewSetting+" ends it.")
	case !s.host.Users[s.who.User]:
		e.Outcome, e.SQLSTATE = audit.OutcomeRefused, "42501"
		if err := s.host.Gate.Record(ctx, e); err != nil {
			return "", err
		}
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "42501", Message: "permission denied to see what a provider sees",
			Hint: "An owner, as the configuration says, may."}
	case one && name == "":
		s.view = ""
		return "SET", nil
	case !one || !s.isHome(name) && !slices.Contains(s.db.Elsewhere(), name):
		known := append([]string{s.db.Provider.Name()}, s.db.Elsewhere()...)
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "22023", Message: "invalid value for parameter \"" + viewSetting + "\"",
			Hint: "The database's providers are: " + strings.Join(known, ", ") + "."}
	}
	e.Providers = []string{name}
	if err := s.host.Gate.Record(ctx, e); err != nil {
		return "", err
	}
	s.view = name
	return "SET", nil
}

// viewing refuses, while the client looks at a provider, what is no look.
func (s *Session) viewing(st *sqlast.Statement) error {
	if s.view == "" {
		return nil
	}
	switch st.Kind {
	case sqlast.Query, sqlast.Deallocate:
		return nil
	case sqlast.Discard:
		if st.DiscardsAll() {
			return nil
		}
	case sqlast.Show:
		if st.ShowName() == viewSetting {
			return nil
		}
	case sqlast.Set:
		if set := st.Setting(); set.All || set.Name == viewSetting {
			return nil
		}
	}
	return s.onlyLooks()
}

func (s *Session) onlyLooks() error {
	return clarus.Refuse("this statement while "+viewSetting+" is "+s.view,
		"TABLE t, SELECT * or columns FROM t, with LIMIT and OFFSET, and SELECT count(*) FROM t show what the provider holds. RESET "+viewSetting+" ends it.")
}

// prepareLook finds what a SELECT is to show of the provider's table.
func (s *Session) prepareLook(ctx context.Context, p *statement) error {
	form, ok := p.st.Look()
	if !ok {
		return s.onlyLooks()
	}
	tables, err := s.resolve(ctx, []sqlast.Name{form.Table}, false)
	if err != nil {
		return err
	}
	l := &look{at: s.view, table: tables[0], fields: []pgwire.Field{}}
	p.look = l
	if l.table.Provider == s.view {
		if err := s.physicalColumns(ctx, l, form); err != nil {
			return err
		}
	}
	p.fields = l.fields
	return nil
}

// physicalColumns asks the provider which columns it has, and writes the look.
func (s *Session) physicalColumns(ctx context.Context, l *look, form sqlast.Look) error {
	remote, err := s.at(ctx, l.at)
	if err != nil {
		return err
	}
	rows, err := provider.Ask(ctx, remote, "SELECT attname, atttypid::text, attlen, atttypmod FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass("+
		sqlast.Literal(ddl.Fragment(l.table))+") AND attnum > 0 AND NOT attisdropped ORDER BY attnum")
	if err != nil {
		return run.Explain(s.catalog(), err, l.table, run.Row{})
	}
	var all []string
	fields := map[string]pgwire.Field{}
	for _, r := range rows {
		var n [3]int64
		for i := range n {
			if len(r) == 4 {
				n[i], err = strconv.ParseInt(r[i+1], 10, 64)
			}
			if len(r) != 4 || err != nil || n[i] < -1 || n[i] >= firstUserType && i == 0 {
				return &clarus.Error{Op: "view", Kind: clarus.Integrity, Msg: "the provider describes the table's columns in a way that is none"}
			}
		}
		all = append(all, r[0])
		fields[r[0]] = pgwire.Field{Name: r[0], Type: uint32(n[0]), Size: int16(n[1]), Typmod: int32(n[2])}
	}
	names := form.Columns
	switch {
	case len(all) == 0:
		return &clarus.Error{Op: "view", Kind: clarus.Integrity, Msg: "the provider does not have the table " + ddl.Fragment(l.table)}
	case form.Count:
		l.fields = []pgwire.Field{{Name: "count", Type: 20, Size: 8, Typmod: -1}}
		l.sql = "SELECT pg_catalog.count(*) FROM " + ddl.Fragment(l.table)
	case names == nil:
		names = all
	}
	for i, name := range names {
		f, ok := fields[name]
		if !ok {
			return &pgwire.ServerError{Severity: "ERROR", Code: "42703", Message: fmt.Sprintf("column %q does not exist at %s", name, l.at),
				Hint: "There the columns are: " + strings.Join(all, ", ") + "."}
		}
		l.fields = append(l.fields, f)
		if i == 0 {
			l.sql = "SELECT "
		} else {
			l.sql += ", "
		}
		l.sql += sqlast.Quote(name)
	}
	if !form.Count {
		l.sql += " FROM " + ddl.Fragment(l.table)
	}
	if form.Limit != "" {
		l.sql += " LIMIT " + form.Limit
	}
	if form.Offset != "" {
		l.sql += " OFFSET " + form.Offset
	}
	return nil
}

// firstUserType is the first number of what PostgreSQL does not bring itself.
const firstUserType = 16384

// look shows what a provider holds.
func (s *Session) look(ctx context.Context, p *portal, row func([]byte) error) (tag string, err error) {
	l := p.st.look
	if s.view != l.at {
		return "", clarus.Refuse("a look at "+l.at+" that was prepared while "+viewSetting+" was set", "Set it, and prepare the statement again.")
	}
	permit, err := s.host.Gate.Authorise(ctx, gate.Request{Session: s.id, Principal: s.who, Action: audit.ActionView, Shape: p.st.shape,
		Datasets: datasetNames([]*catalog.Table{l.table}), Providers: []string{l.at}})
	if err != nil {
		return "", err
	}
	defer func() { permit.Done(ctx, gate.Outcome{Rows: rowsOf(tag), SQLSTATE: state(err), Err: err}) }()
	if l.sql == "" {
		s.client.Notice(&pgwire.ServerError{Severity: "NOTICE", Code: "00000",
			Message: fmt.Sprintf("provider %s holds nothing of %s.%s: it is at %s", l.at, l.table.Schema, l.table.Name, l.table.Provider)})
		return "SELECT 0", nil
	}
	remote, err := s.at(ctx, l.at)
	if err != nil {
		return "", err
	}
	expected := func(fields []pgwire.Field) error { return sameColumns(fields, l.fields, p.results()) }
	tag, err = remote.Run(ctx, provider.Statement{SQL: l.sql, Results: p.bind.Results}, expected, row)
	if err != nil {
		err = run.Explain(s.catalog(), err, l.table, run.Row{})
	}
	return tag, err
}

// sameColumns holds a provider to the columns that are expected of it.
func sameColumns(got, want []pgwire.Field, formats []int16) error {
	if len(got) != len(want) {
		return &clarus.Error{Op: "pass", Kind: clarus.Integrity, Msg: "the provider returned other columns than expected"}
	}
	for i, f := range got {
		if f.Type != want[i].Type || f.Format != formats[i] {
			return &clarus.Error{Op: "pass", Kind: clarus.Integrity, Msg: "the provider returned columns of other types than expected"}
		}
	}
	return nil
}
