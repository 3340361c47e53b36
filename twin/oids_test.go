package twin

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// schema has every kind of object that holds OIDs of others.
var schema = []string{
	"CREATE SCHEMA store",
	"CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
	"CREATE DOMAIN store.email AS text CHECK (VALUE LIKE '%@%')",
	"CREATE DOMAIN best AS mood DEFAULT 'happy' CHECK (VALUE >= 'ok')",
	"CREATE TYPE pair AS (a int, b text)",
	"CREATE TYPE span AS RANGE (subtype = float8)",
	"CREATE SEQUENCE store.free",
	`CREATE TABLE owner (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail store.email NOT NULL, m mood DEFAULT 'ok', ms mood[] DEFAULT '{sad,NULL,ok}',
	   b best, p pair DEFAULT '(1,x)', s span DEFAULT '[1,2)', ps pair[], long varchar(20000), UNIQUE (mail, m), CHECK (m <> 'sad' OR mail = 'sad@x'))`,
	"CREATE TABLE pet (n serial, owner int REFERENCES owner ON DELETE CASCADE, no bigint DEFAULT nextval('store.free'), CHECK (pet IS NOT NULL), PRIMARY KEY (n, no))",
	"CREATE INDEX pet_even ON pet ((no + n)) WHERE owner IS NOT NULL",
	"CREATE FUNCTION better(x mood, VARIADIC more mood[] DEFAULT '{ok}') RETURNS mood LANGUAGE sql BEGIN ATOMIC SELECT max(y) FROM unnest(x || more) y WHERE y > 'sad'; END",
	"CREATE FUNCTION owners(OUT o owner, OUT pets bigint) RETURNS SETOF record LANGUAGE sql AS 'SELECT o, (SELECT count(*) FROM pet WHERE owner = o.id) FROM owner o'",
	"CREATE VIEW happy AS SELECT o, o.id, better(o.m, 'happy') AS m, 'owner'::regclass AS rel, '{pet,owner}'::regclass[] AS rels, 'mood'::regtype AS typ, 'better'::regproc AS f FROM owner o WHERE m = ANY ('{ok,happy}')",
	"CREATE VIEW counted AS SELECT o.id, o.mail, count(*) OVER (PARTITION BY o.m), t.a FROM owner o, LATERAL (SELECT (ROW(1, 'x')::pair).a) t GROUP BY o.id, t.a",
	"CREATE VIEW nested AS WITH RECURSIVE r (m, n) AS (SELECT 'ok'::mood, 1 UNION SELECT m, n + 1 FROM r WHERE n < 3) SELECT happy.m, r.n FROM happy JOIN r USING (m)",
	"CREATE RULE keep AS ON DELETE TO pet WHERE OLD.owner = 7 DO INSTEAD NOTHING",
	"ALTER TABLE owner ENABLE ROW LEVEL SECURITY",
	"CREATE POLICY mine ON owner USING (m <> 'sad' OR EXISTS (SELECT FROM pet WHERE owner = owner.id)) WITH CHECK (m IS NOT NULL)",
	"COMMENT ON TABLE pet IS 'with an owner'",
	"COMMENT ON FUNCTION better(mood, mood[]) IS 'the best'",
	"ALTER TABLE pet ADD COLUMN gone text",
	"ALTER TABLE pet DROP COLUMN gone",
	"GRANT SELECT ON owner TO PUBLIC",
}

func startTwin(t *testing.T) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "clarus-twin-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s, err := Start(t.Context(), Config{Directory: dir + "/twin", Users: []string{"app", "report"}, Owner: "app"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		quick, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Stop(quick); err != nil {
			t.Error(err)
		}
	})
	return s
}

