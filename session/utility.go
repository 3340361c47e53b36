package session

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/ddl"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

func sql(text string) provider.Statement { return provider.Statement{SQL: text} }

// dataRow makes the body of a DataRow of texts.
func dataRow(texts ...string) []byte {
	values := make([][]byte, len(texts))
	for i, t := range texts {
		values[i] = append([]byte{}, t...)
	}
	return rowBody(values)
}

// rowBody makes the body of a DataRow; nil is NULL.
func rowBody(values [][]byte) []byte {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		if v == nil {
			body = binary.BigEndian.AppendUint32(body, math.MaxUint32)
			continue
		}
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(v))), v...)
	}
	return body
}

// utility carries out SET, SHOW, DISCARD and DEALLOCATE.
func (s *Session) utility(ctx context.Context, p *portal, row func([]byte) error) (string, error) {
	st := p.st.st
	switch st.Kind {
	case sqlast.Set:
		return s.setStatement(ctx, st)
	case sqlast.Show:
		return s.show(ctx, st.ShowName(), row)
	case sqlast.Deallocate:
		if name := st.DeallocateName(); name == "" {
			clear(s.statements)
			return "DEALLOCATE ALL", nil
		} else if _, err := s.statement(name); err != nil {
			return "", err
		} else {
			delete(s.statements, name)
			return "DEALLOCATE", nil
		}
	}
	if !st.DiscardsAll() {
		return "", clarus.Refuse("this form of DISCARD is not supported", "Use DISCARD ALL.")
	}
	if s.block {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "25001", Message: "DISCARD ALL cannot run inside a transaction block"}
	}
	clear(s.statements)
	clear(s.portals)
	return "DISCARD ALL", s.resettle(ctx, "DISCARD ALL")
}

func (s *Session) setStatement(ctx context.Context, st *sqlast.Statement) (string, error) {
	set := st.Setting()
	switch {
	case set.Name == viewSetting:
		return s.setView(ctx, st, set)
	case set.All:
		return "RESET", s.resettle(ctx, "RESET ALL")
	case set.Tx && set.Snapshot:
		return "", clarus.Refuse("SET TRANSACTION SNAPSHOT is not supported", "Leave it out: there is no snapshot to import.")
	case set.Tx:
		text, err := st.Print()
		if err != nil {
			return "", err
		}
		return s.setTransaction(ctx, text)
	case set.Name == "role" || set.Name == "session_authorization":
		return "", clarus.Refuse("SET ROLE and SET SESSION AUTHORIZATION are not supported", "Connect as the user concerned.")
	case set.Local && !s.block && s.several:
		return "", clarus.Refuse("SET LOCAL in a query string of several statements outside a transaction block", "Write BEGIN and COMMIT.")
	case set.Local && !s.block:
		s.client.Notice(&pgwire.ServerError{Severity: "WARNING", Code: "25P01", Message: "SET LOCAL can only be used in transaction blocks"})
		return "SET", nil
	case set.Default:
		return s.reset(ctx, set.Name, set.Local, strings.HasPrefix(strings.ToUpper(strings.TrimSpace(st.Text)), "RESET"))
	}
	if values, ok := fixed[set.Name]; ok {
		text, err := st.SetText()
		if err != nil {
			return "", err
		}
		if !slices.ContainsFunc(values, func(v string) bool { return strings.Contains(fold(text), fold(v)) }) {
			return "", clarus.Refuse("setting "+set.Name+" cannot be changed to another value", "Leave it as it is.")
		}
		return "SET", nil
	}
	text, err := st.SetText()
	if err != nil {
		return "", err
	}
	return "SET", s.apply(ctx, set.Name, text, set.Local)
}

// setTransaction carries out SET TRANSACTION and SET SESSION CHARACTERISTICS.
func (s *Session) setTransaction(ctx context.Context, text string) (string, error) {
	s.readOnly = true
	s.remotes.distinct = true
	t := told{sql: text, mode: true}
	tag, err := s.tell(ctx, t)
	if err != nil {
		return "", run.Explain(s.catalog(), err, nil, run.Row{})
	}
	s.note(t)
	if !s.db.Several() || !strings.Contains(strings.ToUpper(text), "CHARACTERISTICS") {
		return tag, nil
	}
	for _, name := range []string{"default_transaction_isolation", "default_transaction_read_only", "default_transaction_deferrable"} {
		rows, err := provider.Ask(ctx, s.home(), "SHOW "+name)
		if err == nil && (len(rows) != 1 || len(rows[0]) != 1) {
			err = malformedSetting(name)
		}
		if err != nil {
			return "", run.Explain(s.catalog(), err, nil, run.Row{})
		}
		s.settings.change(name, "SET "+name+" = "+sqlast.Literal(rows[0][0]), false) // for the sessions at other providers
	}
	return tag, nil
}

