package pgwire

import (
	"net"
	"time"
)

// patience is about how long a machine that does not answer is taken to be
// there still, whether something was sent to it or not.
const patience = time.Minute

// dialer makes connections that end when the other machine is gone.
var dialer = net.Dialer{Control: unacknowledged, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: patience / 2, Interval: patience / 6, Count: 3}}
