-- find a patient by name (worth trying)
SELECT id, name, birth FROM patient WHERE name = :name ORDER BY id;

-- the most frequent diagnoses (worth trying)
SELECT code, count(*) AS n FROM diagnosis GROUP BY code ORDER BY n DESC, code LIMIT 5;

-- cost by ward (worth trying)
SELECT w.name, round(sum(i.amount), 2) AS cost
FROM invoice i JOIN episode e ON e.id = i.episode JOIN ward w ON w.id = e.ward
GROUP BY w.name ORDER BY cost DESC, w.name;

-- join over five tables
SELECT p.name, w.name, d.name, s.title
FROM patient p JOIN episode e ON e.patient = p.id JOIN ward w ON w.id = e.ward JOIN doctor d ON d.id = e.doctor
JOIN diagnosis g ON g.episode = e.id AND g.main JOIN disease s ON s.code = g.code
WHERE e.admitted >= '2024-12-01' ORDER BY e.admitted, e.id;

-- left join: patients who never came
SELECT p.id, p.name FROM patient p LEFT JOIN episode e ON e.patient = p.id WHERE e.id IS NULL ORDER BY p.id;

-- grouping with HAVING
SELECT doctor, count(*) AS stays, count(DISTINCT patient) AS patients, max(discharged - admitted) AS longest
FROM episode GROUP BY doctor HAVING count(*) > 3 ORDER BY stays DESC, doctor;

-- FILTER and conditional sums
SELECT sex, count(*) AS all_of_them, count(*) FILTER (WHERE birth < '1960-01-01') AS older, count(phone) AS with_phone FROM patient GROUP BY sex ORDER BY sex;

-- GROUPING SETS
SELECT drug, dose, count(*), sum(days) FROM prescription GROUP BY GROUPING SETS ((drug, dose), (drug), ()) ORDER BY drug NULLS LAST, dose NULLS LAST;

-- window: rank within each ward
SELECT id, ward, rank() OVER (PARTITION BY ward ORDER BY admitted, id) AS place, admitted - lag(admitted) OVER (PARTITION BY patient ORDER BY admitted) AS since FROM episode ORDER BY id;

-- window: running total and moving average
SELECT issued, sum(amount) OVER (ORDER BY issued, id) AS total, round(avg(amount) OVER (ORDER BY issued, id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW), 2) AS week FROM invoice ORDER BY issued, id;

-- LIKE
SELECT id, name FROM patient WHERE name LIKE '%s%a' ORDER BY name, id;

-- ILIKE in notes, with position
SELECT id, position(' ' IN note), left(note, 30) FROM episode WHERE note ILIKE '%pain%' OR note ILIKE '%stable%' ORDER BY id;

-- sub-query: EXISTS
SELECT name FROM patient p WHERE EXISTS (SELECT FROM episode e WHERE e.patient = p.id AND e.discharged IS NULL) ORDER BY name, id;

-- sub-query: above the average of the own analyte
SELECT l.id, l.analyte, l.value FROM laboratory l WHERE l.value > 1.4 * (SELECT avg(m.value) FROM laboratory m WHERE m.analyte = l.analyte) ORDER BY l.id;

-- CTE: the busiest doctors
WITH busy AS (SELECT doctor, count(*) AS n FROM episode GROUP BY doctor)
SELECT d.name, n, n > (SELECT avg(n) FROM busy) AS above FROM busy JOIN doctor d ON d.id = doctor ORDER BY n DESC, d.id;

-- recursive CTE: months without an admission
WITH RECURSIVE month AS (SELECT date '2022-01-01' AS m UNION ALL SELECT (m + interval '1 month')::date FROM month WHERE m < '2024-12-01')
SELECT m, count(e.id) FROM month LEFT JOIN episode e ON date_trunc('month', e.admitted) = m GROUP BY m ORDER BY m;

-- DISTINCT ON: the newest stay of each patient
SELECT DISTINCT ON (patient) patient, admitted, note FROM episode ORDER BY patient, admitted DESC, id;

-- date range, by quarter
SELECT date_trunc('quarter', admitted) AS quarter, count(*) FROM episode WHERE admitted >= '2023-01-01' AND admitted < '2024-07-01' GROUP BY 1 ORDER BY 1;

-- regular expression
SELECT id, regexp_replace(name, '^(\w+), (\w+)$', '\2 \1') FROM patient WHERE name ~ '^[A-M].*e' ORDER BY id;

-- set operation, LATERAL, percentiles and text aggregates
SELECT analyte, n, median, samples FROM (SELECT DISTINCT analyte FROM laboratory EXCEPT SELECT 'none') a
CROSS JOIN LATERAL (SELECT count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS median FROM laboratory l WHERE l.analyte = a.analyte) s
CROSS JOIN LATERAL (SELECT string_agg(t.value::text, ' ' ORDER BY t.id) AS samples FROM (SELECT id, value FROM laboratory l WHERE l.analyte = a.analyte ORDER BY id LIMIT 3) t) x ORDER BY analyte;