func (s *Session) reset(ctx context.Context, name string, local, isReset bool) (string, error) {
	text := s.settings.defaults[name]
	if text == "" {
		text = "RESET " + name
	}
	if err := s.apply(ctx, name, text, local); err != nil {
		return "", err
	}
	s.settings.change(name, s.settings.defaults[name], local)
	if isReset {
		return "RESET", nil
	}
	return "SET", nil
}

// show answers SHOW.
func (s *Session) show(ctx context.Context, name string, row func([]byte) error) (string, error) {
	if name == "all" {
		return "", clarus.Refuse("SHOW ALL is not supported", "Show single settings.")
	}
	if name == viewSetting {
		return "SHOW", row(dataRow(s.view))
	}
	if name == releasesSetting {
		return s.showReleases(row)
	}
	if name == "client_min_messages" {
		return "SHOW", row(dataRow(levels[s.minMessages()]))
	}
	if strings.HasPrefix(name, "transaction_") && known[name] != 0 || (known[name] == atProvider && name != "work_mem") || name == "statement_timeout" && !s.private() {
		value, err := provider.Ask(ctx, s.home(), "SHOW "+sqlast.Quote(name))
		switch {
		case isServer(err):
			return "", run.Explain(s.catalog(), err, nil, run.Row{})
		case err != nil:
			return "", err
		case len(value) != 1 || len(value[0]) != 1:
			return "", malformedSetting(name)
		}
		return "SHOW", row(dataRow(value[0][0]))
	}
	relay := func(body []byte) error { return row(body) }
	c, err := s.twin(ctx)
	if err != nil {
		return "", err
	}
	quoted := sqlast.Quote(name)
	if strings.Contains(name, ".") {
		quoted = name
	}
	return "SHOW", c.Run(twin.Statement{SQL: "SHOW " + quoted}, relay, nil)
}

func malformedSetting(name string) error {
	return &clarus.Error{Op: "show", Kind: clarus.Integrity, Msg: "the provider answered SHOW " + name + " with something else", Hint: "Audit the provider."}
}

func (s *Session) tableByOID(text string) *catalog.Table {
	oid, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return nil
	}
	return s.catalog().Table(uint32(oid))
}

// truncate carries out TRUNCATE: the twin checks privileges and references.
func (s *Session) truncate(ctx context.Context, permit gate.Permit, st *sqlast.Statement) (string, error) {
	form := st.TruncateForm()
	tables, err := s.resolve(ctx, form.Tables, false)
	if err != nil {
		return "", err
	}
	if form.Cascade {
		tables = s.referencing(tables)
	}
	if err := s.mayWrite(tables...); err != nil {
		return "", err
	}
	j, err := s.job(ctx, permit, &plan.Plan{})
	if err != nil {
		return "", err
	}
	if err := j.Check(ctx, st.Text); err != nil {
		return "", shifted(err, st.Offset)
	}
	remote, err := sites{s}.Writer(ctx, tables...)
	if err != nil {
		return "", err
	}
	var owned []*catalog.Sequence
	for _, q := range s.catalog().Logical.Sequences {
		if form.Restart && slices.ContainsFunc(tables, func(t *catalog.Table) bool { return t.Relation.OID == q.OwnerTable }) {
			owned = append(owned, q)
		}
	}
	if len(owned) > 0 && !s.isHome(tables[0].Provider) {
		return "", clarus.Refuse("TRUNCATE with RESTART IDENTITY of tables at "+tables[0].Provider+", whose sequences are at "+s.db.Provider.Name(),
			"Use TRUNCATE, and then ALTER SEQUENCE with RESTART.")
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = ddl.Fragment(t)
	}
	if _, err := remote.Run(ctx, sql("TRUNCATE "+strings.Join(names, ", ")), nil, nil); err != nil {
		return "", run.Explain(s.catalog(), err, nil, run.Row{})
	}
	for _, q := range owned {
		if _, err := s.home().Run(ctx, sql("ALTER SEQUENCE "+sqlast.Qualify(q.Schema, q.Name)+" RESTART"), nil, nil); err != nil {
			return "", run.Explain(s.catalog(), err, nil, run.Row{})
		}
	}
	return "TRUNCATE TABLE", nil
}

