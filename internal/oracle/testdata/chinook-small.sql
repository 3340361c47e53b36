-- A small stand-in for the Chinook media store, with its tables and invented rows.
DROP DATABASE IF EXISTS chinook;
CREATE DATABASE chinook;
\c chinook;

CREATE TABLE album (album_id INT NOT NULL, title VARCHAR(160) NOT NULL, artist_id INT NOT NULL, CONSTRAINT album_pkey PRIMARY KEY (album_id));
CREATE TABLE artist (artist_id INT NOT NULL, name VARCHAR(120), CONSTRAINT artist_pkey PRIMARY KEY (artist_id));
CREATE TABLE customer (customer_id INT NOT NULL, first_name VARCHAR(40) NOT NULL, last_name VARCHAR(20) NOT NULL, company VARCHAR(80),
    address VARCHAR(70), city VARCHAR(40), state VARCHAR(40), country VARCHAR(40), postal_code VARCHAR(10), phone VARCHAR(24),
    fax VARCHAR(24), email VARCHAR(60) NOT NULL, support_rep_id INT, CONSTRAINT customer_pkey PRIMARY KEY (customer_id));
CREATE TABLE employee (employee_id INT NOT NULL, last_name VARCHAR(20) NOT NULL, first_name VARCHAR(20) NOT NULL, title VARCHAR(30),
    reports_to INT, birth_date TIMESTAMP, hire_date TIMESTAMP, address VARCHAR(70), city VARCHAR(40), state VARCHAR(40),
    country VARCHAR(40), postal_code VARCHAR(10), phone VARCHAR(24), fax VARCHAR(24), email VARCHAR(60),
    CONSTRAINT employee_pkey PRIMARY KEY (employee_id));
CREATE TABLE genre (genre_id INT NOT NULL, name VARCHAR(120), CONSTRAINT genre_pkey PRIMARY KEY (genre_id));
CREATE TABLE invoice (invoice_id INT NOT NULL, customer_id INT NOT NULL, invoice_date TIMESTAMP NOT NULL, billing_address VARCHAR(70),
    billing_city VARCHAR(40), billing_state VARCHAR(40), billing_country VARCHAR(40), billing_postal_code VARCHAR(10),
    total NUMERIC(10,2) NOT NULL, CONSTRAINT invoice_pkey PRIMARY KEY (invoice_id));
CREATE TABLE invoice_line (invoice_line_id INT NOT NULL, invoice_id INT NOT NULL, track_id INT NOT NULL, unit_price NUMERIC(10,2) NOT NULL,
    quantity INT NOT NULL, CONSTRAINT invoice_line_pkey PRIMARY KEY (invoice_line_id));
CREATE TABLE media_type (media_type_id INT NOT NULL, name VARCHAR(120), CONSTRAINT media_type_pkey PRIMARY KEY (media_type_id));
CREATE TABLE playlist (playlist_id INT NOT NULL, name VARCHAR(120), CONSTRAINT playlist_pkey PRIMARY KEY (playlist_id));
CREATE TABLE playlist_track (playlist_id INT NOT NULL, track_id INT NOT NULL, CONSTRAINT playlist_track_pkey PRIMARY KEY (playlist_id, track_id));
CREATE TABLE track (track_id INT NOT NULL, name VARCHAR(200) NOT NULL, album_id INT, media_type_id INT NOT NULL, genre_id INT,
    composer VARCHAR(220), milliseconds INT NOT NULL, bytes INT, unit_price NUMERIC(10,2) NOT NULL, CONSTRAINT track_pkey PRIMARY KEY (track_id));

