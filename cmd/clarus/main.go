// Command clarus stands between applications and clouds that are not trusted.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1 // the command could not be carried out
	exitUsage  = 2 // the command line is wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "clarus",
		Short:         "Keeps sensitive data protected in clouds that are not trusted",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(serveCommand(), policyCommand(), demoCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "clarus:", describe(err))
		if _, ok := err.(usageError); ok {
			os.Exit(exitUsage)
		}
		os.Exit(exitFailed)
	}
}

type usageError struct{ error }
