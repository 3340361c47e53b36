package session

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// prepareCursor analyses a DECLARE and plans its query.
func (s *Session) prepareCursor(ctx context.Context, p *statement) error {
	c, err := s.twin(ctx)
	if err != nil {
		return err
	}
	a, err := c.Analyze(p.st.Text, p.oids) // for the errors, and where they are
	if err != nil {
		return shifted(err, p.st.Offset)
	}
	form, err := p.st.Cursor()
	if err != nil {
		return err
	}
	if p.inner, err = s.prepare(ctx, form.Query, a.Params); err != nil {
		return err
	}
	p.params = a.Params
	switch pl := p.inner.plan; {
	case pl == nil:
		return clarus.Refuse("this query cannot have a cursor", "Run it as a statement of its own.")
	case pl.Locks:
		return clarus.Refuse("cursors with FOR UPDATE or FOR SHARE are not supported", "Lock the rows by a statement of its own, or select them by their key.")
	case pl.Effects() || pl.Draws:
		return clarus.Refuse("cursors on queries that have effects are not supported", "Run the query as a statement of its own.")
	}
	return nil
}

// declare carries out DECLARE: the query runs to its end at once, over the
// snapshot that PostgreSQL's cursor would have, and its rows are kept here.
// An error in the data is kept too, and comes when the cursor gets there.
func (s *Session) declare(ctx context.Context, p *portal) (string, error) {
	form, err := p.st.st.Cursor()
	if err != nil {
		return "", err
	}
	if !form.Hold && !s.block && !s.several {
		return "", onlyInBlock("DECLARE CURSOR")
	}
	scroll, err := s.tryDeclare(ctx, p, form.Name)
	if err != nil {
		return "", err
	}
	if s.portals[form.Name] != nil && form.Name != "" {
		return "", cursorExists(form.Name)
	}
	c := &cursor{forward: !scroll, hold: form.Hold, binary: form.Binary}
	if c.formats, err = s.storable(ctx, p.st.inner.fields); err != nil {
		return "", err
	}
	read := &portal{st: p.st.inner, bind: pgwire.Bind{Formats: p.bind.Formats, Params: p.bind.Params, Results: c.formats}}
	if err := s.readCursor(ctx, read, c); err != nil {
		if c.end == nil || form.Hold {
			return "", err
		}
	}
	c.edition = s.settings.edition
	read.bind = pgwire.Bind{}
	if c.binary {
		read.bind.Results = []int16{1}
	}
	read.cursor = c
	s.addPortal(form.Name, read)
	return "DECLARE CURSOR", nil
}

// readCursor has the cursor's query run. If it raised an error at some row, after
// which the transaction can go on, that is the cursor's end too. An error at the
// provider would end the transaction there: a savepoint keeps it.
func (s *Session) readCursor(ctx context.Context, read *portal, c *cursor) error {
	const name = "clarus_cursor"
	class := read.st.plan.Class
	remote := class == plan.Pass || class == plan.Push || class == plan.Refine
	var at provider.Session
	if remote && s.block {
		var err error
		if at, err = s.at(ctx, read.st.plan.Provider); err != nil {
			return err
		}
		if _, err := at.Run(ctx, sql("SAVEPOINT "+name), nil, nil); err != nil {
			return run.Explain(s.catalog(), err, nil, run.Row{})
		}
	}
	s.last = false
	_, err := s.perform(ctx, read, s.keep(&c.rows))
	if err != nil && (!dataError(err) || remote && !s.block) {
		return err
	}
	if err != nil {
		c.end = withoutPosition(err)
	}
	if !remote || !s.block {
		return err
	}
	if err != nil {
		if _, e := at.Sync(ctx); e != nil {
			return e
		}
		if _, e := at.Run(ctx, sql("ROLLBACK TO SAVEPOINT "+name), nil, nil); e != nil {
			return run.Explain(s.catalog(), e, nil, run.Row{})
		}
	}
	if _, e := at.Run(ctx, sql("RELEASE SAVEPOINT "+name), nil, nil); e != nil {
		return run.Explain(s.catalog(), e, nil, run.Row{})
	}
	return err
}

func onlyInBlock(what string) error {
	return &pgwire.ServerError{Severity: "ERROR", Code: "25P01", Message: what + " can only be used in transaction blocks"}
}

func cursorExists(name string) error {
	return &pgwire.ServerError{Severity: "ERROR", Code: "42P03", Message: fmt.Sprintf("cursor %q already exists", name)}
}

