package twin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/sqlast"
)

// A Version is one version of a database's schema on the twin. Sessions hold
// it while they use it; when the last has left a version that is not current,
// its databases are dropped.
type Version struct {
	Number   int64
	srv      *Server
	life     int64 // of the server that has its databases
	template string

	mu      sync.Mutex
	analyst string        // database for analysis, "" until somebody needs it
	ready   chan *Scratch // at most one, prepared ahead
	holders int
	retired bool
}

// First makes the template of an empty database in the locale of the provider.
// name is the logical database's name, kept what users' code may not use.
func (s *Server) First(ctx context.Context, name, collate, ctype string, kept Kept) (*Version, error) {
	life := s.born()
	db := s.name("tpl")
	err := s.administer(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE %s LC_CTYPE %s OWNER %s",
		db, sqlast.Literal(collate), sqlast.Literal(ctype), sqlast.Quote(s.cfg.Owner)))
	if err != nil {
		return nil, fmt.Errorf("the provider's database has locale %s, %s: %w", collate, ctype, err)
	}
	c, err := s.root(ctx, db)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.Do(furniture(name)...); err != nil {
		return nil, err
	}
	if err := c.revoke(kept); err != nil {
		return nil, err
	}
	return &Version{srv: s, life: life, template: db, ready: make(chan *Scratch, 1), holders: 1}, nil
}

// furniture is what every database of the twin holds beside the logical
// schema: the logical name, and the record of changed rows. psql hides schemas
// that begin with pg_.
func furniture(name string) []string {
	list := []string{
		"SET allow_system_table_mods = on",
		"CREATE OR REPLACE FUNCTION pg_catalog.current_database() RETURNS name LANGUAGE sql STABLE PARALLEL SAFE AS " +
			sqlast.Literal("SELECT "+sqlast.Literal(name)+"::name"),
		"CREATE SCHEMA pg_clarus",
		"CREATE UNLOGGED TABLE pg_clarus.change (seq bigint GENERATED ALWAYS AS IDENTITY, rel oid, op \"char\", old tid, new tid, nested boolean)",
		"CREATE UNLOGGED TABLE pg_clarus.token (token text)",
		"CREATE TABLE pg_clarus.door (open boolean)",
		"INSERT INTO pg_clarus.door VALUES (true)",
		`CREATE FUNCTION pg_clarus.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO pg_clarus.change (rel, op, old, new) VALUES (TG_RELID, left(TG_OP, 1)::"char",
    CASE WHEN TG_OP <> 'INSERT' THEN OLD.ctid END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.ctid END);
  RETURN NULL;
END $$`,
		// The same, and whether a function did it rather than the statement itself.
		`CREATE FUNCTION pg_clarus.record_calls() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE stack text;
BEGIN
  GET DIAGNOSTICS stack = PG_CONTEXT;
  INSERT INTO pg_clarus.change (rel, op, old, new, nested) VALUES (TG_RELID, left(TG_OP, 1)::"char",
    CASE WHEN TG_OP <> 'INSERT' THEN OLD.ctid END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.ctid END, stack LIKE E'%\n%');
  RETURN NULL;
END $$`,
		// What a function does beside changing rows would be lost with the scratch
		// database; only Clarus opens the door.
		`CREATE FUNCTION pg_clarus.shut() RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
$$SELECT NOT open AND session_user <> '` + superuser + `' FROM pg_clarus.door$$`,
		`CREATE FUNCTION pg_clarus.keep_schema() RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF pg_clarus.shut() THEN
    RAISE feature_not_supported USING MESSAGE = format('%s in a function is not supported', tg_tag), HINT = 'Run it as a statement of its own.';
  END IF;
END $$`,
		`CREATE FUNCTION pg_clarus.keep_rows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF pg_clarus.shut() THEN
    RAISE feature_not_supported USING MESSAGE = 'TRUNCATE in a function is not supported', HINT = 'Use DELETE.';
  END IF;
  RETURN NULL;
END $$`,
		"CREATE EVENT TRIGGER clarus_schema ON ddl_command_start EXECUTE FUNCTION pg_clarus.keep_schema()",
		"ALTER EVENT TRIGGER clarus_schema ENABLE ALWAYS",
		"ALTER EXTENSION plpgsql ADD EVENT TRIGGER clarus_schema", // pg_dump leaves out what belongs to an extension
		// What follows reads past privileges and row security, in the user's own
		// transaction. Only who has the token, which Clarus makes for each scratch
		// database, may call it.
		`CREATE FUNCTION pg_clarus.changes(t text) RETURNS SETOF pg_clarus.change LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_clarus.token WHERE token = t) THEN RAISE insufficient_privilege; END IF;
  RETURN QUERY SELECT * FROM pg_clarus.change ORDER BY seq;
END $$`,
		`CREATE FUNCTION pg_clarus.rows(t text, query text) RETURNS SETOF record LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_clarus.token WHERE token = t) THEN RAISE insufficient_privilege; END IF;
  RETURN QUERY EXECUTE query;
END $$`,
		"GRANT USAGE ON SCHEMA pg_clarus TO PUBLIC",
		// PostgreSQL's own view names databases too. There are no labels: SECURITY LABEL is refused.
		`CREATE OR REPLACE VIEW pg_catalog.pg_seclabels AS SELECT objoid, classoid, objsubid, NULL::text AS objtype, NULL::oid AS objnamespace, NULL::text COLLATE "C" AS objname, provider, label
FROM pg_catalog.pg_seclabel`,
	}
	return append(list, settingsFurniture()...)
}

