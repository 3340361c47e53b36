package pgwire

import (
	"bytes"
	"io"
	"reflect"
	"testing"
)

// FuzzFrontend decodes any bytes as each of a client's messages. What decodes
// is written again and must give the same bytes, but for a negative limit.
func FuzzFrontend(f *testing.F) {
	f.Add([]byte("p\x00s\x00\x00\x01\x00\x01\x00\x02\x00\x00\x00\x01a\xff\xff\xff\xff\x00\x00"))
	f.Add([]byte("s\x00select $1\x00\x00\x01\x00\x00\x00\x17"))
	f.Add([]byte("Ps\x00"))
	f.Add([]byte("p\x00\x00\x00\x00\x05"))
	f.Fuzz(func(t *testing.T, body []byte) {
		same := func(write func(*Client)) {
			t.Helper()
			if again := written(t, write); !bytes.Equal(again, body) {
				t.Errorf("%q becomes %q", body, again)
			}
		}
		if b, err := DecodeBind(body); err == nil {
			same(func(c *Client) { c.Bind(b.Portal, b.Statement, b.Formats, b.Params, b.Results) })
		}
		if name, sql, oids, err := DecodeParse(body); err == nil {
			same(func(c *Client) { c.Parse(name, sql, oids) })
		}
		if kind, name, err := DecodeObject(body); err == nil {
			same(func(c *Client) { c.Describe(kind, name) })
		}
		if portal, limit, err := DecodeExecute(body); err == nil && limit > 0 {
			same(func(c *Client) { c.Execute(portal, limit) })
		}
		if sql, err := DecodeQuery(body); err == nil {
			same(func(c *Client) { c.Query(sql) })
		}
		if m, data, err := DecodeSASLInitial(body); err == nil {
			same(func(c *Client) { c.w.Begin('p').String(m).Datum(data).End() })
		}
	})
}

// FuzzStartup decodes any bytes as a start-up packet.
func FuzzStartup(f *testing.F) {
	f.Add([]byte("\x00\x03\x00\x02user\x00a\x00_pq_.y\x00z\x00\x00"))
	f.Add([]byte("\x04\xd2\x16\x2eaaaakey!"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := DecodeStartup(body)
		if err == nil && s.Major() == 3 && body[len(body)-1] != 0 {
			t.Errorf("%q has no end", body)
		}
	})
}

// FuzzBackend decodes any bytes as the messages of a server that are taken
// apart; what decodes survives being written and decoded again.
func FuzzBackend(f *testing.F) {
	f.Add([]byte("\x00\x02\x00\x00\x00\x01a\xff\xff\xff\xff"))
	f.Add([]byte("SERROR\x00C42601\x00Mno\x00P12\x00\x00"))
	f.Add([]byte("\x00\x01n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		again := func(write func(*Writer)) []byte {
			return written(t, func(c *Client) { write(c.w) })
		}
		if row, err := Row(body, nil); err == nil && !bytes.Equal(again(func(w *Writer) { w.DataRow(row) }), body) {
			t.Errorf("row %q", body)
		}
		if fields, err := Fields(body); err == nil && !bytes.Equal(again(func(w *Writer) { w.RowDescription(fields) }), body) {
			t.Errorf("fields %q", body)
		}
		if oids, err := OIDs(body); err == nil && !bytes.Equal(again(func(w *Writer) { w.ParameterDescription(oids) }), body) {
			t.Errorf("oids %q", body)
		}
		if tag, err := Tag(body); err == nil && !bytes.Equal(again(func(w *Writer) { w.CommandComplete(tag) }), body) {
			t.Errorf("tag %q", body)
		}
		if e, err := DecodeError(body); err == nil && e.Position >= 0 && e.InternalPosition >= 0 {
			e2, err := DecodeError(again(func(w *Writer) { w.ErrorResponse('E', e) }))
			if err != nil || !reflect.DeepEqual(e, e2) {
				t.Errorf("error %q: %+v, %+v, %v", body, e, e2, err)
			}
		}
	})
}

// FuzzFrames cuts any bytes into frames: those that come whole are the bytes.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("Q\x00\x00\x00\x06a\x00S\x00\x00\x00\x04"))
	f.Add([]byte("Q\x7f\xff\xff\xffa"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		w, r := NewWriter(&out), NewReader(bytes.NewReader(data), 1<<16)
		for {
			frame, err := r.Next()
			if err == io.EOF && out.Len() != len(data) {
				t.Errorf("%d of %d bytes came", out.Len(), len(data))
			}
			if err != nil {
				break
			}
			w.Frame(frame)
			_ = w.Flush()
		}
		if !bytes.HasPrefix(data, out.Bytes()) {
			t.Errorf("%q becomes %q", data, out.Bytes())
		}
	})
}
