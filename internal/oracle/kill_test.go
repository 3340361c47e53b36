package oracle_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

var (
	kills    = flag.Int("kills", defaultKills, "how many servers TestKill ends by SIGKILL")
	killSeed = flag.Uint64("kill-seed", 1, "what TestKill's choices derive from")
)

// A ledger is what a worker was told of its transactions.
type ledger struct {
	mu     sync.Mutex
	rows   map[string]bool // tokens of rows; true: COMMIT was answered, false: its answer was lost
	tables map[string]bool // the same of tables that were created
	wrong  []string        // errors that a crash does not explain
	done   int
	open   map[int]*oracle.Session // of workers, while they have one
}

func newLedger() *ledger {
	return &ledger{rows: map[string]bool{}, tables: map[string]bool{}, open: map[int]*oracle.Session{}}
}

// workers is how many sessions write at a time.
const workers = 3

const killTables = `CREATE TABLE kill_row (token text PRIMARY KEY, twin text NOT NULL, worker int);
CREATE TABLE kill_pair (id int PRIMARY KEY, balance bigint NOT NULL);
INSERT INTO kill_pair SELECT i, 1000 FROM generate_series(1, 4) i`

func (l *ledger) told(m map[string]bool, name string, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m[name] = known
	l.done++
}

// crashed reports whether an error is what clients may see of a crash.
func crashed(err error) bool {
	se, ok := errors.AsType[*pgwire.ServerError](err)
	if !ok {
		return true // the connection ended
	}
	return slices.Contains([]string{"08", "57", "40"}, se.Code[:2]) || se.Code == "25P02"
}

// TestKill ends twin, proxy and provider by SIGKILL while clients write and
// change the schema: what was committed is there, what was not is not, and all
// works again without help.
func TestKill(t *testing.T) {
	i, err := world.Clarus(t.Context(), "kill", "testdata/policy-equality.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	l := newLedger()
	_, finish := l.begin(t, i)
	choice := rand.New(rand.NewPCG(*killSeed, 0))
	for n := range *kills {
		l.progress(t, i, 5)
		time.Sleep(time.Duration(choice.IntN(150)) * time.Millisecond)
		victim := []string{"twin", "backend", "proxy", "provider"}[choice.IntN(4)]
		t.Logf("kill %d: %s", n, victim)
		until(t, "there is a "+victim+" to kill", func() bool {
			err := i.Kill(t.Context(), victim, choice)
			if err != nil && !errors.Is(err, oracle.ErrNoVictim) {
				t.Fatalf("kill %s: %v", victim, err)
			}
			return err == nil
		})
	}
	finish()
}

// begin has workers write to an instance until ctx ends; finish ends it when they have
// gone on for a while, and compares what is there with what they were told.
func (l *ledger) begin(t *testing.T, i *oracle.Instance) (ctx context.Context, finish func()) {
	t.Helper()
	mustRows(t, connect(t, i.Target), killTables)
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for n := range workers {
		work.Go(func() { l.work(ctx, i, n) })
	}
	return ctx, func() {
		t.Helper()
		l.progress(t, i, 10)
		stop()
		work.Wait()
		for _, w := range l.wrong {
			t.Error(w)
		}
		l.check(t, connect(t, i.Target))
	}
}

// progress waits until n more transactions are done.
func (l *ledger) progress(t *testing.T, i *oracle.Instance, n int) {
	t.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.done
	}
	from := count()
	for deadline := time.Now().Add(90 * time.Second); count() < from+n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			var here strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&here, 2)
			t.Fatalf("%d transactions in 90 s; %d were wanted\nclarus:\n%s\nclients:\n%s", count()-from, n, i.Stacks(), &here)
		}
	}
}

// work runs transactions until ctx ends, and connects again after each error
// that ended the connection.
func (l *ledger) work(ctx context.Context, i *oracle.Instance, worker int) {
	var s *oracle.Session
	defer func() {
		if s != nil {
			_ = s.Close()
		}
	}()
	for n := 0; ctx.Err() == nil; n++ {
		if s == nil {
			var err error
			if s, err = oracle.Open(context.WithoutCancel(ctx), i.As("app")); err != nil {
				s = nil
				time.Sleep(50 * time.Millisecond)
				continue
			}
			l.at(worker, s)
		}
		err := l.transact(s, worker, n)
		if err == nil {
			continue
		}
		if state := sqlstate(err); state == "57014" || strings.HasPrefix(state, "40") {
			l.undone(worker, n)
			if _, err := rows(s, "ROLLBACK"); err == nil {
				continue // the session goes on
			}
		}
		if !crashed(err) {
			l.mu.Lock()
			l.wrong = append(l.wrong, err.Error())
			l.mu.Unlock()
		}
		// A pool would throw the connection away too.
		l.at(worker, nil)
		s.Abort()
		s = nil
	}
}

