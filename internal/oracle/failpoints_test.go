package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// A failing is a transaction that is cut at points around its commit. In its
// SQL, # is the number of the attempt.
type failing struct {
	name     string
	sql      []string
	extended bool
	data     string // of a COPY
	there    string // how much of it is there
	whole    string // what there answers if all is
	schema   bool   // it changes the schema
	use      string // works if all is there
	oid      string // what the transaction saw of this stays so
}

var failings = []failing{
	{name: "statement", sql: []string{"INSERT INTO fp_row VALUES (#, 'cnryfpone'), (#, 'cnryfptwo')"}, there: "SELECT count(*) FROM fp_row WHERE run = #", whole: "2"},
	{name: "extended", sql: []string{"INSERT INTO fp_row VALUES (#, 'cnryfpone'), (#, 'cnryfptwo')"}, extended: true, there: "SELECT count(*) FROM fp_row WHERE run = #", whole: "2"},
	{name: "block", sql: []string{"BEGIN", "INSERT INTO fp_row VALUES (#, 'cnryfpone')", "INSERT INTO fp_row VALUES (#, 'cnryfptwo')", "COMMIT"},
		there: "SELECT count(*) FROM fp_row WHERE run = #", whole: "2"},
	{name: "string", sql: []string{"INSERT INTO fp_row VALUES (#, 'cnryfpone'); INSERT INTO fp_row VALUES (#, 'cnryfptwo')"}, there: "SELECT count(*) FROM fp_row WHERE run = #", whole: "2"},
	{name: "two steps", sql: []string{"UPDATE fp_sum SET last = 'run #' || left(last, 0)"}, there: "SELECT count(*) FROM fp_sum WHERE last = 'run #'", whole: "3"},
	{name: "copy", sql: []string{"COPY fp_row FROM STDIN"}, data: "#\tcnryfpone\n#\tcnryfptwo\n", there: "SELECT count(*) FROM fp_row WHERE run = #", whole: "2"},
	{name: "create", sql: []string{"CREATE TABLE fp_t# (id int PRIMARY KEY, note text)"}, there: "SELECT count(*) FROM pg_class WHERE relname = 'fp_t#'", whole: "1", schema: true,
		use: "INSERT INTO fp_t# VALUES (1, 'cnryfpuse')"},
	{name: "create in a block", sql: []string{"BEGIN", "CREATE TABLE fp_t# (id int PRIMARY KEY, note text)", "INSERT INTO fp_t# VALUES (1, 'cnryfpone')", "SELECT 'fp_t#'::regclass::oid", "COMMIT"}, oid: "SELECT 'fp_t#'::regclass::oid",
		there: "SELECT count(*) FROM pg_class WHERE relname = 'fp_t#'", whole: "1", schema: true, use: "UPDATE fp_t# SET note = note || 'x' WHERE note = 'cnryfpone'"},
	{name: "alter", sql: []string{"ALTER TABLE fp_sum ADD COLUMN c# text DEFAULT 'cnryfpdefault'"}, schema: true,
		there: "SELECT count(*) FROM pg_attribute WHERE attrelid = 'fp_sum'::regclass AND attname = 'c#'", whole: "1", use: "SELECT 1 / (count(*) = 3)::int FROM fp_sum WHERE c# = 'cnryfpdefault'"},
}

// with puts the number of the attempt in a text.
func with(text string, n int) string { return strings.ReplaceAll(text, "#", fmt.Sprint(n)) }

// run carries the transaction out and returns what the client is told, and
// what it is last shown.
func (f *failing) run(s *oracle.Session, n int) (shown string, told error) {
	for _, sql := range f.sql {
		var list []oracle.Outcome
		var err error
		if f.extended {
			list, err = s.Extended(oracle.Call{SQL: with(sql, n)}, nil)
		} else {
			list, err = s.Simple(with(sql, n), []byte(with(f.data, n)))
		}
		if err := failure(list, err); err != nil {
			return shown, err
		}
		for _, o := range list {
			for _, r := range o.Rows {
				shown = string(r[0])
			}
		}
	}
	return shown, nil
}