ALTER TABLE album ADD CONSTRAINT album_artist_id_fkey FOREIGN KEY (artist_id) REFERENCES artist (artist_id) ON DELETE NO ACTION ON UPDATE NO ACTION;
CREATE INDEX album_artist_id_idx ON album (artist_id);
ALTER TABLE customer ADD CONSTRAINT customer_support_rep_id_fkey FOREIGN KEY (support_rep_id) REFERENCES employee (employee_id);
ALTER TABLE employee ADD CONSTRAINT employee_reports_to_fkey FOREIGN KEY (reports_to) REFERENCES employee (employee_id);
ALTER TABLE invoice ADD CONSTRAINT invoice_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customer (customer_id);
ALTER TABLE invoice_line ADD CONSTRAINT invoice_line_track_id_fkey FOREIGN KEY (track_id) REFERENCES track (track_id);

INSERT INTO artist (artist_id, name) VALUES (1, N'AC/DC'), (2, N'Accept'), (3, N'Nobody''s Band'), (4, N'Zoë & Co');
INSERT INTO genre (genre_id, name) VALUES (1, N'Rock'), (2, N'Jazz');
INSERT INTO media_type (media_type_id, name) VALUES (1, N'MPEG audio file');
INSERT INTO playlist (playlist_id, name) VALUES (1, N'Music'), (2, NULL);
INSERT INTO employee (employee_id, last_name, first_name, title, reports_to, birth_date, hire_date, city, email) VALUES
    (1, N'Head', N'Ann', N'General Manager', NULL, '1962/2/18', '2002/8/14', N'Edmonton', N'ann.head@stand-in.example'),
    (2, N'Agent', N'Bob', N'Sales Support Agent', 1, '1973/8/29', '2002/4/1', N'Calgary', N'bob.agent@stand-in.example'),
    (3, N'Clerk', N'Cy', N'IT Staff', 2, NULL, '2003/5/3', N'Calgary', NULL);
INSERT INTO customer (customer_id, first_name, last_name, city, country, email, support_rep_id) VALUES
    (1, N'Luís', N'Silva', N'São Paulo', N'Brazil', N'luis.silva@gmail.com', 2),
    (2, N'Eva', N'Kern', N'Stuttgart', N'Germany', N'eva.kern@yahoo.de', 2),
    (3, N'Noa', N'Roy', NULL, N'Canada', N'noa.roy@stand-in.example', NULL);
INSERT INTO album (album_id, title, artist_id) VALUES (1, N'For Those', 1), (2, N'Balls', 2), (3, N'Lights', 4);
INSERT INTO track (track_id, name, album_id, media_type_id, genre_id, composer, milliseconds, bytes, unit_price) VALUES
    (1, N'About Love', 1, 1, 1, N'Angus Young', 343719, 11170334, 0.99), (2, N'Love It', 1, 1, 1, NULL, 205662, 6713451, 0.99),
    (3, N'Snow', 1, 1, 1, N'ANGUS YOUNG, Malcolm Young', 233926, NULL, 0.99), (4, N'Balls', 2, 1, 2, N'U. D.', 342562, 5510424, 1.99),
    (5, N'Fast', 2, 1, NULL, NULL, 230619, 3990994, 0.99), (6, N'Lights', 3, 1, 2, N'Zoë', 500000, 1, 0.99);
INSERT INTO playlist_track (playlist_id, track_id) VALUES (1, 1), (1, 2), (2, 1);
INSERT INTO invoice (invoice_id, customer_id, invoice_date, billing_city, billing_country, total) VALUES
    (1, 2, '2021/1/1', N'Stuttgart', N'Germany', 1.98), (2, 1, '2021/7/2', N'São Paulo', N'Brazil', 3.96),
    (3, 2, '2022/12/31', N'Stuttgart', N'Germany', 25.86), (4, 3, '2022/12/31', NULL, N'Canada', 0.99), (5, 1, '2023/6/1', N'Rio', N'Brazil', 13.86);
INSERT INTO invoice_line (invoice_line_id, invoice_id, track_id, unit_price, quantity) VALUES
    (1, 1, 1, 0.99, 1), (2, 1, 2, 0.99, 1), (3, 2, 4, 1.99, 2), (4, 3, 6, 0.99, 20), (5, 4, 3, 0.99, 1), (6, 5, 5, 0.99, 14);
