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

// ErrNoVictim says that the twin has no such process now.
var ErrNoVictim = errors.New("the twin has no such process now")

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
		return ErrNoVictim
	}
	return syscall.Kill(list[choice.IntN(len(list))], syscall.SIGKILL)
}

// Slay ends the proxy by SIGKILL and starts no other.
func (i *Instance) Slay() { _ = i.cmd.Process.Kill() }

// Stacks ends the proxy and returns what it printed, the last of it where each
// of its goroutines was.
func (i *Instance) Stacks() string {
	_ = i.cmd.Process.Signal(syscall.SIGQUIT)
	<-i.exited
	log, _ := os.ReadFile(i.Log)
	return string(log)
}

// restart kills the proxy and starts it again on the same port.
func (i *Instance) restart() error {
	_ = i.cmd.Process.Kill()
	<-i.exited
	return i.Restart()
}

// Restart starts the proxy once it has ended.
func (i *Instance) Restart() error {
	i.exited = make(chan struct{})
	return i.start(exec.Command(i.binary, "serve", "--config", filepath.Join(i.Dir, "clarus.yaml")))
}

// Clone starts a proxy on a copy of this side, at the same provider. Only
// StopClarus is to be called on it.
func (i *Instance) Clone(name string) (*Instance, error) {
	c := &Instance{Target: &Target{Name: name, Database: i.Database}, Dir: filepath.Join(filepath.Dir(i.Dir), name), binary: i.binary}
	c.twinDir = filepath.Join(c.Dir, "twin")
	c.Log = filepath.Join(c.Dir, "clarus.log")
	if err := os.Mkdir(c.Dir, 0o755); err != nil {
		return nil, err
	}
	for _, part := range []string{"clarus.yaml", "policy.yaml", "keyring.json", "audit.jsonl", "state"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(i.Dir, part), c.Dir).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("copy %s: %w\n%s", part, err, out)
		}
	}
	config := filepath.Join(c.Dir, "clarus.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	c.Host = i.Host
	if c.Port, err = freePort(); err != nil {
		return nil, err
	}
	text = bytes.ReplaceAll(text, []byte(i.twin()), []byte(c.twin()))
	text = bytes.Replace(text, fmt.Appendf(nil, "127.0.0.1:%d,", i.Port), fmt.Appendf(nil, "127.0.0.1:%d,", c.Port), 1)
	if err := os.WriteFile(config, text, 0o600); err != nil {
		return nil, err
	}
	return c, c.Restart()
}

// Crash kills the server and starts it again on the same port.
func (c *Cluster) Crash(ctx context.Context) error {
	_ = c.cmd.Process.Kill()
	<-c.done
	return c.Start(ctx)
}

// Start starts a server that has ended again on the same port.
func (c *Cluster) Start(ctx context.Context) error {
	args := c.cmd.Args[1:]
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := c.launch(ctx, args) // until the old server's processes have ended
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
