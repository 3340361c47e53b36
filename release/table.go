// Package release carries tables between PostgreSQL servers, or Clarus, and
// package publish: it reads originals, writes releases, and keeps those that a
// policy wants at a provider in step with their originals. To Clarus it is an
// application like any other.
package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/table"
	"github.com/clarus-project/clarus/sqlast"
)

// A Name is the name of a table.
type Name struct{ Schema, Table string }

// SQL is the name as SQL writes it.
func (n Name) SQL() string { return sqlast.Qualify(n.Schema, n.Table) }

func (n Name) String() string { return n.Schema + "." + n.Table }

// Progress is told what is being done and how far it is.
type Progress func(step string, done, of int)

// settings pin how values are written as text, so that what is read at one
// server means the same at another.
var settings = map[string]string{"client_encoding": "UTF8", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "TimeZone": "Etc/UTC",
	"extra_float_digits": "1", "bytea_output": "hex"}

// Connect connects to a server.
func Connect(ctx context.Context, t pgwire.Target) (*pgwire.Simple, error) {
	t.Settings = settings
	return pgwire.DialSimple(ctx, t)
}

// Over is Connect over a connection that is there already.
func Over(ctx context.Context, t pgwire.Target, application string, conn net.Conn) (*pgwire.Simple, error) {
	t.Settings = maps.Clone(settings)
	t.Settings["application_name"] = application
	return pgwire.SimpleOver(ctx, t, conn)
}

// columns asks for a table's columns and their types. A type that another
// server need not have becomes text, as does money, which is written as each
// server likes.
const columns = `SELECT a.attname, CASE WHEN t.oid < 16384 AND t.typtype = 'b' AND t.typelem = 0 AND t.oid <> 'pg_catalog.money'::pg_catalog.regtype
  AND t.typname NOT LIKE 'reg%%' THEN pg_catalog.format_type(a.atttypid, a.atttypmod) ELSE 'text' END
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`

// A description is what a table looks like.
type description struct {
	names []string          // of the columns
	types map[string]string // of the columns, by name
	keys  []string          // columns of the primary key
}

func describe(c *pgwire.Simple, name Name) (*description, error) {
	rows, err := c.Ask(fmt.Sprintf(columns, sqlast.Literal(name.SQL())))
	if err != nil {
		return nil, err
	}
	d := &description{types: map[string]string{}}
	for _, r := range rows {
		d.names = append(d.names, r[0])
		d.types[r[0]] = r[1]
	}
	if len(rows) == 0 {
		return nil, &table.Error{Msg: "the table has no columns", Hint: "there is nothing to publish"}
	}
	rows, err = c.Ask(fmt.Sprintf(primaryKey, sqlast.Literal(name.SQL())))
	for _, r := range rows {
		d.keys = append(d.keys, r[0])
	}
	return d, err
}

const primaryKey = `SELECT a.attname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indisprimary AND i.indrelid = %s::pg_catalog.regclass ORDER BY a.attnum`

