\set k random(1, 100)
SELECT count(*) FROM z_small WHERE name LIKE '%' || :k;
