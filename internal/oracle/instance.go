package oracle

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/clarus-project/clarus/internal/canary"
	"github.com/clarus-project/clarus/internal/pki"
)

// An Instance is Clarus under one policy, with a provider of its own: an
// unchanged PostgreSQL that logs every statement, where Clarus is the plain
// role that owns its database and may make others, reached through a relay
// that records. Policies may place tables at cloud-b: another database there,
// or of a second server.
type Instance struct {
	*Target
	Provider *Cluster
	Second   *Cluster // a server of its own for cloud-b, or nil
	Far      *Network // before Second
	Relay    *canary.Relay
	Dir      string // configuration, policy, keyring, audit, state, twin
	Log      string // what Clarus printed

	address string    // where Clarus reaches the provider
	second  string    // where it reaches cloud-b; "": at the same address
	users   string    // more than app and report, as they stand in the configuration
	limits  string    // of the twin, as they stand in the configuration
	tls     [2]string // of the clients' side and of the provider's, likewise
	audit   string    // the audit log, below Dir
	twinDir string
	binary  string // the program
	cmd     *exec.Cmd
	exited  chan struct{}
	err     error
}

// ready is how long Clarus may take to start.
const ready = 60 * time.Second

const configuration = `version: 1
listen: {postgres: 127.0.0.1:%d, tls: %s}
users: {app: {password-env: APP_PASSWORD, owner: true}, report: {password-env: REPORT_PASSWORD}%s}
databases: {app: {policy: policy.yaml, default-provider: cloud-a}}
created-databases: {policy: policy.yaml, default-provider: cloud-a}
providers:
  cloud-a: {postgres: {address: "%s", database: app, user: clarus, password-env: CLOUD_A_PASSWORD, tls: %s}, jurisdiction: DE}
  cloud-b: {postgres: {address: "%s", database: second, user: clarus, password-env: CLOUD_A_PASSWORD, tls: %s}, jurisdiction: FR}
keyring: {file: keyring.json, passphrase-env: CLARUS_PASSPHRASE}
audit: {file: %s}
state: state/
twin: {directory: "%s"%s}
`

// Clarus starts an instance under the policy in a file; name is what
// refusals in scripts call it. The caller must Stop it.
func (w *World) Clarus(ctx context.Context, name, policyFile string) (*Instance, error) {
	return w.clarus(ctx, name, policyFile, w.watched)
}

// Limited is Clarus with limits of the twin, as ", memory: 192MB".
func (w *World) Limited(ctx context.Context, name, policyFile, limits string) (*Instance, error) {
	return w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) error {
		i.limits = limits
		return w.watched(ctx, i)
	})
}

// Private is Clarus with the users analyst and other, who get differentially
// private answers only.
func (w *World) Private(ctx context.Context, name, policyFile string) (*Instance, error) {
	return w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) error {
		i.users = ", analyst: {password-env: APP_PASSWORD, aggregate: dp}, other: {password-env: APP_PASSWORD, aggregate: dp}"
		return w.watched(ctx, i)
	})
}

// Secured is Clarus with TLS on both sides, for the host localhost. In its
// directory ca.pem signs clarus.crt, which clients see, and provider.crt.
func (w *World) Secured(ctx context.Context, name, policyFile string, ca *pki.Authority) (*Instance, error) {
	return w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) error {
		i.TLS = func() *tls.Config { return ca.Verify("localhost") }
		if err := errors.Join(ca.Write(filepath.Join(i.Dir, "ca.pem")), i.Certify(ca)); err != nil {
			return err
		}
		i.tls = [2]string{"{certificate: clarus.crt, key: clarus.key}", "{mode: verify-full, ca: ca.pem}"}
		err := w.provide(ctx, i, "ssl=on", "ssl_cert_file="+filepath.Join(i.Dir, "provider.crt"), "ssl_key_file="+filepath.Join(i.Dir, "provider.key"))
		if err == nil {
			err = i.relay()
		}
		i.address = strings.Replace(i.address, "127.0.0.1:", "localhost:", 1)
		return err
	})
}

// Behind is Clarus with a network that can fail between it and its provider.
// The caller must Close that too, before.
func (w *World) Behind(ctx context.Context, name, policyFile string) (*Instance, *Network, error) {
	var n *Network
	i, err := w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) (err error) {
		if err = w.provide(ctx, i); err == nil {
			n, err = newNetwork(i.address)
		}
		if err == nil {
			i.address = n.address
		}
		return err
	})
	return i, n, err
}

