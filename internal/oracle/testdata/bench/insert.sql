\set k random(1, 10000)
INSERT INTO z_note (author, pages) VALUES ('author', :k);
