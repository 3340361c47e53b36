package oracle

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// A Tap stands between Clarus and its provider, sees single messages, and cuts
// the connections at one of them, on either side of it.
type Tap struct {
	target   string
	listener net.Listener

	mu    sync.Mutex
	seen  []Message // since Watch, of sessions that are open
	point *Point
	met   bool
	conns map[net.Conn]*tapped
	work  sync.WaitGroup
}

// A Message is one that passed.
type Message struct {
	Back bool // from the provider
	Type byte
	Body []byte
}

// A Point is where to cut: at the Nth message of a direction, from 0.
type Point struct {
	Back    bool
	N       int
	Deliver bool   // the message itself still arrives
	Do      func() // first; it may be nil
}

// Tapped is Clarus with a tap between it and its provider. The caller must
// Close that too, before.
func (w *World) Tapped(ctx context.Context, name, policyFile string) (*Instance, *Tap, error) {
	var t *Tap
	i, err := w.clarus(ctx, name, policyFile, func(ctx context.Context, i *Instance) (err error) {
		if err = w.provide(ctx, i); err == nil {
			t, err = newTap(i.address)
		}
		if err == nil {
			i.address = t.listener.Addr().String()
		}
		return err
	})
	return i, t, err
}

// Watch begins a new record of messages and gives up a point that was not met.
func (t *Tap) Watch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen, t.point, t.met = nil, nil, false
}

// CutAt is Watch, and cuts all connections at a point of what follows.
func (t *Tap) CutAt(p Point) {
	t.Watch()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.point = &p
}

// Seen are the messages since Watch, in each direction in their order.
func (t *Tap) Seen() []Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// Met reports whether the point was met.
func (t *Tap) Met() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.met
}

func newTap(target string) (*Tap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Tap{target: target, listener: l, conns: map[net.Conn]*tapped{}}
	t.work.Go(t.accept)
	return t, nil
}

func (t *Tap) accept() {
	for {
		client, err := t.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", t.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		open := &tapped{}
		t.mu.Lock()
		t.conns[client], t.conns[server] = open, open
		t.mu.Unlock()
		t.work.Go(func() { t.pass(server, client, open, false) })
		t.work.Go(func() { t.pass(client, server, open, true) })
	}
}

// tapped is what both directions of a connection know of it, under Tap.mu.
type tapped struct {
	open bool // the provider has said that it is ready
	cut  bool // nothing passes any more
}

// pass hands messages on one way.
func (t *Tap) pass(to, from net.Conn, o *tapped, back bool) {
	defer t.drop(to)
	defer t.drop(from)
	first := !back // the first message of a client has no type
	for {
		head := make([]byte, 5)
		if first {
			head = head[:4]
		}
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint32(head[len(head)-4:]))-4)
		if _, err := io.ReadFull(from, body); err != nil {
			return
		}
		m := Message{Back: back, Body: body}
		if !first {
			m.Type = head[0]
		}
		first = false
		deliver, cut := t.judge(m, o)
		if deliver {
			if _, err := to.Write(append(head, body...)); err != nil {
				return
			}
		}
		if cut {
			t.cut(to, back, deliver)
			return
		}
	}
}

// judge records a message of a connection and says what becomes of it.
func (t *Tap) judge(m Message, o *tapped) (deliver, cut bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case o.cut:
		return false, false
	case !o.open:
		o.open = m.Back && m.Type == 'Z'
		return true, false
	}
	n := 0
	for _, s := range t.seen {
		if s.Back == m.Back {
			n++
		}
	}
	t.seen = append(t.seen, m)
	p := t.point
	if p == nil || t.met || p.Back != m.Back || p.N != n {
		return true, false
	}
	t.met = true
	for _, other := range t.conns {
		other.cut = true
	}
	if p.Do != nil {
		p.Do()
	}
	return p.Deliver, true
}

// cut ends all connections. A provider that was delivered a message reads to the
// end of what it was sent, and its answer is lost.
func (t *Tap) cut(to net.Conn, back, deliver bool) {
	t.mu.Lock()
	var all []net.Conn
	for c, o := range t.conns {
		if o.cut {
			all = append(all, c)
		}
	}
	t.mu.Unlock()
	for _, c := range all {
		if tcp, ok := c.(*net.TCPConn); ok && c == to && !back && deliver {
			_ = tcp.CloseWrite()
			_, _ = io.Copy(io.Discard, tcp)
		}
	}
	for _, c := range all {
		t.drop(c)
	}
}

func (t *Tap) drop(c net.Conn) {
	_ = c.Close()
	t.mu.Lock()
	delete(t.conns, c)
	t.mu.Unlock()
}

// Close ends the tap.
func (t *Tap) Close() error {
	err := t.listener.Close()
	t.mu.Lock()
	for c := range t.conns {
		err = errors.Join(err, c.Close())
	}
	t.mu.Unlock()
	t.work.Wait()
	return err
}

// Tells reports whether a message of a client has a text in it.
func (m Message) Tells(text string) bool { return !m.Back && bytes.Contains(m.Body, []byte(text)) }
