package oracle

import (
	"context"
	"errors"
	"os/exec"
)

// Planted makes an instance that runs a shell script in place of Clarus, to
// prove that Search finds what is planted.
func (w *World) Planted(ctx context.Context, name, script string, env ...string) (*Instance, error) {
	i, err := w.instance(ctx, name, w.watched)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = env
	if err := i.start(cmd); err != nil {
		return nil, errors.Join(err, i.Stop())
	}
	return i, nil
}
