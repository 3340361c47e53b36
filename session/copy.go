package session

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/run"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

func (s *Session) copyIn(ctx context.Context, permit gate.Permit, p *portal, form sqlast.CopyForm) (string, error) {
	tables, err := s.resolve(ctx, []sqlast.Name{*form.Table}, false)
	if err != nil {
		return "", err
	}
	t := tables[0]
	if err := s.mayWrite(t); err != nil {
		return "", err
	}
	if t.Relation.RowSecurity {
		return "", clarus.Refuse("COPY FROM into a table with row security is not supported", "Use INSERT.")
	}
	pl, err := s.copyPlan(ctx, t, form)
	if err != nil {
		return "", err
	}
	columns := len(form.Columns)
	if columns == 0 {
		for _, a := range t.Relation.Columns {
			if !a.Generated {
				columns++
			}
		}
	}
	in := &copySource{open: func() (func() ([]byte, error), error) {
		format, formats := byte(0), make([]int16, columns)
		if form.Binary {
			format = 1
			for i := range formats {
				formats[i] = 1
			}
		}
		return s.client.CopyIn(format, formats)
	}}
	format, known := run.ReadCopyFormat(form.Options)
	if w := pl.Write; w != nil && known && !form.Where && !(w.Timed && s.block) && !t.RefersToItself() {
		return s.copyDirect(ctx, permit, t, form, pl, format, in)
	}
	j, err := s.job(ctx, permit, pl)
	if err != nil {
		return "", err
	}
	return j.CopyIn(ctx, t, func(c *twin.Conn) (string, error) { return c.CopyIn(form.Text, in) })
}

// copyDirect reads and seals the rows on this side. From the first one on that
// only PostgreSQL may read, the twin goes on.
func (s *Session) copyDirect(ctx context.Context, permit gate.Permit, t *catalog.Table, form sqlast.CopyForm, pl *plan.Plan, format run.CopyFormat, in *copySource) (string, error) {
	remote, err := sites{s}.Writer(ctx, t)
	if err != nil {
		return "", err
	}
	c := &run.Copier{Writer: run.Writer{Vault: s.host.Vault, Permit: permit, Catalog: s.catalog(), Home: s.home(), Provider: remote}, Plan: pl.Write, Format: format}
	for i := range t.Columns {
		c.Columns = append(c.Columns, i)
	}
	if len(form.Columns) > 0 {
		c.Columns = nil
		for _, name := range form.Columns {
			c.Columns = append(c.Columns, slices.IndexFunc(t.Columns, func(col *catalog.Column) bool { return col.Name == name }))
		}
	}
	next, err := in.open()
	if err != nil {
		return "", err
	}
	err = c.Copy(ctx, next)
	s.noteDraws(c.Draws)
	if err != nil {
		for e := error(nil); e == nil; { // what the client still sends is of no use
			_, e = next()
		}
		return "", err
	}
	tag := "COPY " + itoa(c.Rows)
	if c.Rest == nil {
		return tag, nil
	}
	j, err := s.job(ctx, permit, pl.Unpushed())
	if err != nil {
		return "", err
	}
	in.next, in.rest = next, c.Rest
	tag, err = j.CopyIn(ctx, t, func(c *twin.Conn) (string, error) { return c.CopyIn(form.Text, in) })
	if err != nil {
		return "", laterLine(err, c.Lines)
	}
	return "COPY " + itoa(c.Rows+int(rowsOf(tag))), nil
}

var copyLine = regexp.MustCompile(`^(COPY .*, line )(\d+)`)

// laterLine adds lines to the one that an error of a COPY names.
func laterLine(err error, lines int) error {
	se, ok := errors.AsType[*pgwire.ServerError](err)
	if !ok {
		return err
	}
	e := *se
	if m := copyLine.FindStringSubmatch(e.Where); m != nil {
		n, _ := strconv.Atoi(m[2])
		e.Where = m[1] + itoa(n+lines) + strings.TrimPrefix(e.Where, m[0])
	}
	return &e
}

// copyPlan says which sequences the defaults of the columns that are not
// copied draw from: an INSERT of the same columns tells.
func (s *Session) copyPlan(ctx context.Context, t *catalog.Table, form sqlast.CopyForm) (*plan.Plan, error) {
	c, err := s.twin(ctx)
	if err != nil {
		return nil, err
	}
	columns := form.Columns
	if len(columns) == 0 {
		for _, a := range t.Relation.Columns {
			if !a.Generated {
				columns = append(columns, a.Name)
			}
		}
	}
	quoted, nulls := make([]string, len(columns)), make([]string, len(columns))
	for i, name := range columns {
		quoted[i], nulls[i] = sqlast.Quote(name), "NULL"
	}
	insert := fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s)", form.Table, strings.Join(quoted, ", "), strings.Join(nulls, ", "))
	a, err := c.Analyze(insert, nil)
	if err != nil {
		return nil, withoutPosition(err)
	}
	list, err := analyze.Parse(a.Tree)
	if err != nil {
		return nil, err
	}
	pl, err := plan.Make(s.env(), list)
	if err != nil {
		return nil, err
	}
	if pl.TryWrite(s.env(), list, nil); pl.Class != plan.Direct {
		return pl, nil
	}
	if err := c.Run(twin.Statement{SQL: "EXPLAIN (COSTS OFF) " + insert}, nil, nil); isServer(err) {
		return pl.Unpushed(), nil // the twin has the error, as it is for a COPY
	} else if err != nil {
		return nil, err
	}
	may, err := s.mayDraw(c, pl)
	if err == nil && !may {
		pl = pl.Unpushed()
	}
	return pl, err
}
