package sqlast

import "testing"

func TestLook(t *testing.T) {
	for sql, want := range map[string]Look{
		"TABLE t":                            {Table: Name{"", "t"}},
		"SELECT * FROM s.t LIMIT 3 OFFSET 2": {Table: Name{"s", "t"}, Limit: "3", Offset: "2"},
		`SELECT clarus_c2, "Odd" FROM t`:     {Table: Name{"", "t"}, Columns: []string{"clarus_c2", "Odd"}},
		"SELECT count(*) FROM t":             {Table: Name{"", "t"}, Count: true},
	} {
		list, err := Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := list[0].Look()
		if !ok || got.Table != want.Table || got.Count != want.Count || got.Limit != want.Limit || got.Offset != want.Offset || len(got.Columns) != len(want.Columns) {
			t.Errorf("%s: %+v %v, not %+v", sql, got, ok, want)
		}
	}
	for _, sql := range []string{
		"SELECT 'secret' FROM t", "SELECT a AS b FROM t", "SELECT a || 'x' FROM t", "SELECT * FROM t WHERE a = 'secret'", "SELECT * FROM t x",
		"SELECT * FROM t, u", "SELECT * FROM t JOIN u USING (a)", "SELECT * FROM t ORDER BY a", "SELECT DISTINCT a FROM t", "SELECT *, a FROM t",
		"SELECT a FROM t GROUP BY a", "SELECT count(*) FROM t HAVING true", "SELECT * FROM t LIMIT 1 + 1", "SELECT * FROM t LIMIT $1", "SELECT * FROM t LIMIT '1'",
		"SELECT * FROM t LIMIT -1", "SELECT * FROM t FOR UPDATE", "TABLE t UNION TABLE u", "WITH t AS (SELECT 1) SELECT * FROM t", "SELECT a[1] FROM t",
		"SELECT t.a FROM t", "SELECT count(a) FROM t", "SELECT count(*) FILTER (WHERE true) FROM t", "SELECT count(*) OVER () FROM t", "SELECT sum(a) FROM t",
		"SELECT * FROM ONLY t", "SELECT * FROM t TABLESAMPLE SYSTEM (1)", "SELECT * FROM f()", "SELECT * FROM (SELECT 1) t", "VALUES (1)", "SELECT 1",
		"SELECT FROM t", "SELECT * INTO u FROM t", "SELECT * FROM t WINDOW w AS ()",
	} {
		list, err := Parse(sql)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := list[0].Look(); ok {
			t.Errorf("%s is taken for a look: %+v", sql, got)
		}
	}
}