// dataError reports an error that the query's rows raise, rather than its form
// or the state of things.
func dataError(err error) bool {
	code := state(err)
	return strings.HasPrefix(code, "22") || code == "21000" || code == "P0001"
}

// tryDeclare has the twin declare the cursor over empty tables: it checks
// privileges, and says whether the cursor can go backward.
func (s *Session) tryDeclare(ctx context.Context, p *portal, name string) (scroll bool, err error) {
	c, err := s.twin(ctx)
	if err != nil {
		return false, err
	}
	stop := c.Watch(ctx)
	defer stop()
	if err := c.Do("BEGIN READ ONLY"); err != nil {
		return false, err
	}
	err = c.Run(twin.Statement{SQL: p.st.st.Text, Types: p.st.params, Formats: p.bind.Formats, Params: p.bind.Params}, nil, nil)
	if err == nil {
		var rows [][]string
		rows, err = c.Rows("SELECT is_scrollable FROM pg_catalog.pg_cursors WHERE name = $1", name)
		scroll = len(rows) == 1 && rows[0][0] == "t"
	}
	if end := c.Do("ROLLBACK"); err == nil {
		err = end
	}
	return scroll, shifted(err, p.st.st.Offset)
}

// keep returns what appends rows to list, as long as the session holds no more
// of them than one statement may.
func (s *Session) keep(list *[][]byte) func([]byte) error {
	room := s.host.MaxRows
	for _, p := range s.portals {
		room -= len(p.rows)
		if p.cursor != nil {
			room -= len(p.cursor.rows)
		}
	}
	return func(body []byte) error {
		if room--; room < 0 {
			return &clarus.Error{Op: "execute", Kind: clarus.Limit, Msg: fmt.Sprintf("the session's cursors and portals hold more than %d rows on this side", s.host.MaxRows),
				Hint: "Close cursors that are not needed any more, narrow the query, or raise limits.residual-rows."}
		}
		*list = append(*list, bytes.Clone(body))
		return nil
	}
}

// storable returns the formats in which rows of these columns are kept:
// binary, which no setting changes, unless the type cannot be read back so.
func (s *Session) storable(ctx context.Context, fields []pgwire.Field) ([]int16, error) {
	oids := make([]uint32, len(fields))
	for i, f := range fields {
		oids[i] = f.Type
	}
	return s.binaryForms(ctx, oids)
}

func (s *Session) binaryForms(ctx context.Context, oids []uint32) ([]int16, error) {
	c, err := s.twin(ctx)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(oids))
	for i, oid := range oids {
		texts[i] = strconv.FormatUint(uint64(oid), 10)
	}
	rows, err := c.Rows(`SELECT t.oid FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
CROSS JOIN LATERAL (VALUES (t.typtype, t.typsend, t.oid, t.typname), (e.typtype, e.typsend, e.oid, e.typname)) v (kind, send, oid, name)
WHERE t.oid = ANY ($1::oid[]) AND (v.kind = 'p' OR v.send = 0 OR v.kind = 'c' AND v.oid < 16384
  OR v.name IN ('pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', 'pg_brin_minmax_multi_summary'))`,
		"{"+strings.Join(texts, ",")+"}")
	if err != nil {
		return nil, err
	}
	formats := make([]int16, len(oids))
	for i, text := range texts {
		if !slices.ContainsFunc(rows, func(r []string) bool { return r[0] == text }) {
			formats[i] = 1
		}
	}
	return formats, nil
}

// cursor finds the portal that FETCH and MOVE name.
func (s *Session) cursor(name string) (*portal, error) {
	po := s.portals[name]
	switch {
	case po == nil || name == "":
		return nil, &pgwire.ServerError{Severity: "ERROR", Code: "34000", Message: fmt.Sprintf("cursor %q does not exist", name)}
	case po.cursor == nil:
		return nil, clarus.Refuse("FETCH from a portal of the protocol is not supported", "Use the protocol's Execute, or DECLARE a cursor.")
	case po.cursor.failed:
		return nil, &pgwire.ServerError{Severity: "ERROR", Code: "55000", Message: fmt.Sprintf("portal %q cannot be run", name)}
	}
	return po, nil
}

// fetch carries out FETCH and MOVE.
func (s *Session) fetch(ctx context.Context, p *portal, row func([]byte) error) (string, error) {
	m := p.st.st.Movement()
	po, err := s.cursor(m.Cursor)
	if err != nil {
		return "", err
	}
	rows, n, err := po.cursor.move(m)
	if err != nil {
		return "", err
	}
	if m.Move {
		return "MOVE " + itoa(n), nil
	}
	if !sameFields(p.st.fields, po.st.fields) {
		return "", changedResult()
	}
	return "FETCH " + itoa(n), s.inFormats(ctx, po, rows, p.results(), row)
}

