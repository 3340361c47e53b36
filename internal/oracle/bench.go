//go:build bench

package oracle

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bare starts an instance whose provider neither logs nor is watched, and
// returns also that provider itself, with a database of its own, as a target.
func (w *World) Bare(ctx context.Context, name, policyFile string) (*Instance, *Target, error) {
	i, err := w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) error { return w.provide(ctx, i) })
	if err != nil {
		return nil, nil, err
	}
	err = i.Provider.Admin(ctx, "postgres", "CREATE ROLE app LOGIN PASSWORD '"+Password+"'", "CREATE DATABASE direct OWNER app")
	return i, &Target{Name: "PostgreSQL", Host: "127.0.0.1", Port: i.Provider.Port, Database: "direct"}, err
}

// A Bouncer is pgbouncer in session mode before a target.
type Bouncer struct {
	*Target
	cmd *exec.Cmd
}

// Bouncer starts Debian's pgbouncer before a target.
func (w *World) Bouncer(ctx context.Context, t *Target) (*Bouncer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.dir, "pgbouncer")
	if err := ownDir(dir); err != nil {
		return nil, err
	}
	ini := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
%[1]s = host=%[2]s port=%[3]d dbname=%[1]s user=app password=%[4]s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[5]d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %[6]s/users
pool_mode = session
max_client_conn = 100
default_pool_size = 50
logfile = %[6]s/log
`, t.Database, t.Host, t.Port, Password, port, dir)
	for path, content := range map[string]string{ini: text, filepath.Join(dir, "users"): `"app" "` + Password + `"` + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("/usr/sbin/pgbouncer", "-q", ini)
	cred, err := account()
	if err != nil {
		return nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &Bouncer{Target: &Target{Name: "pgbouncer", Host: "127.0.0.1", Port: port, Database: t.Database}, cmd: cmd}
	for range 100 {
		if c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))); err == nil {
			return b, c.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	_ = b.Stop()
	return nil, fmt.Errorf("pgbouncer does not listen:\n%s", log)
}

// Stop ends pgbouncer.
func (b *Bouncer) Stop() error {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
	return nil
}

// A CPU is processor time used so far.
type CPU struct{ Clarus, Twin time.Duration }

// CPU tells what Clarus and its twin's processes have used.
func (i *Instance) CPU() CPU {
	var c CPU
	parents, used := map[int]int{}, map[int]time.Duration{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		// What follows the name in parentheses: state, parent, ..., utime and stime in ticks of 10 ms, those of ended children.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		parents[pid], _ = strconv.Atoi(fields[1])
		for _, at := range []int{11, 12, 13, 14} {
			n, _ := strconv.Atoi(fields[at])
			used[pid] += time.Duration(n) * 10 * time.Millisecond
		}
	}
	own := i.cmd.Process.Pid
	for pid, d := range used {
		for p := parents[pid]; p > 1; p = parents[p] {
			if p == own {
				c.Twin += d
				break
			}
		}
	}
	c.Clarus = used[own]
	return c
}
