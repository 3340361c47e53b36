package audit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus"
)

// TestEventHasNoRoomForValues walks Event's type. Only these may hold text.
func TestEventHasNoRoomForValues(t *testing.T) {
	mayHoldText := map[string]bool{
		"Session": true, "Principal.User": true, "Principal.Database": true, "Principal.Remote": true,
		"Principal.Application": true, "Datasets": true, "Attributes": true, "Providers": true,
		"SQLSTATE": true, "Action": true, "Class": true, "Outcome": true,
	}
	opaque := map[reflect.Type]bool{
		reflect.TypeFor[time.Time](): true, reflect.TypeFor[Shape](): true, reflect.TypeFor[Reason](): true,
	}
	var walk func(path string, typ reflect.Type)
	walk = func(path string, typ reflect.Type) {
		if opaque[typ] {
			return
		}
		switch typ.Kind() {
		case reflect.Struct:
			for f := range typ.Fields() {
				walk(strings.TrimPrefix(path+"."+f.Name, "."), f.Type)
			}
		case reflect.Int64, reflect.Uint64:
		case reflect.String:
			if !mayHoldText[path] {
				t.Errorf("%s can hold any text", path)
			}
		case reflect.Slice:
			if typ.Elem() != reflect.TypeFor[string]() {
				t.Errorf("%s is a %s", path, typ)
			}
			walk(path, typ.Elem())
		default:
			t.Errorf("%s is a %s", path, typ)
		}
	}
	walk("", reflect.TypeFor[Event]())
	for _, typ := range []reflect.Type{reflect.TypeFor[Shape](), reflect.TypeFor[Reason]()} {
		for f := range typ.Fields() {
			if f.IsExported() {
				t.Errorf("%s.%s can be set by anybody", typ, f.Name)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	good := Event{Action: ActionSelect, Class: ClassPush, Outcome: OutcomeDone, SQLSTATE: "00000", Rows: 3}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	bad := map[string]func(*Event){
		"no action":       func(e *Event) { e.Action = "" },
		"other action":    func(e *Event) { e.Action = "peek" },
		"other class":     func(e *Event) { e.Class = "guess" },
		"no outcome":      func(e *Event) { e.Outcome = "" },
		"short state":     func(e *Event) { e.SQLSTATE = "000" },
		"lower-case":      func(e *Event) { e.SQLSTATE = "xx001" },
		"negative":        func(e *Event) { e.Rows = -1 },
		"negative window": func(e *Event) { e.Covers = -1 },
	}
	for name, spoil := range bad {
		e := good
		spoil(&e)
		if err := e.Check(); clarus.KindOf(err) != clarus.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryKindHasAReason(t *testing.T) {
	seen := map[string]bool{}
	for k := clarus.Internal; k <= clarus.Shutdown; k++ {
		r := BecauseKind(k).String()
		if seen[r] || strings.Contains(r, "unknown kind") {
			t.Errorf("kind %d: %q", k, r)
		}
		seen[r] = true
	}
}

func TestEventJSON(t *testing.T) {
	e := Event{
		Session: "s1", Principal: Principal{User: "ward", Application: "psql"}, Action: ActionSelect,
		Shape: ShapeOf("select a from t where b = 'CANARY'"), Class: ClassPush, Datasets: []string{"t"},
		Attributes: []string{"t.a"}, Providers: []string{"cloud-a"}, Rows: 7, Outcome: OutcomeDone,
		Reason: Because("test"), Covers: time.Second,
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"session":"s1","principal":{"user":"ward","application":"psql"},"action":"select",` +
		`"shape":"select a from t where b = ?","class":"push","datasets":["t"],"attributes":["t.a"],` +
		`"providers":["cloud-a"],"rows":7,"outcome":"done","reason":"test","covers_ns":1000000000}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	var back Event
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(e, back) {
		t.Errorf("read back %+v, %v", back, err)
	}
	small, _ := json.Marshal(Event{Action: ActionConfig, Outcome: OutcomeDone})
	if string(small) != `{"action":"config","outcome":"done"}` {
		t.Errorf("empty fields are written: %s", small)
	}
}