// fetchPortal carries out the protocol's Execute of a cursor.
func (s *Session) fetchPortal(ctx context.Context, name string, po *portal, limit int) error {
	if _, err := s.cursor(name); err != nil {
		return err
	}
	m := sqlast.Movement{Count: sqlast.EveryRow}
	if limit > 0 {
		m.Count = int64(limit)
	}
	rows, n, err := po.cursor.move(m)
	if err != nil {
		return err
	}
	w := s.client.W()
	if err := s.inFormats(ctx, po, rows, po.results(), func(body []byte) error { w.Begin('D').Bytes(body).End(); return w.Err() }); err != nil {
		return err
	}
	if limit > 0 && n == limit {
		w.Empty('s')
	} else {
		w.CommandComplete("SELECT " + itoa(n))
	}
	return nil
}

// inFormats hands on kept rows in the formats that the client wants.
func (s *Session) inFormats(ctx context.Context, po *portal, rows [][]byte, want []int16, row func([]byte) error) error {
	types, err := s.readable(po, want)
	if err != nil || len(rows) == 0 {
		return err
	}
	if slices.Equal(po.cursor.formats, want) {
		for _, body := range rows {
			if err := row(body); err != nil {
				return err
			}
		}
		return nil
	}
	values := make([][][]byte, len(rows))
	for i, body := range rows {
		if values[i], err = pgwire.Row(body, nil); err != nil {
			return err
		}
	}
	if plainTexts(types, po.cursor.formats, want) {
		return hereInFormats(types, po.cursor.formats, want, values, row)
	}
	t, err := s.twin(ctx)
	if err != nil {
		return err
	}
	stop := t.Watch(ctx)
	defer stop()
	return t.Convert(types, po.cursor.formats, want, values, row)
}

// readable returns the types that the cursor's values are read as: what has no
// binary form was kept as text.
func (s *Session) readable(po *portal, want []int16) ([]uint32, error) {
	types := make([]uint32, len(po.st.fields))
	for i, f := range po.st.fields {
		types[i] = f.Type
		switch {
		case po.cursor.formats[i] == 1:
			continue
		case want[i] == 1:
			return nil, clarus.Refuse("column "+f.Name+" of the cursor has no binary form", "Fetch it as text.")
		case po.cursor.edition != s.settings.edition:
			return nil, clarus.Refuse("column "+f.Name+" was made under other settings than those in force now", "Change settings before DECLARE.")
		}
		types[i] = pgvalue.TextOID
	}
	return types, nil
}

// plainTexts reports whether all that is wanted as text and kept as binary has
// one text form, whatever the settings.
func plainTexts(types []uint32, kept, want []int16) bool {
	for i, oid := range types {
		if kept[i] == 1 && want[i] == 0 && !slices.Contains(plainTypes, oid) {
			return false
		}
	}
	return true
}

// hereInFormats is twin.Conn.Convert for plain types.
func hereInFormats(types []uint32, kept, want []int16, values [][][]byte, row func([]byte) error) error {
	for _, v := range values {
		for i := range v {
			if kept[i] != 1 || want[i] != 0 || v[i] == nil {
				continue
			}
			text, ok := pgvalue.Text(types[i], v[i])
			if !ok {
				return &clarus.Error{Op: "fetch", Kind: clarus.Internal, Msg: "a kept value has no text form"}
			}
			v[i] = text
		}
		if err := row(rowBody(v)); err != nil {
			return err
		}
	}
	return nil
}

// plainTypes have one text form, whatever the settings.
var plainTypes = []uint32{pgvalue.BoolOID, pgvalue.Int2OID, pgvalue.Int4OID, pgvalue.Int8OID, pgvalue.TextOID, pgvalue.VarcharOID,
	pgvalue.BPCharOID, pgvalue.NameOID, pgvalue.NumericOID, pgvalue.UUIDOID, pgvalue.JSONOID, pgvalue.JSONBOID}

// closeCursor carries out CLOSE.
func (s *Session) closeCursor(name string) (string, error) {
	if name == "" {
		clear(s.portals)
		return "CLOSE CURSOR ALL", nil
	}
	if s.portals[name] == nil {
		return "", &pgwire.ServerError{Severity: "ERROR", Code: "34000", Message: fmt.Sprintf("cursor %q does not exist", name)}
	}
	delete(s.portals, name)
	return "CLOSE CURSOR", nil
}
