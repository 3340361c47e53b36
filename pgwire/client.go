package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A Target says where a server is and who asks.
type Target struct {
	Host     string // a name, an address, or a directory with a Unix socket
	Port     uint16
	Database string
	User     string
	Password string
	// TLS returns how the server is verified; nil: the connection is in clear. It
	// is asked for each connection, so that renewed certificates count.
	TLS      func() *tls.Config
	Settings map[string]string
	Timeout  time.Duration
}

// A Client is a connection to a PostgreSQL server, spoken in frames: calls
// queue messages, Send writes them, Receive reads what comes back. It is not
// safe for concurrent use, except Cancel and Close.
type Client struct {
	conn   net.Conn
	r      *Reader
	w      *Writer
	pid    uint32
	key    []byte
	target Target
	params map[string]string
	heard  int

	// Notice is called for every NoticeResponse; nil drops them.
	Notice func(*ServerError)
	// Notify is called for every NotificationResponse; nil drops them.
	Notify func(pid uint32, channel, payload string)
	// MayReport says which ParameterStatus may come; any other ends the connection. nil allows all.
	MayReport func(name, value string) error
}

// Dial connects and authenticates.
func Dial(ctx context.Context, t Target) (*Client, error) { return dial(ctx, t, dialer.DialContext) }

func dial(ctx context.Context, t Target, network pgconn.DialFunc) (*Client, error) {
	// What the target says counts, not the environment.
	cfg, err := pgconn.ParseConfig("sslmode=disable sslnegotiation=postgres target_session_attrs=any")
	if err != nil {
		return nil, err
	}
	cfg.Host, cfg.Port, cfg.Database, cfg.User, cfg.Password = t.Host, t.Port, t.Database, t.User, t.Password
	cfg.TLSConfig, cfg.Fallbacks, cfg.RuntimeParams = nil, nil, t.Settings
	cfg.ConnectTimeout, cfg.DialFunc = t.Timeout, network
	if t.TLS != nil {
		cfg.AfterNetConnect = func(ctx context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
			return secure(ctx, conn, t.TLS())
		}
	}
	cfg.RequireAuth = "scram-sha-256,none" // a server that asks for the password in another way gets nothing
	pc, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, connectError(err)
	}
	h, err := takeOver(ctx, pc)
	if err != nil {
		_ = pc.Conn().Close()
		return nil, connectError(err)
	}
	return &Client{conn: h.Conn, r: NewReader(h.Conn, MaxFrame), w: NewWriter(h.Conn),
		pid: h.PID, key: h.SecretKey, target: t, params: h.ParameterStatuses}, nil
}

// takeOverTime is how long pgconn may take to stop reading.
const takeOverTime = time.Second

// takeOver takes a connection from pgconn. Where a write took long, pgconn may
// still read in the background, and would swallow the answer to the first
// statement: a deadline in the past ends that read, which ends the reader. What
// has come by then was not asked for: a server says so that it ends, and one
// that says anything else is not to be talked to.
func takeOver(ctx context.Context, pc *pgconn.PgConn) (*pgconn.HijackedConn, error) {
	asked, cancel := context.WithCancel(ctx)
	cancel() // SyncConn only looks, and sends nothing
	for last := time.Now().Add(takeOverTime); pc.SyncConn(asked) != nil; {
		if time.Now().After(last) {
			return nil, errors.New("the server sent more than was asked for, or ended the connection at once")
		}
		if err := pc.Conn().SetReadDeadline(time.Unix(1, 0)); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	if err := pc.Conn().SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return pc.Hijack()
}

// connectError turns pgconn's error for a refusal by the server into ours.
func connectError(err error) error {
	if pe, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &ServerError{Severity: pe.Severity, Code: pe.Code, Message: pe.Message, Detail: pe.Detail, Hint: pe.Hint}
	}
	return err
}

// Parameter returns what the server reported in a ParameterStatus.
func (c *Client) Parameter(name string) string { return c.params[name] }

// Reports counts the ParameterStatus that came since the connection was made.
func (c *Client) Reports() int { return c.heard }

// PID is the server's process id for this connection.
func (c *Client) PID() uint32 { return c.pid }

// Query queues a simple query.
func (c *Client) Query(sql string) { c.w.Begin('Q').String(sql).End() }

// Parse queues a Parse.
func (c *Client) Parse(name, sql string, oids []uint32) {
	c.w.Begin('P').String(name).String(sql).Int16(len(oids))
	for _, o := range oids {
		c.w.Int32(int(o))
	}
	c.w.End()
}

// Bind queues a Bind. Formats are per parameter and per column, or one for all.
func (c *Client) Bind(portal, stmt string, formats []int16, params [][]byte, results []int16) {
	c.w.Begin('B').String(portal).String(stmt)
	int16s(c.w, formats)
	c.w.Int16(len(params))
	for _, p := range params {
		c.w.Datum(p)
	}
	int16s(c.w, results)
	c.w.End()
}

