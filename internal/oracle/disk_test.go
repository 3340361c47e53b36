package oracle_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/clarus-project/clarus/audit/jsonl"
	"github.com/clarus-project/clarus/internal/oracle"
)

// TestFullDisk fills the disk of each thing that has one: clients are told so,
// what was committed stays, nothing runs that the audit log does not know, and
// once there is room again all goes on without a restart of Clarus.
func TestFullDisk(t *testing.T) {
	i, disks, err := world.Tight(t.Context(), "disk", "testdata/policy-equality.yaml")
	if errors.Is(err, syscall.EPERM) {
		if os.Getenv("CI") != "" && os.Getuid() == 0 {
			t.Fatal("root may not mount a file system here: ", err)
		}
		t.Skip("a small file system needs root: ", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer disks.Close()
	defer i.Stop()
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE full_row (id int PRIMARY KEY, name text, note text)")
	f := &fullDisk{Instance: i, disks: disks}
	t.Run("twin", f.twin)
	t.Run("state", f.state)
	t.Run("audit", f.audit)
	t.Run("provider", f.provider)
	if err := i.StopClarus(); err != nil {
		t.Error(err)
	}
	if err := jsonl.Verify(filepath.Join(i.Dir, "audit", "audit.jsonl")); err != nil {
		t.Error(err)
	}
	if err := i.Restart(); err != nil {
		t.Fatal("Clarus starts no more: ", err)
	}
	f.whole(t)
}

type fullDisk struct {
	*oracle.Instance
	disks *oracle.Disks
	rows  int // committed
}

// insert adds n rows and returns the error. What was told to be committed counts.
func (f *fullDisk) insert(s *oracle.Session, n int) error {
	_, err := rows(s, fmt.Sprintf("INSERT INTO full_row SELECT i, 'name ' || i, repeat('cnryfulldisk', 20) FROM generate_series(%d, %d) i", f.rows+1, f.rows+n))
	if err == nil {
		f.rows += n
	}
	return err
}

// whole checks that the rows that were committed, and no others, are there,
// and that everything works.
func (f *fullDisk) whole(t *testing.T) {
	t.Helper()
	s := connect(t, f.Target)
	if got := mustRows(t, s, "SELECT count(*), count(DISTINCT note), coalesce(max(id), 0) FROM full_row"); got[0][0] != fmt.Sprint(f.rows) || got[0][2] != fmt.Sprint(f.rows) {
		t.Errorf("%d rows were committed; count and greatest are %v", f.rows, got[0])
	}
	if err := f.insert(s, 10); err != nil {
		t.Error(err)
	}
	mustRows(t, s, "CREATE TABLE full_next (id int PRIMARY KEY, note text); INSERT INTO full_next VALUES (1, 'x'); DROP TABLE full_next")
}

// told checks what a client is told of a full disk.
func told(t *testing.T, what string, err error, codes string, words ...string) {
	t.Helper()
	se := asServer(err)
	if se == nil || !strings.Contains(codes, se.Code) || se.Hint == "" {
		t.Errorf("%s: %v", what, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(se.Message+se.Hint, w) {
			t.Errorf("%s: %s (%s), hint %s", what, se.Message, se.Code, se.Hint)
		}
	}
}

func (f *fullDisk) full(t *testing.T, d *oracle.Disk, act func()) {
	t.Helper()
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Free(); err != nil {
			t.Error(err)
		}
	}()
	act()
}

// fresh returns a session that works, or another in its place.
func (f *fullDisk) fresh(t *testing.T, s *oracle.Session) *oracle.Session {
	t.Helper()
	if s != nil {
		if _, err := rows(s, "SELECT 1"); err == nil {
			return s
		}
	}
	s, err := oracle.Open(t.Context(), f.As("app"))
	if err != nil {
		return nil
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (f *fullDisk) audit(t *testing.T) {
	s := connect(t, f.Target)
	f.full(t, f.disks.Audit, func() {
		// The file's last block has room for some events, for short ones longer.
		refused := func(what string, act func(n int) error) {
			var err error
			for n := 0; err == nil && n < 100; n++ {
				err = act(n)
			}
			told(t, what, err, "08006", "audit log", "nothing was done")
		}
		refused("INSERT", func(int) error { return f.insert(s, 1) })
		refused("SELECT", func(int) error {
			_, err := rows(s, "SELECT note FROM full_row LIMIT 1")
			return err
		})
		refused("CREATE TABLE", func(n int) error {
			_, err := rows(s, fmt.Sprintf("CREATE TABLE full_audited%d (id int)", n))
			return err
		})
		refused("a new session", func(int) error {
			_, err := oracle.Open(t.Context(), f.As("app"))
			return err
		})
	})
	if err := f.insert(s, 10); err != nil { // the same session
		t.Error(err)
	}
	f.whole(t)
}

func (f *fullDisk) state(t *testing.T) {
	s := connect(t, f.Target)
	f.full(t, f.disks.State, func() {
		_, err := rows(s, "CREATE TABLE full_unpinned (id int)")
		told(t, "CREATE TABLE", err, "08006 53100", "state directory")
		mustRows(t, s, "BEGIN; CREATE TABLE full_unpinned (id int)")
		_, err = rows(s, "COMMIT")
		told(t, "COMMIT", err, "08006 53100", "state directory")
		// The session is out of the block, here and at the provider: what it writes is committed.
		if err := f.insert(s, 10); err != nil { // needs no room there
			t.Error(err)
		}
	})
	mustRows(t, s, "CREATE TABLE full_unpinned (id int); DROP TABLE full_unpinned")
	f.whole(t)
}

func (f *fullDisk) twin(t *testing.T) {
	s := connect(t, f.Target)
	for f.rows < 20000 {
		if err := f.insert(s, 5000); err != nil {
			t.Fatal(err)
		}
	}
	f.full(t, f.disks.Twin, func() {
		failed := 0
		for range 3 {
			if s = f.fresh(t, s); s == nil {
				failed++
				continue
			}
			if _, err := rows(s, "SELECT note FROM full_row ORDER BY note || id DESC LIMIT 3"); err != nil {
				failed++
				if asServer(err) != nil {
					told(t, "SELECT", err, "08006 53100", "twin")
				}
			}
		}
		if failed == 0 {
			t.Error("the twin needs no room")
		}
		// A twin that crashes now cannot come back before there is room.
		if err := f.Kill(t.Context(), "twin", rand.New(rand.NewPCG(1, 1))); err != nil && !errors.Is(err, oracle.ErrNoVictim) {
			t.Fatal(err)
		}
		until(t, "Clarus tries to start the twin again", func() bool {
			if err := f.disks.Twin.Fill(); err != nil { // with the room that the old one left
				t.Fatal(err)
			}
			log, err := os.ReadFile(f.Log)
			return err == nil && bytes.Count(log, []byte("cannot be started again yet")) >= 3
		})
		_, err := oracle.Open(t.Context(), f.As("app"))
		told(t, "a new session", err, "08006", "cannot be started again yet")
	})
	until(t, "the twin works again", func() bool {
		s = f.fresh(t, s)
		if s == nil {
			return false
		}
		_, err := rows(s, "SELECT note FROM full_row ORDER BY note || id DESC LIMIT 3")
		return err == nil
	})
	f.whole(t)
}

func (f *fullDisk) provider(t *testing.T) {
	s := connect(t, f.Target)
	f.full(t, f.disks.Provider, func() {
		var err error
		for n := 0; err == nil; n++ {
			if n > 500 {
				t.Fatal("the provider needs no room")
			}
			err = f.insert(s, 2000)
		}
		if se := asServer(err); se != nil {
			told(t, "INSERT", err, "53100 08006 57P01 57P02 57P03")
		}
		if s = f.fresh(t, s); s != nil {
			if _, err := rows(s, "CREATE TABLE full_small (id int); DROP TABLE full_small"); err != nil && asServer(err) != nil {
				told(t, "CREATE TABLE", err, "53100 08006 57P01 57P02 57P03")
			}
		}
	})
	if err := f.Provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.whole(t)
}
