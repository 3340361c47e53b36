\set k random(1, 10000)
UPDATE z_patient SET diagnosis = diagnosis || '' WHERE id = :k;
