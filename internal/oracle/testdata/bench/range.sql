\set k random(1, 990)
\set j :k + 9
SELECT name FROM z_small WHERE n BETWEEN :k AND :j;
