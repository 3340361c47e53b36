package postgres

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/provider"
)

func st(sql string, types ...uint32) provider.Statement {
	return provider.Statement{SQL: sql, Types: types}
}

// TestKept: a statement gets a name the second time, keeps it while its types
// stay the same, and the one not used for the longest time goes first.
func TestKept(t *testing.T) {
	var k kept
	if k.find(st("SELECT 1")) != nil {
		t.Error("what comes once has a name")
	}
	first := k.find(st("SELECT 1"))
	if first == nil || k.find(st("SELECT 1")) != first {
		t.Fatal("what comes again has no name, or two")
	}
	first.there = true
	if other := k.find(st("SELECT 1", 23)); other == first || other != nil && other.name == first.name || !slices.Equal(k.closing, []string{first.name}) {
		t.Errorf("with other types it is %v, to be closed: %v", other, k.closing)
	}
	names := map[string]bool{}
	for i := range 3 * mostKept {
		sql := fmt.Sprintf("SELECT %d", i)
		k.find(st(sql))
		made := k.find(st(sql))
		if made == nil || names[made.name] {
			t.Fatalf("%q has no name, or another's", sql)
		}
		names[made.name], made.there = true, true
	}
	if len(k.bySQL) != mostKept || k.bySQL[fmt.Sprintf("SELECT %d", 3*mostKept-1)] == nil || k.bySQL["SELECT 5"] != nil {
		t.Errorf("%d statements are kept, not the newest", len(k.bySQL))
	}
}

func TestChangesSettings(t *testing.T) {
	for sql, want := range map[string]bool{"SET datestyle = 'iso'": true, "set local x = 1": true, "RESET ALL": true, "DISCARD ALL": true, "SELECT 1": false,
		"SET CONSTRAINTS ALL IMMEDIATE": false, "SET TRANSACTION READ ONLY": false, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": true, "BEGIN": false} {
		if changesSettings(sql) != want {
			t.Errorf("%q: %t", sql, !want)
		}
	}
}

// TestRowRefusedAtTheEnd: a row is refused on this side after Sync went along.
// Outside a block there is nothing left to fail, inside one it is made to.
func TestRowRefusedAtTheEnd(t *testing.T) {
	rows := message('1', "") + message('2', "") + message('T', oneField) + message('D', "\x00\x01\x00\x00\x00\x01x") + message('C', "SELECT 1\x00")
	for status, says := range map[string]string{"I": message('Z', "I"), "E": message('Z', "T") + message('E', "SERROR\x00C42601\x00Mx\x00\x00") + message('Z', "E")} {
		p, err := evil{hello: greeting(), says: rows + says}.listen(t).Open(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Run(t.Context(), provider.Statement{SQL: "SELECT a", Ends: true}, oneColumn, func([]byte) error { return io.ErrNoProgress })
		if err != io.ErrNoProgress {
			t.Errorf("%s: %v", status, err)
		}
		if _, err := p.Run(t.Context(), provider.Statement{SQL: "SELECT a"}, nil, nil); clarus.KindOf(err) != clarus.Aborted {
			t.Errorf("%s: before Sync a statement is carried out: %v", status, err)
		}
		if got, err := p.Sync(t.Context()); string(got) != status || err != nil || broken(p) != nil {
			t.Errorf("%s: Sync says %q, %v; the session: %v", status, got, err, broken(p))
		}
		_ = p.Close()
	}
}
