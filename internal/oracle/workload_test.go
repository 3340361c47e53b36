package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

// connect opens a session as the owner that ends with the test.
func connect(t *testing.T, target *oracle.Target) *oracle.Session {
	t.Helper()
	s, err := oracle.Open(t.Context(), target.As("app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// rows runs statements and returns the rows of the last.
func rows(s *oracle.Session, sql string) ([][]string, error) {
	list, err := oracle.Simple(s.Client, sql)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sql, err)
	}
	var out [][]string
	for _, r := range list[len(list)-1].Rows {
		var cells []string
		for _, v := range r {
			cells = append(cells, string(v))
		}
		out = append(out, cells)
	}
	return out, nil
}

func mustRows(t *testing.T, s *oracle.Session, sql string) [][]string {
	t.Helper()
	r, err := rows(s, sql)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// testPgbench runs TPC-B with 8 clients: whatever was interleaved, the four
// sums of balances are equal and every transaction left its history.
func testPgbench(t *testing.T, target *oracle.Target) {
	const clients, transactions = 8, 25
	run := func(args ...string) {
		t.Helper()
		if _, _, err := world.Program(t.Context(), target, "app", "", "pgbench", args...); err != nil {
			t.Fatal(err)
		}
	}
	run("-i", "-s", "1", "-q")
	for _, protocol := range []string{"simple", "extended", "prepared"} {
		run("-n", "-M", protocol, "-c", strconv.Itoa(clients), "-j", "2", "-t", strconv.Itoa(transactions))
	}
	got := mustRows(t, connect(t, target), `SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history),
		(SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history),
		(SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history),
		(SELECT count(*) FROM pgbench_history), (SELECT count(*) FROM pgbench_accounts), (SELECT count(DISTINCT delta) > 100 FROM pgbench_history)`)
	want := [][]string{{"t", "t", "t", strconv.Itoa(3 * clients * transactions), "100000", "t"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("balances are %v, not %v", got, want)
	}
}

// testQueue lets four workers take jobs with SKIP LOCKED: every job is taken
// exactly once, in each worker's order of ids.
func testQueue(t *testing.T, target *oracle.Target) {
	const jobs, workers = 40, 4
	s := connect(t, target)
	mustRows(t, s, "CREATE TABLE queue_job (id int PRIMARY KEY, status text NOT NULL, payload text)")
	mustRows(t, s, fmt.Sprintf("INSERT INTO queue_job SELECT i, 'cnryw3oe5nyq6mdz', 'cnry2yb4jtlv7ukh' || i FROM generate_series(1, %d) i", jobs))
	var mu sync.Mutex
	var work sync.WaitGroup
	taken := map[string]int{}
	share := make([]int, workers)
	for n := range workers {
		w := connect(t, target)
		work.Go(func() {
			for {
				id, err := take(w)
				if err != nil {
					t.Error(err)
				}
				if err != nil || id == "" {
					return
				}
				mu.Lock()
				taken[id]++
				share[n]++
				mu.Unlock()
			}
		})
	}
	work.Wait()
	for id, n := range taken {
		if n != 1 {
			t.Errorf("job %s was taken %d times", id, n)
		}
	}
	left := mustRows(t, s, "SELECT count(*) FROM queue_job WHERE status = 'cnryw3oe5nyq6mdz'")
	if len(taken) != jobs || left[0][0] != "0" {
		t.Errorf("%d of %d jobs were taken, %s are left; by worker: %v", len(taken), jobs, left[0][0], share)
	}
}

// take takes a job and marks it; "" means that none is left. It holds the job
// for a moment, so that the workers meet.
func take(w *oracle.Session) (string, error) {
	_, err := rows(w, "BEGIN")
	if err != nil {
		return "", err
	}
	got, err := rows(w, "SELECT id FROM queue_job WHERE status = 'cnryw3oe5nyq6mdz' ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1")
	if err != nil {
		return "", err
	}
	id := ""
	if len(got) > 0 {
		id = got[0][0]
		time.Sleep(3 * time.Millisecond)
		if _, err := rows(w, "UPDATE queue_job SET status = 'cnrydonef4r6t2ya' WHERE id = "+id); err != nil {
			return "", err
		}
	}
	_, err = rows(w, "COMMIT")
	return id, err
}

// testTransfer moves money between two tables while another session sums both
// in one READ COMMITTED statement: the sum never changes.
func testTransfer(t *testing.T, target *oracle.Target) {
	const moves = 60
	s, reader := connect(t, target), connect(t, target)
	mustRows(t, s, "CREATE TABLE move_from (id int PRIMARY KEY, amount numeric NOT NULL, owner text); CREATE TABLE move_to (id int PRIMARY KEY, amount numeric NOT NULL, owner text)")
	mustRows(t, s, "INSERT INTO move_from VALUES (1, 730911002233, 'cnryk6vd4u3wmzp2'); INSERT INTO move_to VALUES (1, 0, 'cnrya5sy7lbx2gqi')")
	ctx, done := context.WithCancel(t.Context())
	var work sync.WaitGroup
	sums := 0
	work.Go(func() {
		for ctx.Err() == nil {
			got, err := rows(reader, "SELECT sum(amount) FROM (SELECT amount FROM move_from UNION ALL SELECT amount FROM move_to) x")
			if err != nil || got[0][0] != "730911002233" {
				t.Errorf("the sum is %v (%v)", got, err)
				return
			}
			sums++
		}
	})
	for range moves {
		_, err := rows(s, "BEGIN; UPDATE move_from SET amount = amount - 7 WHERE id = 1; UPDATE move_to SET amount = amount + 7 WHERE id = 1; COMMIT")
		if e, ok := errors.AsType[*pgwire.ServerError](err); ok && e.Code == "0A000" {
			t.Fatal("transactions in one simple query are refused: ", err)
		}
		if err != nil {
			t.Error(err)
			break
		}
	}
	done()
	work.Wait()
	if sums == 0 {
		t.Error("nothing was summed beside the transfers")
	}
	if got := mustRows(t, s, "SELECT amount FROM move_to"); got[0][0] != strconv.Itoa(7*moves) {
		t.Errorf("%s arrived, not %d", got[0][0], 7*moves)
	}
}
