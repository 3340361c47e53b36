import java.sql.*;
import java.math.BigDecimal;
import java.util.*;

/** A small application on JDBC. It prints what it reads; where it connects stands in PGHOST and the like. */
public class App {
    static Connection c;

    static void show(ResultSet r) throws SQLException {
        ResultSetMetaData m = r.getMetaData();
        StringBuilder head = new StringBuilder();
        for (int i = 1; i <= m.getColumnCount(); i++) head.append(m.getColumnName(i)).append(' ').append(m.getColumnTypeName(i)).append("; ");
        System.out.println(head);
        while (r.next()) {
            StringBuilder line = new StringBuilder();
            for (int i = 1; i <= m.getColumnCount(); i++) line.append(r.getObject(i) instanceof byte[] b ? Arrays.toString(b) : r.getString(i)).append(" | ");
            System.out.println(line);
        }
        r.close();
    }

    static void fails(String sql) {
        try (Statement s = c.createStatement()) {
            s.execute(sql);
            System.out.println("no error: " + sql);
        } catch (SQLException e) {
            System.out.println(e.getSQLState());
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> env = System.getenv();
        String url = "jdbc:postgresql://" + env.get("PGHOST") + ":" + env.get("PGPORT") + "/" + env.get("PGDATABASE") + "?sslmode=disable&reWriteBatchedInserts=true";
        c = DriverManager.getConnection(url, env.get("PGUSER"), env.get("PGPASSWORD"));
        Statement s = c.createStatement();
        s.execute("DROP TABLE IF EXISTS drv_entry; DROP TABLE IF EXISTS drv_book");
        s.execute("CREATE TABLE drv_book (id int PRIMARY KEY, title text NOT NULL UNIQUE, price numeric(9,2), sold bool, day date, at timestamptz, ts timestamp, raw bytea, n bigint, f double precision, key uuid, tags text[])");
        s.execute("CREATE TABLE drv_entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, book int REFERENCES drv_book, note varchar(40))");
        PreparedStatement p = c.prepareStatement("INSERT INTO drv_book VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        for (int i = 0; i < 8; i++) { // from the fifth on the driver prepares on the server
            p.setInt(1, i);
            p.setString(2, "cnrydrvbook" + i);
            p.setBigDecimal(3, new BigDecimal("12.50").multiply(new BigDecimal(i)));
            p.setBoolean(4, i % 2 == 0);
            p.setDate(5, java.sql.Date.valueOf("2024-03-0" + (i + 1)));
            p.setObject(6, java.time.OffsetDateTime.of(2024, 3, 1, i, 2, 3, 4000, java.time.ZoneOffset.UTC));
            p.setTimestamp(7, Timestamp.valueOf("2024-03-01 10:11:12.5"));
            p.setBytes(8, new byte[] {0, (byte) i, -1});
            p.setLong(9, Long.MAX_VALUE - i);
            p.setDouble(10, i / 3.0);
            p.setObject(11, UUID.fromString("00000000-0000-0000-0000-00000000000" + i));
            p.setArray(12, c.createArrayOf("text", new String[] {"a", "b,c", null}));
            System.out.println(p.executeUpdate());
        }
        s.execute("INSERT INTO drv_book (id, title) VALUES (8, 'cnrydrvnull')");
        PreparedStatement find = c.prepareStatement("SELECT * FROM drv_book WHERE title = ?");
        for (int i = 0; i < 8; i++) {
            find.setString(1, "cnrydrvbook" + i);
            show(find.executeQuery());
        }
        PreparedStatement batch = c.prepareStatement("INSERT INTO drv_entry (book, note) VALUES (?, ?)", Statement.RETURN_GENERATED_KEYS);
        for (int i = 0; i < 20; i++) {
            batch.setInt(1, i % 4);
            batch.setString(2, "cnrydrvnote" + i);
            batch.addBatch();
        }
        System.out.println(batch.executeBatch().length);
        show(batch.getGeneratedKeys());
        c.setAutoCommit(false);
        s.setFetchSize(6); // a portal that is fetched in parts
        show(s.executeQuery("SELECT id, note FROM drv_entry ORDER BY id"));
        System.out.println(s.executeUpdate("UPDATE drv_entry SET note = upper(note) WHERE id <= 3"));
        Savepoint here = c.setSavepoint();
        System.out.println(s.executeUpdate("DELETE FROM drv_entry"));
        c.rollback(here);
        c.commit();
        System.out.println(s.executeUpdate("DELETE FROM drv_entry"));
        c.rollback();
        c.setAutoCommit(true);
        show(s.executeQuery("SELECT b.title, count(e.id), max(e.note) FROM drv_book b LEFT JOIN drv_entry e ON e.book = b.id GROUP BY b.title ORDER BY b.title"));
        for (String sql : new String[] {"INSERT INTO drv_book (id, title) VALUES (1, 'x')", "INSERT INTO drv_entry (book) VALUES (77)", "SELECT 1/0", "SELECT no FROM drv_book", "INSERT INTO drv_book (id) VALUES (99)"}) fails(sql);
        var copy = c.unwrap(org.postgresql.PGConnection.class).getCopyAPI();
        System.out.println(copy.copyIn("COPY drv_entry (book, note) FROM STDIN", new java.io.StringReader("1\tcnrydrvcopied\n2\t\\N\n")));
        System.out.println(copy.copyOut("COPY (SELECT book, note FROM drv_entry WHERE id > 20 ORDER BY id) TO STDOUT", System.out));
        DatabaseMetaData meta = c.getMetaData();
        ResultSet r = meta.getColumns(null, "public", "drv\\_%", "%");
        while (r.next()) System.out.println(r.getString("TABLE_NAME") + " " + r.getString("COLUMN_NAME") + " " + r.getString("TYPE_NAME") + " " + r.getString("IS_NULLABLE"));
        r = meta.getPrimaryKeys(null, "public", "drv_book");
        while (r.next()) System.out.println(r.getString("TABLE_NAME") + " " + r.getString("COLUMN_NAME"));
        r = meta.getImportedKeys(null, "public", "drv_entry");
        while (r.next()) System.out.println(r.getString("PKTABLE_NAME") + " " + r.getString("PKCOLUMN_NAME") + " " + r.getString("FKCOLUMN_NAME") + " " + r.getShort("DELETE_RULE"));
        r = meta.getExportedKeys(null, "public", "drv_book");
        while (r.next()) System.out.println(r.getString("FKTABLE_NAME") + " " + r.getString("FKCOLUMN_NAME") + " " + r.getString("FK_NAME"));
        s.execute("DROP TABLE drv_entry; DROP TABLE drv_book");
        c.close();
    }
}
