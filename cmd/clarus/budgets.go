package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus/policy"
	"github.com/clarus-project/clarus/publish/dp"
)

// ledgerFile is where the ledger of privacy budgets is.
func ledgerFile(cfg *policy.Config) string { return filepath.Join(cfg.State, "budgets.jsonl") }

// budgetDelta is the delta at which budgets tells epsilon.
const budgetDelta = 1e-6

func budgetsCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "budgets",
		Short: "Say what users with aggregate: dp have spent",
		Long: "Says what users with aggregate: dp have spent of their privacy budgets, for each dataset and purpose: rho and delta, and the epsilon that rho comes to " +
			"at a delta of 10^-6 more. What they may spend stands in the policies. It may run while Clarus does.",
		Example: "  clarus budgets --config clarus.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := policy.LoadConfig(config)
			if err != nil {
				return err
			}
			spent, err := dp.ReadLedger(ledgerFile(cfg))
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "dataset\tuser\tpurpose\trho\tdelta\tepsilon")
			order := func(a, b dp.Account) int {
				return cmp.Or(cmp.Compare(a.Dataset, b.Dataset), cmp.Compare(a.User, b.User), cmp.Compare(a.Purpose, b.Purpose))
			}
			for _, a := range slices.SortedFunc(maps.Keys(spent), order) {
				l := spent[a]
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.3g\t%.2f\n", a.Dataset, a.User, a.Purpose, l.Rho, l.Delta.Float(), l.Rho.Epsilon(budgetDelta))
			}
			return w.Flush()
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "clarus.yaml", "the configuration file")
	return c
}
