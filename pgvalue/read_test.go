package pgvalue_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/clarus-project/clarus/pgvalue"
)

// tryFunction gives the send format of a text read as a type, or NULL.
const tryFunction = `create function try(typ text, send text, v text) returns text language plpgsql as $$ declare b text; begin
execute format('select encode(%s(%L::%s), ''hex'')', send, v, typ) into b; return b; exception when others then return null; end $$;`

// spellings are texts near those that Read takes.
func spellings(r *rand.Rand, k kind) []string {
	list := slices.Clone(k.edges)
	for range 100 {
		list = append(list, k.random(r))
	}
	switch k.oid {
	case pgvalue.BoolOID:
		list = append(list, "true", "false", "1", "0", "TRUE", "yes", "2", "tr", "")
	case pgvalue.TimestampOID, pgvalue.TimestamptzOID, pgvalue.DateOID, pgvalue.TimeOID:
		list = append(list, "2024-02-29", "2023-02-29", "2024-02-29 12:00:00", "2024-02-29T12:00:00.123456", "2024-02-29 12:00:00.1234567", "2024-02-29 24:00:00",
			"2024-02-29 23:59:60", "2024-02-29 12:00:00Z", "2024-02-29 12:00:00+14", "2024-02-29 12:00:00-14:30", "2024-02-29 12:00:00+05:45", "0000-01-01", "9999-12-31", "0001-01-01",
			"01-02-2003", "12:00:00", "12:00:00.5", "23:59:59.999999", "12:00", "2024-2-29", "2024-13-01", "2024-01-32", "2024-02-29 12:00:00 ", "1900-03-01", "2000-02-29", "1999-12-31 23:59:59.999999+00")
	case pgvalue.Int2OID, pgvalue.Int4OID, pgvalue.Int8OID, pgvalue.OIDOID, pgvalue.NumericOID, pgvalue.Float4OID, pgvalue.Float8OID:
		list = append(list, "", "-", "+1", " 1", "1 ", "007", "-0", "1_000", "0x10", "1.", ".5", "-.5", "1.5.5", "1e5", "1E+5", "1e-5", "--1", "32768", "2147483648", "9223372036854775808",
			"4294967296", "-1", "1e400", "1e-400", "1e39", "1e-46", "0e5", "1e", "1e5.5", "99999999999999999999999999999999.999999999999999999999", "0.10", "00.0100", "123456789012345678901234567890")
	case pgvalue.UUIDOID:
		list = append(list, "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}", "a0eebc999c0b4ef8bb6d6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g")
	case pgvalue.ByteaOID:
		list = append(list, `\xAbCd`, `\x0`, `\x 00`, `abc`, `\000`, `\xzz`)
	}
	for _, s := range slices.Clone(list) { // one byte changed
		if b := []byte(s); len(b) > 0 && b[0] < 0x80 {
			b[0] = "0123456789-+. eEtf\\"[r.IntN(19)]
			list = append(list, string(b))
		}
		if b := []byte(s); len(b) > 1 && !slices.ContainsFunc(b, func(c byte) bool { return c >= 0x80 }) {
			b[1+r.IntN(len(b)-1)] = "0123456789-+:. eEzZ"[r.IntN(19)]
			list = append(list, string(b))
		}
	}
	return list
}

// TestReadIsPostgres holds Read against what the server makes of the same
// texts, under settings that say how dates are read.
func TestReadIsPostgres(t *testing.T) {
	db := startPostgres(t)
	db.query(t, tryFunction)
	r := rand.New(rand.NewPCG(7, 7))
	for _, k := range kinds {
		if k.oid == pgvalue.BPCharOID {
			k.name = "bpchar"
		}
		t.Run(k.name, func(t *testing.T) {
			texts := spellings(r, k)
			for _, style := range []string{"ISO, MDY", "German, DMY", "SQL, YMD"} {
				var sql strings.Builder
				fmt.Fprintf(&sql, "set standard_conforming_strings = on; set datestyle = %s; set timezone = 'Asia/Kolkata'; select n, try(%s, %s, v) from (values ",
					quoted(style), quoted(k.name), quoted(k.send))
				for i, s := range texts {
					if i > 0 {
						sql.WriteByte(',')
					}
					fmt.Fprintf(&sql, "(%d, %s)", i, quoted(s))
				}
				rows := db.query(t, sql.String()+") t(n, v) order by n")
				rows = rows[len(rows)-len(texts):]
				read := 0
				for i, s := range texts {
					got, ok := pgvalue.Read(k.oid, []byte(s))
					if !ok {
						continue
					}
					if read++; hex.EncodeToString(got) != rows[i][1] {
						t.Errorf("%s: Read(%q) = %x, PostgreSQL says %q", style, s, got, rows[i][1])
					}
				}
				if _, known := pgvalue.Sent(k.oid, bytes.Repeat([]byte{0}, width(k.oid))); known && read < len(texts)/20 {
					t.Errorf("only %d of %d texts are read", read, len(texts))
				}
			}
		})
	}
}

func width(oid uint32) int {
	n, _ := pgvalue.Width(oid)
	return n
}

