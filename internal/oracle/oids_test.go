package oracle_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/clarus-project/clarus/internal/oracle"
)

// visible asks for the OIDs that clients can see of what users made.
const visible = `SELECT 'class', c.oid::regclass::text, c.oid FROM pg_class c WHERE relnamespace IN ('public'::regnamespace, 'oid_more'::regnamespace)
UNION ALL SELECT 'type', t.oid::regtype::text, t.oid FROM pg_type t WHERE typnamespace IN ('public'::regnamespace, 'oid_more'::regnamespace)
UNION ALL SELECT 'function', oid::regprocedure::text, oid FROM pg_proc WHERE pronamespace IN ('public'::regnamespace, 'oid_more'::regnamespace)
UNION ALL SELECT 'constraint', conrelid::regclass || conname, oid FROM pg_constraint WHERE connamespace IN ('public'::regnamespace, 'oid_more'::regnamespace)
UNION ALL SELECT 'label', enumtypid::regtype || enumlabel, oid FROM pg_enum
UNION ALL SELECT 'schema', nspname, oid FROM pg_namespace WHERE nspname = 'oid_more' ORDER BY 1, 2`

// TestOIDs restarts Clarus, and crashes its twin, after each of several changes of
// the schema: clients see the OIDs of before, and a type that a client
// remembers keeps its meaning.
func TestOIDs(t *testing.T) {
	i, err := world.Clarus(t.Context(), "oids", "testdata/policy-equality.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer i.Stop()
	choice := rand.New(rand.NewPCG(1, 0))
	app := remember(t, i)
	for n, changes := range [][]string{
		{"CREATE SCHEMA oid_more", "CREATE TABLE oid_gone (id serial PRIMARY KEY, note text)", "CREATE TYPE oid_mood AS ENUM ('sad', 'ok', 'happy')",
			"CREATE DOMAIN oid_more.long AS text CHECK (VALUE <> '')",
			"CREATE TABLE oid_owner (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE, long oid_more.long DEFAULT 'long', mood oid_mood DEFAULT 'ok' CHECK (mood > 'sad'))",
			"CREATE TABLE oid_more.pet (n serial PRIMARY KEY, owner int REFERENCES oid_owner, name text)", "CREATE SEQUENCE oid_seq",
			"INSERT INTO oid_owner (name) VALUES ('cnryoidada'), ('cnryoidalan')"},
		{"CREATE VIEW oid_view AS SELECT o, o.name, 'oid_more.pet'::regclass AS pets FROM oid_owner o WHERE mood < 'happy'", "ALTER TYPE oid_mood ADD VALUE 'glad' BEFORE 'happy'",
			"CREATE FUNCTION oid_twice(o oid_owner) RETURNS text LANGUAGE sql AS 'SELECT o.name || o.name'",
			"CREATE FUNCTION oid_more.next() RETURNS bigint LANGUAGE sql AS $$SELECT nextval('oid_seq')$$", "DROP TABLE oid_gone"},
		{"BEGIN", "ALTER TABLE oid_more.pet ADD COLUMN more text", "ALTER TYPE oid_mood RENAME VALUE 'ok' TO 'well'", "CREATE INDEX oid_index ON oid_more.pet (owner)", "ALTER TABLE oid_more.pet RENAME TO animal",
			"CREATE TABLE oid_gone (id int)", "COMMIT", "INSERT INTO oid_more.animal (owner) VALUES (1), (2)"},
	} {
		s := connect(t, i.Target)
		for _, sql := range changes {
			mustRows(t, s, sql)
		}
		want := mustRows(t, s, visible)
		if n == 0 {
			app.load(t)
		}
		for _, victim := range []string{"proxy", "twin"} {
			if err := i.Kill(t.Context(), victim, choice); err != nil {
				t.Fatal(err)
			}
			got := mustRows(t, again(t, i.Target), visible)
			if !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("change %d, after the %s was killed:\n%v\nnot\n%v", n, victim, got, want)
			}
			app.check(t, []string{"ok", "ok", "well"}[n])
		}
	}
	s := connect(t, i.Target)
	for _, c := range [][2]string{{"SELECT oid_twice(o) FROM oid_owner o WHERE name = 'cnryoidada'", "cnryoidadacnryoidada"}, {"SELECT oid_more.next()", "1"},
		{"SELECT count(*) FROM oid_view WHERE pets = 'oid_more.animal'::regclass", "2"}, {"SELECT max(n) FROM oid_more.animal", "2"}} {
		if r := mustRows(t, s, c[0]); r[0][0] != c[1] {
			t.Errorf("%s: %v, not %s", c[0], r, c[1])
		}
	}
	if log, err := os.ReadFile(i.Log); err != nil || strings.Contains(string(log), "other OIDs") {
		t.Errorf("Clarus printed\n%s", log)
	}
}

// again connects as soon as statements are answered: one may meet the twin's crash.
func again(t *testing.T, target *oracle.Target) *oracle.Session {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		s, err := oracle.Open(t.Context(), target.As("app"))
		if err == nil {
			if _, err = rows(s, "SELECT count(*) FROM pg_class"); err == nil {
				t.Cleanup(func() { _ = s.Close() })
				return s
			}
			_ = s.Close()
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// An app reads a table's rows as values of its row type, whose description it
// asked for once.
type app struct {
	instance *oracle.Instance
	types    []*pgtype.Type
}

type owner struct {
	ID   int32
	Name string
	Long *string
	Mood string
}

func remember(t *testing.T, i *oracle.Instance) *app { return &app{instance: i} }

func (a *app) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	again(t, a.instance.Target)
	conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=%s port=%d user=app password=%s dbname=%s sslmode=disable",
		a.instance.Host, a.instance.Port, oracle.Password, a.instance.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (a *app) load(t *testing.T) {
	t.Helper()
	conn := a.connect(t)
	for _, name := range []string{"oid_more.long", "oid_mood", "oid_owner"} {
		typ, err := conn.LoadType(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		conn.TypeMap().RegisterType(typ)
		a.types = append(a.types, typ)
	}
}

func (a *app) check(t *testing.T, mood string) {
	t.Helper()
	conn := a.connect(t)
	conn.TypeMap().RegisterTypes(a.types)
	var got owner
	err := conn.QueryRow(t.Context(), "SELECT o FROM oid_owner o WHERE name = $1", "cnryoidada").Scan(&got)
	if err != nil || got.Name != "cnryoidada" || got.Long == nil || *got.Long != "long" || got.Mood != mood {
		t.Errorf("a row by the remembered type: %+v, %v", got, err)
	}
}