// at says which session a worker has.
func (l *ledger) at(worker int, s *oracle.Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[worker] = s
}

// undone says that a worker's transaction was told to be rolled back.
func (l *ledger) undone(worker, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rows, token(worker, n))
	delete(l.rows, token(worker, n)+"b")
	delete(l.tables, tableName(worker, n))
}

func token(worker, n int) string { return fmt.Sprintf("cnrykill%dx%d", worker, n) }

func tableName(worker, n int) string { return fmt.Sprintf("kill_%d_%d", worker, n) }

func sqlstate(err error) string {
	if se, ok := errors.AsType[*pgwire.ServerError](err); ok {
		return se.Code
	}
	return ""
}

// transact runs one transaction of one of four kinds.
func (l *ledger) transact(s *oracle.Session, worker, n int) error {
	token := token(worker, n)
	do := func(statements ...string) error {
		for _, sql := range statements {
			if _, err := rows(s, sql); err != nil {
				return err
			}
		}
		return nil
	}
	switch n % 8 {
	case 0:
		name := tableName(worker, n)
		if err := do("BEGIN", "CREATE TABLE "+name+" (id int PRIMARY KEY, note text)", "INSERT INTO "+name+" VALUES (1, '"+token+"')"); err != nil {
			return err
		}
		l.told(l.tables, name, false)
		if err := do("COMMIT"); err != nil {
			return err
		}
		l.told(l.tables, name, true)
	case 1, 2, 3:
		l.told(l.rows, token, false)
		if err := do(fmt.Sprintf("INSERT INTO kill_row VALUES ('%s', 'twin of %[1]s', %d)", token, worker)); err != nil {
			return err
		}
		l.told(l.rows, token, true)
	case 4, 5:
		if err := do("BEGIN", fmt.Sprintf("INSERT INTO kill_row VALUES ('%s', 'twin of %[1]s', %d), ('%[1]sb', 'twin of %[1]sb', %d)", token, worker, worker)); err != nil {
			return err
		}
		l.told(l.rows, token, false)
		l.told(l.rows, token+"b", false)
		if err := do("COMMIT"); err != nil {
			return err
		}
		l.told(l.rows, token, true)
		l.told(l.rows, token+"b", true)
	case 6:
		return do("BEGIN", fmt.Sprintf("UPDATE kill_pair SET balance = balance - 7 WHERE id = %d", 1+n%4),
			fmt.Sprintf("UPDATE kill_pair SET balance = balance + 7 WHERE id = %d", 1+(n+1)%4), "COMMIT")
	case 7:
		return do("BEGIN", fmt.Sprintf("INSERT INTO kill_row VALUES ('%sr', 'never', 0)", token), "ROLLBACK")
	}
	return nil
}

// check compares what is there with what the workers were told.
func (l *ledger) check(t *testing.T, s *oracle.Session) {
	got := map[string]bool{}
	for _, r := range mustRows(t, s, "SELECT token, twin FROM kill_row") {
		if got[r[0]] || r[1] != "twin of "+r[0] {
			t.Errorf("row %q is there twice, or has another's text: %q", r[0], r[1])
		}
		got[r[0]] = true
		if _, known := l.rows[r[0]]; !known {
			t.Errorf("row %q was rolled back, and is there", r[0])
		}
	}
	for token, committed := range l.rows {
		if committed && !got[token] {
			t.Errorf("row %q was committed, and is lost", token)
		}
		if half := strings.TrimSuffix(token, "b"); half != token && got[half] != got[token] {
			t.Errorf("half of the transaction of %q is there", half)
		}
	}
	for name, committed := range l.tables {
		r, err := rows(s, "SELECT count(*) FROM "+name)
		if committed && (err != nil || r[0][0] != "1") {
			t.Errorf("table %s was committed, and answers %v, %v", name, r, err)
		}
	}
	if r := mustRows(t, s, "SELECT sum(balance) FROM kill_pair"); r[0][0] != "4000" {
		t.Errorf("the balances' sum is %s", r[0][0])
	}
	t.Logf("%d rows, %d tables, %d transactions", len(got), len(l.tables), l.done)
}
