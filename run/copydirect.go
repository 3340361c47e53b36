package run

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"slices"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/plan"
)

// A Copier carries out a COPY FROM STDIN without the twin, as long as it can
// read the rows as PostgreSQL does: they are read, sealed and sent at the same
// time, by batches.
type Copier struct {
	Writer
	Plan    *plan.Write // an INSERT of one row of the same columns
	Columns []int       // what is copied: indexes of the table's columns
	Format  CopyFormat

	Rows int // that were stored
	// Rest is what was read and not stored, with what stands before the first
	// row, if it is for PostgreSQL to read; nil if all was stored. Lines counts
	// the lines that it leaves out.
	Rest  []byte
	Lines int

	given  []plan.Given // what columns get that are not copied
	draws  bool         // from a sequence: a batch is sealed when its values are known
	copies knower
}

// copyBatch is how many bytes of the client's are a batch.
const copyBatch = 256 << 10

// A copied is a batch on its way.
type copied struct {
	rows   []Row
	sealed [][][]byte
	done   chan error // of the sealing
}

// Copy reads what next returns up to io.EOF, or up to what PostgreSQL has to
// read: Rest is not nil then.
func (c *Copier) Copy(ctx context.Context, next func() ([]byte, error)) error {
	if !c.Permit.Valid() {
		return &clarus.Error{Op: "copy", Kind: clarus.Internal, Msg: "no permit"}
	}
	c.given = slices.Clone(c.Plan.Rows[0])
	for _, at := range c.Columns {
		c.given[at] = plan.Given{}
	}
	c.draws = slices.ContainsFunc(c.given, func(g plan.Given) bool { return g.Source == plan.Drawn })
	c.copies = knower{now: time.Now().UTC(), table: c.Plan.Table}
	batches, failed := make(chan *copied, 1), make(chan error, 1)
	go func() { failed <- c.store(ctx, batches) }()
	err := c.read(ctx, next, batches, failed)
	close(batches)
	if e := <-failed; e != nil {
		return e
	}
	return err
}

// read cuts the client's stream into batches.
func (c *Copier) read(ctx context.Context, next func() ([]byte, error), batches chan<- *copied, failed chan error) error {
	l := &lines{CopyFormat: c.Format, columns: len(c.Columns)}
	var buf []byte
	last := false
	for !last {
		for more := true; more; more = len(buf) < copyBatch && !last {
			b, err := next()
			switch {
			case err == io.EOF:
				last = true
			case err != nil:
				return err
			}
			buf = append(buf, b...)
		}
		b := &copied{done: make(chan error, 1)}
		used, v := c.rows(l, buf, last, b)
		if len(b.rows) > 0 {
			if !c.draws {
				go func() { b.done <- c.seal(ctx, b) }()
			}
			select {
			case batches <- b:
			case err := <-failed:
				failed <- err
				return err
			}
		}
		if c.Format.Binary {
			c.Lines += len(b.rows)
		} else {
			c.Lines += bytes.Count(buf[:used], []byte{'\n'})
		}
		rest := append(make([]byte, 0, copyBatch+64<<10), buf[used:]...)
		if v == unproven || v == needMore && last || v == theEnd && !last {
			if c.Rest = append(bytes.Clone(l.head), rest...); !c.Format.Binary {
				c.Lines -= bytes.Count(l.head, []byte{'\n'})
			}
			return nil
		}
		buf = rest
	}
	return nil
}

// rows reads the records of buf into a batch, and returns how many bytes they
// have.
func (c *Copier) rows(l *lines, buf []byte, last bool, b *copied) (used int, v verdict) {
	k := c.copies
	width := len(c.Plan.Table.Columns)
	var slab [][]byte
	for {
		n, v := l.next(buf[used:], last)
		if v != aRecord {
			return used, v
		}
		if len(slab) < width {
			slab = make([][]byte, 256*width)
		}
		values := slab[:width:width]
		for i, g := range c.given {
			if g.Source != plan.Stated || g.Value != nil {
				values[i] = k.column(g, c.Plan.Table.Columns[i])
			}
		}
		for i, at := range c.Columns {
			values[at] = k.field(l.fields[i], c.Plan.Table.Columns[at], c.Format.Binary)
		}
		if k.missing(values, c.given); k.wrong {
			return used, unproven
		}
		slab, used = slab[width:], used+n
		b.rows = append(b.rows, Row{Values: values})
	}
}

// field is a copied field as it will stand in a column.
func (k *knower) field(f []byte, c *catalog.Column, binary bool) []byte {
	if f == nil {
		return nil
	}
	read := pgvalue.Read
	if binary {
		read = pgvalue.Sent
	}
	v, ok := read(c.Type, f)
	if ok {
		v, ok = pgvalue.Fit(c.Type, k.table.Relation.Column(c.Num).Typmod, v)
	}
	if !ok || len(v) > longest && indexed(k.table.Relation, c.Num) {
		k.wrong = true
	}
	return v
}

// missing notes a NULL that may not be one.
func (k *knower) missing(values [][]byte, given []plan.Given) {
	for i, c := range k.table.Columns {
		if values[i] == nil && given[i].Source != plan.Drawn && k.table.Relation.Column(c.Num).NotNull {
			k.wrong = true
		}
	}
}

func (c *Copier) seal(ctx context.Context, b *copied) (err error) {
	if c.Plan.Table.StoresIdentity() {
		for i := range b.rows {
			_, _ = rand.Read(b.rows[i].ID[:])
		}
	}
	b.sealed, err = c.Vault.seal(ctx, c.Plan.Table, b.rows)
	return err
}

// store sends batches to the provider.
func (c *Copier) store(ctx context.Context, batches <-chan *copied) error {
	j := c.job(c.Plan.Table)
	for b := range batches {
		var err error
		if c.draws {
			v, rows := &Values{}, make([][]plan.Given, len(b.rows))
			for i := range b.rows {
				v.Rows, rows[i] = append(v.Rows, b.rows[i].Values), c.given
			}
			if err = c.draw(ctx, &plan.Write{Table: c.Plan.Table, Rows: rows}, v); err == nil {
				err = c.seal(ctx, b)
			}
		} else {
			err = <-b.done
		}
		if err == nil {
			err = c.Vault.copyIn(ctx, j, c.Plan.Table, b.rows, b.sealed)
		}
		if err != nil {
			return err
		}
		c.Rows += len(b.rows)
	}
	return nil
}
