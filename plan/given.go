package plan

import (
	"encoding/binary"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
)

// A Given is a value of a statement that this side can know before it asks
// anybody: a constant or a parameter (Probe), a draw from a sequence, the time,
// a random UUID; and how PostgreSQL converts it for its column.
type Given struct {
	Probe
	Source Source
	Draw   uint32 // the sequence
	Casts  []Cast
}

// A Source says where a Given comes from.
type Source int

// The sources.
const (
	Stated Source = iota // Probe; a constant whose Value is nil is NULL
	Drawn                // from sequence Draw
	Time                 // now()
	Random               // gen_random_uuid()
)

// A Cast is a conversion to a type, and then to what a type modifier allows.
type Cast struct {
	Type   uint32
	Typmod int32 // -1: none
}

// Convert applies casts to a value of type typ; nil stays NULL. ok is false
// where PostgreSQL has to do it, or would refuse.
func Convert(typ uint32, casts []Cast, v []byte) (value []byte, ok bool) {
	for _, c := range casts {
		if v == nil {
			return nil, true
		}
		if v, ok = pgvalue.Cast(typ, c.Type, v); !ok {
			return nil, false
		}
		if v, ok = pgvalue.Fit(c.Type, c.Typmod, v); !ok {
			return nil, false
		}
		typ = c.Type
	}
	return v, true
}

const (
	funcNow    = 1299
	funcRandom = 3432 // gen_random_uuid
)

// given reads what an expression gives column c of t.
func (env Env) given(e *analyze.Expr, t *catalog.Table, c *catalog.Column) (Given, bool) {
	g, typ, ok := env.value(e)
	if ok && typ != c.Type && castable(typ, c.Type) && !isInteger(typ) { // the analyser's relabelling of constants is left out
		g.Casts, typ = append(g.Casts, Cast{c.Type, -1}), c.Type
	}
	if !ok || typ != c.Type || !pgvalue.Known(c.Type) {
		return g, false
	}
	if mod := t.Relation.Column(c.Num).Typmod; mod >= 0 {
		g.Casts = append(g.Casts, Cast{c.Type, mod})
	}
	if g.Source == Stated && g.Param == 0 {
		if g.Value, ok = Convert(g.Type, g.Casts, g.Value); !ok {
			return g, false
		}
		g.Type, g.Casts = c.Type, nil
	}
	return g, true
}

// value reads an expression of which this side can know the value, and its type.
func (env Env) value(e *analyze.Expr) (g Given, typ uint32, ok bool) {
	switch e.Kind {
	case analyze.Literal:
		return Given{Probe: probeOf(e.Operand)}, e.Operand.Type, pgvalue.Known(e.Operand.Type) && !e.Operand.Array
	case analyze.NextValue:
		g = Given{Source: Drawn, Draw: e.Sequence}
		if e.Type != pgvalue.Int8OID {
			g.Casts = []Cast{{e.Type, -1}}
		}
		return g, e.Type, true
	case analyze.Timestamp:
		return Given{Source: Time}, pgvalue.TimestamptzOID, true
	case analyze.Relabel:
		return env.cast(e, -1)
	case analyze.Call:
		switch {
		case e.Func == funcNow:
			return Given{Source: Time}, pgvalue.TimestamptzOID, true
		case e.Func == funcRandom:
			return Given{Source: Random}, pgvalue.UUIDOID, true
		case env.casts(e, 1):
			return env.cast(e, -1)
		case env.casts(e, 2), env.casts(e, 3):
			if mod, ok := integer(e.Args[1]); ok {
				return env.cast(e, mod)
			}
		}
	}
	return g, 0, false
}

// casts reports whether a call is that of a cast function with n arguments,
// which is named like its type.
func (env Env) casts(e *analyze.Expr, n int) bool {
	names := map[uint32]string{pgvalue.Int2OID: "int2", pgvalue.Int4OID: "int4", pgvalue.Int8OID: "int8", pgvalue.NumericOID: "numeric", pgvalue.Float4OID: "float4", pgvalue.Float8OID: "float8",
		pgvalue.VarcharOID: "varchar", pgvalue.BPCharOID: "bpchar", pgvalue.TimeOID: "time", pgvalue.TimestampOID: "timestamp", pgvalue.TimestamptzOID: "timestamptz"}
	f, ok := env.Builtins.Functions[e.Func]
	return ok && len(e.Args) == n && names[e.Type] != "" && f.Name == names[e.Type]
}

func (env Env) cast(e *analyze.Expr, typmod int32) (g Given, typ uint32, ok bool) {
	g, typ, ok = env.value(e.Args[0])
	if !ok || !castable(typ, e.Type) {
		return g, 0, false
	}
	if typ != e.Type || typmod >= 0 {
		g.Casts = append(g.Casts, Cast{e.Type, typmod})
	}
	return g, e.Type, true
}

// castable reports whether pgvalue.Cast knows a cast.
func castable(from, to uint32) bool {
	sample := make([]byte, 8) // zero, also of numeric
	if n, fixed := pgvalue.Width(from); fixed {
		sample = make([]byte, n)
	}
	_, ok := pgvalue.Cast(from, to, sample)
	return ok
}

func isInteger(typ uint32) bool {
	return typ == pgvalue.Int2OID || typ == pgvalue.Int4OID || typ == pgvalue.Int8OID
}

// integer reads a constant of type int4.
func integer(e *analyze.Expr) (int32, bool) {
	if e.Kind != analyze.Literal || e.Operand.Param != 0 || e.Operand.Type != pgvalue.Int4OID || len(e.Operand.Value) != 4 {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(e.Operand.Value)), true
}
