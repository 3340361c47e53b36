package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/check"
	"github.com/clarus-project/clarus/publish/parquet"
	"github.com/clarus-project/clarus/publish/table"
)

// The forms of a release.
const (
	formatCSV     = "csv"
	formatParquet = "parquet"
)

// chooseFormat says how the release is written.
func (p *publication) chooseFormat() error {
	switch {
	case p.tables.to.text != "" && p.format != "":
		return usageError{errors.New("--format is for files: the release becomes a table")}
	case p.format == "" && filepath.Ext(p.out) == ".parquet":
		p.format = formatParquet
	case p.format == "":
		p.format = formatCSV
	case p.format != formatCSV && p.format != formatParquet:
		return usageError{fmt.Errorf("--format %s: write csv or parquet", p.format)}
	}
	return nil
}

// isParquet reports whether a file begins as Parquet does, in clear or encrypted.
func isParquet(f io.ReaderAt) bool {
	var head [4]byte
	n, _ := f.ReadAt(head[:], 0)
	return n == len(head) && parquet.Is(head[:])
}

// readParquet reads a file whose columns have types, and remembers them.
func (p *publication) readParquet(ctx context.Context, f *os.File, size int64, bars *bars) (*table.Table, error) {
	if p.delimiter != "" {
		return nil, usageError{fmt.Errorf("--delimiter: %s is a Parquet file, which has none", p.data)}
	}
	t, types, err := parquet.Read(&interruptibleAt{ctx, f}, size, func(done, of int) { bars.step("load", done, of) })
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.data, err)
	}
	p.types = types
	bars.step("load", 1, 1)
	return t, nil
}

// An interruptibleAt ends with its context.
type interruptibleAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (i *interruptibleAt) ReadAt(b []byte, off int64) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.ReadAt(b, off)
}

// writeTable writes the release in its form.
func (p *publication) writeTable(w io.Writer, release *publish.Release, progress func(rows int) error) error {
	if p.format == formatParquet {
		return parquet.Write(w, release.Table, p.types, unchanged(release.Spec), progress)
	}
	return release.Table.Write(w, progress)
}

// unchanged are the columns that are published as they were. Where rows may be
// suppressed, confidential cells may be an asterisk, which only text can hold.
func unchanged(s *check.Spec) []string {
	names := append([]string(nil), s.Kept...)
	if s.MaxSuppressed == 0 {
		for _, a := range s.Confidential {
			names = append(names, a.Name)
		}
	}
	return names
}
