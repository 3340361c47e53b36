// Package audittest holds what every audit sink must do (Run), and a sink in
// memory for tests of those who use one.
package audittest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/audit"
)

// A Harness gives the suite one kind of sink.
type Harness struct {
	// Open opens the log that is kept in dir, creating it when it is not there.
	Open func(t *testing.T, dir string) audit.Sink
	// Read returns, in order, every durable event of the log in dir. It must
	// look at what is stored, not ask the open sink, and work beside one.
	Read func(t *testing.T, dir string) []audit.Event
}

// Run holds a sink to the contract of audit.Sink.
func Run(t *testing.T, h Harness) {
	t.Run("durable after Wait", h.durable)
	t.Run("every field returns", h.fields)
	t.Run("re-open goes on", h.reopen)
	t.Run("an event nobody waits for becomes durable", h.unawaited)
	t.Run("a later Wait covers what came before", h.prefix)
	t.Run("concurrent sessions keep their order", h.concurrent)
	t.Run("a finished context appends nothing", h.canceled)
	t.Run("Wait gives up with its context", h.waitCanceled)
	t.Run("an invalid event is refused", h.invalid)
	t.Run("Close keeps what was appended and refuses more", h.closed)
	t.Run("an event in use by the caller", h.callerMayChange)
}

// Event makes a valid event; n shows in Rows.
func Event(session string, n int) audit.Event {
	return audit.Event{
		Session: session, Principal: audit.Principal{User: "ward"}, Action: audit.ActionSelect,
		Shape: audit.ShapeOf("select a from t where b = $1"), Class: audit.ClassPush,
		Datasets: []string{"t"}, Attributes: []string{"t.a", "t.b"}, Providers: []string{"cloud"},
		Rows: int64(n), Outcome: audit.OutcomeDone,
	}
}

func (h Harness) durable(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	for i := range 20 {
		await(t, s, Event("s", i))
		if got := h.Read(t, dir); len(got) != i+1 || got[i].Rows != int64(i) {
			t.Fatalf("after Wait %d the log holds %d events", i, len(got))
		}
	}
}

func (h Harness) fields(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	want := Event("s", 7)
	want.Principal = audit.Principal{User: "größe\n\"", Database: "d", Remote: "[::1]:1", Application: "a<b>"}
	want.SQLSTATE, want.Outcome, want.Reason = "42501", audit.OutcomeRefused, audit.Because("test")
	want.Covers, want.Time = time.Second, time.Date(2024, 2, 29, 1, 2, 3, 4, time.UTC)
	await(t, s, want)
	got := h.Read(t, dir)
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	want.Seq = got[0].Seq
	if w, g := fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got[0]); w != g || got[0].Seq == 0 {
		t.Errorf("\n got %s\nwant %s", g, w)
	}
}

func (h Harness) reopen(t *testing.T) {
	dir := t.TempDir()
	for i := range 5 {
		s := h.Open(t, dir)
		await(t, s, Event("s", i))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := rows(h.Read(t, dir), "s"); !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
		t.Errorf("%v", got)
	}
	rising(t, h.Read(t, dir))
}

func (h Harness) unawaited(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	before := time.Now()
	s.Append(t.Context(), Event("s", 1))
	for deadline := before.Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if got := h.Read(t, dir); len(got) == 1 {
			if got[0].Time.Before(before.Add(-time.Second)) || got[0].Time.After(time.Now().Add(time.Second)) {
				t.Errorf("the sink did not set the time: %v", got[0].Time)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not")
		}
	}
}

func (h Harness) prefix(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	for i := range 100 {
		s.Append(t.Context(), Event("s", i))
	}
	await(t, s, Event("s", 100))
	if got := h.Read(t, dir); len(got) != 101 {
		t.Errorf("%d of 101 events", len(got))
	}
}

func (h Harness) concurrent(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	const sessions, each = 16, 50
	var wg sync.WaitGroup
	for n := range sessions {
		wg.Go(func() {
			for i := range each {
				f := s.Append(t.Context(), Event(strconv.Itoa(n), i))
				if i%3 == n%3 {
					if err := f.Wait(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	await(t, s, Event("last", 0))
	got := h.Read(t, dir)
	if len(got) != sessions*each+1 {
		t.Fatalf("%d events", len(got))
	}
	rising(t, got)
	for n := range sessions {
		if r := rows(got, strconv.Itoa(n)); len(r) != each || !slices.IsSorted(r) {
			t.Errorf("session %d: %v", n, r)
		}
	}
}

func (h Harness) canceled(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Append(ctx, Event("s", 1)).Wait(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	await(t, s, Event("s", 2))
	if got := rows(h.Read(t, dir), "s"); !slices.Equal(got, []int64{2}) {
		t.Errorf("%v", got)
	}
}

func (h Harness) waitCanceled(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	f := s.Append(ctx, Event("s", 1))
	cancel()
	if err := f.Wait(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := f.Wait(t.Context()); err != nil { // still on its way
		t.Errorf("%v", err)
	}
	if err := f.Wait(ctx); err != nil { // durable: the context no longer matters
		t.Errorf("%v", err)
	}
	if got := h.Read(t, dir); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
}

func (h Harness) invalid(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	e := Event("s", 1)
	e.SQLSTATE = "nope"
	if err := s.Append(t.Context(), e).Wait(t.Context()); clarus.KindOf(err) != clarus.Invalid {
		t.Errorf("%v", err)
	}
	await(t, s, Event("s", 2))
	if got := rows(h.Read(t, dir), "s"); !slices.Equal(got, []int64{2}) {
		t.Errorf("%v", got)
	}
}

func (h Harness) closed(t *testing.T) {
	dir := t.TempDir()
	s := h.Open(t, dir)
	var futures []audit.Future
	for i := range 50 {
		futures = append(futures, s.Append(t.Context(), Event("s", i)))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for i, f := range futures {
		if err := f.Wait(t.Context()); err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if err := s.Append(t.Context(), Event("s", 99)).Wait(t.Context()); clarus.KindOf(err) != clarus.Shutdown || err == nil {
		t.Errorf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if got := h.Read(t, dir); len(got) != 50 {
		t.Errorf("%d of 50 events", len(got))
	}
}

func (h Harness) callerMayChange(t *testing.T) {
	dir := t.TempDir()
	s := h.open(t, dir)
	e := Event("s", 1)
	f := s.Append(t.Context(), e)
	e.Datasets[0] = "changed"
	if err := f.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.Read(t, dir); len(got) != 1 || got[0].Datasets[0] != "t" {
		t.Errorf("%v", got)
	}
}

func (h Harness) open(t *testing.T, dir string) audit.Sink {
	s := h.Open(t, dir)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func await(t *testing.T, s audit.Sink, e audit.Event) {
	t.Helper()
	if err := s.Append(t.Context(), e).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func rows(events []audit.Event, session string) []int64 {
	var r []int64
	for _, e := range events {
		if e.Session == session {
			r = append(r, e.Rows)
		}
	}
	return r
}

// rising holds that sequence numbers rise.
func rising(t *testing.T, events []audit.Event) {
	t.Helper()
	var last uint64
	for _, e := range events {
		if e.Seq <= last {
			t.Fatalf("number %d after %d", e.Seq, last)
		}
		last = e.Seq
	}
}