// Altered is Clarus built with other text for some of its files, by path from
// the module's root.
func (w *World) Altered(ctx context.Context, name, policyFile string, files map[string]string) (*Instance, error) {
	return w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) error {
		replace := map[string]string{}
		for path, text := range files {
			at, err := filepath.Abs(filepath.Join("../..", path))
			if err != nil {
				return err
			}
			replace[at] = filepath.Join(i.Dir, strings.ReplaceAll(path, "/", "_"))
			if err := os.WriteFile(replace[at], []byte(text), 0o600); err != nil {
				return err
			}
		}
		overlay, err := json.Marshal(map[string]any{"Replace": replace})
		if err == nil {
			err = os.WriteFile(filepath.Join(i.Dir, "overlay.json"), overlay, 0o600)
		}
		if err == nil {
			i.binary, err = build(ctx, filepath.Join(i.Dir, "program"), "-overlay", filepath.Join(i.Dir, "overlay.json"))
		}
		if err != nil {
			return err
		}
		return w.watched(ctx, i)
	})
}

// Certify gives Clarus and the provider new certificates.
func (i *Instance) Certify(ca *pki.Authority) error {
	for _, name := range []string{"clarus", "provider"} {
		if err := ca.Issue(i.Dir, name, time.Now().Add(time.Hour), "localhost"); err != nil {
			return err
		}
	}
	return Own(filepath.Join(i.Dir, "provider.key"))
}

// clarus starts an instance whose provider is made by provide.
func (w *World) clarus(ctx context.Context, name, policyFile string, provide func(context.Context, *Instance) error) (*Instance, error) {
	policy, err := os.ReadFile(policyFile)
	if err != nil {
		return nil, err
	}
	if _, err := w.build(ctx); err != nil {
		return nil, err
	}
	i, err := w.instance(ctx, name, provide)
	if err != nil {
		return nil, err
	}
	if err := i.configure(policy); err != nil {
		return nil, errors.Join(err, i.Stop())
	}
	if i.binary == "" {
		i.binary = w.binary
	}
	if err := i.Restart(); err != nil {
		return nil, errors.Join(err, i.Stop())
	}
	return i, nil
}

// instance starts the provider of an instance.
func (w *World) instance(ctx context.Context, name string, provide func(context.Context, *Instance) error) (i *Instance, err error) {
	i = &Instance{Target: &Target{Name: name, Database: "app"}, Dir: filepath.Join(w.dir, name), exited: make(chan struct{}), tls: [2]string{"off", "off"}, audit: "audit.jsonl"}
	i.twinDir = filepath.Join(i.Dir, "twin")
	i.Log = filepath.Join(i.Dir, "clarus.log")
	if err := os.Mkdir(i.Dir, 0o755); err != nil {
		return nil, err
	}
	if err := provide(ctx, i); err != nil {
		return nil, errors.Join(err, i.Stop())
	}
	return i, nil
}

// watched starts a provider that logs every statement, behind a relay that
// records the traffic.
func (w *World) watched(ctx context.Context, i *Instance) (err error) {
	err = w.provide(ctx, i, "log_statement=all", "log_parameter_max_length=-1", "log_parameter_max_length_on_error=-1")
	if err == nil {
		err = i.relay()
	}
	return err
}

// relay puts a relay before the provider.
func (i *Instance) relay() (err error) {
	if i.Relay, err = canary.NewRelay(i.address, filepath.Join(i.Dir, "traffic")); err == nil {
		i.address = i.Relay.Addr()
	}
	return err
}

// provide starts a provider where Clarus is the plain role that owns its database.
func (w *World) provide(ctx context.Context, i *Instance, settings ...string) (err error) {
	return w.provideIn(ctx, i, filepath.Join(w.dir, i.Name+"-provider"), settings...)
}

// provideIn is provide with the data in a directory of the caller's choice.
func (w *World) provideIn(ctx context.Context, i *Instance, dir string, settings ...string) (err error) {
	i.Provider, err = startCluster(ctx, w.template, dir, settings...)
	if err != nil {
		return err
	}
	i.address = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(i.Provider.Port)))
	return i.Provider.Admin(ctx, "postgres", "CREATE ROLE clarus LOGIN CREATEDB PASSWORD '"+Password+"'", "CREATE DATABASE app OWNER clarus",
		"CREATE DATABASE second OWNER clarus")
}

// TwoClouds is Clarus with a server of its own for cloud-b.
func (w *World) TwoClouds(ctx context.Context, name, policyFile string) (*Instance, error) {
	return w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) (err error) {
		if err := w.provide(ctx, i, "fsync=off"); err != nil {
			return err
		}
		i.Second, err = startCluster(ctx, w.template, filepath.Join(w.dir, i.Name+"-second"), "fsync=off")
		if err != nil {
			return err
		}
		if i.Far, err = newNetwork(net.JoinHostPort("127.0.0.1", strconv.Itoa(int(i.Second.Port)))); err != nil {
			return err
		}
		i.second = i.Far.address
		return i.Second.Admin(ctx, "postgres", "CREATE ROLE clarus LOGIN PASSWORD '"+Password+"'", "CREATE DATABASE second OWNER clarus")
	})
}

