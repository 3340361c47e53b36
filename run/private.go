package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"strconv"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish/dp"
	"github.com/clarus-project/clarus/twin"
)

// Measuring is what the twin is asked for a private question.
func Measuring(q *plan.PrivateQuery, args Args) twin.Statement {
	st := twin.Statement{SQL: q.SQL, Results: []int16{1}}
	for _, p := range q.Params {
		value, format := p.Value, int16(1)
		if p.Param > 0 {
			value, format = args.Values[p.Param-1], args.format(p.Param-1)
		}
		st.Types, st.Params, st.Formats = append(st.Types, p.Type), append(st.Params, value), append(st.Formats, format)
	}
	return st
}

// Measured runs what a private question asks of the twin, and returns the rows that
// it is about. They are for noise, and nobody else's to see: an error that the twin
// raises is told without its words.
func (j *Job) Measured(ctx context.Context, q *plan.PrivateQuery, args Args) ([]dp.Row, error) {
	st := Measuring(q, args)
	act := func(c *twin.Conn, row func([]byte) error) (string, error) {
		// The client's statement_timeout would tell how long the rows took.
		if err := c.Do("SET LOCAL statement_timeout = " + strconv.FormatInt(c.Timeout(), 10)); err != nil {
			return "", err
		}
		err := c.Run(st, row, nil)
		if se, ok := errors.AsType[*pgwire.ServerError](err); !ok || se.Code != "42501" {
			err = unsaid(err)
		}
		return "", err
	}
	var rows []dp.Row
	_, err := j.Run(ctx, act, func(body []byte) error {
		row, err := measured(q, body)
		rows = append(rows, row)
		return err
	})
	return rows, err
}

// unsaid takes the twin's words from an error: users' functions, in generated
// columns, may have put values of rows there.
func unsaid(err error) error {
	se, ok := errors.AsType[*pgwire.ServerError](err)
	switch {
	case !ok:
		return err
	case se.Code == "57014":
		return &clarus.Error{Op: "run", Kind: clarus.Canceled, Msg: "the question took longer than the twin's timeout"}
	}
	return &clarus.Error{Op: "run", Kind: clarus.Limit, Msg: "this side could not evaluate the question",
		Hint: "The owner may allow the twin more memory, space and time, and should see to functions in generated columns."}
}

// measured reads a row: subject, keys, values.
func measured(q *plan.PrivateQuery, body []byte) (r dp.Row, err error) {
	cells, err := pgwire.Row(body, nil)
	if err == nil && len(cells) != 1+len(q.Keys)+len(q.Values) {
		err = &clarus.Error{Op: "run", Kind: clarus.Internal, Msg: "the twin returned other columns than asked for"}
	}
	if err != nil {
		return r, err
	}
	r.Subject = string(cells[0])
	for _, b := range cells[1 : 1+len(q.Keys)] {
		r.Keys = append(r.Keys, bytes.Clone(b))
	}
	for i, b := range cells[1+len(q.Keys):] {
		v := q.Values[i]
		n := dp.Number{Valid: b != nil}
		switch {
		case v.Bound == nil:
			n.Valid = len(b) == 1 && b[0] == 1
		case n.Valid:
			if n.Steps, n.Valid = steps(v.Attr.Type, b, v.Bound); !n.Valid {
				return r, &clarus.Error{Op: "run", Kind: clarus.Internal, Msg: "the twin returned a number that is none"}
			}
		}
		r.Values = append(r.Values, n)
	}
	return r, nil
}

// steps counts a number in steps, rounded to the nearest and within the bounds. What
// is no number is the largest, as in PostgreSQL's order.
func steps(typ uint32, b []byte, bound *policy.Bound) (int64, bool) {
	x := new(big.Rat)
	switch {
	case typ == pgvalue.Int2OID && len(b) == 2:
		x.SetInt64(int64(int16(binary.BigEndian.Uint16(b))))
	case typ == pgvalue.Int4OID && len(b) == 4:
		x.SetInt64(int64(int32(binary.BigEndian.Uint32(b))))
	case typ == pgvalue.Int8OID && len(b) == 8:
		x.SetInt64(int64(binary.BigEndian.Uint64(b)))
	case typ == pgvalue.Float4OID && len(b) == 4:
		return floatSteps(float64(math.Float32frombits(binary.BigEndian.Uint32(b))), bound)
	case typ == pgvalue.Float8OID && len(b) == 8:
		return floatSteps(math.Float64frombits(binary.BigEndian.Uint64(b)), bound)
	case typ == pgvalue.NumericOID:
		text, ok := pgvalue.Text(typ, b)
		switch string(text) {
		case "NaN", "Infinity":
			return bound.Upper, ok
		case "-Infinity":
			return bound.Lower, ok
		}
		if _, is := x.SetString(string(text)); !ok || !is {
			return 0, false
		}
	default:
		return 0, false
	}
	return ratSteps(x, bound), true
}

func floatSteps(f float64, bound *policy.Bound) (int64, bool) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 1):
		return bound.Upper, true
	case math.IsInf(f, -1):
		return bound.Lower, true
	}
	return ratSteps(new(big.Rat).SetFloat64(f), bound), true
}

func ratSteps(x *big.Rat, bound *policy.Bound) int64 {
	x.Quo(x, bound.Step)
	x.Add(x, big.NewRat(1, 2))
	n := new(big.Int).Div(x.Num(), x.Denom()) // rounds down
	switch {
	case n.Cmp(big.NewInt(bound.Lower)) < 0:
		return bound.Lower
	case n.Cmp(big.NewInt(bound.Upper)) > 0:
		return bound.Upper
	}
	return n.Int64()
}
