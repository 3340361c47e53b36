package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus/policy"
)

func policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "Check and explain policies"}
	c.AddCommand(&cobra.Command{
		Use:     "check FILE",
		Short:   "Report every mistake of a policy file",
		Long:    "Reports every mistake of a policy file, each with line, column and remedy.\n\nExit codes: 0 there is none, 1 there are, 2 the command line is wrong.",
		Example: "  clarus policy check policy.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := policy.Load(args[0], techniques); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), args[0]+": ok")
			return nil
		},
	})
	c.AddCommand(&cobra.Command{
		Use:     "explain FILE",
		Short:   "Say in words what a policy means",
		Example: "  clarus policy explain policy.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := policy.Load(args[0], techniques)
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), p.Explain())
			return nil
		},
	})
	return c
}