func int16s(w *Writer, list []int16) {
	w.Int16(len(list))
	for _, v := range list {
		w.Int16(int(v))
	}
}

// Describe queues a Describe; kind is 'S' or 'P'.
func (c *Client) Describe(kind byte, name string) { c.w.Begin('D').Byte(kind).String(name).End() }

// Execute queues an Execute; limit 0 is all rows.
func (c *Client) Execute(portal string, limit int) { c.w.Begin('E').String(portal).Int32(limit).End() }

// CloseObject queues a Close; kind is 'S' or 'P'.
func (c *Client) CloseObject(kind byte, name string) { c.w.Begin('C').Byte(kind).String(name).End() }

// Flush queues a Flush: the server answers what it has without ending the implicit transaction.
func (c *Client) Flush() { c.w.Empty('H') }

// Sync queues a Sync.
func (c *Client) Sync() { c.w.Empty('S') }

// CopyData queues a CopyData.
func (c *Client) CopyData(b []byte) { c.w.Begin('d').Bytes(b).End() }

// CopyDone queues a CopyDone.
func (c *Client) CopyDone() { c.w.Empty('c') }

// CopyFail queues a CopyFail.
func (c *Client) CopyFail(why string) { c.w.Begin('f').String(why).End() }

// Send writes what was queued.
func (c *Client) Send() error { return c.w.Flush() }

// Buffered is the number of bytes that Receive can read without waiting.
func (c *Client) Buffered() int { return c.r.Buffered() }

// Follows is Reader.Follows for what Receive reads next.
func (c *Client) Follows(t byte, n int) bool { return c.r.Follows(t, n) }

// Receive reads the next frame that answers a message. Notices, notifications
// and parameter reports go to the hooks.
func (c *Client) Receive() (Frame, error) {
	for {
		f, err := c.r.Next()
		if err != nil {
			return f, err
		}
		switch f.Type {
		case 'N':
			e, err := DecodeError(f.Body)
			if err != nil {
				return f, err
			}
			if c.Notice != nil {
				c.Notice(e)
			}
		case 'A':
			d := NewBody(f.Body)
			pid, channel, payload := d.Uint32(), d.String(), d.String()
			if err := d.Done(); err != nil {
				return f, err
			}
			if c.Notify != nil {
				c.Notify(pid, channel, payload)
			}
		case 'S':
			if err := c.report(f.Body); err != nil {
				return f, err
			}
		default:
			return f, nil
		}
	}
}

func (c *Client) report(body []byte) error {
	d := NewBody(body)
	name, value := d.String(), d.String()
	if err := d.Done(); err != nil {
		return err
	}
	if c.MayReport != nil {
		if err := c.MayReport(name, value); err != nil {
			return err
		}
	}
	c.params[name] = value
	c.heard++
	return nil
}

// Expect receives a frame of type t. An ErrorResponse becomes a *ServerError,
// any other type an error that says what came.
func (c *Client) Expect(t byte) (Frame, error) {
	f, err := c.Receive()
	switch {
	case err != nil || f.Type == t:
		return f, err
	case f.Type == 'E':
		return f, AsError(f)
	}
	return f, Unexpected(f, t)
}

// AsError decodes an ErrorResponse frame.
func AsError(f Frame) error {
	e, err := DecodeError(f.Body)
	if err != nil {
		return err
	}
	return e
}

// A ProtocolError says that the peer sent what the state does not allow. The
// connection cannot be used any more.
type ProtocolError struct{ Msg string }

func (e *ProtocolError) Error() string { return e.Msg }

// Unexpected makes the error for a frame that is not the one expected.
func Unexpected(f Frame, want byte) error {
	return &ProtocolError{fmt.Sprintf("the server sent message %q where %q was expected", f.Type, want)}
}

// SetDeadline bounds the reads and writes to come.
func (c *Client) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// Cancel asks the server to cancel what this connection is doing. The request
// goes over TLS where the connection does, so that nobody on the way learns its key.
func (c *Client) Cancel(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	network, addr := pgconn.NetworkAddress(c.target.Host, c.target.Port)
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if c.target.TLS != nil {
		if conn, err = secure(ctx, conn, c.target.TLS()); err != nil {
			return err
		}
	}
	w := NewWriter(conn)
	w.Int32(12 + len(c.key)).Int32(CancelCode).Int32(int(c.pid)).Bytes(c.key)
	if err := w.Flush(); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	_, err = conn.Read(make([]byte, 1))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil // the server answers a cancel request by closing
	}
	return err
}

// Close ends the connection politely.
func (c *Client) Close() error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(time.Second))
	c.w.Empty('X')
	_ = c.w.Flush()
	return c.conn.Close()
}

// Abort ends the connection at once; it may be called from another goroutine.
func (c *Client) Abort() { _ = c.conn.Close() }
