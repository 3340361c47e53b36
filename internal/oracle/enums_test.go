package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/internal/oracle"
)

// TestEnums looks at what a provider holds of enumerated types: cells of one
// length, NULL's too, that a renaming leaves as they are, and a tag that a
// comparison with a label is pushed to.
func TestEnums(t *testing.T) {
	i, err := world.Clarus(t.Context(), "enums", "testdata/policy-equality.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	s := connect(t, i.Target)
	mustRows(t, s, "CREATE TYPE size AS ENUM ('cnryschemaenumsmall', 'l', 'an enormous label, for what it is worth')")
	mustRows(t, s, "CREATE TABLE box (id int PRIMARY KEY, size size)")
	mustRows(t, s, "INSERT INTO box VALUES (1, 'cnryschemaenumsmall'), (2, 'l'), (3, NULL), (4, 'an enormous label, for what it is worth'), (5, 'l')")
	super, err := i.Provider.Super(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close()
	held := func(sql string) string {
		t.Helper()
		list, err := oracle.Simple(super, sql)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s", list[0].Rows)
	}
	if got := held("SELECT count(DISTINCT octet_length(clarus_c2)), count(DISTINCT clarus_t2), count(clarus_t2) FROM box_1_1"); got != "[[1 3 4]]" {
		t.Errorf("lengths of cells, different tags and tags: %s", got)
	}
	const all = "SELECT string_agg(box_1_1::text, ',' ORDER BY clarus_c1) FROM box_1_1"
	before := held(all)
	mustRows(t, s, "ALTER TYPE size RENAME VALUE 'l' TO 'large'")
	if held(all) != before {
		t.Error("renaming a label changed what the provider holds")
	}
	if got := fmt.Sprint(mustRows(t, s, "SELECT id FROM box WHERE size = 'large' ORDER BY id")); got != "[[2] [5]]" {
		t.Errorf("rows with the renamed label: %s", got)
	}
	for sql, want := range map[string]string{
		"size = 'large'": `"clarus_t2" OPERATOR(pg_catalog.=) $1`, "size = ('l' || 'arge')::size": "", "size IN ('large', 'cnryschemaenumsmall')": `"clarus_t2" OPERATOR(pg_catalog.=) ANY (ARRAY[$1, $2])`,
		"size > 'large'": "",
	} {
		got := fmt.Sprint(mustRows(t, s, "EXPLAIN SELECT id FROM box WHERE "+sql))
		if want != "" && !strings.Contains(got, want) || want == "" && strings.Contains(got, "WHERE") {
			t.Errorf("%s: %s", sql, got)
		}
	}
}
