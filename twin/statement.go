package twin

import (
	"context"
	"fmt"
	"strings"

	"github.com/clarus-project/clarus/pgwire"
)

// Begin opens the scope of one statement on the user's connection. All that it
// does there ends with End. Within a client's transaction (lasting) the scope
// is a subtransaction, so that now() keeps its value from one statement to the
// next while locks do not outlive the statement.
func (s *Scratch) Begin(lasting, readOnly bool) error {
	mode := "READ WRITE"
	if readOnly {
		mode = "READ ONLY"
	}
	if !lasting {
		return s.User.Do("BEGIN ISOLATION LEVEL READ COMMITTED " + mode)
	}
	var sql []string
	if !s.open {
		sql = append(sql, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
	}
	sql = append(sql, "SAVEPOINT clarus")
	if readOnly {
		sql = append(sql, "SET TRANSACTION READ ONLY")
	}
	s.open = true
	return s.User.Do(strings.Join(sql, "; "))
}

// End takes back whatever the statement did on the twin.
func (s *Scratch) End(lasting bool) error {
	if lasting {
		return s.User.Do("ROLLBACK TO SAVEPOINT clarus; RELEASE SAVEPOINT clarus")
	}
	return s.User.Do("ROLLBACK")
}

// Finish ends what Begin kept open for the client's transaction.
func (s *Scratch) Finish() error {
	if !s.open {
		return nil
	}
	s.open = false
	return s.User.Do("ROLLBACK")
}

// Record has the changes to a table recorded from now on; with calls, also
// whether a function made them.
func (s *Scratch) Record(oid uint32, table string, calls bool) error {
	deep, watched := s.watched[oid]
	if watched && (deep || !calls) {
		return nil
	}
	if err := s.Unlock(); err != nil {
		return err
	}
	s.watched[oid] = calls
	recorder := "pg_clarus.record()"
	if calls {
		recorder = "pg_clarus.record_calls()"
	}
	if watched {
		// PostgreSQL replaces no internal trigger.
		if err := s.loader.Do(fmt.Sprintf("UPDATE pg_catalog.pg_trigger SET tgisinternal = false WHERE tgname IN ('clarus_record', 'clarus_truncate') AND tgrelid = %d", oid)); err != nil {
			return err
		}
	}
	const byUser = " WHEN (session_user <> '" + superuser + "') EXECUTE FUNCTION "
	return s.loader.Do(
		"CREATE OR REPLACE TRIGGER clarus_record AFTER INSERT OR UPDATE OR DELETE ON "+table+" FOR EACH ROW"+byUser+recorder,
		"CREATE OR REPLACE TRIGGER clarus_truncate BEFORE TRUNCATE ON "+table+byUser+"pg_clarus.keep_rows()",
		"ALTER TABLE "+table+" ENABLE ALWAYS TRIGGER clarus_record",
		"ALTER TABLE "+table+" ENABLE ALWAYS TRIGGER clarus_truncate",
		"UPDATE pg_catalog.pg_trigger SET tgisinternal = true WHERE tgname IN ('clarus_record', 'clarus_truncate') AND NOT tgisinternal")
}

// Act has the twin carry out from now on what a foreign key does to the rows
// that refer to one which is deleted, or else updated.
func (s *Scratch) Act(constraint uint32, deleted bool) error {
	functions := "'RI_FKey_cascade_upd', 'RI_FKey_setnull_upd', 'RI_FKey_setdefault_upd'"
	if deleted {
		functions = "'RI_FKey_cascade_del', 'RI_FKey_setnull_del', 'RI_FKey_setdefault_del'"
	}
	key := fmt.Sprint(constraint, deleted)
	if s.acting[key] {
		return nil
	}
	if err := s.Unlock(); err != nil {
		return err
	}
	rows, err := s.loader.Rows("SELECT format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::regclass, t.tgname) FROM pg_catalog.pg_trigger t "+
		"JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid WHERE t.tgconstraint = $1::oid AND p.proname IN ("+functions+")", fmt.Sprint(constraint))
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := s.loader.Do(r[0]); err != nil {
			return err
		}
	}
	s.acting[key] = true
	return nil
}

// Touched says that a statement is about to write rows to a table. Taken back,
// they stay in the table's file until it is emptied.
func (s *Scratch) Touched(oid uint32, table string) {
	if _, ok := s.filled[oid]; !ok {
		s.touched = append(s.touched, relation{oid, table})
	}
}

