package pgwire

import (
	"strings"
	"syscall"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7).
const tcpUserTimeout = 18

// unacknowledged ends a connection whose data is not acknowledged for so long:
// keep-alive is silent while data is under way, and the kernel's own limit is
// about 15 minutes.
func unacknowledged(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var err error
	if e := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(patience.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}
