package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// A holder is how secrets are kept: in exported and unexported fields, behind
// pointers, in maps and slices.
type holder struct {
	Public Bytes
	hidden Bytes
	point  *Bytes
	Named  map[string]Bytes
	List   []Bytes
}

func TestNothingPrints(t *testing.T) {
	plain := []byte("TOPsecret")
	b := New(plain)
	h := holder{b, b, &b, map[string]Bytes{"k": b}, []Bytes{b}}
	var printed bytes.Buffer
	for _, v := range []any{b, &b, h, &h, []any{h}, fmt.Errorf("wrapped: %v", b)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%T", "%p"} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
		fmt.Fprintln(&printed, v)
		for _, log := range []*slog.Logger{
			slog.New(slog.NewTextHandler(&printed, nil)), slog.New(slog.NewJSONHandler(&printed, nil))} {
			log.Info("m", "v", v)
		}
		data, err := json.Marshal(v)
		fmt.Fprintln(&printed, string(data), err)
	}
	out := strings.ToLower(printed.String())
	decimal := strings.Trim(fmt.Sprint(plain), "[]")
	for _, form := range []string{"topsecret", "secret\n", "544f50", "544f5073", "vE9Qc2Vj", decimal, strings.ReplaceAll(decimal, " ", ", "), "0x54, 0x4f", "\\x54", "u+0054"} {
		if strings.Contains(out, strings.ToLower(form)) {
			t.Errorf("printed as %q in\n%s", form, out)
		}
	}
	if !strings.Contains(out, "(secret)") {
		t.Error("nothing was printed: this proves nothing")
	}
}

func TestBytes(t *testing.T) {
	given := []byte{1, 2, 3}
	b := New(given)
	given[0] = 9
	if !bytes.Equal(b.Reveal(), []byte{1, 2, 3}) || b.Len() != 3 {
		t.Errorf("Reveal gives %v", b.Reveal())
	}
	for _, c := range []struct {
		a, b  Bytes
		equal bool
	}{
		{b, New([]byte{1, 2, 3}), true},
		{b, New([]byte{1, 2, 4}), false},
		{b, New([]byte{1, 2}), false},
		{b, Bytes{}, false},
		{Bytes{}, New(nil), true},
	} {
		if c.a.Equal(c.b) != c.equal || c.b.Equal(c.a) != c.equal {
			t.Errorf("%v and %v: Equal is not %v", c.a.Reveal(), c.b.Reveal(), c.equal)
		}
	}
}

func TestFieldsIsInjective(t *testing.T) {
	seen := map[string][]string{}
	for _, fields := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {"\x00\x00\x00\x00"}, {"\x00\x00\x00\x01a"}} {
		var list [][]byte
		for _, f := range fields {
			list = append(list, []byte(f))
		}
		out := string(Fields(list...))
		if other, ok := seen[out]; ok {
			t.Errorf("%q and %q join to the same bytes", fields, other)
		}
		seen[out] = fields
	}
	if got := fmt.Sprintf("%x", Fields([]byte("ab"), nil)); got != "00000002616200000000" {
		t.Errorf("Fields = %s", got)
	}
}

func TestScope(t *testing.T) {
	for _, c := range []struct {
		s          Scope
		ok, stable bool
	}{
		{Scope{}, false, false},
		{Scope{Purpose: PurposeCell, Dataset: 1, Attribute: 1}, true, false},
		{Scope{Purpose: PurposeTag, Group: "g"}, true, true},
		{Scope{Purpose: PurposeRowID, Dataset: 1}, true, true},
		{Scope{Purpose: PurposeTag, Group: "g", Dataset: 1}, false, true},
		{Scope{Purpose: "schema"}, true, false},
	} {
		if (c.s.Check() == nil) != c.ok || c.s.Stable() != c.stable {
			t.Errorf("%+v: Check %v, Stable %v", c.s, c.s.Check(), c.s.Stable())
		}
	}
}