// TestSentIsPostgres shows that Sent leaves alone what the server sends.
func TestSentIsPostgres(t *testing.T) {
	db := startPostgres(t)
	for i, k := range kinds {
		fill(t, db, i, k, 300)
		for _, row := range db.query(t, fmt.Sprintf("select encode(%s(v),'hex') from s%d order by n", k.send, i)) {
			b := unhex(t, row[0])
			if got, ok := pgvalue.Sent(k.oid, b); ok && !bytes.Equal(got, b) {
				t.Errorf("%s: Sent(%x) = %x", k.name, b, got)
			}
		}
	}
	for _, bad := range []struct {
		oid uint32
		b   string
	}{{pgvalue.TextOID, "a\x00"}, {pgvalue.TextOID, "\xff"}, {pgvalue.Int4OID, "\x00"}, {pgvalue.DateOID, "\x7f\xff\xff\xfe"}, {pgvalue.NumericOID, "\x00\x01"}, {pgvalue.JSONBOID, "\x01{}"}} {
		if got, ok := pgvalue.Sent(bad.oid, []byte(bad.b)); ok {
			t.Errorf("Sent(%d, %q) = %x", bad.oid, bad.b, got)
		}
	}
	if got, ok := pgvalue.Sent(pgvalue.BoolOID, []byte{7}); !ok || !bytes.Equal(got, []byte{1}) {
		t.Errorf("Sent(bool, 7) = %x, %v", got, ok)
	}
}

// TestFitIsPostgres holds Fit against columns with a type modifier.
func TestFitIsPostgres(t *testing.T) {
	db := startPostgres(t)
	for i, c := range []struct {
		name, base, modified string
	}{{"varchar", "varchar", "varchar(3)"}, {"char(8)", "bpchar", "char(8)"}, {"numeric", "numeric", "numeric(12,4)"}, {"numeric", "numeric", "numeric(40,35)"},
		{"numeric", "numeric", "numeric(5)"}, {"timestamp", "timestamp", "timestamp(2)"}, {"time", "time", "time(0)"}, {"timestamptz", "timestamptz", "timestamptz(3)"}} {
		k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == c.name })]
		t.Run(c.modified, func(t *testing.T) {
			fill(t, db, i, k, 300)
			db.query(t, fmt.Sprintf(`create table m%[1]d (n int, v %[3]s); create or replace function put%[1]d(n int, v %[2]s) returns void language plpgsql as $$ begin
				insert into m%[1]d values (n, v); exception when others then null; end $$; select put%[1]d(n, v) from s%[1]d`, i, c.base, c.modified))
			typmod := db.query(t, fmt.Sprintf("select atttypmod from pg_attribute where attrelid = 'm%d'::regclass and attname = 'v'", i))[0][0]
			var mod int32
			if _, err := fmt.Sscan(typmod, &mod); err != nil {
				t.Fatal(err)
			}
			fits, all := 0, 0
			for _, row := range db.query(t, fmt.Sprintf("select encode(%[1]s(s.v::%[3]s),'hex'), encode(%[1]s(m.v),'hex') from s%[2]d s left join m%[2]d m using (n) order by n", k.send, i, c.base)) {
				all++
				got, ok := pgvalue.Fit(k.oid, mod, unhex(t, row[0]))
				if !ok {
					continue
				}
				if fits++; hex.EncodeToString(got) != row[1] {
					t.Errorf("Fit(%s) = %x, PostgreSQL says %q", row[0], got, row[1])
				}
			}
			if fits < all/20 {
				t.Errorf("only %d of %d values fit", fits, all)
			}
		})
	}
}

// TestCastIsPostgres holds Cast against the server's casts.
func TestCastIsPostgres(t *testing.T) {
	db := startPostgres(t)
	for i, k := range kinds {
		if k.oid == pgvalue.BPCharOID {
			continue
		}
		fill(t, db, i, k, 100)
		values := db.query(t, fmt.Sprintf("select encode(%s(v),'hex') from s%d order by n", k.send, i))
		for _, to := range kinds {
			if to.oid == k.oid {
				continue
			}
			name := strings.TrimSuffix(to.name, "(8)")
			if to.oid == pgvalue.BPCharOID {
				name = "bpchar"
			}
			known := 0
			for _, row := range values {
				if _, ok := pgvalue.Cast(k.oid, to.oid, unhex(t, row[0])); ok {
					known++
				}
			}
			if known == 0 {
				continue
			}
			rows := db.query(t, fmt.Sprintf(`create or replace function cast%[1]d(v %[2]s) returns %[3]s language plpgsql as $$ begin return v::%[3]s; exception when others then return null; end $$;
				select encode(%[4]s(v),'hex'), encode(%[5]s(cast%[1]d(v)),'hex') from s%[1]d order by n; drop function cast%[1]d`, i, k.name, name, k.send, to.send))
			for _, row := range rows[1 : len(rows)-1] { // between the tags of the other commands
				if got, ok := pgvalue.Cast(k.oid, to.oid, unhex(t, row[0])); ok && hex.EncodeToString(got) != row[1] {
					t.Errorf("Cast(%s, %s, %s) = %x, PostgreSQL says %q", k.name, name, row[0], got, row[1])
				}
			}
		}
	}
}