// Lost reports whether the version's databases ended with a crash of the server.
func (v *Version) Lost() bool { return v.life != v.srv.born() }

// Hold keeps the version until Release.
func (v *Version) Hold() *Version {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.holders++
	return v
}

// Release gives the version up; Retire says besides that it is no longer current.
func (v *Version) Release() { v.leave(false) }

// Retire releases the version and has it dropped when the last holder leaves.
func (v *Version) Retire() { v.leave(true) }

func (v *Version) leave(retire bool) {
	v.mu.Lock()
	v.holders--
	v.retired = v.retired || retire
	gone := v.retired && v.holders == 0
	v.mu.Unlock()
	if !gone || v.Lost() {
		return
	}
	go func() {
		ctx := context.Background()
		select {
		case s := <-v.ready:
			s.Drop()
		default:
		}
		if v.analyst != "" {
			_ = v.srv.drop(ctx, v.analyst)
		}
		_ = v.srv.drop(ctx, v.template)
	}()
}

// Analyst connects user to the version's database for analysis and introspection.
func (v *Version) Analyst(ctx context.Context, user string) (*Conn, error) {
	v.mu.Lock()
	if v.analyst == "" {
		name := v.srv.name("ana")
		if err := v.clone(ctx, name); err != nil {
			v.mu.Unlock()
			return nil, err
		}
		v.analyst = name
	}
	v.mu.Unlock()
	return v.connect(ctx, v.analyst, user)
}

// clone makes a database of the version.
func (v *Version) clone(ctx context.Context, name string) error {
	return v.replaced(v.srv.clone(ctx, v.template, name))
}

// replaced gives the error of a version whose databases went with a crash its
// meaning.
func (v *Version) replaced(err error) error {
	if err != nil && v.Lost() {
		return &clarus.Error{Op: "twin", Kind: clarus.Unavailable, Msg: "the twin was replaced after a crash", Hint: "Try again.", Err: cause(err)}
	}
	return err
}

