package oracle_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/clarus-project/clarus/internal/canary"
	"github.com/clarus-project/clarus/internal/oracle"
	"github.com/clarus-project/clarus/sqlast"
)

// marked begins every literal that a fuzzed statement has. It is long enough
// for canary.Set to find all of them by one.
const marked = "cnryfuzzed"

// nothingClear is a policy under which no clear column takes a literal: what
// stays clear are keys that sequences make.
const nothingClear = "version: 1\ndefaults: {unlisted: seal, preserve: [equality], leak: {equality: 4}}\n"

// stage is what fuzzed statements run on.
type stage struct {
	*oracle.Embedded
	session *oracle.Session
	version int64
	runs    int
	secret  *canary.Set
}

var (
	staged    *stage
	staging   sync.Once
	stageErr  error
	stageDone = func() error { return nil }
)

// onStage returns the stage, which is made once for all inputs.
func onStage(f testing.TB) *stage {
	staging.Do(func() {
		var e *oracle.Embedded
		if e, stageErr = world.Embed(f.Context(), "embedded", nothingClear); stageErr != nil {
			return
		}
		stageDone = e.Stop
		staged = &stage{Embedded: e}
		if staged.secret, stageErr = canary.NewSet([]string{marked + "aaaaaa"}); stageErr == nil {
			stageErr = staged.restore(f)
		}
	})
	if stageErr != nil {
		f.Fatal(stageErr)
	}
	return staged
}

// furniture are the tables of the stage beside those of the scripts.
var furniture = []string{
	`CREATE TABLE f_person (id serial PRIMARY KEY, name text, nick varchar(40), age int, born date, spent numeric(12,2), flag boolean, note text, doc jsonb, list text[])`,
	`CREATE TABLE f_visit (id serial PRIMARY KEY, person int REFERENCES f_person ON DELETE CASCADE, ward text, cost numeric, at timestamptz, code char(8), UNIQUE (ward, code))`,
	`CREATE VIEW f_view AS SELECT p.id, p.name, v.ward FROM f_person p LEFT JOIN f_visit v ON v.person = p.id WHERE p.note IS DISTINCT FROM 'cnryfuzzedview22'`,
	`CREATE FUNCTION f_pure(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) || 'cnryfuzzedfunc22' $$`,
	`CREATE FUNCTION f_write(t text) RETURNS int LANGUAGE plpgsql AS $$ DECLARE n int; BEGIN INSERT INTO f_person (name) VALUES (t) RETURNING id INTO n; RETURN n; END $$`,
	`INSERT INTO f_person (name, nick, age, born, spent, flag, note, doc, list) VALUES ('cnryfuzzedname22', 'cnryfuzzednick22', 7, '2001-01-01', 1.50, true, NULL, '{"k": "cnryfuzzedjson22"}', ARRAY['cnryfuzzedlist22']),
		('cnryfuzzedname33', NULL, NULL, NULL, NULL, NULL, 'cnryfuzzednote22', NULL, NULL), (NULL, NULL, 8, 'infinity', 1.5, false, '', '[]', '{}')`,
	`INSERT INTO f_visit (person, ward, cost, at, code) VALUES (1, 'cnryfuzzedward22', 10, '2020-01-01', 'a'), (1, NULL, 11, NULL, 'b'), (2, 'cnryfuzzedward22', NULL, 'infinity', NULL)`,
}

// restore makes the stage's tables anew and opens a session.
func (s *stage) restore(t testing.TB) error {
	c, err := oracle.Open(t.Context(), s.As("app"))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := oracle.Simple(c.Client, "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public"); err != nil {
		return err
	}
	if _, err := oracle.Simple(c.Client, strings.Join(append(slices.Clone(furniture), scriptTables()...), ";\n")); err != nil {
		return err
	}
	s.version, err = s.Version(t.Context())
	return err
}

// scriptTables are the tables of some scripts, for their statements to run on.
func scriptTables() []string {
	var list []string
	for _, name := range []string{"select", "push"} {
		s, err := oracle.ReadScript("testdata/" + name + ".test")
		if err != nil {
			continue
		}
		for _, sec := range s.Sections {
			if strings.HasPrefix(sec.SQL, "CREATE TABLE") {
				list = append(list, sec.SQL)
			}
		}
	}
	return []string{strings.Join(list, ";\n")}
}

// The ways in which an input's statement is varied, by bits of its second part.
const (
	whole    = 1 << iota // strings are replaced; else a mark stands in them
	params               // strings become parameters
	inBlock              // it runs in a transaction block
	prepared             // PREPARE and EXECUTE around it, or EXPLAIN
)

// mark puts the mark into every string constant of a statement. With params,
// strings become parameters; their values are returned.
func mark(sql string, how uint8, list *[]string) string {
	scan, err := pg.Scan(sql)
	if err != nil {
		return sql
	}
	var out strings.Builder
	at := 0
	for _, tok := range scan.Tokens {
		from, to := int(tok.Start), int(tok.End)
		if tok.Token != pg.Token_SCONST || from < at || to > len(sql) {
			continue
		}
		out.WriteString(sql[at:from])
		at = to
		text := sql[from:to]
		n := uint32(len(*list) + from)
		secret := marked + letters(n)
		switch {
		case strings.HasPrefix(text, "$"):
			if body := strings.SplitN(text, "$", 3); len(body) == 3 {
				tag := "$" + body[1] + "$"
				out.WriteString(tag + mark(strings.TrimSuffix(body[2], tag), how&^params, list) + tag)
			}
		case how&params != 0 && len(*list) < 1000:
			*list = append(*list, secret)
			fmt.Fprintf(&out, "$%d", len(*list))
		case how&whole != 0:
			out.WriteString("'" + secret + "'")
		case len(text) >= 2 && text[0] == '\'':
			out.WriteString("'" + secret + text[1:])
		default:
			out.WriteString("'" + secret + "'")
		}
	}
	return out.String() + sql[at:]
}

