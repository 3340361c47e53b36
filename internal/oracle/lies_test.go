package oracle_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clarus-project/clarus/internal/oracle"
)

// TestLies has a message of any kind come from the provider before its answer
// to a client's statement. The statement ends as it would have, or with an
// error of the connection; what the client sends next goes nowhere else; and
// the next session works.
func TestLies(t *testing.T) {
	s := onStage(t)
	message := func(kind byte, body string) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
	}
	statements := []string{
		"SELECT name FROM f_person WHERE name = 'cnryfuzzedname22'", "SELECT max(note) FROM f_person", "INSERT INTO f_person (note) VALUES ('cnryfuzzednote33')",
		"COPY f_person (note) FROM STDIN", "COPY f_person TO STDOUT", "BEGIN; UPDATE f_visit SET ward = 'cnryfuzzedward33' WHERE id = 1; COMMIT", "SELECT id FROM f_person WHERE id = 1",
		"SELECT note FROM f_person WHERE note LIKE 'cnryfuzzed%'",
	}
	bodies := []string{"", "\x00\x00\x00", "\x00\x01\x00\x00\x00\x01x", "SELECT 1\x00", "SERROR\x00C22012\x00Mfrom afar\x00\x00", "client_encoding\x00LATIN1\x00", "\x00\x00\x00\x03"}
	for _, kind := range []byte("123ACDEGHIKNRSTVWZcdnstv!") {
		for i, body := range bodies {
			if !soaking && (int(kind)+i)%3 != 0 && !(kind == 'E' && i == 4) {
				continue
			}
			for n, sql := range statements {
				if n == (int(kind)+i)%len(statements) || kind == 'E' && i == 4 {
					lie(t, s, message(kind, body), sql)
				}
			}
		}
	}
}

// lie has the provider say something before its answer to a statement.
func lie(t *testing.T, s *stage, said []byte, sql string) {
	c, err := oracle.Open(t.Context(), s.As("app"))
	if err != nil {
		t.Fatalf("before %q: %v", said, err)
	}
	defer c.Abort()
	if _, err := c.Simple("SELECT name FROM f_person WHERE id = 0", nil); err != nil {
		t.Fatal(err)
	}
	s.Ear.Take()
	s.Ear.Lie(said)
	defer s.Ear.Lie(nil)
	began := time.Now()
	outcomes, lost := c.Simple(sql, []byte("cnryfuzzedcopy22\n"))
	for _, o := range outcomes {
		// Of what the provider computes alone over clear data, it says what is wrong with them.
		alone := strings.HasPrefix(sql, "SELECT id") || strings.HasPrefix(sql, "SELECT name")
		if o.Err != nil && (strings.Contains(o.Err.Message, "afar") && !alone || !slices.Contains([]string{"08P01", "08006", "XX001", "22012", "25P02", "XX000"}, o.Err.Code)) {
			t.Errorf("%q before the answer to %s: %s %s", said, sql, o.Err.Code, o.Err.Message)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%q before the answer to %s: it took %s", said, sql, took)
	}
	if hits := s.secret.Bytes("", s.Ear.Take()); len(hits) > 0 {
		t.Errorf("%q before the answer to %s: the provider heard %v", said, sql, hits)
	}
	if lost == nil && len(outcomes) == 0 {
		t.Errorf("%q before the answer to %s: no answer", said, sql)
	}
}