// replayed is a new database in which statements ran.
func replayed(t *testing.T, srv *Server, statements []string) *Scratch {
	t.Helper()
	v, err := srv.First(t.Context(), "app", "C.UTF-8", "C.UTF-8", Kept{func(name string) bool { return name == "pg_sleep" }, func(string) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Lease(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	v.Retire()
	for _, sql := range statements {
		if err := s.Replay(t.Context(), "app", "public", sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return s
}

func oidsOf(t *testing.T, s *Scratch) OIDs {
	t.Helper()
	list, err := s.OIDs()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// dangling asks PostgreSQL for references that lead nowhere.
const dangling = `DO $$
DECLARE f record; n int;
BEGIN
  FOR f IN SELECT fktable, pktable, fkcols[1] AS fk, is_array FROM pg_get_catalog_foreign_keys() WHERE pkcols = '{oid}' LOOP
    EXECUTE format(CASE WHEN f.is_array THEN 'SELECT count(*) FROM (SELECT unnest(%2$I::oid[]) AS o FROM %1$s) x WHERE o <> 0 AND NOT EXISTS (SELECT FROM %3$s WHERE oid = o)'
      ELSE 'SELECT count(*) FROM %1$s x WHERE %2$I <> 0 AND NOT EXISTS (SELECT FROM %3$s WHERE oid = x.%2$I)' END, f.fktable, f.fk, f.pktable) INTO n;
    IF n > 0 THEN RAISE '% of %.% lead nowhere', n, f.fktable, f.fk; END IF;
  END LOOP;
  SELECT count(*) INTO n FROM pg_depend d WHERE classid <> 0 AND pg_describe_object(classid, objid, objsubid) IS NULL;
  IF n > 0 THEN RAISE '% dependencies of nothing', n; END IF;
  SELECT count(*) INTO n FROM pg_class c JOIN pg_class o ON c.oid = o.reltoastrelid WHERE o.oid >= 16384 AND c.relname <> 'pg_toast_' || o.oid;
  IF n > 0 THEN RAISE '% tables for long values have another''s name', n; END IF;
END $$`

// use has the objects do what they are for.
var use = []string{
	"INSERT INTO owner (mail, b) VALUES ('sad@x', 'happy'), ('glad@x', 'ok')",
	"INSERT INTO pet (owner) VALUES (1), (2), (2)",
	"SELECT * FROM happy", "SELECT * FROM counted", "SELECT * FROM nested", "SELECT (o).mail, pets FROM owners() ORDER BY 1",
	"SELECT better('sad'), currval('pet_n_seq'), ms, p, s FROM owner ORDER BY id",
	"UPDATE owner SET m = 'happy', long = repeat('long', 4000), ps = '{\"(1,x)\"}' WHERE m = 'ok'",
	"DELETE FROM pet WHERE n = 1",
	"CREATE TABLE next (LIKE owner INCLUDING ALL)", "ALTER TYPE mood ADD VALUE 'glad' AFTER 'ok'", "DROP VIEW nested", "DROP TABLE pet CASCADE",
}

func useAll(t *testing.T, s *Scratch) string {
	t.Helper()
	var out strings.Builder
	for _, sql := range use {
		rows, err := s.User.Rows(sql)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		for _, r := range rows {
			out.WriteString(strings.Join(r, "|") + "\n")
		}
	}
	return out.String()
}

func TestRenumber(t *testing.T) {
	srv := startTwin(t)
	plain := replayed(t, srv, schema)
	want := useAll(t, plain)
	for seed := range uint64(2) {
		s := replayed(t, srv, schema)
		target := shuffled(t, s, rand.New(rand.NewPCG(seed, 0)))
		began := time.Now()
		if err := s.Renumber(target); err != nil {
			t.Fatal(err)
		}
		t.Logf("renumbered in %v", time.Since(began))
		for catalogue, list := range oidsOf(t, s) {
			if !maps.Equal(list, target[catalogue]) {
				t.Errorf("%s has %v, not %v", catalogue, list, target[catalogue])
			}
		}
		v, err := s.Promote(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		clone, err := v.Lease(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		if err := clone.loader.Do(dangling); err != nil {
			t.Error(err)
		}
		if got := useAll(t, clone); got != want {
			t.Errorf("the objects say\n%s\nnot\n%s", got, want)
		}
		if err := clone.loader.Do(dangling); err != nil {
			t.Errorf("after use: %v", err)
		}
		clone.Drop()
		v.Retire()
	}
}

// shuffled are OIDs for all objects: those of others of their kind, of Clarus's own
// furniture, of tables for long values, and ones that nobody has.
func shuffled(t *testing.T, s *Scratch, choice *rand.Rand) OIDs {
	t.Helper()
	target := OIDs{}
	for catalogue, list := range oidsOf(t, s) {
		rows, err := s.loader.Rows("SELECT oid FROM pg_catalog." + catalogue + " WHERE oid >= 16384")
		if err != nil {
			t.Fatal(err)
		}
		free := []uint32{900000, 4000000000, 900001}
		for _, r := range rows {
			oid, err := parseOID(r[0])
			if err != nil {
				t.Fatal(err)
			}
			free = append(free, oid)
		}
		slices.Sort(free)
		choice.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		target[catalogue] = map[string]uint32{}
		names := slices.SortedFunc(maps.Keys(list), func(a, b string) int { return cmp.Compare(list[a], list[b]) })
		if catalogue == inEnum { // labels have an order, that of even OIDs
			free = slices.DeleteFunc(free, func(oid uint32) bool { return oid%2 != 0 })
			free = append(free, 800000, 800002, 800004)[:len(names)]
			slices.Sort(free)
		}
		for n, name := range names {
			target[catalogue][name] = free[n]
		}
	}
	return target
}

// TestRenumberNothing asks for the OIDs that are there, for objects that are
// not, and for what cannot be: nothing changes.
func TestRenumberNothing(t *testing.T) {
	srv := startTwin(t)
	s := replayed(t, srv, schema)
	have := oidsOf(t, s)
	for name, want := range map[string]OIDs{"nothing": nil, "the same": have, "others": {"pg_class": {"public.nobody": 20000}}} {
		if err := s.Renumber(want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Renumber(OIDs{"pg_class": {"public.pet": 20000, "public.owner": 20000}}); err == nil || !strings.Contains(err.Error(), "two objects") {
		t.Errorf("one OID for two: %v", err)
	}
	labels := maps.Clone(have["pg_enum"])
	labels["public.mood 'sad'"], labels["public.mood 'ok'"] = labels["public.mood 'ok'"], labels["public.mood 'sad'"]
	if err := s.Renumber(OIDs{"pg_enum": labels}); err == nil || !strings.Contains(err.Error(), "would not be the same") {
		t.Errorf("labels out of order: %v", err)
	}
	// A constant that is not understood keeps all as it was.
	deep := append(slices.Clone(schema), "CREATE TYPE deep AS (m mood)", "CREATE TABLE deeper (d deep DEFAULT '(sad)')")
	s = replayed(t, srv, deep)
	have = oidsOf(t, s)
	if err := s.Renumber(OIDs{"pg_class": {"public.pet": 20000}}); err == nil || !strings.Contains(err.Error(), "contains types made by users") {
		t.Errorf("a constant within a constant: %v", err)
	}
	for catalogue, list := range oidsOf(t, s) {
		if !maps.Equal(list, have[catalogue]) {
			t.Errorf("%s changed", catalogue)
		}
	}
	useAll(t, s)
}
