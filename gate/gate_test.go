package gate

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/audittest"
)

func request() Request {
	return Request{
		Session: "s1", Principal: audit.Principal{User: "ward"}, Action: audit.ActionSelect,
		Shape: audit.ShapeOf("select name from patient where id = $1"), Class: audit.ClassPush,
		Datasets: []string{"patient"}, Attributes: []string{"patient.name"}, Providers: []string{"cloud-a"},
	}
}

// logged shows a log as one word for each event: its outcome, with the rows,
// SQLSTATE and reason where it has them.
func logged(m *audittest.Memory) string {
	var words []string
	for _, e := range m.Events() {
		w := string(e.Outcome)
		if e.Rows != 0 {
			w += fmt.Sprintf(":%d", e.Rows)
		}
		if e.SQLSTATE != "" {
			w += ":" + e.SQLSTATE
		}
		if !e.Reason.IsZero() {
			w += ":" + strings.ReplaceAll(e.Reason.String(), " ", "-")
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

func wantLog(t *testing.T, m *audittest.Memory, want string) {
	t.Helper()
	if got := logged(m); got != want {
		t.Errorf("\n log %s\nwant %s", got, want)
	}
}

func wantKind(t *testing.T, p Permit, err error, kind clarus.Kind) {
	t.Helper()
	if err == nil || clarus.KindOf(err) != kind {
		t.Errorf("got %v (kind %d), want kind %d", err, clarus.KindOf(err), kind)
	}
	if p.Valid() {
		t.Error("a permit came with an error")
	}
}

func authorise(t *testing.T, g *Gate, r Request) Permit {
	t.Helper()
	p, err := g.Authorise(t.Context(), r)
	if err != nil || !p.Valid() {
		t.Fatalf("valid %v, %v", p.Valid(), err)
	}
	return p
}

func TestPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var zero Permit
		zero.Done(t.Context(), Outcome{})
		if zero.Valid() || zero.Request().Session != "" {
			t.Error("the zero permit permits")
		}
		m := &audittest.Memory{}
		g := New(m)
		p := authorise(t, g, request())
		if p.Request().Session != "s1" {
			t.Errorf("%v", p.Request())
		}
		same := p
		p.Done(t.Context(), Outcome{Rows: 3})
		if p.Valid() || same.Valid() {
			t.Error("a permit outlives its execution")
		}
		same.Done(t.Context(), Outcome{Rows: 4})
		wantLog(t, m, "intent done:3")
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestPermitWaitsForTheIntent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &audittest.Memory{}
		release := m.Hold()
		g := New(m)
		permitted := false
		go func() {
			authorise(t, g, request())
			permitted = true
		}()
		synctest.Wait()
		wantLog(t, m, "intent")
		if permitted {
			t.Error("the permit came before its intent was durable")
		}
		release()
		synctest.Wait()
		if !permitted {
			t.Error("the permit never came")
		}
	})
}

func TestIntentCoversItsLikeForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &audittest.Memory{}
		g := New(m)
		for range 5 {
			authorise(t, g, request()).Done(t.Context(), Outcome{Rows: 1})
			time.Sleep(Window/5 - 1)
		}
		wantLog(t, m, "intent done:1 done:1 done:1 done:1 done:1")
		if c := m.Events()[0].Covers; c != Window {
			t.Errorf("the intent says that it covers %v", c)
		}
		time.Sleep(5)
		authorise(t, g, request())
		wantLog(t, m, "intent done:1 done:1 done:1 done:1 done:1 intent")
	})
}

// TestIntentCoversNothingElse changes one thing of the request at a time.
func TestIntentCoversNothingElse(t *testing.T) {
	cases := map[string]func(*Request){
		"session":     func(r *Request) { r.Session = "s2" },
		"user":        func(r *Request) { r.Principal.User = "mallory" },
		"database":    func(r *Request) { r.Principal.Database = "other" },
		"remote":      func(r *Request) { r.Principal.Remote = "10.0.0.1:1" },
		"application": func(r *Request) { r.Principal.Application = "psql" },
		"action":      func(r *Request) { r.Action = audit.ActionDelete },
		"shape":       func(r *Request) { r.Shape = audit.ShapeOf("select birth from patient where id = $1") },
		"class":       func(r *Request) { r.Class = audit.ClassResidual },
		"datasets":    func(r *Request) { r.Datasets = []string{"other.patient"} },
		"attributes":  func(r *Request) { r.Attributes = append([]string{"patient.id"}, r.Attributes...) },
		"providers":   func(r *Request) { r.Providers = nil },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			m := &audittest.Memory{}
			g := New(m)
			authorise(t, g, request())
			r := request()
			change(&r)
			authorise(t, g, r)
			wantLog(t, m, "intent intent")
		})
	}
}

func TestWhatIsNeverCovered(t *testing.T) {
	cases := map[string]func(*Request){
		"ddl":        func(r *Request) { r.Action = audit.ActionDDL },
		"utility":    func(r *Request) { r.Action = audit.ActionUtility },
		"copy in":    func(r *Request) { r.Action = audit.ActionCopyIn },
		"copy out":   func(r *Request) { r.Action = audit.ActionCopyOut },
		"no shape":   func(r *Request) { r.Shape = audit.Shape{} },
		"no session": func(r *Request) { r.Session = "" },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			m := &audittest.Memory{}
			g := New(m)
			r := request()
			change(&r)
			authorise(t, g, r)
			authorise(t, g, r)
			wantLog(t, m, "intent intent")
			if m.Events()[0].Covers != 0 {
				t.Error("the intent says that it covers more")
			}
		})
	}
}

func TestExpiredIntentsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(&audittest.Memory{})
		for i := range 1000 {
			r := request()
			r.Session = fmt.Sprint(i)
			authorise(t, g, r)
			time.Sleep(Window / 10)
		}
		if n := len(g.intents); n > 30 {
			t.Errorf("%d intents are remembered, about 20 can matter", n)
		}
	})
}

func TestConcurrent(t *testing.T) {
	m := &audittest.Memory{}
	g := New(m)
	var wg sync.WaitGroup
	for s := range 8 {
		wg.Go(func() {
			r := request()
			r.Session = fmt.Sprint(s)
			for range 200 {
				p, err := g.Authorise(t.Context(), r)
				if err != nil {
					t.Error(err)
					return
				}
				p.Done(t.Context(), Outcome{Rows: 1})
			}
		})
	}
	wg.Wait()
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
	count := map[audit.Outcome]int{}
	for _, e := range m.Events() {
		count[e.Outcome]++
	}
	if count[audit.OutcomeDone] != 1600 || count[audit.OutcomeIntent] < 8 || count[audit.OutcomeIntent] > 800 {
		t.Errorf("%v", count)
	}
}