func (v *Version) connect(ctx context.Context, db, user string) (*Conn, error) {
	c, err := v.srv.dial(ctx, db, user)
	if err != nil {
		return nil, v.replaced(err)
	}
	if err := c.prepareAnalysis(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// A Scratch is a clone of a version for one session: the user's statements run
// there over rows that Clarus loaded.
type Scratch struct {
	User    *Conn // the session's own role
	loader  *Conn // superuser
	version *Version
	name    string
	filled  map[uint32]string // tables that hold rows, by OID
	watched map[uint32]bool   // tables whose changes are recorded; true: with what a function did
	acting  map[string]bool   // actions of foreign keys that the twin does
	shut    bool              // users' code may not change the schema
	token   string
	role    string     // whom User is connected as
	locked  string     // the tables that the loader has locked, as a list
	touched []relation // tables that hold dead rows only
	open    bool       // User is in a transaction that lasts as long as the client's

	analyzed bool // statistics hold values of rows
}

// Lease gives the session of user a scratch database of its own.
func (v *Version) Lease(ctx context.Context, user string) (*Scratch, error) {
	var s *Scratch
	select {
	case s = <-v.ready:
		if s.loader.Do("SELECT") != nil { // the twin crashed since it was made
			s.Drop()
			s = nil
		}
	default:
	}
	var err error
	if s == nil {
		if s, err = v.make(ctx); err != nil {
			return nil, err
		}
	}
	s.role = user
	if s.User, err = v.connect(ctx, s.name, user); err != nil {
		s.Drop()
		return nil, err
	}
	return s, nil
}

// Prepare makes a scratch database ahead, so that the next Lease does not wait.
func (v *Version) Prepare() {
	v.Hold()
	go func() {
		defer v.Release()
		if len(v.ready) > 0 {
			return
		}
		s, err := v.make(context.Background())
		if err != nil {
			return
		}
		v.mu.Lock()
		retired := v.retired
		v.mu.Unlock()
		if !retired {
			select {
			case v.ready <- s:
				return
			default:
			}
		}
		s.Drop()
	}()
}

func (v *Version) make(ctx context.Context) (*Scratch, error) {
	s := &Scratch{version: v, name: v.srv.name("scr"), filled: map[uint32]string{}, watched: map[uint32]bool{}, acting: map[string]bool{}, token: rand.Text()}
	if err := v.clone(ctx, s.name); err != nil {
		return nil, err
	}
	var err error
	if s.loader, err = v.srv.root(ctx, s.name); err == nil {
		err = s.loader.Do("SET session_replication_role = replica", "SET search_path = ''", "SET lock_timeout = '10s'",
			"TRUNCATE pg_clarus.token", "INSERT INTO pg_clarus.token VALUES ('"+s.token+"')")
	}
	if err != nil {
		s.Drop()
		return nil, err
	}
	return s, nil
}

// Broken reports whether one of the scratch database's connections was found
// broken: its locks and the state of its transaction are gone.
func (s *Scratch) Broken() bool { return s.User.Broken() || s.loader.Broken() }

// Drop ends the scratch database and what it held.
func (s *Scratch) Drop() {
	s.disconnect()
	if s.version.Lost() {
		return
	}
	ctx := context.Background()
	_ = s.version.srv.drop(ctx, s.name)
	_ = s.version.srv.Scrub(ctx)
}

func (s *Scratch) disconnect() {
	for _, c := range []*Conn{s.User, s.loader} {
		if c != nil {
			_ = c.Close()
		}
	}
	s.User, s.loader = nil, nil
}

type relation struct {
	oid   uint32
	table string
}

// A Load is a table to fill: its qualified, quoted name with the column list
// in parentheses, and its rows in PostgreSQL's binary COPY format.
type Load struct {
	OID   uint32
	Table string // "public"."album"
	Into  string // Table with the columns that Rows holds
	Rows  io.Reader
	Big   bool // worth an ANALYZE
	// Ordered has Positions tell the rows in the order of the load. Without it,
	// rows that are short may come to lie where longer ones before them had no room.
	Ordered bool
	// Unchecked loads the rows past the table's CHECK constraints: they call
	// functions that may need rows which are not loaded yet.
	Unchecked bool
}

// Fill empties the scratch database, loads tables and locks every table that
// was not loaded, so that code which Clarus did not see through fails instead
// of reading emptiness. all names every table of the schema by OID. The locks
// last until Unlock or the next Fill that needs others.
func (s *Scratch) Fill(loads []Load, all map[uint32]string) error {
	rest := make(map[uint32]string, len(all))
	for oid, t := range all {
		rest[oid] = t
	}
	rows := false
	for _, l := range loads {
		delete(rest, l.OID)
		rows = rows || l.Rows != nil
	}
	locks := lockList(rest)
	if !rows && len(s.filled) == 0 && len(s.touched) < touchedMost && s.shut && s.locked == locks {
		return nil // all is as it should be
	}
	if err := s.Unlock(); err != nil {
		return err
	}
	if err := s.empty(); err != nil {
		return err
	}
	if err := s.door(false); err != nil {
		return err
	}
	if err := s.Add(loads); err != nil {
		return err
	}
	return s.lock(locks)
}

// Add loads tables beside those that Fill has loaded.
func (s *Scratch) Add(loads []Load) error {
	var analyze, ordered []string
	for _, l := range loads {
		if l.Ordered {
			ordered = append(ordered, l.Table)
		}
		if l.Big {
			analyze = append(analyze, "ANALYZE "+l.Table)
		}
	}
	if err := s.addAll(loads, ordered); err != nil {
		return err
	}
	s.analyzed = s.analyzed || len(analyze) > 0
	return s.loader.Do(analyze...)
}

// addAll loads tables. COPY into a table that was emptied in the same transaction
// writes at its end only, whatever room is left in pages before.
func (s *Scratch) addAll(loads []Load, ordered []string) (err error) {
	if len(ordered) > 0 {
		if err := s.loader.Do("BEGIN", "TRUNCATE "+strings.Join(ordered, ", ")+" CASCADE"); err != nil {
			_ = s.loader.Do("ROLLBACK")
			return err
		}
		defer func() {
			if err != nil {
				_ = s.loader.Do("ROLLBACK")
				return
			}
			err = s.loader.Do("COMMIT")
		}()
	}
	for _, l := range loads {
		if l.Rows == nil {
			continue
		}
		s.filled[l.OID] = l.Table
		if err := s.load(l); err != nil {
			return err
		}
	}
	return nil
}

// touchedMost is how many statements may leave dead rows in tables before
// their files are emptied.
const touchedMost = 256

func (s *Scratch) load(l Load) error {
	if l.Unchecked {
		// PostgreSQL looks for as many constraints as the catalogue counts.
		if err := s.loader.Do(fmt.Sprintf("UPDATE pg_catalog.pg_class SET relchecks = 0 WHERE oid = %d", l.OID)); err != nil {
			return err
		}
	}
	_, err := s.loader.CopyIn("COPY "+l.Into+" FROM STDIN (FORMAT binary)", l.Rows)
	if l.Unchecked {
		const count = "UPDATE pg_catalog.pg_class SET relchecks = (SELECT count(*) FROM pg_catalog.pg_constraint WHERE conrelid = %[1]d AND contype = 'c') WHERE oid = %[1]d"
		err = errors.Join(err, s.loader.Do(fmt.Sprintf(count, l.OID)))
	}
	return err
}

func (s *Scratch) empty() error {
	for _, t := range s.touched {
		s.filled[t.oid] = t.table
	}
	s.touched = nil
	if len(s.filled) == 0 {
		return nil
	}
	names, err := s.filledNames()
	if err != nil {
		return err
	}
	if len(names) > 0 {
		if err := s.loader.Do("TRUNCATE " + strings.Join(names, ", ") + " CASCADE"); err != nil {
			return err
		}
	}
	s.filled = map[uint32]string{}
	return nil
}

// filledNames names the tables that hold rows. Where the schema may have
// changed since they were filled, they may have other names, or be gone.
func (s *Scratch) filledNames() ([]string, error) {
	var names []string
	if s.shut {
		for _, t := range s.filled {
			names = append(names, t)
		}
		return names, nil
	}
	var oids []string
	for oid := range s.filled {
		oids = append(oids, fmt.Sprint(oid))
	}
	rows, err := s.loader.Rows("SELECT oid::regclass FROM pg_catalog.pg_class WHERE oid = ANY ($1::oid[])", "{"+strings.Join(oids, ",")+"}")
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, err
}

// lockList is the argument of LOCK TABLE for tables.
func lockList(tables map[uint32]string) string {
	return strings.Join(slices.Sorted(maps.Values(tables)), ", ")
}

func (s *Scratch) lock(list string) error {
	if list == "" {
		return nil
	}
	s.locked = list
	return s.loader.Do("BEGIN", "LOCK TABLE "+list+" IN ACCESS EXCLUSIVE MODE")
}

// Unlock gives back the locks of Fill.
func (s *Scratch) Unlock() error {
	if s.locked == "" {
		return nil
	}
	s.locked = ""
	return s.loader.Do("ROLLBACK")
}

// Open lets the user's statements change the schema, until the next Fill.
func (s *Scratch) Open() error { return s.door(true) }

func (s *Scratch) door(open bool) error {
	if s.shut == !open {
		return nil
	}
	s.shut = !open
	return s.loader.Do(fmt.Sprintf("UPDATE pg_clarus.door SET open = %t", open))
}

// Administer runs a statement as the superuser in this scratch database, in a
// transaction of its own.
func (s *Scratch) Administer(sql string) error {
	if err := s.Unlock(); err != nil {
		return err
	}
	return s.loader.Do(sql)
}

// Name is the scratch database's name on the twin.
func (s *Scratch) Name() string { return s.name }

// Root runs statements as the superuser in this scratch database.
func (s *Scratch) Root() *Conn { return s.loader }

// Promote turns the scratch database, in which a transaction's DDL ran, into
// the next version. The scratch cannot be used any more.
func (s *Scratch) Promote(ctx context.Context, number int64) (*Version, error) {
	if err := s.Unlock(); err != nil {
		return nil, err
	}
	if err := s.empty(); err != nil {
		return nil, err
	}
	if err := s.door(true); err != nil {
		return nil, err
	}
	undo, err := s.loader.Rows(`SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_catalog.pg_trigger WHERE tgname IN ('clarus_record', 'clarus_truncate')
UNION ALL SELECT format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname) FROM pg_catalog.pg_trigger WHERE tgconstraint <> 0 AND tgenabled = 'A'`)
	if err != nil {
		return nil, err
	}
	for _, d := range undo {
		if err := s.loader.Do(d[0]); err != nil {
			return nil, err
		}
	}
	if s.analyzed {
		// Values of rows are in its pages until it is written anew.
		if err := s.loader.Do("DELETE FROM pg_catalog.pg_statistic WHERE starelid >= 16384", "VACUUM FULL pg_catalog.pg_statistic"); err != nil {
			return nil, err
		}
	}
	s.disconnect()
	return &Version{Number: number, srv: s.version.srv, life: s.version.life, template: s.name, ready: make(chan *Scratch, 1), holders: 1}, nil
}
