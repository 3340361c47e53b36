package canary

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
)

// A Relay listens on an address of its own, hands every connection on to a
// server, and writes what passes, both ways, to a file: the traffic as an
// eavesdropper without TLS, or the provider itself, sees it.
type Relay struct {
	listener net.Listener
	target   string
	log      *os.File

	mu    sync.Mutex
	conns map[net.Conn]bool
	err   error
	work  sync.WaitGroup
}

// NewRelay starts a relay on a free port of the loopback that speaks to the TCP
// address target and records in the file path.
func NewRelay(target, path string) (*Relay, error) {
	log, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	r := &Relay{listener: l, target: target, log: log, conns: map[net.Conn]bool{}}
	r.work.Go(r.accept)
	return r, nil
}

// Addr is the host:port to connect to.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Path is the file with the traffic.
func (r *Relay) Path() string { return r.log.Name() }

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		r.mu.Lock()
		r.conns[client], r.conns[server] = true, true
		r.mu.Unlock()
		r.work.Go(func() { r.copy(server, client) })
		r.work.Go(func() { r.copy(client, server) })
	}
}

// copy moves bytes one way until either side ends. Each direction collects a
// run of bytes and appends it whole, so that the directions do not cut each
// other's values in two.
func (r *Relay) copy(to, from net.Conn) {
	defer r.drop(to)
	defer r.drop(from)
	buf := make([]byte, 64<<10)
	var run []byte
	defer func() { r.record(run) }()
	for {
		n, err := from.Read(buf)
		if run = append(run, buf[:n]...); len(run) >= 4<<20 {
			// The last bytes stay, for a value that goes on in the next read.
			r.record(run)
			run = append(run[:0], run[len(run)-4096:]...)
		}
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

func (r *Relay) record(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.log.Write(b); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *Relay) drop(c net.Conn) {
	_ = c.Close()
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
}

// Close ends all connections, writes what is left and reports what could not
// be recorded. The file stays.
func (r *Relay) Close() error {
	err := r.listener.Close()
	r.mu.Lock()
	for c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.work.Wait()
	return errors.Join(err, r.err, r.log.Close())
}

var _ io.Closer = (*Relay)(nil)
