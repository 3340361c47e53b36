package run

import (
	"bytes"
	"encoding/binary"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
)

// A fold is an aggregate with the client's values.
type fold struct {
	plan.Fold
	filter  judge // nil: none
	compare pgvalue.Comparison
}

func (b *binder) fold(f plan.Fold) fold {
	bound := fold{Fold: f}
	if f.Filter != nil {
		bound.filter = b.judge(*f.Filter)
	}
	if !f.Rows {
		b.looked[f.Over.At] = true
		bound.compare, _, _ = pgvalue.Compare(f.Over.Type, f.Over.Type)
	}
	return bound
}

// A folder makes one row of all.
type folder struct {
	folds   []fold
	results []int16
	states  []folded
}

// folded is what was seen so far.
type folded struct {
	count int64
	sum   pgvalue.Sum
	best  []byte // the least or greatest; nil: none yet
}

func newFolder(r *Refinement, results []int16) *folder {
	return &folder{folds: r.folds, results: results, states: make([]folded, len(r.folds))}
}

func (f *folder) add(values [][]byte, _ []byte) error {
	for i := range f.folds {
		a, s := &f.folds[i], &f.states[i]
		if a.filter != nil && a.filter(values) != yes {
			continue
		}
		if a.Rows {
			s.count++
			continue
		}
		v := values[a.Over.At]
		if v == nil {
			continue
		}
		s.count++
		switch a.Func {
		case "sum", "avg":
			s.sum.Add(a.Over.Type, v)
		case "min", "max":
			better := s.best == nil
			if !better {
				c := a.compare(v, s.best)
				better = a.Func == "min" && c < 0 || a.Func == "max" && c > 0
			}
			if better {
				s.best = bytes.Clone(v)
			}
		}
	}
	return nil
}

func (f *folder) each(hand func([]byte) error) error {
	row := binary.BigEndian.AppendUint16(nil, uint16(len(f.folds)))
	for i := range f.folds {
		v, err := f.folds[i].value(&f.states[i])
		if err != nil {
			return err
		}
		v, ok := formatted(v, f.folds[i].Type, f.results[i])
		if !ok {
			return &clarus.Error{Op: "refine", Attr: f.folds[i].Func, Kind: clarus.Internal, Msg: "a value has no text form"}
		}
		row = appendDatum(row, v)
	}
	return hand(row)
}

// value is the aggregate in binary format, nil for NULL.
func (f *fold) value(s *folded) ([]byte, error) {
	switch {
	case f.Func == "count":
		return binary.BigEndian.AppendUint64(nil, uint64(s.count)), nil
	case s.count == 0:
		return nil, nil
	case f.Func == "min" || f.Func == "max":
		return s.best, nil
	}
	ok, v := false, []byte(nil)
	switch {
	case f.Func == "avg":
		v, ok = s.sum.Mean()
	case f.Type == pgvalue.NumericOID:
		v, ok = s.sum.Numeric()
	default:
		var n int64
		if n, ok = s.sum.Int64(); !ok {
			return nil, &pgwire.ServerError{Severity: "ERROR", Code: "22003", Message: "bigint out of range"}
		}
		v = binary.BigEndian.AppendUint64(nil, uint64(n))
	}
	if !ok {
		return nil, &pgwire.ServerError{Severity: "ERROR", Code: "22003", Message: "value overflows numeric format"}
	}
	return v, nil
}
