package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish"
	"github.com/clarus-project/clarus/publish/model"
	"github.com/clarus-project/clarus/publish/parquet"
	"github.com/clarus-project/clarus/publish/report"
	"github.com/clarus-project/clarus/publish/table"
)

// A publication is the command line of clarus publish.
type publication struct {
	data, policy, out string
	population        string
	reports           []string
	delimiter, format string
	quiet             bool
	tables            tables        // the ends that are tables
	types             parquet.Types // of the columns that were read, where their file has types
}

func publishCommand() *cobra.Command {
	p := &publication{}
	c := &cobra.Command{
		Use:   "publish FILE|TABLE",
		Short: "Anonymise a table so that it may leave",
		Long: "Anonymises a CSV or Parquet file, or a table at a PostgreSQL server (--from), as a publishing policy says, checks the result, and writes it,\n" +
			"to a file or as a table (--to), with a report of risk and utility.\n" +
			"Nothing is written unless the result passes the check. docs/publish.md describes policies.",
		Example: "  clarus publish patients.csv --policy patients.publish.yaml --out released.csv --report report.html\n" +
			"  clarus publish public.patient --from postgres://owner@localhost:6432/app?sslmode=disable --policy patients.publish.yaml \\\n" +
			"    --to postgres://me@db.example.org/research --out release.patient",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.data = args[0]
			err := p.run(cmd.Context(), cmd.OutOrStdout())
			if errors.Is(err, context.Canceled) {
				return errors.New("interrupted: no release was written")
			}
			return err
		},
	}
	c.Flags().StringVarP(&p.policy, "policy", "p", "", "the publishing policy")
	c.Flags().StringVarP(&p.out, "out", "o", "", "where the release is written; - is the standard output")
	c.Flags().StringArrayVar(&p.reports, "report", nil, "also write the report to this file, by its ending .txt, .json or .html; may be repeated")
	c.Flags().StringVar(&p.delimiter, "delimiter", "", "the character between values; found out if not given")
	c.Flags().StringVar(&p.population, "population", "", "a CSV file of all who may be in the data, for the report; else that of the policy")
	c.Flags().StringVar(&p.format, "format", "", "how the release is written, csv or parquet; by the ending of --out if not given")
	c.Flags().BoolVarP(&p.quiet, "quiet", "q", false, "print neither progress nor report")
	p.tables.flags(c.Flags())
	return c
}

func (p *publication) run(ctx context.Context, stdout io.Writer) error {
	if p.policy == "" || p.out == "" {
		return usageError{errors.New("name a policy with --policy and where the release goes with --out")}
	}
	if err := p.tables.check(p.data, p.out); err != nil {
		return err
	}
	defer p.tables.close()
	for _, path := range p.reports {
		switch filepath.Ext(path) {
		case ".txt", ".json", ".html":
		default:
			return usageError{fmt.Errorf("--report %s: name a file that ends in .txt, .json or .html", path)}
		}
	}
	var delimiter byte
	if p.delimiter != "" {
		if p.delimiter == `\t` || p.delimiter == "tab" {
			p.delimiter = "\t"
		}
		if delimiter = p.delimiter[0]; len(p.delimiter) != 1 || strings.ContainsAny(p.delimiter, "\"\r\n") {
			return usageError{errors.New("--delimiter: one character, not a quote")}
		}
	}
	if err := p.chooseFormat(); err != nil {
		return err
	}
	pol, err := policy.LoadPublication(p.policy)
	if err != nil {
		return err
	}
	if p.population != "" {
		pol.Population = p.population
	}
	bars := newBars(os.Stderr, !p.quiet && terminal(os.Stderr))
	defer bars.stop()
	data, err := p.read(ctx, delimiter, bars)
	if err != nil {
		return err
	}
	release, err := publish.Make(ctx, pol, data, func(name string) (io.ReadCloser, error) { return os.Open(name) }, bars.step)
	if err != nil {
		return fmt.Errorf("%s: %w", p.data, err)
	}
	shown := !p.quiet && p.out != "-"
	var rep *report.Report
	if shown || len(p.reports) > 0 {
		rep = report.New(data, release.Checked, release.Spec, release.Result, time.Now())
	}
	if err := p.write(ctx, pol, release, rep, stdout, bars); err != nil {
		return err
	}
	bars.stop()
	if !shown {
		return nil
	}
	return rep.Text(stdout)
}

// read reads the data.
func (p *publication) read(ctx context.Context, delimiter byte, bars *bars) (*table.Table, error) {
	if p.tables.from.text != "" {
		return p.tables.read(ctx, bars)
	}
	f, err := os.Open(p.data)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := 0
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = int(info.Size())
	}
	if isParquet(f) {
		return p.readParquet(ctx, f, int64(size), bars)
	}
	done := 0
	t, err := table.Read(&interruptible{ctx, f}, table.Options{Delimiter: delimiter, Progress: func(n int) {
		if done/progressStep != (done+n)/progressStep {
			bars.step("load", min(done+n, size), size)
		}
		done += n
	}})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.data, err)
	}
	bars.step("load", 1, 1)
	return t, nil
}

const progressStep = 1 << 18 // bytes between two steps of progress

// An interruptible reader ends with its context.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}

// write writes reports and then the release: who finds a release finds its reports.
func (p *publication) write(ctx context.Context, pol *model.Policy, release *publish.Release, rep *report.Report, stdout io.Writer, bars *bars) error {
	for _, path := range p.reports {
		render := map[string]func(io.Writer) error{".txt": rep.Text, ".json": rep.JSON, ".html": rep.HTML}[filepath.Ext(path)]
		if err := whole(path, render); err != nil {
			return err
		}
	}
	if p.tables.to.text != "" {
		return p.tables.write(ctx, release, pol, p.policy, bars)
	}
	table := func(w io.Writer) error {
		done := 0
		return p.writeTable(w, release, func(rows int) error {
			done += rows
			bars.step("write", done, release.Table.Rows)
			return ctx.Err()
		})
	}
	if p.out == "-" {
		return table(stdout)
	}
	return whole(p.out, table)
}

// whole writes a file so that it is there whole or not at all.
func whole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("write %s: %w", path, e.Err) // without the temporary name
	}
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
