package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/clarus-project/clarus"
)

// A cluster is a layout with all that is needed to run programs in it.
type cluster struct {
	*layout
	cfg      Config // complete
	binaries Binaries
	account  account
	log      *tail
}

// command prepares one of the server's programs, with an empty environment but
// for what it needs.
func (c *cluster) command(dir, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(c.binaries.path(program), args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PGDATA=" + c.data, "TZ=UTC", "LC_MESSAGES=C",
		"LC_CTYPE=" + c.cfg.Locale, "LC_COLLATE=" + c.cfg.Locale}, c.cfg.Env...)
	cmd.Stderr = c.log
	return cmd
}

// prepare makes the cluster where there is none, and writes its configuration.
func (c *cluster) prepare(ctx context.Context) error {
	if version := strings.TrimSpace(c.peek("PG_VERSION")); version != "" {
		if err := c.recognise(version); err != nil {
			return err
		}
	} else if err := c.create(ctx); err != nil {
		return err
	}
	if err := c.awaitOrphan(ctx); err != nil {
		return err
	}
	config := configFile(filepath.Join(c.data, "postgresql.conf"), defaults(c.cfg))
	err := errors.Join(c.write("postgresql.conf", config, c.account), c.write("pg_hba.conf", hbaFile(c.cfg.HBA), c.account))
	if err != nil {
		return err
	}
	return c.setPassword(ctx)
}

// origin is what initdb was asked for; it cannot be changed later.
func (c *cluster) origin() string {
	return fmt.Sprintf("locale %s, superuser %s, WAL segments of %d MB (0: default)\n",
		c.cfg.Locale, c.cfg.Superuser, c.cfg.WALSegmentMB)
}

// recognise accepts a cluster that is there if it is what was asked for.
func (c *cluster) recognise(version string) error {
	if version != strconv.Itoa(c.binaries.Major) {
		return misconfigured(fmt.Sprintf("%s holds a cluster of PostgreSQL %s, the server is version %d", c.root, version, c.binaries.Major),
			"Say where the binaries of that version are, or move the data over with pg_upgrade.")
	}
	made, err := os.ReadFile(filepath.Join(c.conf, "origin"))
	if err != nil {
		return err
	}
	if string(made) != c.origin() {
		return misconfigured(fmt.Sprintf("%s holds a cluster made with %s; asked for is %s", c.root,
			strings.TrimSpace(string(made)), strings.TrimSpace(c.origin())), "These are fixed when a cluster is made.")
	}
	return nil
}

// create runs initdb beside the final place and moves the result there, so that
// a cluster is either whole or not there.
func (c *cluster) create(ctx context.Context) error {
	staging := c.data + ".new"
	if err := os.RemoveAll(staging); err != nil {
		return err
	}
	if err := os.Mkdir(staging, 0o700); err != nil {
		return err
	}
	if err := errors.Join(c.account.own(staging), c.write("origin", c.origin(), c.account)); err != nil {
		return err
	}
	if err := run(ctx, c.command(staging, "postgres", "--version"), c.account); err != nil {
		if ctx.Err() != nil {
			return c.failed(clarus.Canceled, "the start was given up", err)
		}
		return unreachable(staging, c.account, err)
	}
	args := []string{"--pgdata=" + staging, "--username=" + c.cfg.Superuser, "--encoding=UTF8", "--locale=" + c.cfg.Locale,
		"--lc-messages=C", "--auth-local=reject", "--auth-host=reject", "--no-instructions"}
	if c.cfg.Temporary {
		args = append(args, "--no-sync")
	}
	if c.cfg.WALSegmentMB != 0 {
		args = append(args, "--wal-segsize="+strconv.Itoa(c.cfg.WALSegmentMB))
	}
	if err := run(ctx, c.command(staging, "initdb", args...), c.account); err != nil {
		return c.failed(clarus.Misconfigured, "initdb failed", err)
	}
	if err := os.Rename(staging, c.data); err != nil {
		return err
	}
	return syncDir(c.root)
}

// awaitOrphan waits for a server whose parent was killed to end: it was told to
// when that happened.
func (c *cluster) awaitOrphan(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		pid := c.orphan()
		if pid == 0 {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return misconfigured(fmt.Sprintf("a server runs in %s already, as process %d", c.root, pid),
				"Stop it. If no such server runs, remove data/postmaster.pid.")
		}
	}
}

// setPassword sets the superuser's password in single-user mode: only its
// verifier is ever written, and no server listens before it is set.
func (c *cluster) setPassword(ctx context.Context) error {
	verifier, err := scramVerifier(c.cfg.Password, randomSalt())
	if err != nil {
		return err
	}
	cmd := c.command(c.data, "postgres", append([]string{"--single"}, append(c.files(),
		"-c", "exit_on_error=on", "-c", "log_statement=none", "-c", "log_min_duration_statement=-1", "postgres")...)...)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'\n", quoteListItem(c.cfg.Superuser), verifier))
	if err := run(ctx, cmd, c.account); err != nil {
		return c.failed(clarus.Misconfigured, "the superuser's password could not be set", err)
	}
	return nil
}

// files are the arguments that say which files a server obeys.
func (c *cluster) files() []string {
	return []string{"-D", c.data, "-c", "config_file=" + filepath.Join(c.conf, "postgresql.conf"),
		"-c", "hba_file=" + filepath.Join(c.conf, "pg_hba.conf")}
}

// failed makes the error for a program that ended badly, with the end of its
// log. err is nil if it ended with success where it should not have ended.
func (c *cluster) failed(kind clarus.Kind, msg string, err error) *clarus.Error {
	if err == nil {
		err = errors.New("exit status 0")
	}
	if text := c.log.String(); text != "" {
		err = fmt.Errorf("%w; its log ends: %s", err, text)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		kind = clarus.Canceled
	}
	return &clarus.Error{Op: "run postgres", Kind: kind, Msg: msg, Err: err}
}

// syncDir makes a rename in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
