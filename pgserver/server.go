package pgserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/clarus-project/clarus"
)

// A Server is a PostgreSQL server that runs as a child of this process. All of
// its methods may be called concurrently.
type Server struct {
	cluster *cluster
	addr    netip.AddrPort // invalid: Unix socket only
	port    uint16

	mu       sync.Mutex
	proc     *process // the postmaster, or the last one
	restarts int

	stopping chan struct{} // closed by the first Stop
	stopOnce sync.Once
	polite   context.Context // how long a fast shutdown may take; set before stopping is closed
	ended    chan struct{}   // closed when no postmaster runs and none will
	err      error           // why, once ended is closed; nil after Stop
	released error           // what release returned, under releaseOnce

	releaseOnce sync.Once
}

// Start makes the cluster if there is none, starts its server and returns when
// it accepts connections. ctx bounds the start only; the server runs until
// Stop, which must be called also after it ended by itself.
//
// Errors are of kind Misconfigured where the owner has to change something; a
// failed Start leaves no process, and no files of a temporary cluster.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	bin, err := cfg.binaries()
	if err != nil {
		return nil, err
	}
	acct, err := chooseAccount(cfg.User)
	if err != nil {
		return nil, err
	}
	lay, err := openLayout(cfg, acct)
	if err != nil {
		return nil, err
	}
	s := &Server{cluster: &cluster{layout: lay, cfg: cfg, binaries: bin, account: acct, log: &tail{next: cfg.Log}},
		stopping: make(chan struct{}), ended: make(chan struct{})}
	if err := s.cluster.prepare(ctx); err != nil {
		return nil, errors.Join(err, lay.release(cfg.Temporary))
	}
	if err := s.first(ctx); err != nil {
		return nil, errors.Join(err, lay.release(cfg.Temporary))
	}
	go s.supervise()
	return s, nil
}

// first chooses the port and starts the postmaster.
func (s *Server) first(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		chosen, err := s.choosePort()
		if err != nil {
			return err
		}
		err = s.launch(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !chosen || attempt == 5 || !strings.Contains(err.Error(), "could not create any TCP/IP sockets") {
			return s.explain(ctx, err)
		}
		// Somebody took the free port between the choice and its use.
	}
}

// choosePort settles where to listen. It reports whether the port was free to
// choose, and fails if a given one is busy.
func (s *Server) choosePort() (chosen bool, err error) {
	if s.cluster.cfg.Listen == "" {
		s.port = 5432
		return false, nil
	}
	addr := netip.MustParseAddrPort(s.cluster.cfg.Listen) // complete has checked it
	l, err := net.Listen("tcp", addr.String())
	if err != nil {
		e := misconfigured("the server cannot listen on "+addr.String(), "Choose a free port of this machine, or port 0 to have one chosen.")
		e.Err = err
		return false, e
	}
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	s.addr, s.port = netip.AddrPortFrom(addr.Addr(), port), port
	return addr.Port() == 0, l.Close()
}

// explain makes the error of a failed launch say why: it launches once more
// with the reasons logged, which PostgreSQL logs below FATAL.
func (s *Server) explain(ctx context.Context, failure error) error {
	if err := s.launch(ctx, "-c", "log_min_messages=log"); err != nil {
		return err
	}
	s.proc.kill()
	return failure
}

// launch starts a postmaster, with more arguments, and waits until it accepts
// connections. When it fails, no process is left.
func (s *Server) launch(ctx context.Context, more ...string) error {
	c := s.cluster
	c.log.forget()
	listen := ""
	if s.addr.IsValid() {
		listen = s.addr.Addr().String()
	}
	args := append(c.files(), "-c", "listen_addresses="+listen, "-c", "port="+strconv.Itoa(int(s.port)),
		"-c", "unix_socket_directories="+quoteListItem(c.sock), "-c", "unix_socket_permissions=0700")
	p, err := launch(limited(c.command(c.data, "postgres", append(args, more...)...), c.cfg.Memory), c.account)
	if err != nil {
		return c.failed(clarus.Misconfigured, "the server could not be started", err)
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
	if err := s.awaitReady(ctx, p); err != nil {
		p.kill()
		return err
	}
	return nil
}

// awaitReady waits until the postmaster says in its pid file that it is ready.
func (s *Server) awaitReady(ctx context.Context, p *process) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	pid := strconv.Itoa(p.cmd.Process.Pid)
	for {
		select {
		case <-p.exited:
			return s.cluster.failed(clarus.Misconfigured, "the server ended while starting", p.err)
		case <-ctx.Done():
			return s.cluster.failed(clarus.Unavailable, "the server was not ready in time", context.Cause(ctx))
		case <-tick.C:
		}
		if status := s.cluster.postmaster(7); (status == "ready" || status == "standby") && s.cluster.postmaster(0) == pid {
			return nil
		}
	}
}

// Stop ends the server: a fast shutdown until ctx ends (at most a minute), then
// an immediate one, then by force. It returns when nothing of it runs any
// more, and removes the socket's directory, and a temporary cluster whole. The
// error is about what could not be removed. Stop may be called again.
func (s *Server) Stop(ctx context.Context) error {
	polite, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s.stopOnce.Do(func() {
		s.polite = polite
		close(s.stopping)
	})
	<-s.ended
	s.releaseOnce.Do(func() { s.released = s.cluster.release(s.cluster.cfg.Temporary) })
	return s.released
}

// Kill ends the postmaster and its backends by SIGKILL, as a crash would. With
// Config.Restart another is started, else Done is closed.
func (s *Server) Kill() error {
	s.mu.Lock()
	p := s.proc
	s.mu.Unlock()
	select {
	case <-p.exited:
		return &clarus.Error{Op: "kill postgres", Kind: clarus.Unavailable, Msg: "the server does not run"}
	default:
		p.kill()
		return nil
	}
}

// Done is closed when the server has ended for good: after Stop, or after a
// crash that it was not restarted from.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Err says why the server ended; nil while it runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.ended:
		return s.err
	default:
		return nil
	}
}

// Restarts is how often the server was started again after a crash.
func (s *Server) Restarts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.restarts
}

// SocketDir is the directory of the Unix socket. Only root and the server's own
// user can enter it, and they too need the password unless Config.HBA says otherwise.
func (s *Server) SocketDir() string { return s.cluster.sock }

// Port is the port of the TCP socket and in the name of the Unix socket.
func (s *Server) Port() uint16 { return s.port }

// Addr is the TCP address, "host:port"; "" if the server does not listen there.
func (s *Server) Addr() string {
	if !s.addr.IsValid() {
		return ""
	}
	return s.addr.String()
}

// DataDir is PGDATA. Its files are the server's own; they are for tests to search.
func (s *Server) DataDir() string { return s.cluster.data }

// PID is the process id of the postmaster, also of one that has ended.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.cmd.Process.Pid
}

// Version is the server's major version.
func (s *Server) Version() (major int) { return s.cluster.binaries.Major }

// Superuser is the name of the superuser.
func (s *Server) Superuser() string { return s.cluster.cfg.Superuser }

// Password is the superuser's password: Config.Password, or a random one.
func (s *Server) Password() string { return s.cluster.cfg.Password }
