package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// A Disk is a small file system in memory that can be full.
type Disk struct{ path string }

// newDisk mounts a disk of some megabytes at path, which is made.
func newDisk(path string, megabytes int) (*Disk, error) {
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=755", megabytes)); err != nil {
		return nil, fmt.Errorf("mount %s: %w", path, err)
	}
	return &Disk{path}, nil
}

// Fill leaves no byte free.
func (d *Disk) Fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Free makes room again.
func (d *Disk) Free() error { return os.Remove(d.ballast()) }

func (d *Disk) ballast() string { return filepath.Join(d.path, "ballast") }

// Close takes the disk away.
func (d *Disk) Close() error { return syscall.Unmount(d.path, syscall.MNT_DETACH) }

// Disks are those of one instance.
type Disks struct{ Provider, Audit, State, Twin *Disk }

// Close takes all disks away.
func (d *Disks) Close() error {
	var err error
	for _, one := range []*Disk{d.Provider, d.Audit, d.State, d.Twin} {
		if one != nil {
			err = errors.Join(err, one.Close())
		}
	}
	return err
}

// Tight is Clarus with a small disk for each thing that needs one. The caller
// must Close the disks, after the instance.
func (w *World) Tight(ctx context.Context, name, policyFile string) (*Instance, *Disks, error) {
	d := &Disks{}
	i, err := w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) (err error) {
		for _, m := range []struct {
			disk **Disk
			name string
			size int
		}{{&d.Provider, "cloud", 120}, {&d.Audit, "audit", 4}, {&d.State, "state", 2}, {&d.Twin, "fast", 150}} {
			if *m.disk, err = newDisk(filepath.Join(i.Dir, m.name), m.size); err != nil {
				return err
			}
		}
		i.audit, i.twinDir = "audit/audit.jsonl", filepath.Join(d.Twin.path, "twin")
		return w.provideIn(ctx, i, filepath.Join(d.Provider.path, "data"), "max_wal_size=32MB", "log_checkpoints=off")
	})
	if err != nil {
		err = errors.Join(err, d.Close())
	}
	return i, d, err
}

// Up starts the server again if it has ended.
func (c *Cluster) Up(ctx context.Context) error {
	select {
	case <-c.done:
		return c.launch(ctx, c.cmd.Args[1:])
	default:
		return c.ready(ctx)
	}
}
