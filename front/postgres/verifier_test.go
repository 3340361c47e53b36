package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/clarus-project/clarus"
)

// stored is what PostgreSQL 15.18 made of passwords.
var stored = []struct{ password, verifier string }{
	{"correct horse", fromPostgres},
	{"pa\u00a0sse \u00aa", // SASLprep makes "pa sse a" of it
		"SCRAM-SHA-256$4096:zro3+LA0vJ8ptQ/5f3w7uw==$HJEtnIyga/1vFCwl/Wh7kcp+o850B2G+Qnm+qOMJq0o=:UDpm3IQ14mguaQ6HsCLOfAroEHay7HmlLCs2EZeoyP0="},
	{"a\x01b", // SASLprep refuses it: taken as it is
		"SCRAM-SHA-256$4096:eI20NWlFlC/HHkpgnK+KPg==$qylxUJi985fcKlu2ueAja6suqP3cItAbnnKQS66qw+8=:0tR+q6erMwYtXrb7687nO2Wks7OjuHTg2aGop6Snr0Q="},
	{"I\u00adX\u0627", // so does its rule for two directions
		"SCRAM-SHA-256$4096:a8ctnhPgt5imLWpz9q0LNA==$dgc57ImaoHZywtKU4ujs1FyWebLrqO8iVwPJRk27F9Q=:k5HBNfNqohcqRLMb1W/4BU8QfIgj6LXftuubTIfcsNI="},
}

const fromPostgres = "SCRAM-SHA-256$4096:WfNCVBqvYETJmdnNMg3e3w==$xz62uGheogvmIt2CMVVRqsGFjcxVUizLpPerOVGqpfI=:MQi2xmJklaS8NkZoL4flI2SKVGEJofsavgXxwmTH5Gk="

// TestVerifierVectors derives the same from the same password and salt.
func TestVerifierVectors(t *testing.T) {
	for _, tt := range stored {
		v, err := ParseVerifier(tt.verifier)
		if err != nil || v.Encode() != tt.verifier {
			t.Fatalf("%q: %q, %v", tt.password, v.Encode(), err)
		}
		again, err := derive(tt.password, []byte(v.reveal().Salt))
		if err != nil || again.Encode() != tt.verifier {
			t.Errorf("%q: %q, %v, want %q", tt.password, again.Encode(), err, tt.verifier)
		}
	}
}

func TestVerifierForm(t *testing.T) {
	for name, s := range map[string]string{
		"empty":             "",
		"MD5":               "md5d41d8cd98f00b204e9800998ecf8427e",
		"plain":             "correct horse",
		"no iterations":     strings.Replace(fromPostgres, "4096", "", 1),
		"zero iterations":   strings.Replace(fromPostgres, "4096", "0", 1),
		"negative":          strings.Replace(fromPostgres, "4096", "-1", 1),
		"too many":          strings.Replace(fromPostgres, "4096", "4294967296", 1),
		"no salt":           "SCRAM-SHA-256$4096:$" + strings.SplitN(fromPostgres, "$", 3)[2],
		"short keys":        "SCRAM-SHA-256$4096:WfNCVBqvYETJmdnNMg3e3w==$AAAA:AAAA",
		"another scheme":    strings.Replace(fromPostgres, "256", "512", 1),
		"a part too many":   fromPostgres + "$",
		"not base64":        strings.Replace(fromPostgres, "WfNC", "Wf!C", 1),
		"bytes at the end":  fromPostgres + "A",
		"line end in there": strings.Replace(fromPostgres, "WfNC", "Wf\nNC", 1),
	} {
		if _, err := ParseVerifier(s); err == nil {
			t.Errorf("%s: %q was accepted", name, s)
		}
	}
}

// TestVerifierAdmits logs in with verifiers from each source.
func TestVerifierAdmits(t *testing.T) {
	parsed, err := ParseVerifier(fromPostgres)
	if err != nil {
		t.Fatal(err)
	}
	made, err := MakeVerifier("pa\u00a0sse")
	if err != nil {
		t.Fatal(err)
	}
	users := map[string]Verifier{"parsed": parsed, "made": made, "zero": {}}
	h := start(t, func(o *Options) {
		o.Users = func(name string) (Verifier, bool) { v, ok := users[name]; return v, ok }
	})
	for _, tt := range []struct {
		user, password string
		ok             bool
	}{
		{"parsed", "correct horse", true}, {"parsed", "correct horsf", false},
		{"made", "pa sse", true}, {"made", "pa\u00a0sse", true}, {"made", "passe", false},
		{"zero", "", false}, {"zero", "x", false},
	} {
		cfg := h.config()
		cfg.User, cfg.Password = tt.user, tt.password
		pc, err := pgconn.ConnectConfig(context.Background(), cfg)
		if (err == nil) != tt.ok {
			t.Errorf("%s, %q: %v", tt.user, tt.password, err)
		}
		if err == nil {
			pc.Close(context.Background())
		}
	}
}

func TestVerifierHides(t *testing.T) {
	v, err := ParseVerifier(fromPostgres)
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ v Verifier }{v}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, x := range []any{v, &v, hidden, &hidden} {
			if s := fmt.Sprintf(format, x); strings.Contains(s, "WfNC") || strings.Contains(s, "59f342") || strings.Contains(s, "Y\xf3B") {
				t.Errorf("%s shows %s", format, s)
			}
		}
	}
	if _, err := MakeVerifier(""); err == nil {
		t.Error("an empty password was accepted")
	}
}

func TestMock(t *testing.T) {
	key := []byte("key")
	a := mock(key, "a").reveal()
	if b := mock(key, "a").reveal(); b.Salt != a.Salt {
		t.Error("asked twice, an unknown user has two salts")
	}
	if b := mock(key, "b").reveal(); b.Salt == a.Salt {
		t.Error("unknown users share a salt")
	}
	if b := mock([]byte("other"), "a").reveal(); b.Salt == a.Salt {
		t.Error("the salt does not depend on the key")
	}
	real, err := MakeVerifier("x")
	if err != nil {
		t.Fatal(err)
	}
	if c := real.reveal(); len(c.Salt) != len(a.Salt) || c.Iters != a.Iters {
		t.Error("a mock looks different")
	}
}

// TestCodes checks that each kind has an SQLSTATE of its own.
func TestCodes(t *testing.T) {
	seen := map[string]clarus.Kind{}
	for kind := clarus.Internal; kind <= clarus.Shutdown; kind++ {
		e, fatal, _ := present(&clarus.Error{Kind: kind, Msg: "m"})
		if other, twice := seen[e.Code]; len(e.Code) != 5 || twice {
			t.Errorf("kind %d has code %q, as kind %d has", kind, e.Code, other)
		}
		seen[e.Code] = kind
		if fatal != (kind == clarus.Shutdown) {
			t.Errorf("kind %d: fatal %t", kind, fatal)
		}
	}
	if e, _, _ := present(&clarus.Error{Kind: clarus.Shutdown + 1}); e.Code != "XX000" || e.Message == "" {
		t.Errorf("an unknown kind: %v", e)
	}
}