func (i *Instance) configure(policy []byte) (err error) {
	i.Host = "127.0.0.1"
	if i.Port, err = freePort(); err != nil {
		return err
	}
	second := i.second
	if second == "" {
		second = i.address
	}
	for file, content := range map[string][]byte{
		"clarus.yaml": fmt.Appendf(nil, configuration, i.Port, i.tls[0], i.users, i.address, i.tls[1], second, i.tls[1], i.audit, i.twin(), i.limits), "policy.yaml": policy,
	} {
		if err := os.WriteFile(filepath.Join(i.Dir, file), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start starts the program.
func (i *Instance) start(cmd *exec.Cmd) error {
	i.cmd = cmd
	i.prepare(cmd)
	return i.launch()
}

// prepare gives a command of the program its directory and environment.
func (i *Instance) prepare(cmd *exec.Cmd) {
	cmd.Dir = i.Dir
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "HOME="+i.Dir, "APP_PASSWORD="+Password, "REPORT_PASSWORD="+Password,
		"CLOUD_A_PASSWORD="+Password, "CLARUS_PASSPHRASE=correct horse battery staple")
}

// Command runs another command of the program on the instance's configuration
// and returns what it printed and its exit code.
func (i *Instance) Command(ctx context.Context, args ...string) (string, int, error) {
	cmd := exec.CommandContext(ctx, i.binary, append(args, "--config", filepath.Join(i.Dir, "clarus.yaml"))...)
	i.prepare(cmd)
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode(), nil
	}
	return string(out), 0, err
}

// twin is the directory of the logical twin.
func (i *Instance) twin() string { return i.twinDir }

// launch starts the program and waits for its ready line.
func (i *Instance) launch() error {
	stderr, err := i.cmd.StderrPipe()
	if err != nil {
		return err
	}
	log, err := os.Create(i.Log)
	if err != nil {
		return err
	}
	i.cmd.Stdout = log
	if err := i.cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	listens := make(chan struct{}, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewReader(stderr)
		for {
			line, err := lines.ReadBytes('\n')
			_, _ = log.Write(line)
			if bytes.HasPrefix(line, []byte("clarus: listening on postgres ")) {
				select {
				case listens <- struct{}{}:
				default:
				}
			}
			if err != nil {
				return
			}
		}
	})
	go func() {
		reading.Wait()
		i.err = errors.Join(i.cmd.Wait(), log.Close())
		close(i.exited)
	}()
	select {
	case <-listens:
		return nil
	case <-i.exited:
		text, _ := os.ReadFile(i.Log)
		return fmt.Errorf("clarus ended: %w\n%s", i.err, text)
	case <-time.After(ready):
		text, _ := os.ReadFile(i.Log)
		return fmt.Errorf("clarus was not ready after %v\n%s", ready, text)
	}
}

// StopClarus ends the program with SIGTERM and reports an end that was not
// orderly, and processes that it left behind.
func (i *Instance) StopClarus() error {
	if i.cmd == nil || i.cmd.Process == nil {
		return nil
	}
	children, err := canary.Children(i.cmd.Process.Pid)
	if err != nil {
		return err
	}
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-i.exited:
		err = i.err
	case <-time.After(30 * time.Second):
		_ = i.cmd.Process.Kill()
		<-i.exited
		err = errors.New("clarus did not end within 30 s of SIGTERM")
	}
	i.cmd = nil
	if err != nil {
		text, _ := os.ReadFile(i.Log)
		return fmt.Errorf("%w\n%s", err, text)
	}
	return leftovers(children)
}

// leftovers reports which of some processes, told to end, are still there.
func leftovers(pids []int) error {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left = nil
		for _, pid := range pids {
			if cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && len(cmdline) > 0 {
				left = append(left, strings.ReplaceAll(string(cmdline), "\x00", " "))
			}
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("clarus left processes: %q", left)
		}
	}
}

// Stop ends the program, the relay and the provider.
func (i *Instance) Stop() error {
	err := i.StopClarus()
	if i.Relay != nil {
		err = errors.Join(err, i.Relay.Close())
		i.Relay = nil
	}
	if i.Provider != nil {
		err = errors.Join(err, i.Provider.Stop())
		i.Provider = nil
	}
	if i.Far != nil {
		err = errors.Join(err, i.Far.Close())
		i.Far = nil
	}
	if i.Second != nil {
		err = errors.Join(err, i.Second.Stop())
		i.Second = nil
	}
	return err
}
