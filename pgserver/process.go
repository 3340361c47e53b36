package pgserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// A process is a running postmaster.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed after the process was reaped
	err    error         // its end, once exited is closed
}

// launch starts cmd as an account, in a process group of its own (Control-C at
// a terminal is for its parent to handle), to be shut down by the kernel when
// this process dies.
//
// The kernel delivers that signal when the *thread* that forked dies, so the
// goroutine that forks stays on its thread until the process has ended.
func launch(cmd *exec.Cmd, a account) (*process, error) {
	p := &process{cmd: cmd, exited: make(chan struct{})}
	cmd.SysProcAttr = a.attributes()
	cmd.WaitDelay = 2 * time.Second // orphans may hold the pipe of the log open
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}

	return p, nil
}

// limited has a program begin with limits that it cannot raise: no core dumps,
// since its memory holds what its clients send, and so many bytes of address
// space (0: any). Setting them from outside would need a privilege.
func limited(cmd *exec.Cmd, memory int64) *exec.Cmd {
	script := "ulimit -c 0; "
	if memory > 0 {
		script += "ulimit -v " + strconv.FormatInt(memory>>10, 10) + " && "
	}
	cmd.Args = append([]string{"sh", "-c", script + `exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	return cmd
}

// signal sends sig; a process that has ended already is no error.
func (p *process) signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// end stops the postmaster: fast shutdown until polite is done, then an
// immediate one, then by force. It returns when the process has ended.
func (p *process) end(polite context.Context) {
	p.signal(syscall.SIGINT)
	select {
	case <-p.exited:
		return
	case <-polite.Done():
	}
	// On SIGQUIT the postmaster itself kills children that do not end within 5 s.
	p.signal(syscall.SIGQUIT)
	select {
	case <-p.exited:
	case <-time.After(8 * time.Second):
		p.kill()
	}
}

// kill ends the postmaster and its children by SIGKILL and waits for it.
// Stopped first, it neither forks nor reaps while its children are listed.
func (p *process) kill() {
	p.signal(syscall.SIGSTOP)
	list := children(p.cmd.Process.Pid)
	for _, pid := range list {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
	limit := time.Now().Add(2 * time.Second)
	for _, pid := range list {
		for running(pid) && time.Now().Before(limit) {
			time.Sleep(time.Millisecond)
		}
	}
}

// run runs a program to its end, as launch does, and returns how it ended.
// When ctx ends first, the program is killed with the group that it leads.
func run(ctx context.Context, cmd *exec.Cmd, a account) error {
	p, err := launch(cmd, a)
	if err != nil {
		return err
	}
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-p.exited
		return fmt.Errorf("stopped before its end: %w", context.Cause(ctx))
	}
}