// referencing adds the tables whose foreign keys lead to tables.
func (s *Session) referencing(tables []*catalog.Table) []*catalog.Table {
	for i := 0; i < len(tables); i++ {
		for _, t := range s.catalog().Tables {
			refers := slices.ContainsFunc(t.Relation.Constraints, func(k *catalog.Constraint) bool {
				return k.Kind == 'f' && k.Ref == tables[i].Relation.OID
			})
			if refers && !slices.Contains(tables, t) {
				tables = append(tables, t)
			}
		}
	}
	return tables
}

// lockTables carries out LOCK TABLE.
func (s *Session) lockTables(ctx context.Context, st *sqlast.Statement) (string, error) {
	if !s.block {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "25P01", Message: "LOCK TABLE can only be used in transaction blocks"}
	}
	names, mode := st.LockForm()
	tables, err := s.resolve(ctx, names, false)
	if err != nil {
		return "", err
	}
	if len(tables) == 0 {
		return "LOCK TABLE", nil
	}
	denied, err := s.denied(ctx, tables, "pg_catalog.has_table_privilege(c.oid, $2)", st.LockPrivileges())
	if err != nil {
		return "", err
	}
	if len(denied) > 0 {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "42501", Message: "permission denied for table " + denied[0].Name}
	}
	remote, err := sites{s}.Writer(ctx, tables...)
	if err != nil {
		return "", err
	}
	for _, t := range tables {
		if _, err := remote.Run(ctx, sql("LOCK TABLE "+ddl.Fragment(t)+" "+mode), nil, nil); err != nil {
			return "", run.Explain(s.catalog(), err, t, run.Row{})
		}
	}
	return "LOCK TABLE", nil
}

// denied returns the tables of which a condition on c, a row of pg_class, does
// not hold for the user; $2 is what it is asked about.
func (s *Session) denied(ctx context.Context, tables []*catalog.Table, condition, about string) ([]*catalog.Table, error) {
	c, err := s.twin(ctx)
	if err != nil {
		return nil, err
	}
	oids := make([]string, len(tables))
	for i, t := range tables {
		oids[i] = strconv.FormatUint(uint64(t.Relation.OID), 10)
	}
	rows, err := c.Rows("SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::pg_catalog.oid[]) AND "+condition, "{"+strings.Join(oids, ",")+"}", about)
	if err != nil {
		return nil, err
	}
	allowed := map[string]bool{}
	for _, r := range rows {
		allowed[r[0]] = true
	}
	var list []*catalog.Table
	for i, t := range tables {
		if !allowed[oids[i]] {
			list = append(list, t)
		}
	}
	return list, nil
}

// maintain carries out VACUUM and ANALYZE on what the provider holds, as far as
// it is the user's, or all of it for the owner of the database.
func (s *Session) maintain(ctx context.Context, st *sqlast.Statement) (string, error) {
	command, tag, names, ok := st.Maintenance()
	if !ok {
		return "", clarus.Refuse("this form of maintenance is not supported", "Use plain VACUUM or ANALYZE.")
	}
	if (s.block || s.several) && tag == "VACUUM" {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "25001", Message: "VACUUM cannot run inside a transaction block"}
	}
	tables, err := s.resolve(ctx, names, false)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		tables = s.catalog().Tables
	}
	denied, err := s.denied(ctx, tables, "(pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role($2, 'USAGE'))", s.db.Twin.Owner())
	if err != nil {
		return "", err
	}
	for _, t := range tables {
		if slices.Contains(denied, t) {
			s.client.Notice(&pgwire.ServerError{Severity: "WARNING", Code: "01000",
				Message: fmt.Sprintf("skipping %q --- only table or database owner can %s it", t.Name, strings.ToLower(tag))})
			continue
		}
		remote, err := s.at(ctx, t.Provider)
		if err != nil {
			return "", err
		}
		if _, err := remote.Run(ctx, sql(command+" "+ddl.Fragment(t)), nil, nil); err != nil {
			return "", run.Explain(s.catalog(), err, t, run.Row{})
		}
		if !s.block {
			// VACUUM must be the first statement of its transaction.
			if _, err := remote.Sync(ctx); err != nil {
				return "", err
			}
		}
	}
	return tag, nil
}

