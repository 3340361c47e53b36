\set k random(0, 99)
SELECT name, diagnosis FROM z_patient WHERE ward = :k;
