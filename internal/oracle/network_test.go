package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

// TestNetwork has the provider go away in every way that a network knows, and
// come back: clients get a clear error, nothing of an answer that is not whole
// counts, nothing is half done, and all works again without help.
func TestNetwork(t *testing.T) {
	i, n, err := world.Behind(t.Context(), "network", "testdata/policy-mixed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	defer n.Close()
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TABLE net_row (id int PRIMARY KEY, note text); INSERT INTO net_row SELECT i, 'note ' || i || repeat('.', 100) FROM generate_series(1, 3000) i")
	for _, c := range []struct {
		name string
		act  func(t *testing.T)
	}{
		{"reset within an answer", func(t *testing.T) {
			for _, sql := range []string{"SELECT id FROM net_row", "SELECT note FROM net_row ORDER BY note", "COPY net_row TO STDOUT"} {
				s := connect(t, i.Target)
				mustRows(t, s, "SELECT count(*) FROM net_row WHERE id < 0") // the twin is ready
				n.CutAfter(20000)
				list, err := s.Simple(sql, nil)
				if whole := len(list) > 0 && list[len(list)-1].Err == nil && list[len(list)-1].Tag != ""; whole {
					t.Errorf("%s: an answer that was cut ended well", sql)
				}
				away(t, sql, failure(list, err))
			}
		}},
		{"refused", func(t *testing.T) {
			idle, open := connect(t, i.Target), connect(t, i.Target)
			mustRows(t, open, "BEGIN; UPDATE net_row SET note = 'never' WHERE id = 1")
			n.Refuse()
			for name, s := range map[string]*oracle.Session{"idle": idle, "in a transaction": open} {
				list, err := s.Simple("SELECT note FROM net_row WHERE id = 1", nil)
				away(t, name, failure(list, err))
				if _, err := s.Receive(); err == nil {
					t.Errorf("a session that was %s lives on without a provider", name)
				}
			}
			for range 2 {
				_, err := oracle.Open(t.Context(), i.As("app"))
				if se := away(t, "a new session", err); se != nil && (se.Severity != "FATAL" || !strings.Contains(se.Message, "cannot be reached")) {
					t.Errorf("a new session is told %s: %s", se.Severity, se.Message)
				}
			}
		}},
		{"lost while it commits", func(t *testing.T) {
			s := connect(t, i.Target)
			mustRows(t, s, "BEGIN; UPDATE net_row SET note = 'all of it' WHERE id <= 100")
			n.CutAfter(0)
			list, err := s.Simple("COMMIT", nil)
			away(t, "COMMIT", failure(list, err))
			if err := n.Mend(); err != nil {
				t.Fatal(err)
			}
			if got := mustRows(t, connect(t, i.Target), "SELECT count(*) FROM net_row WHERE note = 'all of it'"); got[0][0] != "0" && got[0][0] != "100" {
				t.Errorf("%s of 100 rows were changed", got[0][0])
			}
		}},
		{"silent, and the client has statement_timeout", func(t *testing.T) {
			s := connect(t, i.Target)
			mustRows(t, s, "SET statement_timeout = '300ms'")
			n.Silence()
			list, err := s.Simple("SELECT note FROM net_row WHERE id = 2", nil)
			if se := asServer(failure(list, err)); se == nil || se.Code != "57014" || !strings.Contains(se.Message, "statement timeout") {
				t.Errorf("a statement at a silent provider ends with %v", failure(list, err))
			}
		}},
		{"silent, and the client cancels", func(t *testing.T) {
			s := connect(t, i.Target)
			n.Silence()
			result := make(chan error, 1)
			go func() { result <- failure(s.Simple("SELECT note FROM net_row WHERE id = 2", nil)) }()
			quick, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var err error
			for again := true; again; { // a cancel request that comes before the statement has no effect
				if e := s.Cancel(quick); e != nil {
					t.Fatal(e)
				}
				select {
				case err = <-result:
					again = false
				case <-time.After(time.Second):
				}
			}
			if se := asServer(err); se == nil || se.Code != "57014" {
				t.Errorf("a statement that was cancelled at a silent provider ends with %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.act(t)
			if err := n.Mend(); err != nil {
				t.Fatal(err)
			}
			got := mustRows(t, connect(t, i.Target), "SELECT count(*), count(note) FILTER (WHERE note <> 'never') FROM net_row")
			if fmt.Sprint(got) != "[[3000 3000]]" {
				t.Errorf("afterwards the table has %v", got)
			}
		})
	}
}

// failure is the error of a statement.
func failure(list []oracle.Outcome, err error) error {
	for _, o := range list {
		if o.Err != nil {
			return o.Err
		}
	}
	return err
}

func asServer(err error) *pgwire.ServerError {
	se, _ := errors.AsType[*pgwire.ServerError](err)
	return se
}

// away checks the error of a statement whose provider went away.
func away(t *testing.T, what string, err error) *pgwire.ServerError {
	t.Helper()
	se := asServer(err)
	if se == nil && !errors.Is(err, io.EOF) || se != nil && (se.Code != "08006" || se.Hint == "") {
		t.Errorf("%s: %v", what, err)
	}
	return se
}
