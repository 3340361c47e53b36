package oracle_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
)

// unrest changes tables under the hands of those who use them, and back.
var unrest = []string{
	"ALTER TABLE kill_row ADD COLUMN more text DEFAULT 'cnrymore7x2q'",
	"CREATE INDEX kill_index ON kill_row (worker)",
	"ALTER TABLE kill_pair ALTER COLUMN balance TYPE numeric",
	"ALTER TABLE kill_row RENAME COLUMN worker TO who",
	"ALTER TABLE kill_pair ADD CHECK (balance < 100000)",
	"BEGIN; ALTER TABLE kill_row RENAME COLUMN who TO worker; DROP INDEX kill_index; COMMIT",
	"ALTER TABLE kill_row DROP COLUMN more",
	"ALTER TABLE kill_pair ALTER COLUMN balance TYPE bigint",
	"ALTER TABLE kill_pair DROP CONSTRAINT kill_pair_balance_check",
	"CREATE TABLE kill_brief AS SELECT * FROM kill_pair; DROP TABLE kill_brief",
}

// TestUnrest changes the schema and cancels statements at any moment while
// clients write: each transaction happens as its client was told, whole or not
// at all, and sessions go on after a cancel.
func TestUnrest(t *testing.T) {
	i, err := world.Clarus(t.Context(), "unrest", "testdata/policy-equality.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	l := newLedger()
	ctx, finish := l.begin(t, i)
	s := connect(t, i.Target)
	var cancels sync.WaitGroup
	canceled := 0
	cancels.Go(func() {
		choice := rand.New(rand.NewPCG(*killSeed, 1))
		for ctx.Err() == nil {
			time.Sleep(time.Duration(choice.IntN(60)) * time.Millisecond)
			l.mu.Lock()
			victim := l.open[choice.IntN(workers)]
			l.mu.Unlock()
			if victim != nil && victim.Cancel(ctx) == nil {
				canceled++
			}
		}
	})
	rounds := 1
	if soaking {
		rounds = 20
	}
	for range rounds {
		for _, sql := range unrest {
			l.progress(t, i, 2)
			change(t, s, sql)
		}
	}
	finish()
	cancels.Wait()
	t.Logf("%d statements were canceled", canceled)
}

// change runs a change of the schema, again where another change or a deadlock
// was in its way.
func change(t *testing.T, s *oracle.Session, sql string) {
	t.Helper()
	until(t, "the schema is changed: "+sql, func() bool {
		_, err := rows(s, sql)
		if err == nil {
			return true
		}
		if !crashed(err) {
			t.Fatal(err)
		}
		_, err = rows(s, "ROLLBACK")
		return err != nil
	})
}
