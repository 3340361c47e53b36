\set k random(1, 10000)
UPDATE z_patient SET age = :k WHERE id = :k;
