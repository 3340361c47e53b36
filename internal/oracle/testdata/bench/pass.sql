\set k random(1, 10000)
SELECT name, n FROM z_open WHERE id = :k;
