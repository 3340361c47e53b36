package oracle

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A Network stands between Clarus and its provider, and fails as networks do.
type Network struct {
	target  string
	address string

	mu       sync.Mutex
	changed  sync.Cond // silent became false, or a connection ended
	listener net.Listener
	silent   bool
	late     time.Duration // what goes to the provider is kept for up to so long
	left     int           // bytes that may still come from the provider; below 0: all
	conns    map[*net.TCPConn]bool
	work     sync.WaitGroup
}

// newNetwork makes a network that reaches target.
func newNetwork(target string) (*Network, error) {
	n := &Network{target: target, address: "127.0.0.1:0", left: -1, conns: map[*net.TCPConn]bool{}}
	n.changed.L = &n.mu
	return n, n.Mend()
}

// Mend makes the network work. What was connected before stays as it is.
func (n *Network) Mend() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent, n.left = false, -1
	n.changed.Broadcast()
	if n.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", n.address)
	if err != nil {
		return err
	}
	n.listener, n.address = l, l.Addr().String()
	n.work.Go(func() { n.accept(l) })
	return nil
}

// Refuse resets all connections, and refuses others.
func (n *Network) Refuse() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listener != nil {
		_ = n.listener.Close()
		n.listener = nil
	}
	n.cut()
}

// Silence has nothing pass from now on, and tells nobody.
func (n *Network) Silence() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent = true
}

// CutAfter resets all connections once the provider has sent so many bytes more.
func (n *Network) CutAfter(bytes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left = bytes
}

// Delay keeps what goes to the provider for a random time below most.
func (n *Network) Delay(most time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.late = most
}

// cut resets all connections. n.mu is held.
func (n *Network) cut() {
	for c := range n.conns {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	clear(n.conns)
	n.changed.Broadcast()
}

func (n *Network) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", n.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		a, b := client.(*net.TCPConn), server.(*net.TCPConn)
		n.mu.Lock()
		n.conns[a], n.conns[b] = true, true
		n.mu.Unlock()
		n.work.Go(func() { n.copy(b, a, false) })
		n.work.Go(func() { n.copy(a, b, true) })
	}
}

// copy moves bytes one way until either side ends or the network fails.
func (n *Network) copy(to, from *net.TCPConn, back bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 4096)
	for {
		read, err := from.Read(buf)
		if !back {
			n.keep()
		}
		if !n.passes(to, read, back) {
			return
		}
		if _, werr := to.Write(buf[:read]); werr != nil || err != nil {
			return
		}
	}
}

func (n *Network) keep() {
	n.mu.Lock()
	late := n.late
	n.mu.Unlock()
	if late > 0 {
		time.Sleep(rand.N(late))
	}
}

// passes waits while nothing passes, and says whether the bytes do at last.
func (n *Network) passes(to *net.TCPConn, bytes int, back bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.silent && n.conns[to] {
		n.changed.Wait()
	}
	if back && n.left >= 0 && bytes > 0 {
		if n.left -= bytes; n.left < 0 {
			n.left = -1
			n.cut()
		}
	}
	return n.conns[to]
}

// Close ends the network.
func (n *Network) Close() error {
	n.Refuse()
	n.work.Wait()
	return nil
}

var _ io.Closer = (*Network)(nil)
