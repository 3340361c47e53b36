package sqlast

import (
	"os"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// FuzzStatement takes any text apart in every way that its kind allows, and
// prints it anew: a query or a write is printed as a statement of the same
// structure, which is printed the same way again.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{
		"SELECT a, count(*) FILTER (WHERE b) FROM s.t AS x NATURAL JOIN u WHERE a = 'it''s' AND b IN (1, $1) GROUP BY ROLLUP (a) FOR UPDATE OF x SKIP LOCKED; COMMIT AND CHAIN",
		"INSERT INTO t (a, b[1]) VALUES (1, DEFAULT) ON CONFLICT (a) DO UPDATE SET a = excluded.a WHERE t.a > 0 RETURNING *",
		"MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (u.a)",
		"WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 2) SEARCH DEPTH FIRST BY a SET b SELECT * FROM r",
		"COPY t (a, \"B c\") FROM STDIN WITH (FORMAT binary, FREEZE, NULL 'x') WHERE a > 0", "COPY (SELECT 1) TO STDOUT", "COPY t TO PROGRAM 'x'",
		"SAVEPOINT \"a b\"; ROLLBACK TO \"a b\"; RELEASE a; PREPARE TRANSACTION 'x'; BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY",
		"SET LOCAL a.b = 'c', d; SET TIME ZONE INTERVAL '1' HOUR; SET TRANSACTION SNAPSHOT 'x'; RESET ALL; SHOW a.b; DISCARD PLANS",
		"DECLARE c BINARY SCROLL CURSOR WITH HOLD FOR SELECT 1; FETCH BACKWARD ALL IN c; MOVE ABSOLUTE -1 FROM c; CLOSE ALL",
		"PREPARE p (int) AS SELECT $1; EXECUTE p ('x'::text, ARRAY[1]); DEALLOCATE ALL; EXPLAIN (ANALYZE) SELECT 1",
		"CREATE TABLE t AS SELECT 1 WITH NO DATA; CREATE DATABASE d OWNER o; ALTER TABLE t ADD a int, DROP b; DROP VIEW v CASCADE; TRUNCATE t, u RESTART IDENTITY CASCADE",
		"SELECT set_config('a', $1, true), pg_advisory_lock(1, 2); LOCK TABLE t IN SHARE MODE NOWAIT; VACUUM (ANALYZE) t; SET CONSTRAINTS ALL DEFERRED",
		"SELECT current_catalog, a FROM t WHERE CURRENT_CATALOG = 'x'; DO $$ BEGIN END $$; LISTEN a; NOTIFY a, 'b'; CALL p(1)",
		"SELECT E'\\u0041', U&'\\0041', b'01', x'ff', 1e400, -0, $$a$$ || 'b'", "CREATE TYPE e AS ENUM ('a'); ALTER SEQUENCE s RESTART; COMMENT ON TABLE t IS 'x'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse(text)
		if err != nil {
			return
		}
		for _, s := range list {
			takeApart(s)
			printed, err := s.Print()
			if err != nil || s.Kind != Query && !s.Kind.IsWrite() {
				continue // only queries and writes go to a provider as they are printed
			}
			again, err := Parse(printed)
			if err != nil || len(again) != 1 {
				t.Fatalf("%q is printed as %q, which is %d statements: %v", s.Text, printed, len(again), err)
			}
			if twice, err := again[0].Print(); err != nil || twice != printed {
				t.Errorf("%q is printed as %q, then as %q, %v", s.Text, printed, twice, err)
			}
			was, err := pg.Fingerprint(s.Text)
			if is, e := pg.Fingerprint(printed); err == nil && (e != nil || is != was) {
				t.Errorf("%q is printed as %q, which is another statement", s.Text, printed)
			}
		}
	})
}

// TestEmptyTexts has statements of every kind with empty texts taken apart and
// printed: to the library an empty text and none are the same.
func TestEmptyTexts(t *testing.T) {
	text, err := os.ReadFile("testdata/empty.sql")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		list, err := Parse(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		for _, s := range list {
			takeApart(s)
			if _, err := s.Print(); err != nil && !lacksText(s.tree()) {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

// takeApart asks for everything that sessions ask of a statement of its kind.
func takeApart(s *Statement) {
	_, _ = s.Clone()
	s.SetConfigs()
	s.Substituted("pg_database", "SELECT 1 AS oid")
	s.Advisory()
	s.WithoutCatalog()
	s.Writes()
	s.Relations()
	s.RowLock()
	s.FirstParameter()
	_, _ = s.CreateAs()
	if c, err := s.Clone(); err == nil {
		c.Rename(func(n Name) (Name, bool) { return Name{"a b", n.Relation + `"`}, n.Schema == "" })
		_, _ = c.Print()
	}
	switch s.Kind {
	case Copy:
		if form, err := s.CopyForm(); err == nil {
			form.Select()
		}
	case Transaction:
		s.Tx()
	case Set:
		s.Setting()
		_, _ = s.SetText()
	case Show:
		s.ShowName()
	case Discard:
		s.DiscardsAll()
	case DDL:
		s.Form()
		s.AlteredSequence()
	case Prepare:
		s.PreparedName()
		_, _ = s.Prepared()
	case Execute:
		s.PreparedName()
		s.ConstantArguments()
	case Deallocate:
		s.DeallocateName()
	case Declare:
		_, _ = s.Cursor()
	case Fetch:
		s.Movement()
	case ClosePortal:
		s.ClosedCursor()
	case Explain:
		_, _, _ = s.Explained()
	case Lock:
		s.LockForm()
	case Truncate:
		s.TruncateForm()
	case Constraints:
		s.ConstraintForm()
	case Maintain:
		s.Maintenance()
	}
}
