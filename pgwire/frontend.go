package pgwire

// This file takes apart what a client sends once a session runs. Every decoder
// copies: nothing it returns aliases the message.

// A Bind is a Bind message. Formats holds one code for each parameter, one for
// all of them, or none (all text); Results is the same for the columns. A nil
// parameter is NULL.
type Bind struct {
	Portal, Statement string
	Formats           []int16
	Params            [][]byte
	Results           []int16
}

// Format returns the format code of parameter i: 0 is text, 1 is binary.
func (b *Bind) Format(i int) int16 {
	switch len(b.Formats) {
	case 0:
		return 0
	case 1:
		return b.Formats[0]
	}
	return b.Formats[i]
}

// count reads an unsigned number of entries, each of at least size bytes. A
// Bind may carry 65535 parameters, which Count would take for a negative number.
func (d *Body) count(size int) int {
	n := int(uint16(d.Int16()))
	if n*size > len(d.b) {
		d.err = errShort
		return 0
	}
	return n
}

// DecodeQuery decodes a Query.
func DecodeQuery(body []byte) (string, error) {
	d := NewBody(body)
	sql := d.String()
	return sql, d.Done()
}

// DecodeParse decodes a Parse.
func DecodeParse(body []byte) (name, sql string, oids []uint32, err error) {
	d := NewBody(body)
	name, sql = d.String(), d.String()
	oids = make([]uint32, d.count(4))
	for i := range oids {
		oids[i] = d.Uint32()
	}
	return name, sql, oids, d.Done()
}

// DecodeBind decodes a Bind. Whether the numbers of formats and parameters fit
// each other is for the caller to judge.
func DecodeBind(body []byte) (Bind, error) {
	d := NewBody(body)
	b := Bind{Portal: d.String(), Statement: d.String(), Formats: d.int16s()}
	b.Params = make([][]byte, d.count(4))
	arena := make([]byte, 0, max(0, len(d.b)-4*len(b.Params)))
	for i := range b.Params {
		v := d.Datum()
		if v == nil {
			continue
		}
		from := len(arena)
		arena = append(arena, v...)
		b.Params[i] = arena[from:len(arena):len(arena)]
	}
	b.Results = d.int16s()
	return b, d.Done()
}

func (d *Body) int16s() []int16 {
	list := make([]int16, d.count(2))
	for i := range list {
		list[i] = int16(d.Int16())
	}
	return list
}

// DecodeObject decodes a Describe or a Close; kind is 'S' for a statement or
// 'P' for a portal, any other is an error.
func DecodeObject(body []byte) (kind byte, name string, err error) {
	d := NewBody(body)
	kind, name = d.Byte(), d.String()
	if d.err == nil && kind != 'S' && kind != 'P' {
		return 0, "", &ProtocolError{"message names an object that is neither statement nor portal"}
	}
	return kind, name, d.Done()
}

// DecodeExecute decodes an Execute; limit 0 is all rows.
func DecodeExecute(body []byte) (portal string, limit int, err error) {
	d := NewBody(body)
	portal, limit = d.String(), max(0, d.Int32())
	return portal, limit, d.Done()
}

// DecodeSASLInitial decodes a SASLInitialResponse. data is nil if the client
// sent no first message.
func DecodeSASLInitial(body []byte) (mechanism string, data []byte, err error) {
	d := NewBody(body)
	mechanism, data = d.String(), d.Datum()
	return mechanism, data, d.Done()
}
