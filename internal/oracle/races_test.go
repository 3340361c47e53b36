package oracle_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// racers is how many sessions of testRaces meet.
const racers = 4

// testRaces lets sessions meet at the same rows: updates and upserts are not
// lost, a key is given once, nobody is left without a parent, and what is
// serializable is.
func testRaces(t *testing.T, target *oracle.Target) {
	s := connect(t, target)
	mustRows(t, s, `CREATE TABLE race_count (k text PRIMARY KEY, n int NOT NULL, note text);
CREATE TABLE race_key (id serial PRIMARY KEY, token text UNIQUE, who int);
CREATE TABLE race_parent (name text PRIMARY KEY, note text);
CREATE TABLE race_child (id serial PRIMARY KEY, parent text NOT NULL REFERENCES race_parent (name), note text);
CREATE TABLE race_duty (name text PRIMARY KEY, ward text, on_duty boolean NOT NULL);
CREATE TABLE race_job (id int PRIMARY KEY, what text)`)
	t.Run("upsert", func(t *testing.T) { raceUpsert(t, target, s) })
	t.Run("unique", func(t *testing.T) { raceUnique(t, target, s) })
	t.Run("parent", func(t *testing.T) { raceParent(t, target, s) })
	t.Run("skew", func(t *testing.T) { raceSkew(t, target, s) })
	t.Run("returning", func(t *testing.T) { raceReturning(t, target, s) })
}

// race runs act in several sessions at once.
func race(t *testing.T, target *oracle.Target, act func(s *oracle.Session, worker int) error) {
	t.Helper()
	var work sync.WaitGroup
	for n := range racers {
		s := connect(t, target)
		work.Go(func() {
			if err := act(s, n); err != nil {
				t.Errorf("session %d: %v", n, err)
			}
		})
	}
	work.Wait()
}

// excused runs a statement and returns whether it was done, or failed with one
// of codes, given without spaces between.
func excused(s *oracle.Session, sql, codes string) (bool, error) {
	_, err := rows(s, sql)
	if err == nil || err != nil && strings.Contains(codes, sqlstate(err)) && sqlstate(err) != "" {
		return err == nil, nil
	}
	return false, err
}

func raceUpsert(t *testing.T, target *oracle.Target, s *oracle.Session) {
	const each = 9
	race(t, target, func(w *oracle.Session, n int) error {
		for i := range each {
			_, err := rows(w, fmt.Sprintf("INSERT INTO race_count AS c VALUES ('cnryrace%dkey7', 1, 'first of %d') ON CONFLICT (k) DO UPDATE SET n = c.n + 1, note = c.note || '.'", i%3, n))
			if err != nil {
				return err
			}
			if _, err := rows(w, fmt.Sprintf("UPDATE race_count SET n = n + 100 WHERE k = 'cnryrace%dkey7'", i%3)); err != nil {
				return err
			}
		}
		return nil
	})
	got := mustRows(t, s, "SELECT count(*), sum(n), sum(length(note) - length('first of 0')) FROM race_count")
	if want := fmt.Sprint([]string{"3", fmt.Sprint(101 * each * racers), fmt.Sprint(each*racers - 3)}); fmt.Sprint(got[0]) != want {
		t.Errorf("count, sum and dots are %v, not %s", got[0], want)
	}
}

func raceUnique(t *testing.T, target *oracle.Target, s *oracle.Session) {
	const tokens = 12
	var mu sync.Mutex
	won := map[int]int{}
	race(t, target, func(w *oracle.Session, n int) error {
		for i := range tokens {
			ok, err := excused(w, fmt.Sprintf("INSERT INTO race_key (token, who) VALUES ('cnryrace%dtok7', %d)", i, n), "23505")
			if err != nil {
				return err
			}
			if ok {
				mu.Lock()
				won[i]++
				mu.Unlock()
			}
		}
		return nil
	})
	for i := range tokens {
		if won[i] != 1 {
			t.Errorf("token %d was inserted %d times", i, won[i])
		}
	}
	if got := mustRows(t, s, "SELECT count(*), count(DISTINCT token), count(DISTINCT id) FROM race_key"); fmt.Sprint(got[0]) != "[12 12 12]" {
		t.Errorf("rows, tokens, ids: %v", got[0])
	}
}

