package cell

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/secret"
	"github.com/clarus-project/clarus/technique"
)

// Seal makes one cell for each value, NULL included.
func (c *codec) Seal(rows []clarus.RowID, values []clarus.Value) ([]clarus.Sealed, error) {
	if err := technique.SameLength("seal", len(rows), len(values)); err != nil {
		return nil, err
	}
	size, longest := 0, 0
	for i, v := range values {
		if len(v.Bytes) > maxValue {
			return nil, &clarus.Error{Op: "seal", Attr: "attribute " + c.params.Attribute.String(), Kind: clarus.Limit,
				Msg:  fmt.Sprintf("value %d of the batch has %d bytes; a sealed value has at most %d", i, len(v.Bytes), maxValue),
				Hint: "store it in parts"}
		}
		n := padded(len(v.Bytes), c.least)
		size, longest = size+n+Overhead, max(longest, n)
	}
	out, slab := make([]clarus.Sealed, 0, len(values)), make([]byte, 0, size)
	plain := make([]byte, lenSize+longest)
	defer clear(plain)
	var bound []byte
	for done := 0; done < len(values); {
		k, n, err := c.take(len(values) - done)
		if err != nil {
			return nil, err
		}
		for i := done; i < done+n; i++ {
			bound = k.bind(bound, rows[i])
			start := len(slab)
			slab = append(slab, k.header...)
			slab = k.aead.Seal(slab, nil, encode(plain, values[i], c.least), bound)
			out = append(out, clarus.Sealed(slab[start:len(slab):len(slab)]))
		}
		done += n
	}
	return out, nil
}

// encode writes length, value and padding into buf and returns the part used.
func encode(buf []byte, v clarus.Value, least int) []byte {
	n := int32(len(v.Bytes))
	if v.IsNull() {
		n = -1
	}
	buf = buf[:lenSize+padded(len(v.Bytes), least)]
	binary.BigEndian.PutUint32(buf, uint32(n))
	clear(buf[lenSize+copy(buf[lenSize:], v.Bytes):])
	return buf
}

// decode is the inverse of encode, without a copy. It accepts no other bytes
// than those that encode writes for some padding.
func decode(plain []byte) (clarus.Value, bool) {
	if len(plain) < lenSize {
		return clarus.Value{}, false
	}
	n, rest := int32(binary.BigEndian.Uint32(plain)), plain[lenSize:]
	if n < -1 || int(n) > len(rest) {
		return clarus.Value{}, false
	}
	for _, b := range rest[max(n, 0):] {
		if b != 0 {
			return clarus.Value{}, false
		}
	}
	if n == -1 {
		return clarus.Value{}, true
	}
	return clarus.Value{Bytes: rest[:n:n]}, true
}

// Open gives back the values of cells, or none of them.
func (c *codec) Open(rows []clarus.RowID, cells []clarus.Sealed) ([]clarus.Value, error) {
	if err := technique.SameLength("open", len(rows), len(cells)); err != nil {
		return nil, err
	}
	size := 0
	for _, cell := range cells {
		size += max(0, len(cell)-headerSize-sealSize)
	}
	out, slab := make([]clarus.Value, len(cells)), make([]byte, 0, size)
	var bound []byte
	var k *key
	for i, cell := range cells {
		if reason := inspect(cell); reason != "" {
			return nil, c.broken(i, reason)
		}
		epoch := secret.Epoch(cell[2:18])
		if k == nil || epoch != secret.Epoch(k.header[2:18]) {
			var err error
			if k, err = c.key(epoch); err != nil {
				return nil, c.keyless(i, err)
			}
		}
		if !bytes.Equal(cell[:headerSize], k.header) { // no secret: every cell of the epoch begins so
			return nil, c.broken(i, technique.WrongKey)
		}
		bound = k.bind(bound, rows[i])
		start := len(slab)
		opened, err := k.aead.Open(slab, nil, cell[headerSize:], bound)
		if err != nil {
			return nil, c.broken(i, technique.Authentication)
		}
		v, ok := decode(opened[start:])
		if !ok {
			return nil, c.broken(i, technique.Encoding)
		}
		slab, out[i] = opened, v
	}
	return out, nil
}

// inspect makes the checks that need no key; "" means that they passed.
func inspect(cell clarus.Sealed) technique.Reason {
	switch {
	case cell == nil:
		return technique.Missing
	case len(cell) < Overhead:
		return technique.Truncated
	case cell[0] != version:
		return technique.Version
	case cell[1] != algorithm:
		return technique.Algorithm
	}
	return ""
}

func (c *codec) broken(index int, r technique.Reason) error {
	return technique.Broken(index, r, c.params.Attribute)
}

// keyless turns a keyring's word that it never drew an epoch into a Fault; a
// keyring that could not answer is another matter.
func (c *codec) keyless(index int, err error) error {
	if clarus.KindOf(err) == clarus.Integrity {
		return c.broken(index, technique.UnknownEpoch)
	}
	return err
}
