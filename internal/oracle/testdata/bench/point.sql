\set k random(1, 10000)
SELECT name, diagnosis FROM z_patient WHERE id = :k;
