package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/clarus-project/clarus/internal/canary"
)

// Kill ends a part of the instance by SIGKILL: "twin" (the server), "backend"
// (one of its processes), "proxy", or "provider". What nobody else starts
// again, proxy and provider, it starts again.
func (i *Instance) Kill(ctx context.Context, victim string, choice *rand.Rand) error {
	switch victim {
	case "proxy":
		return i.restart()
	case "provider":
		return i.Provider.Crash(ctx)
	}
	pids, err := canary.Children(i.cmd.Process.Pid)
	if err != nil {
		return err
	}
	var servers, backends []int
	for _, pid := range pids {
		switch line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); {
		case err != nil:
		case bytes.HasPrefix(line, []byte("postgres: ")):
			backends = append(backends, pid)
		case bytes.Contains(line, []byte("postgres\x00")):
			servers = append(servers, pid)
		}
	}
	list := servers
	if victim == "backend" {
		list = backends
	}
	if len(list) == 0 {
		return errors.New("the twin has no such process now")
	}
	return syscall.Kill(list[choice.IntN(len(list))], syscall.SIGKILL)
}

// restart kills the proxy and starts it again on the same port.
func (i *Instance) restart() error {
	binary, config := i.cmd.Path, filepath.Join(i.Dir, "clarus.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	text = bytes.Replace(text, []byte("127.0.0.1:0,"), fmt.Appendf(nil, "127.0.0.1:%d,", i.Port), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return err
	}
	_ = i.cmd.Process.Kill()
	<-i.exited
	i.exited = make(chan struct{})
	return i.start(exec.Command(binary, "serve", "--config", config))
}

// Crash kills the server and starts it again on the same port.
func (c *Cluster) Crash(ctx context.Context) error {
	_ = c.cmd.Process.Kill()
	<-c.done
	args := c.cmd.Args[1:]
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := c.launch(ctx, args) // until the old server's processes have ended
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
