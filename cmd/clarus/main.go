// Command clarus stands between applications and clouds that are not trusted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/clarus-project/clarus/store"
)

// Exit codes.
const (
	exitFailed      = 1 // the command could not be carried out
	exitUsage       = 2 // the command line is wrong
	exitUnconfirmed = 3 // the owner has to confirm the schema first
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:   "clarus",
		Short: "Keeps sensitive data protected in clouds that are not trusted",
		Long: "Keeps sensitive data protected in clouds that are not trusted.\n\n" +
			"Exit codes: 0 done, 1 the command could not be carried out, 2 the command line is wrong, " +
			"3 the owner has to confirm the schema that the provider shows (clarus recover).",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	understood := false // the command line was
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	root.AddCommand(initCommand(), serveCommand(), policyCommand(), recoverCommand(), demoCommand(), publishCommand(), budgetsCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "clarus:", describe(err))
		if _, wrong := errors.AsType[usageError](err); wrong || !understood {
			os.Exit(exitUsage)
		}
		if errors.Is(err, store.ErrUnconfirmed) {
			os.Exit(exitUnconfirmed)
		}
		os.Exit(exitFailed)
	}
}

// A usageError is a command line that is wrong in a way that only the command
// itself can tell.
type usageError struct{ error }
