// A small application on node-pg. It prints what it reads; where it connects stands in PGHOST and the like.
const { Client, Pool } = require('pg')
const print = (...x) => console.log(...x.map((v) => JSON.stringify(v)))

async function fails(c, sql, params) {
  try {
    await c.query(sql, params)
    print('no error', sql)
  } catch (e) {
    print(e.code, e.constraint, e.table, e.position)
  }
}

async function main() {
  const c = new Client()
  await c.connect()
  await c.query('DROP TABLE IF EXISTS drv_line; DROP TABLE IF EXISTS drv_order')
  await c.query(`CREATE TABLE drv_order (id serial PRIMARY KEY, who text NOT NULL UNIQUE, total numeric(10,2), paid bool, day date, at timestamptz, doc jsonb, tags text[], raw bytea, n int8, f float8, took interval, key uuid)`)
  await c.query('CREATE TABLE drv_line (id int PRIMARY KEY, ord int NOT NULL REFERENCES drv_order, what varchar(20) NOT NULL)')
  for (let i = 0; i < 4; i++) {
    const r = await c.query('INSERT INTO drv_order (who, total, paid, day, at, doc, tags, raw, n, f, took, key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING *',
      ['cnrydrvnode' + i, (i * 10.25).toFixed(2), i % 2 === 0, '2024-02-0' + (i + 1), new Date(Date.UTC(2024, 1, 2, 3, 4, 5, i)), { i, deep: [null, 'x'] }, ['a', 'b,c', null], Buffer.from([0, i, 255]), '9007199254740993', i / 3, '1 day 02:00:00', '00000000-0000-0000-0000-00000000000' + i])
    print(r.command, r.rowCount, r.rows, r.fields.map((f) => [f.name, f.dataTypeID]))
  }
  await c.query('INSERT INTO drv_order (who) VALUES ($1)', ['cnrydrvnull'])
  for (let i = 0; i < 3; i++) {
    print((await c.query({ name: 'by-who', text: 'SELECT id, total FROM drv_order WHERE who = $1', values: ['cnrydrvnode' + i] })).rows)
  }
  print((await c.query({ text: 'SELECT who, total FROM drv_order ORDER BY who', rowMode: 'array' })).rows)
  print((await c.query('UPDATE drv_order SET total = total + $1, paid = NOT paid WHERE who LIKE $2', [5, '%node%'])).rowCount)
  await Promise.all(Array.from({ length: 12 }, (_, i) => c.query('INSERT INTO drv_line VALUES ($1, $2, $3)', [i, 1 + (i % 3), 'cnrydrvline' + i])))
  print((await c.query('SELECT o.who, count(*)::int AS n, max(l.what) AS last FROM drv_order o JOIN drv_line l ON l.ord = o.id GROUP BY o.who ORDER BY o.who')).rows)
  await c.query('BEGIN')
  await c.query('DELETE FROM drv_line WHERE id < $1', [6])
  await c.query('SAVEPOINT here')
  await fails(c, 'INSERT INTO drv_line VALUES (7, 1, $1)', ['cnrydrvtwice'])
  await c.query('ROLLBACK TO here')
  print((await c.query('SELECT count(*)::int FROM drv_line')).rows)
  await c.query('ROLLBACK')
  print((await c.query('SELECT count(*)::int FROM drv_line')).rows)
  const several = await c.query("DELETE FROM drv_line WHERE id = 11; SELECT what FROM drv_line WHERE id = 10")
  print(several.map((r) => [r.command, r.rowCount, r.rows]))
  await fails(c, 'INSERT INTO drv_line VALUES (50, 99, $1)', ['cnrydrvno'])
  await fails(c, 'INSERT INTO drv_line VALUES (50, 1, $1)', ['longer than the twenty characters'])
  await fails(c, 'INSERT INTO drv_order (who) VALUES ($1)', ['cnrydrvnull'])
  await fails(c, 'SELECT nothing FROM drv_order')
  await fails(c, 'SELECT 1/$1::int', [0])
  const pool = new Pool({ max: 3 })
  print((await Promise.all(Array.from({ length: 9 }, (_, i) => pool.query('SELECT what FROM drv_line WHERE id = $1', [i])))).map((r) => r.rows))
  await pool.end()
  await c.query('DROP TABLE drv_line; DROP TABLE drv_order')
  await c.end()
}
main().catch((e) => { console.error(e); process.exit(1) })
