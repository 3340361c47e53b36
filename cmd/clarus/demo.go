package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus"
)

//go:embed demo/schema.sql
var demoSchema string

// demoShowcase are queries, each with a comment.
//
//go:embed demo/showcase.sql
var demoShowcase string

//go:embed demo/policy.yaml
var demoPolicy string

// demoConfig is a format: where to listen, and the cloud's address.
//
//go:embed demo/clarus.yaml
var demoConfig string

// What is different with two clouds.
var (
	//go:embed demo/policy-two.yaml
	demoPolicyTwo string
	//go:embed demo/clarus-two.yaml
	demoConfigTwo string
)

type demoOptions struct {
	clouds   int
	patients int
	policy   string // a file; "": the demo's own
	port     uint16
	exit     bool
	check    bool
}

// checkedPatients is how many patients --check loads.
const checkedPatients = 500

func demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show it with a made-up hospital and a cloud on this machine",
		Long: `demo starts a PostgreSQL server that plays the untrusted cloud, starts Clarus
before it, loads a made-up hospital through Clarus and says how to look at both
sides. Everything is in a temporary directory that is removed in the end.

demo --check loads the hospital also into a plain PostgreSQL, compares the
answers of both, and then searches all that the cloud holds and logged for
what must not be there.`,
		Example: "  clarus demo\n  clarus demo --patients 1000 --port 6432\n  clarus demo --check\n  clarus demo --check --policy my-policy.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.patients < 1 || o.patients > 1e7 {
				return usageError{fmt.Errorf("--patients must be from 1 to 10000000, not %d", o.patients)}
			}
			if o.clouds != 1 && o.clouds != 2 {
				return usageError{fmt.Errorf("--clouds must be 1 or 2, not %d", o.clouds)}
			}
			if o.check && cmd.Flags().Changed("patients") {
				return usageError{fmt.Errorf("--check has %d patients of its own: leave --patients out", checkedPatients)}
			}
			return runDemo(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	c.Flags().IntVar(&o.patients, "patients", 25000, "how many patients the hospital has")
	c.Flags().IntVar(&o.clouds, "clouds", 1, "how many clouds there are; with 2, who the patients are is at one of its own")
	c.Flags().StringVar(&o.policy, "policy", "", "a policy file to try instead of the demo's own")
	c.Flags().Uint16Var(&o.port, "port", 0, "the port where Clarus listens; 0 is a free one")
	c.Flags().BoolVar(&o.exit, "exit", false, "end after the hospital is loaded")
	c.Flags().BoolVar(&o.check, "check", false, "compare with plain PostgreSQL, search the cloud, and end")
	return c
}

func runDemo(ctx context.Context, o demoOptions, out, progress io.Writer) (err error) {
	if o.check {
		o.patients = checkedPatients
	}
	d, err := newDemo(o)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := d.close(); err == nil && cerr != nil {
			err = cerr
		}
	}()
	fmt.Fprintln(progress, "starting a cloud, and Clarus before it")
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.fill(ctx, d.clarus(), "through Clarus", progress); err != nil {
		return err
	}
	if o.check {
		return d.compareAndSearch(ctx, out, progress)
	}
	if err := d.explain(ctx, out); err != nil || o.exit {
		return err
	}
	select {
	case err := <-d.served:
		return err
	case <-d.cloud.Done():
		return &clarus.Error{Op: "demo", Kind: clarus.Unavailable, Msg: "the cloud's server ended", Err: d.cloud.Err()}
	case <-ctx.Done():
		return nil
	}
}

// explain says what can be done with a hospital that is loaded.
func (d *demo) explain(ctx context.Context, out io.Writer) error {
	v, err := d.proxy.host.Databases.Get(demoDatabase).Current(ctx)
	if err != nil {
		return err
	}
	defer v.Twin.Release()
	physical := ""
	for _, t := range v.Catalog.Tables {
		if t.Name == "patient" {
			physical = t.Physical()
		}
	}
	holder, log := d.cloud, "cloud.log"
	if d.registry != nil {
		holder, log = d.registry, "registry.log"
	}
	cloud := psql(d.target(holder.Addr(), "clarus"))
	var b strings.Builder
	fmt.Fprintf(&b, "The hospital is loaded. As an application sees it, through Clarus:\n\n  %s\n\nThree queries worth trying:\n", psql(d.clarus()))
	for _, q := range showcase(hospital{d.patients}) {
		if q.worth {
			fmt.Fprintf(&b, "\n  -- %s\n  %s;\n", q.name, strings.ReplaceAll(q.sql, "\n", "\n  "))
		}
	}
	fmt.Fprintf(&b, "\nWhat the cloud sees:\n\n  %s -c '\\d'\n  %s -x -c 'SELECT * FROM %s LIMIT 2'\n  tail -f %s\n", cloud, cloud, physical, d.path(log))
	fmt.Fprintf(&b, "\nThe same through Clarus, which shows it to an owner:\n\n  SET clarus.view = '%s'; SELECT * FROM patient LIMIT 2; RESET clarus.view;\n", strings.TrimSuffix(log, ".log"))
	fmt.Fprintf(&b, "\nWhat was asked for: %s\nWhat Clarus did:    %s\n", d.path("policy.yaml"), d.path("audit.jsonl"))
	if !d.exit {
		b.WriteString("\nCtrl-C ends the demo and removes all of it.\n")
	}
	_, err = io.WriteString(out, b.String())
	return err
}

// terminal reports whether w is one.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
