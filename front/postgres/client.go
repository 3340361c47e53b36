package postgres

import (
	"errors"
	"io"
	"strings"

	"github.com/clarus-project/clarus/pgwire"
)

// A Client is what a session writes to. It belongs to the session's calls: only
// Notification may be used outside them and concurrently.
type Client struct{ c *conn }

// W is where the session's frames go. They are sent when the front answers a
// Sync, a Flush or a Query, when much has gathered, or by FlushIfIdle.
func (cl *Client) W() *pgwire.Writer { return cl.c.w }

// SyncNext reports whether the client has sent Sync right after the message
// that is carried out.
func (cl *Client) SyncNext() bool { return cl.c.pipelined && cl.c.r.Follows('S', 0) }

// PID is the process id that the client knows this connection by.
func (cl *Client) PID() uint32 { return cl.c.pid }

// Notice sends a NoticeResponse.
func (cl *Client) Notice(e *pgwire.ServerError) { cl.c.w.ErrorResponse('N', e) }

// ParameterStatus reports a setting that changed.
func (cl *Client) ParameterStatus(name, value string) { cl.c.w.ParameterStatus(name, value) }

// Notification sends a notification: at once if the client is idle, else
// before its next ReadyForQuery. It may be called at any time from any goroutine.
func (cl *Client) Notification(pid uint32, channel, payload string) {
	cl.c.notify(notification{pid, channel, payload})
}

// Terminate ends the connection, whatever it does, with an error. It may be
// called at any time from any goroutine.
func (cl *Client) Terminate() { cl.c.stop(errTerminated) }

// FlushIfIdle sends what was written if the client waits for it, that is, if
// it has not sent more already. The error says that the client is gone.
func (cl *Client) FlushIfIdle() error {
	if cl.c.pipelined {
		return cl.c.w.Err()
	}
	return cl.c.flush()
}

// CopyIn starts a COPY from the client: it sends CopyInResponse and all that
// was written before. format is 0 for text, 1 for binary, and columns has one
// format for each column. next returns the payload of one CopyData after the
// other, each valid until the next call, cut wherever the client cut it; then
// io.EOF after CopyDone, or an error with code 57014 after CopyFail. Any error
// stays. The session reads to the end or returns an error; what the client sends beyond is dropped.
func (cl *Client) CopyIn(format byte, columns []int16) (next func() ([]byte, error), err error) {
	c := cl.c
	c.watch.disarm()
	c.w.CopyResponse('G', format, columns)
	if err := c.flush(); err != nil {
		return nil, &Fatal{Err: err}
	}
	var end error
	return func() ([]byte, error) {
		if end != nil {
			return nil, end
		}
		var data []byte
		if data, end = c.copyData(); end != nil {
			c.copyEnded(end)
		}
		return data, end
	}, nil
}

// copyData reads up to the next CopyData or the end of the stream. Flush and
// Sync are passed over: libpq sends a Sync before it knows that a COPY began.
func (c *conn) copyData() ([]byte, error) {
	for {
		f, err := c.read()
		if err != nil {
			return nil, &Fatal{Err: err}
		}
		switch f.Type {
		case 'd':
			return f.Body, nil
		case 'c':
			return nil, io.EOF
		case 'f':
			why, err := pgwire.DecodeQuery(f.Body)
			if err != nil {
				return nil, &Fatal{Err: malformed('f', err)}
			}
			return nil, errorf("57014", "COPY from stdin failed: %s", strings.ToValidUTF8(why, "\uFFFD"))
		case 'H', 'S':
		default:
			return nil, &Fatal{Err: fatalf("08P01", "unexpected message type %q during COPY from stdin", f.Type)}
		}
	}
}

// copyEnded remembers an error after which the connection cannot be used,
// whatever the session makes of it, and goes back to watching the client.
func (c *conn) copyEnded(err error) {
	if fatal, ok := errors.AsType[*Fatal](err); ok {
		c.broken = fatal
		return
	}
	c.pipelined = c.r.Buffered() > 0
	c.watch.arm()
}

type notification struct {
	pid              uint32
	channel, payload string
}

// notify queues n, or sends it if the client is idle.
func (c *conn) notify(n notification) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, n)
	if c.waiting && c.settled && c.opened {
		c.sendQueue()
		_ = c.w.Flush()
	}
}

// sendQueue writes the notifications; c.mu is held.
func (c *conn) sendQueue() {
	for _, n := range c.queue {
		c.w.Notification(n.pid, n.channel, n.payload)
	}
	c.queue = nil
}
