package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// A form is one way in which a canary can stand in bytes.
type form struct {
	name    string
	pattern []byte
}

// stem is how much of a text canary is searched for, so that one that was cut
// short is found too: "cnry" and six letters.
const stem = 10

// forms lists how a value may stand in bytes: as it is and in upper case, each
// raw, in hex, in base64 (standard and URL alphabet, all three alignments) and
// as UTF-16LE; a number canary also in the binary formats of int8, float8 and
// numeric, of the wire (big endian) and of the heap (little endian).
func forms(value string) []form {
	whole := value
	if len(value) > stem && strings.HasPrefix(value, "cnry") {
		value = value[:stem]
	}
	list := textForms("", value)
	if up := strings.ToUpper(value); up != value {
		list = append(list, textForms("upper case ", up)...)
	}
	if isNumber(whole) {
		list = append(list, numberForms(whole)...)
	}
	return list
}

func textForms(prefix, s string) []form {
	raw := []byte(s)
	var wide []byte
	for _, c := range raw {
		wide = append(wide, c, 0)
	}
	list := []form{{"raw", raw}, {"UTF-16LE", wide[:len(wide)-1]}}
	for _, b := range []form{{"", raw}, {"UTF-16LE in ", wide[:len(wide)-1]}} {
		h := hex.EncodeToString(b.pattern)
		list = append(list, form{b.name + "hex", []byte(h)})
		if up := strings.ToUpper(h); up != h {
			list = append(list, form{b.name + "hex", []byte(up)})
		}
		list = append(list, base64Forms(b.name, b.pattern)...)
	}
	for i := range list {
		list[i].name = prefix + list[i].name
	}
	return list
}

// base64Forms returns what is certain to stand in a base64 text that holds b
// at each of the three alignments.
func base64Forms(name string, b []byte) []form {
	var list []form
	for skip := range 3 {
		whole := (len(b) - skip) / 3 * 3
		std := base64.StdEncoding.EncodeToString(b[skip : skip+whole])
		list = append(list, form{name + "base64", []byte(std)})
		if url := base64.URLEncoding.EncodeToString(b[skip : skip+whole]); url != std {
			list = append(list, form{name + "base64url", []byte(url)})
		}
	}
	return list
}

// numberForms returns the binary forms of a twelve-digit number. Of an int8
// the two leading zero bytes are left out: pages of zeros would slow the search.
func numberForms(s string) []form {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return nil
	}
	integer := binary.BigEndian.AppendUint64(nil, uint64(n))[2:]
	float := binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(n)))
	var wire, heap []byte
	for _, unit := range []int64{1e8, 1e4, 1} {
		wire = binary.BigEndian.AppendUint16(wire, uint16(n/unit%1e4))
		heap = binary.LittleEndian.AppendUint16(heap, uint16(n/unit%1e4))
	}
	return []form{
		{"int8", integer}, {"int8 in the heap", reversed(integer)},
		{"float8", bytes.TrimRight(float, "\x00")}, {"float8 in the heap", bytes.TrimLeft(reversed(float), "\x00")},
		{"numeric", wire}, {"numeric in the heap", heap},
	}
}

func reversed(b []byte) []byte {
	r := make([]byte, len(b))
	for i, c := range b {
		r[len(b)-1-i] = c
	}
	return r
}
