\set k random(1, 10000)
INSERT INTO z_note (author, note) VALUES ('author', 'note ' || :k);
