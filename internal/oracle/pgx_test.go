package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/clarus-project/clarus/internal/oracle"
)

var pgxModes = []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}

// TestPgx runs a small application on pgx in each of its query modes, on plain
// PostgreSQL and through Clarus: it must print the same.
func TestPgx(t *testing.T) {
	want := map[pgx.QueryExecMode]string{}
	for _, mode := range pgxModes {
		want[mode] = pgxPrints(t, world.Plain, mode)
	}
	for _, policy := range []string{"sealed", "equality"} {
		i, err := world.Clarus(t.Context(), "pgx-"+policy, "testdata/policy-"+policy+".yaml")
		if err != nil {
			t.Fatal(err)
		}
		defer i.Stop()
		for _, mode := range pgxModes {
			t.Run(policy+"/"+mode.String(), func(t *testing.T) {
				if got := pgxPrints(t, i.Target, mode); got != want[mode] {
					t.Errorf("it printed\n%s\ninstead of\n%s", got, want[mode])
				}
			})
		}
	}
}

func pgxPrints(t *testing.T, target *oracle.Target, mode pgx.QueryExecMode) string {
	t.Helper()
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=app password=%s dbname=%s sslmode=disable", target.Host, target.Port, oracle.Password, target.Database))
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	app := pgxApp{conn: conn, ctx: t.Context()}
	if err := app.run(); err != nil {
		t.Fatalf("%s on %s: %v\nafter\n%s", mode, target.Name, err, &app.out)
	}
	return app.out.String()
}

// pgxApp is the application.
type pgxApp struct {
	conn *pgx.Conn
	ctx  context.Context
	out  strings.Builder
}

func (a *pgxApp) run() error {
	steps := []func() error{a.schema, a.insert, a.read, a.change, a.batch, a.copies, a.fails}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return a.exec("DROP TABLE drv_visit")
}

func (a *pgxApp) exec(sql string, args ...any) error {
	tag, err := a.conn.Exec(a.ctx, sql, args...)
	fmt.Fprintln(&a.out, tag)
	return err
}

// show prints a query's rows.
func (a *pgxApp) show(sql string, args ...any) error {
	rows, err := a.conn.Query(a.ctx, sql, args...)
	if err != nil {
		return err
	}
	for _, f := range rows.FieldDescriptions() {
		fmt.Fprint(&a.out, f.Name, " ", f.DataTypeOID, "; ")
	}
	fmt.Fprintln(&a.out)
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		for i, v := range values {
			if at, ok := v.(time.Time); ok {
				values[i] = at.UTC() // the text format brings the session's zone
			}
		}
		fmt.Fprintln(&a.out, values...)
	}
	return rows.Err()
}

func (a *pgxApp) schema() error {
	return a.exec(`CREATE TABLE drv_visit (id bigint PRIMARY KEY, name text NOT NULL, age int2, cost float8, well bool, photo bytea, born date,
		seen timestamptz, doc jsonb, tags text[], marks int4[], key uuid UNIQUE)`)
}

func (a *pgxApp) insert() error {
	for n := range 6 {
		id := int64(n)
		err := a.exec("INSERT INTO drv_visit VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", id, fmt.Sprintf("cnrydrvpgx%d", n%4), int16(n-2),
			float64(n)/3, n%2 == 0, []byte{0, byte(n), 255}, time.Date(1970+n, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(2020, 3, 4, 5, 6, 7, n*1000, time.UTC),
			fmt.Sprintf(`{"n": %d}`, n), []string{"a", "b\"c"}, []int32{1, int32(n)}, fmt.Sprintf("00000000-0000-0000-0000-%012d", n))
		if err != nil {
			return err
		}
	}
	return a.exec("INSERT INTO drv_visit (id, name) VALUES ($1, $2)", int64(6), "cnrydrvpgxnull")
}

func (a *pgxApp) read() error {
	for range 3 {
		if err := a.show("SELECT * FROM drv_visit WHERE name = $1 ORDER BY id", "cnrydrvpgx1"); err != nil {
			return err
		}
	}
	var name *string
	var age *int16
	if err := a.conn.QueryRow(a.ctx, "SELECT name, age FROM drv_visit WHERE id = $1", int64(6)).Scan(&name, &age); err != nil {
		return err
	}
	fmt.Fprintln(&a.out, *name, age == nil)
	return a.show("SELECT name, count(*), max(seen) FROM drv_visit GROUP BY name HAVING count(*) >= $1 ORDER BY name", int64(1))
}

// change updates in a transaction that is committed, and in others that are not.
func (a *pgxApp) change() error {
	tx, err := a.conn.Begin(a.ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(a.ctx, "UPDATE drv_visit SET name = name || $1 WHERE id < $2", "+", int64(2)); err != nil {
		return err
	}
	inner, err := tx.Begin(a.ctx) // a savepoint
	if err != nil {
		return err
	}
	if _, err := inner.Exec(a.ctx, "DELETE FROM drv_visit"); err != nil {
		return err
	}
	if err := inner.Rollback(a.ctx); err != nil {
		return err
	}
	if err := tx.Commit(a.ctx); err != nil {
		return err
	}
	return a.show("SELECT id, name FROM drv_visit ORDER BY id")
}

func (a *pgxApp) batch() error {
	b := &pgx.Batch{}
	for n := range 5 {
		b.Queue("UPDATE drv_visit SET age = $1 WHERE id = $2", int16(50+n), int64(n))
	}
	b.Queue("SELECT sum(age) FROM drv_visit").QueryRow(func(row pgx.Row) error {
		var sum int64
		err := row.Scan(&sum)
		fmt.Fprintln(&a.out, sum)
		return err
	})
	return a.conn.SendBatch(a.ctx, b).Close()
}

func (a *pgxApp) copies() error {
	n, err := a.conn.CopyFrom(a.ctx, pgx.Identifier{"drv_visit"}, []string{"id", "name", "born"}, pgx.CopyFromSlice(20, func(i int) ([]any, error) {
		return []any{int64(100 + i), fmt.Sprintf("cnrydrvcopy%d", i), time.Date(2000, 1, 1+i, 0, 0, 0, 0, time.UTC)}, nil
	}))
	fmt.Fprintln(&a.out, n)
	if err != nil {
		return err
	}
	tag, err := a.conn.PgConn().CopyTo(a.ctx, &a.out, "COPY (SELECT id, name, born FROM drv_visit WHERE id >= 100 ORDER BY id) TO STDOUT")
	fmt.Fprintln(&a.out, tag)
	return err
}

func (a *pgxApp) fails() error {
	for _, sql := range []string{"INSERT INTO drv_visit (id, name) VALUES (1, 'cnrydrvtwice')", "INSERT INTO drv_visit (id) VALUES (900)", "SELECT 1/0", "SELECT no FROM drv_visit", "SELEC"} {
		_, err := a.conn.Exec(a.ctx, sql)
		e, ok := errors.AsType[*pgconn.PgError](err)
		if !ok {
			return fmt.Errorf("%s: %w", sql, err)
		}
		fmt.Fprintln(&a.out, e.Code, e.ConstraintName, e.Position)
	}
	return nil
}
