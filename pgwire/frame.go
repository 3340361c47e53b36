// Package pgwire is the project's PostgreSQL wire library: frames (PostgreSQL
// documentation, chapter 55), the few messages that are taken apart, and a
// client connection. Rows pass through as frames and are not re-encoded.
package pgwire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxFrame is the largest message that is accepted by default, in bytes. It is
// PostgreSQL's own limit for one datum.
const MaxFrame = 1 << 30

// ErrTooLarge says that a message announces more bytes than the reader accepts.
var ErrTooLarge = errors.New("message is larger than the limit")

// A Frame is one protocol message. Body is valid until the reader's next call.
type Frame struct {
	Type byte
	Body []byte
}

// A Reader cuts a byte stream into frames.
type Reader struct {
	br  *bufio.Reader
	max int
	buf []byte
}

// NewReader returns a reader that refuses frames of more than limit bytes.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{br: bufio.NewReaderSize(r, 32<<10), max: limit}
}

// Next reads one frame. io.EOF means that the stream ended between frames.
func (r *Reader) Next() (Frame, error) {
	head, err := r.br.Peek(5)
	if err != nil {
		if len(head) > 0 && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	t, n := head[0], int(int32(binary.BigEndian.Uint32(head[1:])))-4
	if n < 0 {
		return Frame{}, fmt.Errorf("message %q announces a length of %d bytes", t, n+4)
	}
	if n > r.max {
		return Frame{}, fmt.Errorf("message %q of %d bytes: %w of %d", t, n, ErrTooLarge, r.max)
	}
	_, _ = r.br.Discard(5)
	body, err := r.body(n)
	return Frame{Type: t, Body: body}, err
}

// body reads n bytes, growing its buffer only as bytes arrive: a peer that
// announces much and sends little costs little.
func (r *Reader) body(n int) ([]byte, error) {
	const step = 1 << 20
	r.buf = r.buf[:0]
	for len(r.buf) < n {
		from, more := len(r.buf), min(n-len(r.buf), step)
		if cap(r.buf) < from+more {
			grown := make([]byte, from, max(2*cap(r.buf), from+more))
			copy(grown, r.buf)
			r.buf = grown
		}
		r.buf = r.buf[:from+more]
		if _, err := io.ReadFull(r.br, r.buf[from:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	body := r.buf
	if cap(r.buf) > step {
		r.buf = nil
	}
	return body, nil
}

// Follows reports whether the next frame is of this type, has a body of n bytes,
// and is there already as a whole.
func (r *Reader) Follows(t byte, n int) bool {
	if r.br.Buffered() < 5+n {
		return false
	}
	head, err := r.br.Peek(5)
	return err == nil && head[0] == t && int(binary.BigEndian.Uint32(head[1:])) == 4+n
}

// Buffered is the number of bytes that can be read without waiting.
func (r *Reader) Buffered() int { return r.br.Buffered() }

// A Writer collects frames and writes them on Flush.
type Writer struct {
	w     io.Writer
	buf   []byte
	start int
	err   error
}

// NewWriter returns a writer of frames.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, buf: make([]byte, 0, 16<<10)} }

// flushAt is the fill at which a writer writes without being asked.
const flushAt = 64 << 10

// Begin starts a frame; the calls up to End append to its body.
func (w *Writer) Begin(t byte) *Writer {
	w.buf = append(w.buf, t, 0, 0, 0, 0)
	w.start = len(w.buf) - 4
	return w
}

// End closes the frame that Begin started.
func (w *Writer) End() {
	binary.BigEndian.PutUint32(w.buf[w.start:], uint32(len(w.buf)-w.start))
	if len(w.buf) >= flushAt {
		_ = w.Flush()
	}
}

// Byte appends one byte.
func (w *Writer) Byte(b byte) *Writer { w.buf = append(w.buf, b); return w }

// Int16 appends a 16-bit integer.
func (w *Writer) Int16(n int) *Writer {
	w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(n))
	return w
}

// Int32 appends a 32-bit integer.
func (w *Writer) Int32(n int) *Writer {
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(n))
	return w
}

// String appends a zero-terminated string.
func (w *Writer) String(s string) *Writer { w.buf = append(append(w.buf, s...), 0); return w }

// Bytes appends raw bytes.
func (w *Writer) Bytes(b []byte) *Writer { w.buf = append(w.buf, b...); return w }

// Datum appends a length and a value; nil is NULL.
func (w *Writer) Datum(b []byte) *Writer {
	if b == nil {
		return w.Int32(-1)
	}
	return w.Int32(len(b)).Bytes(b)
}

// Frame writes a whole frame as it came.
func (w *Writer) Frame(f Frame) { w.Begin(f.Type).Bytes(f.Body).End() }

// Empty writes a frame without a body.
func (w *Writer) Empty(t byte) { w.Begin(t).End() }

// Flush writes what was collected. The first error stays.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
	if cap(w.buf) > 1<<20 {
		w.buf = make([]byte, 0, 16<<10)
	}
	return w.err
}