// explain shows how a statement would be carried out.
func (s *Session) explain(ctx context.Context, p *portal, row func([]byte) error) (string, error) {
	text, odd, err := p.st.st.Explained()
	if err != nil {
		return "", err
	}
	if odd != "" {
		return "", clarus.Refuse("EXPLAIN ("+odd+") is not supported", "Use plain EXPLAIN.")
	}
	list, err := sqlast.Parse(text)
	if err != nil || len(list) != 1 {
		return "", clarus.Refuse("this statement cannot be explained", "Explain a query.")
	}
	q, err := s.prepare(ctx, list[0], nil)
	if err != nil {
		return "", err
	}
	if q.plan == nil {
		return "", clarus.Refuse("this statement cannot be explained", "Explain a query.")
	}
	if err := s.mayTouch(q.plan); err != nil {
		return "", err
	}
	for _, line := range q.plan.Describe(func(f plan.Fetch) string { return s.host.Vault.Preview(ctx, f) }) {
		if err := row(dataRow(line)); err != nil {
			return "", err
		}
	}
	return "EXPLAIN", nil
}

// copy carries out COPY.
func (s *Session) copy(ctx context.Context, permit gate.Permit, p *portal) (string, error) {
	form, err := p.st.st.CopyForm()
	if err != nil {
		return "", err
	}
	if !form.Std {
		return "", clarus.Refuse("COPY with a file or a program is not supported", "Use COPY with STDIN or STDOUT, or psql's \\copy.")
	}
	if form.From {
		return s.copyIn(ctx, permit, p, form)
	}
	return s.copyOut(ctx, permit, p, form)
}

func (s *Session) copyOut(ctx context.Context, permit gate.Permit, p *portal, form sqlast.CopyForm) (string, error) {
	list, err := sqlast.Parse(form.Select())
	if err != nil || len(list) != 1 {
		return "", clarus.Refuse("COPY of this statement is not supported", "Copy a query.")
	}
	q, err := s.prepare(ctx, list[0], nil)
	if err != nil {
		return "", withoutPosition(err)
	}
	if q.plan == nil || q.configs != nil || q.st != list[0] {
		return "", clarus.Refuse("COPY of this statement is not supported", "Copy a query.")
	}
	read, err := s.writable(ctx, &portal{st: q})
	if err != nil {
		return "", err
	}
	pl := read.st.plan.Followed()
	j, err := s.job(ctx, permit, pl)
	if err != nil {
		return "", err
	}
	w := s.client.W()
	send := func(f pgwire.Frame) error { w.Frame(f); return w.Err() }
	var kept []pgwire.Frame
	tag, err := j.Run(ctx, func(c *twin.Conn, _ func([]byte) error) (string, error) {
		if !pl.Effects() {
			return c.CopyOut(form.Text, send)
		}
		kept = nil // what an earlier run over older rows made
		return c.CopyOut(form.Text, func(f pgwire.Frame) error {
			kept = append(kept, pgwire.Frame{Type: f.Type, Body: slices.Clone(f.Body)})
			return nil
		})
	}, func([]byte) error { return nil })
	if err != nil {
		return "", err
	}
	for _, f := range kept {
		if err := send(f); err != nil {
			return "", err
		}
	}
	w.Empty('c')
	return tag, nil
}

func withoutPosition(err error) error {
	if se, ok := err.(*pgwire.ServerError); ok {
		c := *se
		c.Position = 0
		return &c
	}
	return err
}

// copySource reads what the client copies; it asks the client for it when the
// twin is ready to take it.
type copySource struct {
	open func() (func() ([]byte, error), error)
	next func() ([]byte, error)
	rest []byte
}

func (c *copySource) Read(p []byte) (int, error) {
	if c.next == nil {
		next, err := c.open()
		if err != nil {
			return 0, err
		}
		c.next = next
	}
	for len(c.rest) == 0 {
		b, err := c.next()
		if err != nil {
			return 0, err
		}
		c.rest = b
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
