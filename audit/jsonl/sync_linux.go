package jsonl

import "syscall"

// Datasync makes the file's data and size durable, not its times.
func (f osFile) Datasync() error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return err
		}
	}
}
