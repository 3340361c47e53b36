package gate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/audit/audittest"
)

// never denies one user.
type never struct{ user string }

func (n never) Judge(o Observation) Verdict {
	return Verdict{Deny: o.Principal.User == n.user, Reason: audit.Because("never this one")}
}

// tired denies from the third request on.
type tired struct{ seen int }

func (d *tired) Judge(Observation) Verdict {
	d.seen++
	return Verdict{Deny: d.seen > 2}
}

func TestDetectors(t *testing.T) {
	m := &audittest.Memory{}
	g := New(m, never{"nobody"}, never{"mallory"})
	authorise(t, g, request())
	r := request()
	r.Principal.User = "mallory"
	p, err := g.Authorise(t.Context(), r)
	wantKind(t, p, err, clarus.Denied)
	if !strings.Contains(err.Error(), "never this one") {
		t.Error(err)
	}
	wantLog(t, m, "intent refused:42501:never-this-one")

	m.Fail(errors.New("disk full"))
	p, err = g.Authorise(t.Context(), r)
	wantKind(t, p, err, clarus.Unavailable)
}

func TestDetectorsJudgeWhatIsCovered(t *testing.T) {
	m := &audittest.Memory{}
	g := New(m, &tired{})
	authorise(t, g, request())
	authorise(t, g, request())
	p, err := g.Authorise(t.Context(), request())
	wantKind(t, p, err, clarus.Denied)
	wantLog(t, m, "intent refused:42501")
}

func TestRefusedPlanGetsNoPermit(t *testing.T) {
	m := &audittest.Memory{}
	r := request()
	r.Class = audit.ClassRefuse
	p, err := New(m).Authorise(t.Context(), r)
	wantKind(t, p, err, clarus.Denied)
	wantLog(t, m, "refused:42501:the-plan-refuses-it")
}

func TestInvalidRequest(t *testing.T) {
	m := &audittest.Memory{}
	r := request()
	r.Action = "peek"
	p, err := New(m).Authorise(t.Context(), r)
	wantKind(t, p, err, clarus.Internal)
	wantLog(t, m, "")
}

func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &audittest.Memory{}
		g := New(m, never{"mallory"})
		ctx, cancel := context.WithCancel(t.Context())
		release := m.Hold()
		go func() {
			p, err := g.Authorise(ctx, request())
			wantKind(t, p, err, clarus.Canceled)
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		release()
		wantLog(t, m, "intent failed:57014:canceled-by-the-user")

		p, err := g.Authorise(ctx, request()) // a dead context makes no intent,
		wantKind(t, p, err, clarus.Canceled)
		r := request()
		r.Principal.User = "mallory" // but going away does not hide a refusal
		g.Authorise(ctx, r)
		wantLog(t, m, "intent failed:57014:canceled-by-the-user refused:42501:never-this-one")
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