// letters writes a number as six letters that a canary can have.
func letters(n uint32) string {

	var s strings.Builder
	for i := range 6 {
		s.WriteByte("abcdefghijklmnopqrstuvwxyz234567"[(uint64(n)>>(5*i))&31])
	}

	return s.String()
}

// unharmed are SQLSTATEs that no statement of a client may cause.
var unharmed = []string{"XX000", "XX001", "08006", "08P01", "F0000"}

// play runs a statement and reports what must not be.
func (s *stage) play(t testing.TB, sql string, how uint8) {
	if s.runs++; s.runs%500 == 0 {
		if v, err := s.Version(t.Context()); err != nil || v != s.version {
			s.close()
			if err := s.restore(t); err != nil {
				t.Fatal("the stage cannot be restored:", err)
			}
		}
	}
	var values []string
	sql = mark(sql, how, &values)
	if how&prepared != 0 && how&params == 0 {
		if list, err := sqlast.Parse(sql); err == nil && len(list) == 1 {
			if how&inBlock != 0 {
				sql = "EXPLAIN " + sql
			} else {
				sql = "PREPARE cnry AS " + sql + "; EXECUTE cnry"
			}
		}
	}
	if s.session == nil {
		c, err := oracle.Open(t.Context(), s.As("app"))
		if err != nil {
			t.Fatal("no session:", err)
		}
		s.session = c
	}
	s.Ear.Take()
	began := time.Now()
	outcomes, lost := s.ask(sql, how, values)
	if hits := s.secret.Bytes("", s.Ear.Take()); len(hits) > 0 {
		t.Errorf("%s\nreached the provider: %v", sql, hits)
	}
	for _, o := range outcomes {
		if o.Err != nil && slices.Contains(unharmed, o.Err.Code) && !strings.HasPrefix(o.Err.Message, "bind message supplies ") {
			t.Errorf("%s\n%s: %s", sql, o.Err.Code, o.Err.Message)
		}
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("%s\ntook %s", sql, took)
	}
	if lost != nil {
		t.Errorf("%s\nthe session ended: %v", sql, lost)
		s.close()
		return
	}
	if _, err := oracle.Simple(s.session.Client, "ROLLBACK; DISCARD ALL"); err != nil {
		t.Errorf("%s\nthen the session is of no use: %v", sql, err)
		s.close()
	}
}

func (s *stage) close() {
	if s.session != nil {
		s.session.Abort()
		s.session = nil
	}
}

func (s *stage) ask(sql string, how uint8, values []string) ([]oracle.Outcome, error) {
	if how&inBlock != 0 {
		if _, err := oracle.Simple(s.session.Client, "BEGIN"); err != nil {
			return nil, err
		}
	}
	if how&params == 0 {
		return s.session.Simple(sql, []byte("cnryfuzzedcopy22\tcnryfuzzedcopy33\n"))
	}
	c := oracle.Call{SQL: sql, Binary: how&whole != 0}
	for _, v := range values {
		c.Params = append(c.Params, []byte(v))
	}
	return s.session.Extended(c, []byte("cnryfuzzedcopy22\tcnryfuzzedcopy33\n"))
}

// everything says that time does not matter: all seeds are used, not a sample.
func everything() bool {
	for _, name := range []string{"test.fuzz", "test.fuzzworker"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" && f.Value.String() != "false" {
			return true
		}
	}
	return soaking
}

// seeds are statements of the scripts, a sample of them unless time does not
// matter, and those of planning.sql.
func seeds(t testing.TB) []string {
	var list []string
	paths, _ := filepath.Glob("testdata/*.test")
	for _, p := range paths {
		s, err := oracle.ReadScript(p)
		if err != nil {
			t.Fatal(err)
		}
		for i, sec := range s.Sections {
			if everything() || i%10 == 0 {
				list = append(list, sec.SQL)
			}
		}
	}
	more, err := os.ReadFile("testdata/planning.sql")
	if err != nil {
		t.Fatal(err)
	}
	for st := range strings.SplitSeq(string(more), "\n\n") {
		list = append(list, st)
	}
	return list
}

// FuzzPlanning gives Clarus any SQL text: it is carried out or refused, and
// never does one of its strings reach the provider readable.
func FuzzPlanning(f *testing.F) {
	for i, s := range seeds(f) {
		f.Add(s, uint8(i))
	}
	onStage(f) // it takes longer to set than an input may
	f.Fuzz(func(t *testing.T, sql string, how uint8) {
		if len(sql) > 4000 || strings.Contains(sql, "pg_sleep") || strings.Contains(sql, "\x00") { // which ends a message's string
			return
		}
		onStage(t).play(t, sql, how)
	})
}
