package gate

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/audittest"
)

func TestSinkFails(t *testing.T) {
	m := &audittest.Memory{}
	g := New(m)
	full := errors.New("disk full")
	m.Fail(full)
	p, err := g.Authorise(t.Context(), request())
	wantKind(t, p, err, clarus.Unavailable)
	if !errors.Is(err, full) {
		t.Errorf("the cause is lost: %v", err)
	}
	err = g.Record(t.Context(), audittest.Event("s", 1))
	wantKind(t, Permit{}, err, clarus.Unavailable)
	m.Fail(nil)
	authorise(t, g, request())
	wantLog(t, m, "intent")
}

// TestLostOutcomes: once the sink loses an outcome, no intent covers anything,
// and the log says how many were lost before anything else happens.
func TestLostOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &audittest.Memory{}
		g := New(m)
		first, second := authorise(t, g, request()), authorise(t, g, request())
		m.Fail(errors.New("disk full"))
		first.Done(t.Context(), Outcome{Rows: 1})
		second.Done(t.Context(), Outcome{Rows: 1})
		time.Sleep(10 * time.Millisecond)
		p, err := g.Authorise(t.Context(), request()) // the window is still open
		wantKind(t, p, err, clarus.Unavailable)
		if err := g.Close(t.Context()); clarus.KindOf(err) != clarus.Unavailable || err == nil {
			t.Errorf("Close: %v", err)
		}

		m.Fail(nil)
		authorise(t, g, request())
		wantLog(t, m, "intent failed:2:outcomes-of-this-many-statements-were-lost-when-the-log-could-not-be-written intent")
		authorise(t, g, request()) // covered again
		if n := len(m.Events()); n != 3 {
			t.Errorf("%d events", n)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestOutcomes(t *testing.T) {
	denied := &clarus.Error{Kind: clarus.Denied, Msg: "CANARY"}
	cases := []struct {
		name string
		out  Outcome
		want string
	}{
		{"success", Outcome{Rows: 3}, "done:3"},
		{"success, said", Outcome{SQLSTATE: "00000"}, "done:00000"},
		{"warning", Outcome{SQLSTATE: "01000"}, "done:01000"},
		{"no data", Outcome{SQLSTATE: "02000"}, "done:02000"},
		{"provider's error", Outcome{SQLSTATE: "23505", Err: errors.New("CANARY")}, "failed:23505"},
		{"state alone", Outcome{SQLSTATE: "23505"}, "failed:23505"},
		{"our error", Outcome{SQLSTATE: "42501", Err: denied}, "failed:42501:denied-by-policy-or-privilege"},
		{"our error alone", Outcome{Rows: 2, Err: denied}, "failed:2:denied-by-policy-or-privilege"},
		{"strange error", Outcome{Err: errors.New("CANARY")}, "failed:defect-of-Clarus"},
		{"data as a state", Outcome{SQLSTATE: "CANARY'"}, "failed:the-provider-sent-an-SQLSTATE-that-is-none"},
		{"negative", Outcome{Rows: -1}, "done"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &audittest.Memory{}
				g := New(m)
				ctx, cancel := context.WithCancel(t.Context())
				p := authorise(t, g, request())
				cancel() // the client is gone: its outcome is not
				p.Done(ctx, c.out)
				wantLog(t, m, "intent "+c.want)
				if err := g.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &audittest.Memory{}
		g := New(m)
		finding := audit.Event{Session: "s1", Action: audit.ActionIntegrity, Outcome: audit.OutcomeFailed, SQLSTATE: "XX001"}
		release := m.Hold()
		returned := false
		go func() {
			if err := g.Record(t.Context(), finding); err != nil {
				t.Error(err)
			}
			returned = true
		}()
		synctest.Wait()
		if returned {
			t.Error("Record returned before the event was durable")
		}
		release()
		synctest.Wait()
		if !returned {
			t.Error("Record never returned")
		}
		wantLog(t, m, "failed:XX001")
		wantKind(t, Permit{}, g.Record(t.Context(), audit.Event{}), clarus.Internal)

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		g.Record(gone, finding)
		wantLog(t, m, "failed:XX001 failed:XX001")
	})
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &audittest.Memory{}
		g := New(m)
		p := authorise(t, g, request())
		release := m.Hold()
		p.Done(t.Context(), Outcome{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantKind(t, Permit{}, g.Close(ctx), clarus.Canceled)
		release()
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
