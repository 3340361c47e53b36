package pgwire

import (
	"errors"
	"net"
	"testing"
)

// TestLoan shows that who read on a connection that is taken back gets nothing
// of what comes afterwards.
func TestLoan(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	l := lend(ours)
	swallowed := make(chan error, 1)
	go func() {
		_, err := l.Read(make([]byte, 16))
		swallowed <- err
	}()
	for reading := false; !reading; {
		l.mu.Lock()
		reading = l.reads == 1
		l.mu.Unlock()
	}
	c, err := l.takeBack()
	if err != nil {
		t.Fatal(err)
	}
	if err := <-swallowed; err == nil {
		t.Error("the read went on")
	}
	if _, err := l.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a later read: %v", err)
	}
	go theirs.Write([]byte("answer"))
	b := make([]byte, 16)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "answer" {
		t.Errorf("%q, %v", b[:n], err)
	}
}
