package run

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/ddl"
	"github.com/clarus-project/clarus/gate"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/provider"
	"github.com/clarus-project/clarus/sqlast"
)

// openBatch is how many rows are opened at once.
const openBatch = 512

// Fetch reads the rows of tables, opens them and returns them in the order of
// fetches. The rows at one provider are read in one statement, so that they
// are of one snapshot; those at several are of one state of the database.
// limit bounds the number of rows.
func (v *Vault) Fetch(ctx context.Context, permit gate.Permit, sites Sites, fetches []plan.Fetch, args Args, limit int) ([]*Rows, error) {
	if !permit.Valid() {
		return nil, &clarus.Error{Op: "fetch", Kind: clarus.Internal, Msg: "no permit"}
	}
	result := make([]*Rows, len(fetches))
	for i, f := range fetches {
		result[i] = &Rows{Table: f.Table}
	}
	list, err := v.portions(ctx, sites, fetches, result, args, limit)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 1:
		err = list[0].read(ctx)
	case len(list) > 1:
		err = together(ctx, sites, list)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// union writes the fetches as one statement: a discriminator, then columns
// that tables share by type. slots[i][j] is where column j of fetch i stands.
func (v *Vault) union(ctx context.Context, fetches []plan.Fetch, layouts []layout, args Args) (provider.Statement, [][]int, error) {
	var types []uint32
	var names []string
	slots := make([][]int, len(fetches))
	for i, l := range layouts {
		taken := make([]bool, len(types))
		for j, t := range l.types {
			slot := 0
			for slot < len(types) && (types[slot] != t || taken[slot]) {
				slot++
			}
			if slot == len(types) {
				types, names, taken = append(types, t), append(names, l.sql[j]), append(taken, false)
			}
			taken[slot] = true
			slots[i] = append(slots[i], slot+1)
		}
	}
	st := provider.Statement{Results: []int16{1}}
	branches := make([]string, len(fetches))
	for i, f := range fetches {
		cols := make([]string, len(types))
		for j, name := range names {
			cols[j] = "NULL::" + name
		}
		for j, slot := range slots[i] {
			cols[slot-1] = sqlast.Quote(layouts[i].names[j])
		}
		where, err := v.where(ctx, f, args, &st)
		if err != nil {
			return st, nil, err
		}
		branches[i] = fmt.Sprintf("SELECT %d::int2, %s FROM %s%s", i, strings.Join(cols, ", "), ddl.Fragment(f.Table), where)
	}
	st.SQL = strings.Join(branches, " UNION ALL ")
	return st, slots, nil
}

// reader takes the rows of a union apart.
type reader struct {
	v       *Vault
	ctx     context.Context
	layouts []layout
	slots   [][]int
	result  []*Rows
	pending [][][][]byte
	seen    []map[clarus.RowID]bool
	scratch [][]byte
	limit   int
	count   *atomic.Int64 // of the fetch's rows, whatever their provider
}

// check compares the description of the rows with what was asked for.
func (r *reader) check(provider.Statement) func([]pgwire.Field) error {
	return func(fields []pgwire.Field) error {
		for i, l := range r.layouts {
			for j, slot := range r.slots[i] {
				if slot >= len(fields) || fields[slot].Type != l.types[j] || fields[slot].Format != 1 {
					return repeated(l.table, "the provider returned other columns than asked for")
				}
			}
		}
		return nil
	}
}

func tooMany(limit int) error {
	return &clarus.Error{Op: "fetch", Kind: clarus.Limit, Msg: fmt.Sprintf("the statement needs more than %d rows on this side", limit),
		Hint: "Restrict it by clear columns or by equality of tagged ones, or raise limits.residual-rows."}
}

func (r *reader) row(body []byte) error {
	row, err := pgwire.Row(body, r.scratch)
	if err != nil {
		return malformed(err)
	}
	r.scratch = row
	if len(row) == 0 || len(row[0]) != 2 || int(row[0][0])<<8|int(row[0][1]) >= len(r.layouts) {
		return &clarus.Error{Op: "fetch", Kind: clarus.Integrity, Msg: "the provider returned a row that was not asked for"}
	}
	if r.count.Add(1) > int64(r.limit) {
		return tooMany(r.limit)
	}
	i := int(row[0][0])<<8 | int(row[0][1])
	stored := make([][]byte, len(r.slots[i]))
	size := 0
	for _, slot := range r.slots[i] {
		if slot >= len(row) {
			return repeated(r.layouts[i].table, "the provider returned too few columns")
		}
		size += len(row[slot])
	}
	buf := make([]byte, 0, size)
	for j, slot := range r.slots[i] {
		if row[slot] != nil {
			from := len(buf)
			buf = append(buf, row[slot]...)
			stored[j] = buf[from:len(buf):len(buf)]
		}
	}
	r.pending[i] = append(r.pending[i], stored)
	if len(r.pending[i]) == openBatch {
		return r.flush(i)
	}
	return nil
}

func (r *reader) flush(i int) error {
	if len(r.pending[i]) == 0 {
		return nil
	}
	rows, err := r.v.open(r.ctx, r.layouts[i], r.pending[i])
	if err != nil {
		return err
	}
	if err := distinct(r.result[i], r.seen[i], rows); err != nil {
		return err
	}
	r.result[i].Rows = append(r.result[i].Rows, rows...)
	r.pending[i] = nil
	return nil
}
