package oracle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/pgwire"
)

// elsewhere has an owner make another database, with a table that its policy does not
// name: who is restricted is so there too.
func elsewhere(t *testing.T, i *oracle.Instance, owner *oracle.Session) {
	const user = "analyst"
	mustRows(t, owner, "CREATE DATABASE apart")
	there := func(user string) *oracle.Session {
		target := i.As(user)
		target.Database = "apart"
		s, err := oracle.Open(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	boss, s := there("app"), there(user)
	for _, sql := range []string{"CREATE TABLE patient (patient text)", "INSERT INTO patient VALUES ('cnrythere')", "GRANT ALL ON patient TO " + user, "GRANT ALL ON SCHEMA public TO " + user} {
		mustRows(t, boss, sql)
	}
	for _, sql := range []string{"SELECT count(*) FROM patient", "SELECT patient FROM patient", "TABLE public.patient", "INSERT INTO patient VALUES ('a')", "CREATE TABLE mine (a int)", "COPY patient TO STDOUT", "SET clarus.view = 'cloud-a'", "DROP DATABASE app"} {
		wantCode(t, s, sql, "42501")
	}
	if err := errors.Join(boss.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	mustRows(t, owner, "DROP DATABASE apart")
}

// apart has the owner and an analyst say the same: what is remembered of the one's
// statement is not the other's, before or after.
func apart(t *testing.T, i *oracle.Instance, owner *oracle.Session) {
	s := as(t, i, "analyst")
	for n := range 4 { // often enough to be learnt by its form
		sql := fmt.Sprintf("SELECT count(*) FROM one WHERE age < %d AND patient > 0", 30+n)
		wantRows(t, owner, sql, "20")
		list, err := s.Simple(sql, nil)
		if err != nil || list[0].Err != nil || len(list[0].Notices) != 1 {
			t.Errorf("%s: %v, %v", sql, list, err)
		}
		wantRows(t, owner, sql, "20")
		one := fmt.Sprintf("SELECT patient FROM one WHERE age = %d", 3+n)
		wantRows(t, owner, one, fmt.Sprint(3+n))
		mustCode(t, s, one, "42501")
		call := oracle.Call{SQL: "SELECT patient FROM one WHERE age = $1", Params: [][]byte{[]byte("5")}}
		outcome(t, owner, call)
		if list, err := s.Extended(call, nil); err != nil || list[0].Err == nil || list[0].Err.Code != "42501" {
			t.Errorf("%s: %v, %v", call.SQL, list, err)
		}
	}
}

// entries counts what the ledger has about a table.
func entries(t *testing.T, i *oracle.Instance, table string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(i.Dir, "state", "budgets.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte(`\"`+table+`\"`))
}

// piped asks by the protocol's messages: only Execute pays, what follows an error
// does not, and a portal that is fetched in parts has the one answer.
func piped(t *testing.T, i *oracle.Instance) {
	s := as(t, i, "analyst")
	call := func(n int) oracle.Call {
		return oracle.Call{SQL: fmt.Sprintf("SELECT count(*) FROM one WHERE age = %d", 100+n)}
	}
	before := entries(t, i, "one")
	if types, err := s.ParamTypes(oracle.Call{SQL: "SELECT count(*) FROM one WHERE age = $1"}); err != nil || len(types) != 1 {
		t.Errorf("described as %v, %v", types, err)
	}
	mustRows(t, s, "PREPARE p AS SELECT count(*) FROM one WHERE age = 99")
	if n := entries(t, i, "one"); n != before {
		t.Errorf("describing made %d entries", n-before)
	}
	list, err := s.Pipeline([]oracle.Call{call(0), {SQL: "SELECT patient FROM one"}, call(1)}, []bool{false, false, false})
	if err != nil || len(list) != 2 || list[0].Err != nil || list[1].Err == nil || list[1].Err.Code != "42501" {
		t.Errorf("a pipeline: %v, %v", list, err)
	}
	if n := entries(t, i, "one"); n != before+2 {
		t.Errorf("a pipeline that fails after its first question made %d entries, not 2", n-before)
	}
	mustRows(t, s, "BEGIN")
	mustRows(t, s, call(2).SQL)
	mustRows(t, s, "ROLLBACK")
	if n := entries(t, i, "one"); n != before+4 {
		t.Errorf("a question in a transaction that is rolled back made %d entries, not 2", n-before-2)
	}
	const groups = "SELECT ward, count(*) FROM precise GROUP BY ward ORDER BY ward"
	whole := outcome(t, s, oracle.Call{SQL: groups})
	parts, err := s.Extended(oracle.Call{SQL: groups, Limit: 1}, nil)
	if err != nil || len(parts) != 1 || fmt.Sprint(parts[0].Rows) != fmt.Sprint(whole.Rows) {
		t.Errorf("in parts: %v, %v, want %v", parts, err, whole.Rows)
	}
}

// cutOff kills Clarus when a question is paid for and not yet answered: it is
// answered afterwards, and not paid for again.
func cutOff(t *testing.T, i *oracle.Instance) {
	for n := range 5 { // the answer may be quicker
		s, before := as(t, i, "analyst"), entries(t, i, "one")
		sql, done := fmt.Sprintf("SELECT count(*) FROM one WHERE age = %d", 200+n), make(chan error, 1)
		go func() { _, err := rows(s, sql); done <- err }()
		for entries(t, i, "one") == before && len(done) == 0 {
		}
		if err := i.Kill(context.Background(), "proxy", nil); err != nil {
			t.Fatal(err)
		}
		err := <-done
		if _, answered := errors.AsType[*pgwire.ServerError](err); err == nil || answered || entries(t, i, "one") != before+1 {
			continue
		}
		list, err := as(t, i, "analyst").Simple(sql, nil)
		if err != nil || len(list) != 1 || list[0].Err != nil || len(list[0].Rows) != 1 || len(list[0].Notices) != 0 {
			t.Errorf("%s, asked again: %v, %v", sql, list, err)
		}
		if n := entries(t, i, "one"); n != before+2 {
			t.Errorf("it made %d entries, not a payment and an answer", n-before)
		}
		return
	}
	t.Error("no question could be cut off")
}

// unhurried sets limits of time: the provider, whose time for a question is the
// table's, hears of an owner's only.
func unhurried(t *testing.T, i *oracle.Instance, owner *oracle.Session) {
	s := as(t, i, "analyst")
	for _, sql := range []string{"SET statement_timeout = '54321ms'", "SET lock_timeout = '54321ms'", "SET idle_in_transaction_session_timeout = 54321",
		"BEGIN", "SET LOCAL statement_timeout TO 54321", "SELECT count(*) FROM one WHERE age = 300", "COMMIT"} {
		mustRows(t, s, sql)
	}
	wantRows(t, s, "SHOW statement_timeout", "54321ms")
	for _, sql := range []string{"SET statement_timeout = '54320ms'", "SELECT count(*) FROM one", "RESET statement_timeout"} {
		mustRows(t, owner, sql)
	}
	var heard []byte
	await(t, "the owner's limit reaches the provider", func() (ready bool) {
		var err error
		if heard, err = os.ReadFile(i.Provider.Log); err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`timeout.{0,20}54320`).Match(heard)
	})
	if regexp.MustCompile(`timeout.{0,20}54321`).Match(heard) { // cells, in hexadecimal, may have these digits too
		t.Error("an analyst's limit of time reached the provider")
	}
}