func raceParent(t *testing.T, target *oracle.Target, s *oracle.Session) {
	race(t, target, func(w *oracle.Session, n int) error {
		for i := range 10 {
			parent := fmt.Sprintf("'cnryrace%dpar7'", i%2)
			sql := "INSERT INTO race_child (parent, note) VALUES (" + parent + ", 'child')"
			switch {
			case n == 0:
				sql = "DELETE FROM race_parent WHERE name = " + parent
			case n == 1:
				sql = "INSERT INTO race_parent VALUES (" + parent + ", 'parent') ON CONFLICT DO NOTHING"
			case i%5 == 4:
				sql = "DELETE FROM race_child WHERE parent = " + parent
			}
			if _, err := excused(w, sql, "23503 40P01"); err != nil {
				return err
			}
		}
		return nil
	})
	if got := mustRows(t, s, "SELECT count(*) FROM race_child c LEFT JOIN race_parent p ON p.name = c.parent WHERE p.name IS NULL"); got[0][0] != "0" {
		t.Errorf("%s children have no parent", got[0][0])
	}
}

// raceSkew has each of several doctors go off duty if another is on it: in
// serializable transactions, one stays.
func raceSkew(t *testing.T, target *oracle.Target, s *oracle.Session) {
	off := 0
	for round := range 4 {
		mustRows(t, s, "DELETE FROM race_duty; INSERT INTO race_duty SELECT 'cnryrace' || i || 'doc7', 'cnryraceward7', true FROM generate_series(0, 3) i")
		var mu sync.Mutex
		race(t, target, func(w *oracle.Session, n int) error {
			err := leaveDuty(w, n)
			if err == nil {
				mu.Lock()
				off++
				mu.Unlock()
			} else if _, e := rows(w, "ROLLBACK"); e != nil || sqlstate(err) != "40001" && !errors.Is(err, errLast) {
				return err
			}
			return nil
		})
		if got := mustRows(t, s, "SELECT count(*) FROM race_duty WHERE on_duty AND ward = 'cnryraceward7'"); got[0][0] == "0" {
			t.Errorf("round %d: nobody is on duty", round)
		}
	}
	if off == 0 {
		t.Error("nobody ever went off duty")
	}
}

var errLast = errors.New("the last on duty")

func leaveDuty(w *oracle.Session, n int) error {
	if _, err := rows(w, "BEGIN ISOLATION LEVEL SERIALIZABLE"); err != nil {
		return err
	}
	got, err := rows(w, "SELECT count(*) >= 2 FROM race_duty WHERE on_duty AND ward = 'cnryraceward7'")
	if err != nil {
		return err
	}
	if got[0][0] != "t" {
		return errLast
	}
	if _, err := rows(w, fmt.Sprintf("UPDATE race_duty SET on_duty = false WHERE name = 'cnryrace%ddoc7'", n)); err != nil {
		return err
	}
	_, err = rows(w, "COMMIT")
	return err
}

func raceReturning(t *testing.T, target *oracle.Target, s *oracle.Session) {
	const jobs = 24
	mustRows(t, s, fmt.Sprintf("INSERT INTO race_job SELECT i, 'cnryrace' || i || 'job7' FROM generate_series(1, %d) i", jobs))
	var mu sync.Mutex
	taken := map[string]int{}
	race(t, target, func(w *oracle.Session, _ int) error {
		for i := range jobs {
			got, err := rows(w, fmt.Sprintf("DELETE FROM race_job WHERE what = 'cnryrace%djob7' RETURNING what", i+1))
			if err != nil {
				return err
			}
			mu.Lock()
			for _, r := range got {
				taken[r[0]]++
			}
			mu.Unlock()
		}
		return nil
	})
	for job, n := range taken {
		if n != 1 {
			t.Errorf("%s was taken %d times", job, n)
		}
	}
	if len(taken) != jobs {
		t.Errorf("%d of %d jobs were taken", len(taken), jobs)
	}
}