// A Change is one recorded change of a row. Old and New are ctids as text.
type Change struct {
	Table    uint32
	Op       byte // 'I', 'U', 'D'
	Old, New string
	Nested   bool // a function did it, not the statement itself; known only where Record was told so
}

// Changes returns what the statement changed so far in its transaction.
func (s *Scratch) Changes() ([]Change, error) {
	rows, err := s.User.Rows("SELECT rel, op, old, new, nested FROM pg_clarus.changes($1)", s.token)
	if err != nil {
		return nil, err
	}
	list := make([]Change, len(rows))
	for i, r := range rows {
		var oid uint32
		if _, err := fmt.Sscan(r[0], &oid); err != nil {
			return nil, err
		}
		list[i] = Change{Table: oid, Op: r[1][0], Old: r[2], New: r[3], Nested: r[4] == "t"}
	}
	return list, nil
}

// Written reads rows of a table in the statement's transaction, past
// privileges and row security: those at tids (nil: all, in the order of
// storage). columns are quoted names, types their qualified types. row gets the ctid
// and then the columns in binary format.
func (s *Scratch) Written(table string, columns, types, tids []string, row func([][]byte) error) error {
	query := "SELECT ctid::text, " + strings.Join(columns, ", ") + " FROM " + table
	if len(columns) == 0 {
		query = "SELECT ctid::text FROM " + table
	}
	if tids != nil {
		query += ` WHERE ctid = ANY ('{"` + strings.Join(tids, `","`) + `"}'::tid[])`
	}
	def := "clarus_ctid pg_catalog.text"
	for i, c := range columns {
		def += ", " + c + " " + types[i]
	}
	var cells [][]byte
	st := Statement{SQL: "SELECT * FROM pg_clarus.rows($1, $2) AS (" + def + ")", Types: []uint32{25, 25},
		Params: [][]byte{[]byte(s.token), []byte(query)}, Results: []int16{1}}
	return s.User.Run(st, func(body []byte) error {
		var err error
		if cells, err = pgwire.Row(body, cells); err != nil {
			return err
		}
		return row(cells)
	}, nil)
}

// Before reads what expressions came to in a table's rows at tids before the
// statement, which is not over. row gets a row's ctid and the values in binary format.
func (s *Scratch) Before(table string, expressions, tids []string, row func(tid string, cells [][]byte) error) error {
	st := Statement{SQL: "SELECT " + strings.Join(append([]string{"ctid::text"}, expressions...), ", ") + " FROM " + table + " WHERE ctid = ANY ($1::text::tid[])",
		Types: []uint32{25}, Params: [][]byte{[]byte(`{"` + strings.Join(tids, `","`) + `"}`)}, Results: []int16{1}}
	var cells [][]byte
	return s.loader.Run(st, func(body []byte) error {
		var err error
		if cells, err = pgwire.Row(body, cells); err != nil {
			return err
		}
		return row(string(cells[0]), cells[1:])
	}, nil)
}

// Drew has the user's connection believe that it drew a value from a sequence,
// as it did at the provider: currval and lastval tell it.
func (s *Scratch) Drew(sequence uint32, value int64) error {
	query := fmt.Sprintf("SELECT pg_catalog.setval('%[1]d'::regclass, %[2]d, false), pg_catalog.nextval('%[1]d'::regclass)", sequence, value)
	_, err := s.User.Rows("SELECT * FROM pg_clarus.rows($1, $2) AS (was bigint, drawn bigint)", s.token, query)
	return err
}

// Positions returns the ctids of a table's rows in the order in which they
// were loaded.
func (s *Scratch) Positions(table string) ([]string, error) {
	return s.tids("SELECT ctid FROM " + table)
}

// RowLocks returns the ctids of the rows that the statement has locked.
func (s *Scratch) RowLocks(table string) ([]string, error) {
	return s.tids("SELECT ctid FROM " + table + " WHERE xmax::text <> '0'")
}

func (s *Scratch) tids(sql string) ([]string, error) {
	rows, err := s.loader.Rows(sql)
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = r[0]
	}
	return list, err
}

// Replay runs a statement of the schema's log as the user who ran it first.
func (s *Scratch) Replay(ctx context.Context, user, searchPath, sql string) error {
	if s.role != user {
		_ = s.User.Close()
		c, err := s.version.connect(ctx, s.name, user)
		if err != nil {
			return err
		}
		s.User, s.role = c, user
	}
	if err := s.Open(); err != nil {
		return err
	}
	return s.User.Do("SET search_path = "+searchPath, "SET check_function_bodies = off", sql)
}
