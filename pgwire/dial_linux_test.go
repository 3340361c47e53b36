package pgwire

import (
	"net"
	"syscall"
	"testing"
)

// TestGoneMachines asks the kernel how long it waits for a machine that is gone.
func TestGoneMachines(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct{ level, option, want int }{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 30},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 10}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 3}, {syscall.IPPROTO_TCP, tcpUserTimeout, 60000},
	} {
		var got int
		if e := raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), o.level, o.option) }); e != nil || err != nil || got != o.want {
			t.Errorf("option %d: %d, want %d; %v, %v", o.option, got, o.want, e, err)
		}
	}
}
