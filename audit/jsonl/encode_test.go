package jsonl

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/clarus-project/clarus/audit"
)

// TestEncodeIsJSON holds encode against encoding/json: the same bytes.
func TestEncodeIsJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		words := []string{"", "a", "public.patient", `"quoted" \ name`, "<&>", "naïve", "\u2028\u2029", "\x00\x1f\x7f", "\xff", "a\tb\nc", "~ !"}
		return words[r.IntN(len(words))]
	}
	list := func() []string {
		var l []string
		for range r.IntN(3) {
			l = append(l, word())
		}
		return l
	}
	for range 5000 {
		e := audit.Event{Session: word(), Principal: audit.Principal{User: word(), Database: word(), Remote: word(), Application: word()},
			Action: audit.ActionSelect, Shape: audit.ShapeOf("SELECT " + word()), Class: audit.ClassPush, Datasets: list(), Attributes: list(), Providers: list(),
			Rows: int64(r.IntN(3)), SQLSTATE: []string{"", "42501"}[r.IntN(2)], Outcome: audit.OutcomeDone, Covers: time.Duration(r.IntN(2)) * time.Millisecond}
		if r.IntN(3) == 0 {
			e = audit.Event{Action: audit.ActionIntegrity, Outcome: audit.OutcomeFailed, Reason: audit.Because("the plan refuses it")}
		}
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(&e); err != nil {
			t.Fatal(err)
		}
		got, err := encode(&e)
		if err != nil || string(got)+"\n" != want.String() {
			t.Fatalf("encode gives\n%s\nencoding/json\n%s(%v)", got, want.String(), err)
		}
	}
}

// TestEncodeHasEveryField fails when Event gets a field that encode leaves out.
func TestEncodeHasEveryField(t *testing.T) {
	e := audit.Event{Session: "s", Principal: audit.Principal{User: "u"}, Action: audit.ActionSelect, Shape: audit.ShapeOf("SELECT"), Class: audit.ClassPass,
		Datasets: []string{"d"}, Attributes: []string{"a"}, Providers: []string{"p"}, Rows: 1, SQLSTATE: "00000", Outcome: audit.OutcomeDone,
		Reason: audit.Because("x"), Covers: 1}
	got, err := encode(&e)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(&e)
	if err != nil || string(got) != string(want) {
		t.Errorf("encode gives\n%s\nencoding/json\n%s", got, want)
	}
}
