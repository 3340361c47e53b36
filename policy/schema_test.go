package policy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/policy"
)

func asClarus(err error) *clarus.Error {
	e, _ := errors.AsType[*clarus.Error](err)
	return e
}

func TestPublishedSchemas(t *testing.T) {
	for file, got := range map[string][]byte{"config": policy.ConfigSchema(), "policy": policy.PolicySchema(), "publish": policy.PublishSchema()} {
		want, err := os.ReadFile("schema/" + file + ".schema.json")
		if err != nil || !bytes.Equal(got, want) || !json.Valid(got) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The examples of the owners' reference are accepted as they stand, or refused
// with the message that follows them.
func TestDocumentedExamples(t *testing.T) {
	doc, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(doc), "```yaml\n")[1:]
	if len(blocks) < 4 {
		t.Fatalf("%d examples", len(blocks))
	}
	const published = "version: 1\nrelease: {k: 5}\nattributes: {id: {class: identifier}, name: {class: identifier}, born: {class: quasi-identifier, type: date}}\n"
	t.Chdir(t.TempDir())
	if err := os.WriteFile("patient.publish.yaml", []byte(published), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		src, after, _ := strings.Cut(b, "```\n")
		if strings.Contains(src, "listen:") {
			_, err = policy.ParseConfig("clarus.yaml", []byte(src))
		} else {
			_, err = policy.Parse("app.policy.yaml", []byte(src), offers)
		}
		want, got := "", ""
		if text, refused := strings.CutPrefix(after, "\n```text\n"); refused {
			want, _, _ = strings.Cut(text, "\n```")
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", src, got, want)
		}
	}
}
