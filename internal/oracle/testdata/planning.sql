SELECT id, 'x' FROM f_person WHERE id = 1

SELECT id FROM f_person WHERE 'x' = 'y' OR id > 0

SELECT count(*) FROM f_person WHERE length('x') > id

UPDATE f_visit SET person = 1 WHERE 'x' = 'x' AND person = 1

INSERT INTO f_person (name, note) SELECT name, 'x' FROM f_person WHERE name = 'x' OR name IN ('x', 'y')

WITH w AS (INSERT INTO f_person (name) VALUES ('x') RETURNING *) SELECT * FROM w, f_visit v WHERE v.ward = 'x'

MERGE INTO f_person p USING f_visit v ON p.id = v.person AND p.name = 'x' WHEN MATCHED THEN UPDATE SET name = 'x' WHEN NOT MATCHED THEN INSERT (name) VALUES ('y')

INSERT INTO f_visit (person, ward, code) VALUES (1, 'x', 'y') ON CONFLICT (ward, code) DO UPDATE SET ward = 'z' || EXCLUDED.ward WHERE f_visit.cost <> 1

UPDATE f_person SET (name, nick) = (SELECT ward, 'x' FROM f_visit WHERE code = 'y' LIMIT 1) WHERE name LIKE 'x%'

UPDATE f_person p SET note = v.ward || 'x' FROM f_visit v WHERE v.person = p.id AND v.ward = 'x'

DELETE FROM f_person USING f_visit v WHERE v.person = f_person.id AND v.ward < 'x' RETURNING 'y', name

SELECT DISTINCT ON (ward) ward, cost FROM f_visit WHERE code BETWEEN 'a' AND 'x' ORDER BY ward, cost DESC

SELECT name FROM f_person WHERE name = ANY (ARRAY['x', 'y']) UNION SELECT 'z' EXCEPT SELECT ward FROM f_visit

SELECT name, count(*) FILTER (WHERE note = 'x') OVER (PARTITION BY nick) FROM f_person

SELECT (SELECT max(ward) FROM f_visit v WHERE v.person = p.id AND v.ward <> 'x') FROM f_person p WHERE EXISTS (SELECT FROM f_visit WHERE ward = p.name AND code = 'y')

WITH RECURSIVE r AS (SELECT id, name FROM f_person WHERE name = 'x' UNION ALL SELECT p.id, p.name FROM f_person p JOIN r ON p.id = r.id + 1) SELECT * FROM r

SELECT * FROM f_person p, LATERAL (SELECT * FROM f_visit v WHERE v.person = p.id AND v.ward = p.name LIMIT 1) x WHERE p.name = 'x'

COPY f_person (name, note) FROM STDIN

COPY (SELECT name, 'x' FROM f_person WHERE name = 'y') TO STDOUT (FORMAT csv, NULL 'z')

DO $$ BEGIN INSERT INTO f_person (name) VALUES ('x'); PERFORM name FROM f_person WHERE name = 'y'; RAISE NOTICE 'z'; END $$

SELECT f_write('x'), f_pure('y')

SELECT * FROM f_person WHERE f_pure(name) = 'x'

PREPARE q (text) AS SELECT * FROM f_person WHERE name = $1; EXECUTE q ('x')

DECLARE c CURSOR WITH HOLD FOR SELECT * FROM f_person WHERE name = 'x'; FETCH ALL FROM c

SET application_name = 'x'; SET my.value = 'y'; SHOW my.value; SELECT set_config('a.b', 'x', false), current_setting('a.b')

SET timezone = 'x'

SET datestyle = 'x'

SET work_mem = 'x'

SET search_path = 'x', public

SET TRANSACTION SNAPSHOT 'x'

SET default_transaction_isolation = 'x'

SET statement_timeout = 'x'

RESET ALL; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY

COMMENT ON TABLE f_person IS 'x'

NOTIFY ch, 'x'

LISTEN ch

PREPARE TRANSACTION 'x'

SAVEPOINT s; ROLLBACK TO s; RELEASE s

SELECT 'x'::int FROM f_person

SELECT name::int FROM f_person WHERE name = 'x'

CREATE TABLE f_new (id serial PRIMARY KEY, t text DEFAULT 'x' CHECK (t <> 'y'), u text UNIQUE)

CREATE TABLE f_as AS SELECT name, 'x' AS t FROM f_person WHERE name = 'y'

ALTER TABLE f_person ADD COLUMN extra text DEFAULT 'x', ADD CHECK (note <> 'y')

ALTER TABLE f_person ALTER name SET DEFAULT 'x', ALTER nick TYPE text USING nick || 'y'

CREATE INDEX ON f_person (name) WHERE note = 'x'

CREATE UNIQUE INDEX f_ix ON f_person (lower(name || 'x'))

CREATE VIEW f_v2 AS SELECT * FROM f_person WHERE name = 'x' WITH CHECK OPTION; INSERT INTO f_v2 (name) VALUES ('y')

CREATE POLICY f_pol ON f_person USING (name = 'x'); ALTER TABLE f_person ENABLE ROW LEVEL SECURITY

CREATE SEQUENCE f_seq; SELECT nextval('f_seq'), setval('f_seq', 7), currval('f_seq')

CREATE FUNCTION f_g(t text DEFAULT 'x') RETURNS text LANGUAGE sql AS 'SELECT ''y''::text'

EXPLAIN SELECT * FROM f_person WHERE name = 'x' AND id = 1

TRUNCATE f_visit; LOCK TABLE f_person; VALUES ('x'); TABLE f_person

SELECT pg_advisory_lock(1); SELECT pg_advisory_unlock(hashtext('x'))

SELECT * FROM f_person WHERE doc @> '{"k": "x"}' OR doc->>'k' = 'y' OR 'z' = ANY (list) OR list && ARRAY['x']

SELECT * FROM f_person TABLESAMPLE bernoulli (50) WHERE name = 'x' FOR UPDATE SKIP LOCKED LIMIT 1

SELECT id FROM f_person ORDER BY id = 1, 'x' COLLATE "C" LIMIT (SELECT length('y'))

GRANT SELECT ON f_person TO report

SELECT ROW(name, 'x') = ROW('y', nick), CASE name WHEN 'x' THEN 'y' ELSE note END, coalesce(name, 'z') FROM f_person

SELECT count(*), f_visit.person FROM f_visit WHERE person IN (SELECT id FROM f_person WHERE name IN ('x', 'y')) GROUP BY person HAVING max(ward) > 'z'

SELECT string_agg(name, 'x' ORDER BY name), xmlelement(name a, 'y'), format('%s', 'z') FROM f_person

SELECT * FROM f_person FULL JOIN f_visit ON f_person.name = f_visit.ward AND f_visit.code = 'x' WHERE f_person.name IS NULL OR ward NOT IN ('y')

SELECT * FROM f_view WHERE ward = 'x' OR name = 'y'

SELECT extract(year FROM born), date_trunc('x', at), to_char(at, 'y'), at AT TIME ZONE 'z', at > 'infinity' FROM f_person, f_visit
