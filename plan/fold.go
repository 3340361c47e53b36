package plan

import (
	"slices"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/pgvalue"
)

// A Fold is an aggregate that this side computes over all rows: count, sum, avg,
// min or max.
type Fold struct {
	Func   string
	Over   Term // Rows: nothing
	Rows   bool // count(*)
	Filter *Check
	Type   uint32 // of the result
}

// foldable reports whether a statement returns one row of aggregates.
func (w *pushWriter) foldable() bool {
	q := w.q
	if len(q.Group)+len(q.Distinct)+len(q.Sort) > 0 || q.Having != nil || q.Limit != nil || q.Offset != nil {
		return false
	}
	return !slices.ContainsFunc(q.Outputs, func(o analyze.Output) bool {
		e := o.Expr
		return o.Junk || e.Kind != analyze.Aggregate || e.Distinct || e.Within != 0 || len(e.Direct) > 0 || len(e.Args) > 1
	})
}

// fold has the columns come along that aggregates are of.
func (w *pushWriter) fold() {
	for _, o := range w.q.Outputs {
		f, ok := w.aggregated(o.Expr)
		if !ok {
			w.fail("%s", w.folds)
			return
		}
		w.out.Folds = append(w.out.Folds, f)
	}
}

func (w *pushWriter) aggregated(e *analyze.Expr) (f Fold, ok bool) {
	f = Fold{Func: w.env.Builtins.Functions[e.Func].Name, Type: e.Type}
	if e.Filter != nil {
		c, ok := w.check(e.Filter)
		if !ok {
			return f, false
		}
		f.Filter = &c
	}
	if len(e.Args) == 0 {
		f.Rows = true
		return f, f.Func == "count"
	}
	if f.Over, ok = w.term(e.Args[0]); !ok || f.Over.At < 0 {
		return f, false
	}
	switch f.Func {
	case "count":
		return f, true
	case "min", "max":
		_, ordered, known := pgvalue.Compare(f.Over.Type, f.Over.Type)
		return f, known && ordered && f.Over.Type == f.Type
	case "sum", "avg":
		return f, slices.Contains([]uint32{pgvalue.Int2OID, pgvalue.Int4OID, pgvalue.Int8OID, pgvalue.NumericOID}, f.Over.Type) &&
			(f.Type == pgvalue.NumericOID || f.Type == pgvalue.Int8OID)
	}
	return f, false
}