// Read reads a table, or a view, whole, and the types of its columns by name.
// NULL and the empty text read the same.
func Read(c *pgwire.Simple, name Name, progress Progress) (*table.Table, map[string]string, error) {
	d, err := describe(c, name)
	if err != nil {
		return nil, nil, err
	}
	list := make([]string, len(d.names))
	for i, n := range d.names {
		list[i] = sqlast.Quote(n)
	}
	count, err := c.Ask("SELECT count(*) FROM " + name.SQL())
	if err != nil {
		return nil, nil, err
	}
	expected, err := strconv.Atoi(count[0][0])
	if err != nil {
		return nil, nil, err
	}
	t := &table.Table{Delimiter: ','}
	builders := make([]*table.Builder, len(d.names))
	for i, n := range d.names {
		builders[i] = table.NewBuilder(n, expected)
	}
	err = c.Rows("SELECT "+strings.Join(list, ", ")+" FROM "+name.SQL(), func(cells [][]byte) error {
		if t.Rows%progressStep == 0 {
			progress("load", min(t.Rows, expected), expected)
		}
		for i, b := range builders {
			b.Add(string(cells[i]))
		}
		t.Rows++
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, b := range builders {
		t.Columns = append(t.Columns, b.Column())
	}
	progress("load", 1, 1)
	return t, d.types, nil
}

const progressStep = 8192 // rows between two steps of progress

// Types chooses the types of a release's columns: those of the original where
// all cells are the original's, else text.
func Types(p *model.Policy, t *table.Table, original map[string]string) []string {
	list := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		list[i] = "text"
		a := p.Attribute(c.Name)
		if own := original[c.Name]; own != "" && a != nil && p.Synthetic == nil && a.Mask == nil && p.Suppress == 0 && (a.Class == clarus.Confidential || a.Class == clarus.NonConfidential) {
			list[i] = own
		}
	}
	return list
}

// Create makes a table, fills it with a release and says in its comment what it
// is, in one transaction.
func Create(c *pgwire.Simple, name Name, t *table.Table, types []string, comment string, progress Progress) error {
	defs := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		defs[i] = sqlast.Quote(col.Name) + " " + types[i]
	}
	if _, err := c.Ask("BEGIN"); err != nil {
		return err
	}
	err := first(
		func() error { return exec(c, "CREATE TABLE "+name.SQL()+" ("+strings.Join(defs, ", ")+")") },
		func() error { return fill(c, name, t, progress) },
		func() error { return exec(c, "COMMENT ON TABLE "+name.SQL()+" IS "+sqlast.Literal(comment)) },
	)
	if err != nil {
		_ = exec(c, "ROLLBACK") // the connection ends in any case
		return err
	}
	return commit(c, name)
}

// commit commits, and says so where it is not known whether that was done.
func commit(c *pgwire.Simple, name Name) error {
	err := exec(c, "COMMIT")
	if _, told := errors.AsType[*pgwire.ServerError](err); err == nil || told {
		return err
	}
	return &clarus.Error{Op: "publish", Attr: name.String(), Kind: clarus.Unavailable, Msg: "the connection broke while the release was committed: it may be there, whole, or not", Err: err}
}

func exec(c *pgwire.Simple, sql string) error {
	_, err := c.Ask(sql)
	return err
}

// first does one after the other until one fails.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// fill copies a table's rows into one that exists. The empty text becomes NULL.
func fill(c *pgwire.Simple, name Name, t *table.Table, progress Progress) error {
	list := make([]string, len(t.Columns))
	for i, col := range t.Columns {
		list[i] = sqlast.Quote(col.Name)
	}
	names := strings.Join(list, ", ")
	delimiter := t.Delimiter
	if delimiter == 0 {
		delimiter = ','
	}
	sql := "COPY " + name.SQL() + " (" + names + ") FROM STDIN (FORMAT csv, HEADER, DELIMITER " + sqlast.Literal(string(delimiter)) + ", FORCE_NULL (" + names + "))"
	in, out := io.Pipe()
	defer in.Close()
	go func() {
		done := 0
		out.CloseWithError(t.Write(out, func(rows int) error {
			done += rows
			progress("write", done, t.Rows)
			return nil
		}))
	}()
	buf := make([]byte, 64<<10)
	err := c.CopyIn(sql, func() ([]byte, error) {
		n, err := in.Read(buf)
		return buf[:n], err
	})
	if err != nil {
		return err
	}
	count, err := c.Ask("SELECT count(*) FROM " + name.SQL())
	if err == nil && count[0][0] != strconv.Itoa(t.Rows) { // a line \. would end COPY early
		err = &table.Error{Msg: fmt.Sprintf("the server has %s rows, the release %d", count[0][0], t.Rows), Hint: "nothing was written"}
	}
	return err
}
