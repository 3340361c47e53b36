package oracle

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/clarus-project/clarus/internal/canary"
)

// Releasing is Clarus with a user "analyst" who sees releases, and with a server of
// its own for cloud-b that logs every statement, behind a relay: the caller must
// Close that, before. files are copied to where the policy is.
func (w *World) Releasing(ctx context.Context, name, policyFile string, files ...string) (*Instance, *canary.Relay, error) {
	var second *canary.Relay
	i, err := w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) (err error) {
		i.users = ", analyst: {password-env: REPORT_PASSWORD, sees: release}"
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(filepath.Join(i.Dir, filepath.Base(file)), text, 0o600)
			}
			if err != nil {
				return err
			}
		}
		if err := w.provide(ctx, i, "fsync=off"); err != nil {
			return err
		}
		if err := i.relay(); err != nil {
			return err
		}
		i.Second, err = startCluster(ctx, w.template, filepath.Join(w.dir, i.Name+"-second"), "log_statement=all", "log_parameter_max_length=-1", "fsync=off")
		if err != nil {
			return err
		}
		second, err = canary.NewRelay(net.JoinHostPort("127.0.0.1", strconv.Itoa(int(i.Second.Port))), filepath.Join(i.Dir, "second"))
		if err != nil {
			return err
		}
		i.second = second.Addr()
		return i.Second.Admin(ctx, "postgres", "CREATE ROLE clarus LOGIN PASSWORD '"+Password+"'", "CREATE DATABASE second OWNER clarus")
	})
	if err != nil && second != nil {
		err = errors.Join(err, second.Close())
	}
	return i, second, err
}
