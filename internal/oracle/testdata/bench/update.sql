\set k random(1, 10000)
UPDATE z_patient SET diagnosis = 'diagnosis ' || :k WHERE id = :k;