// TestFailPoints cuts the connection to the provider at single messages around
// each kind of commit, before they arrive and after, and kills Clarus there:
// whatever the client was told is true, nothing is half there, the schema is
// the one that the provider has, and all works again without help.
func TestFailPoints(t *testing.T) {
	i, tap, err := world.Tapped(t.Context(), "failpoints", "testdata/policy-equality.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	defer tap.Close()
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE fp_row (run int, note text)")
	mustRows(t, s, "CREATE TABLE fp_sum (id int PRIMARY KEY, last text)")
	mustRows(t, s, "INSERT INTO fp_sum VALUES (1, 'cnryfpa'), (2, 'cnryfpb'), (3, 'cnryfpc')")
	n := 100
	for k := range failings {
		f := &failings[k]
		t.Run(f.name, func(t *testing.T) {
			s := again(t, i.Target)
			tap.Watch()
			n++
			if _, err := f.run(s, n); err != nil {
				t.Fatalf("it fails without a failure: %v", err)
			}
			trace := newTrace(tap.Seen(), f)
			for _, p := range trace.points() {
				n++
				(&attempt{failing: f, trace: trace, point: p, n: n}).make(t, i, tap)
			}
			for _, p := range trace.kills() {
				n++
				(&attempt{failing: f, trace: trace, point: p, n: n, kill: true}).make(t, i, tap)
			}
		})
	}
	if log := mustRows(t, again(t, i.Target), "SELECT count(*) FROM fp_row WHERE note NOT LIKE 'cnryfp%'"); log[0][0] != "0" {
		t.Errorf("%s rows are not whole", log[0][0])
	}
}

// A trace tells what passes when nothing fails.
type trace struct {
	failing *failing
	out     []oracle.Message // to the provider
	back    []oracle.Message
	commit  int // which message to the provider commits
	told    int // which message of the provider says so
}

func newTrace(seen []oracle.Message, f *failing) *trace {
	tr := &trace{failing: f}
	for _, m := range seen {
		if m.Back {
			tr.back = append(tr.back, m)
		} else {
			tr.out = append(tr.out, m)
		}
	}
	// Sync commits what is implicit, Execute what is not; ReadyForQuery comes last.
	tr.commit, tr.told = last(tr.out, 'S'), last(tr.back, 'Z')
	if f.schema || f.sql[len(f.sql)-1] == "COMMIT" {
		tr.commit, tr.told = last(tr.out, 'E'), last(tr.back, 'C')
	}
	return tr
}

func last(list []oracle.Message, kind byte) int {
	for n := len(list) - 1; n >= 0; n-- {
		if list[n].Type == kind {
			return n
		}
	}
	return -1
}

// points are where to cut: at the messages next to the commit, or all.
func (tr *trace) points() []oracle.Point {
	var list []oracle.Point
	if soaking {
		for n := range tr.out {
			list = append(list, oracle.Point{N: n}, oracle.Point{N: n, Deliver: true})
		}
		for n := range tr.back {
			list = append(list, oracle.Point{Back: true, N: n}, oracle.Point{Back: true, N: n, Deliver: true})
		}
		return list
	}
	list = append(list, oracle.Point{N: tr.commit}, oracle.Point{N: tr.commit, Deliver: true}, oracle.Point{Back: true, N: tr.told})
	if tr.failing.schema {
		list = append(list, oracle.Point{Back: true, N: tr.told, Deliver: true}, oracle.Point{N: last(tr.out, 'S')})
		for n, m := range tr.out {
			if m.Type == 'P' && m.Tells("INSERT INTO clarus.catalog") {
				list = append(list, oracle.Point{N: n, Deliver: true})
			}
		}
	}
	return list
}

// kills are where Clarus is killed: about where the provider commits.
func (tr *trace) kills() []oracle.Point {
	if len(tr.failing.sql) == 1 && !soaking {
		return nil
	}
	return []oracle.Point{{N: tr.commit, Deliver: true}, {Back: true, N: tr.told}}
}

// committed tells whether the provider has committed when it is cut at p; sure
// is false where that depends on what was under way.
func (tr *trace) committed(p oracle.Point) (yes, sure bool) {
	if p.Back {
		return true, p.N >= tr.told
	}
	return p.N > tr.commit || p.N == tr.commit && p.Deliver, true
}

// An attempt is one transaction that is cut at one point.
type attempt struct {
	*failing
	trace *trace
	point oracle.Point
	kill  bool // Clarus, there
	n     int
}

func (a *attempt) String() string {
	return fmt.Sprintf("%s, attempt %d, cut at message %d, back %t, delivered %t, Clarus killed %t", a.name, a.n, a.point.N, a.point.Back, a.point.Deliver, a.kill)
}

func (a *attempt) make(t *testing.T, i *oracle.Instance, tap *oracle.Tap) {
	t.Helper()
	s := again(t, i.Target)
	if a.kill {
		a.point.Do = i.Slay
	}
	tap.CutAt(a.point)
	shown, err := a.run(s, a.n)
	_ = s.Close()
	if !tap.Met() {
		t.Errorf("%v: the point was not met", a)
	}
	tap.Watch()
	if a.kill {
		if err := i.Kill(t.Context(), "proxy", nil); err != nil {
			t.Fatalf("%v: Clarus does not start again: %v", a, err)
		}
	}
	s = again(t, i.Target)
	defer s.Close() // the next attempt has the provider to itself
	a.check(t, s, err)
	if a.oid != "" && shown != "" {
		if r, err := rows(s, with(a.oid, a.n)); err == nil && a.committed() && r[0][0] != shown {
			t.Errorf("%v: the OID is %s, not %s", a, r[0][0], shown)
		}
	}
}

// committed tells whether the provider has surely committed.
func (a *attempt) committed() bool {
	yes, sure := a.trace.committed(a.point)
	return yes && sure
}

// check compares what is there with what the client was told.
func (a *attempt) check(t *testing.T, s *oracle.Session, told error) {
	t.Helper()
	se := asServer(told)
	if se != nil && !strings.Contains("08 57 40", se.Code[:2]) {
		t.Errorf("%v: the client is told %v", a, told)
	}
	there := mustRows(t, s, with(a.there, a.n))[0][0]
	if there != "0" && there != a.whole {
		t.Errorf("%v: %s of %s is there", a, there, a.whole)
	}
	if told == nil && there != a.whole {
		t.Errorf("%v: the client was told that it is committed, and %s of %s is there", a, there, a.whole)
	}
	if want, sure := a.trace.committed(a.point); sure && want != (there == a.whole) {
		t.Errorf("%v: %s of %s is there", a, there, a.whole)
	}
	if !a.schema {
		return
	}
	if there != a.whole {
		if _, err := a.run(s, a.n); err != nil {
			t.Errorf("%v: it cannot be done again: %v", a, err)
		}
	}
	for _, sql := range []string{a.use, "CREATE TABLE fp_next (id int PRIMARY KEY)", "DROP TABLE fp_next"} {
		if _, err := rows(s, with(sql, a.n)); err != nil {
			t.Errorf("%v: afterwards: %v", a, err)
		}
	}
}
