package pgwire

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// written returns the body of the one frame that write makes.
func written(t *testing.T, write func(*Client)) []byte {
	t.Helper()
	var out bytes.Buffer
	c := &Client{w: NewWriter(&out)}
	write(c)
	if err := c.Send(); err != nil {
		t.Fatal(err)
	}
	f, err := NewReader(&out, MaxFrame).Next()
	if err != nil || out.Len() > 0 {
		t.Fatalf("%v, %d bytes left", err, out.Len())
	}
	return bytes.Clone(f.Body)
}

func TestDecodeBind(t *testing.T) {
	many := Bind{Formats: []int16{1}, Params: make([][]byte, 65535), Results: []int16{}}
	for i := range many.Params {
		many.Params[i] = []byte{byte(i)}
	}
	for _, want := range []Bind{
		{Formats: []int16{}, Params: [][]byte{}, Results: []int16{}},
		{Portal: "p", Statement: "s", Formats: []int16{0, 1}, Params: [][]byte{nil, {}}, Results: []int16{1}},
		{Formats: []int16{}, Params: [][]byte{[]byte("a"), nil, []byte("bc")}, Results: []int16{0, 1, 0}},
		many,
	} {
		body := written(t, func(c *Client) { c.Bind(want.Portal, want.Statement, want.Formats, want.Params, want.Results) })
		got, err := DecodeBind(body)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d parameters: %v", len(want.Params), err)
		}
		clear(body) // the decoded message must not change with it
		if !reflect.DeepEqual(got, want) {
			t.Error("the parameters alias the message")
		}
	}
}

func TestDecodeOthers(t *testing.T) {
	name, sql, oids, err := DecodeParse(written(t, func(c *Client) { c.Parse("n", "select 1", []uint32{23, 1 << 31}) }))
	if name != "n" || sql != "select 1" || !slices.Equal(oids, []uint32{23, 1 << 31}) || err != nil {
		t.Error(name, sql, oids, err)
	}
	kind, name, err := DecodeObject(written(t, func(c *Client) { c.Describe('P', "p") }))
	if kind != 'P' || name != "p" || err != nil {
		t.Error(kind, name, err)
	}
	if _, _, err = DecodeObject([]byte("Xp\x00")); err == nil {
		t.Error("an object of kind X")
	}
	for given, want := range map[int]int{0: 0, 7: 7, -1: 0} {
		portal, limit, err := DecodeExecute(written(t, func(c *Client) { c.Execute("p", given) }))
		if portal != "p" || limit != want || err != nil {
			t.Error(portal, limit, err)
		}
	}
	if sql, err := DecodeQuery(written(t, func(c *Client) { c.Query("select 1") })); sql != "select 1" || err != nil {
		t.Error(sql, err)
	}
	m, data, err := DecodeSASLInitial([]byte("M\x00\xff\xff\xff\xff"))
	if m != "M" || data != nil || err != nil {
		t.Error(m, data, err)
	}
}

func TestDecodeStartup(t *testing.T) {
	for body, want := range map[string]*Startup{
		"\x04\xd2\x16\x2f":                           {Code: SSLCode},
		"\x04\xd2\x16\x2eaaaakey!":                   {Code: CancelCode, PID: 0x61616161, Key: []byte("key!")},
		"\x00\x03\x00\x00user\x00a\x00x\x00\x00\x00": {Code: Protocol30, Parameters: map[string]string{"user": "a", "x": ""}},
		"\x00\x03\x00\x02_pq_.y\x00z\x00\x00":        {Code: 3<<16 | 2, Parameters: map[string]string{}, Options: []string{"_pq_.y"}},
		"\x00\x02\x00\x00anything":                   {Code: 2 << 16},
		"\x04\xd2\x16\x2fx":                          nil,
		"\x04\xd2\x16\x2eaa":                         nil,
		"\x00\x03\x00\x00user\x00a\x00":              nil,
		"\x00\x03\x00\x00user\x00":                   nil,
		"\x00\x03\x00\x00\x00x":                      nil,
		"\x00\x03":                                   nil,
	} {
		got, err := DecodeStartup([]byte(body))
		if (err == nil) != (want != nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v, want %+v", body, got, err, want)
		}
	}
}

// TestReadStartup checks that nothing behind the packet is read.
func TestReadStartup(t *testing.T) {
	r := strings.NewReader("\x04\xd2\x16\x2fnext")
	if s, err := ReadStartup(r, [4]byte{3: 8}); err != nil || s.Code != SSLCode || r.Len() != 4 {
		t.Errorf("%v, %v, %d bytes left", s, err, r.Len())
	}
	for _, n := range []byte{0, 7} {
		if _, err := ReadStartup(r, [4]byte{3: n}); err == nil {
			t.Errorf("a length of %d was accepted", n)
		}
	}
	if _, err := ReadStartup(r, [4]byte{2: 0x27, 3: 0x11}); err == nil { // 10001
		t.Error("a length above the limit was accepted")
	}
}

func TestAbandon(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	w.Abandon()
	w.Begin('D').Int16(1)
	w.Abandon()
	w.CommandComplete("A")
	w.Abandon()
	w.Begin('D').Bytes(make([]byte, 100))
	w.Abandon()
	w.Abandon()
	w.CommandComplete("B")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	w.Abandon()
	w.CommandComplete("C")
	_ = w.Flush()
	const want = "C\x00\x00\x00\x06A\x00C\x00\x00\x00\x06B\x00C\x00\x00\x00\x06C\x00"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestWaitAndLimit(t *testing.T) {
	r := NewReader(strings.NewReader("Q\x00\x00\x00\x06ab"), 1)
	if err := r.Wait(); err != nil || r.Buffered() != 7 {
		t.Errorf("%v, %d buffered", err, r.Buffered())
	}
	r.SetLimit(2)
	if f, err := r.Next(); err != nil || string(f.Body) != "ab" {
		t.Errorf("%q, %v", f.Body, err)
	}
	if err := r.Wait(); err == nil {
		t.Error("Wait returns at the end of the stream")
	}
}

func TestFollows(t *testing.T) {
	for stream, want := range map[string]bool{"Z\x00\x00\x00\x05I": true, "Z\x00\x00\x00\x05": false, "Z\x00\x00\x00\x06II": false, "S\x00\x00\x00\x05I": false, "Z\x00\x00": false,
		"Z\x00\x00\x00\x05IZ": true, "": false} {
		r := NewReader(strings.NewReader("H\x00\x00\x00\x04"+stream), 100)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if r.Follows('Z', 1) != want {
			t.Errorf("%q: %t", stream, !want)
		}
	}
}
