\set k random(1, 100000)
DELETE FROM z_note WHERE id = :k;
