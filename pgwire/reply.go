package pgwire

import "encoding/binary"

// A Fatal says that the connection must end after Err was reported to the client.
type Fatal struct{ Err error }

func (e *Fatal) Error() string { return e.Err.Error() }

func (e *Fatal) Unwrap() error { return e.Err }

// ParameterStatus reports a setting.
func (w *Writer) ParameterStatus(name, value string) { w.Begin('S').String(name).String(value).End() }

// Notification writes a NotificationResponse.
func (w *Writer) Notification(pid uint32, channel, payload string) {
	w.Begin('A').Int32(int(pid)).String(channel).String(payload).End()
}

// ReadyForQuery writes the transaction status: 'I', 'T' or 'E'.
func (w *Writer) ReadyForQuery(status byte) { w.Begin('Z').Byte(status).End() }

// ParameterDescription writes the types of a statement's parameters.
func (w *Writer) ParameterDescription(oids []uint32) {
	w.Begin('t').Int16(len(oids))
	for _, o := range oids {
		w.Int32(int(o))
	}
	w.End()
}

// CopyResponse starts a COPY: t is 'G' for one from the client, 'H' for one to
// it. format is that of the whole (0 text, 1 binary), columns has one per column.
func (w *Writer) CopyResponse(t, format byte, columns []int16) {
	w.Begin(t).Byte(format)
	int16s(w, columns)
	w.End()
}

// NegotiateVersion tells the client that the server speaks 3.0 at most, and
// which protocol options it does not know.
func (w *Writer) NegotiateVersion(unknown []string) {
	w.Begin('v').Int32(Protocol30).Int32(len(unknown))
	for _, name := range unknown {
		w.String(name)
	}
	w.End()
}

// Abandon drops the frame that Begin started and End did not close, if there is
// one: what was written before stays whole, and an ErrorResponse can follow.
func (w *Writer) Abandon() {
	if open := w.start > 0 && w.start+4 <= len(w.buf) && binary.BigEndian.Uint32(w.buf[w.start:]) == 0; open {
		w.buf = w.buf[:w.start-1]
	}
}

// Err returns the first error of writing. After it nothing is written any more.
func (w *Writer) Err() error { return w.err }

// Wait returns when a byte can be read without waiting, or with the error of
// the connection. A deadline that passes loses nothing.
func (r *Reader) Wait() error {
	_, err := r.br.Peek(1)
	return err
}

// SetLimit changes the largest frame that is accepted, in bytes.
func (r *Reader) SetLimit(limit int) { r.max = limit }
