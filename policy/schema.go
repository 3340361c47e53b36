package policy

import (
	"bytes"
	"embed"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:embed schema/*.json
var schemas embed.FS

// ConfigSchema returns the published JSON Schema of configuration files.
func ConfigSchema() []byte { return published("config") }

// PolicySchema returns the published JSON Schema of policy files.
func PolicySchema() []byte { return published("policy") }

// PublishSchema returns the published JSON Schema of publishing policies.
func PublishSchema() []byte { return published("publish") }

func published(name string) []byte {
	b, err := schemas.ReadFile("schema/" + name + ".schema.json")
	if err != nil {
		panic(err) // embedded at build time
	}
	return b
}

// A grammar is a schema ready to check trees, and its text to explain with.
type grammar struct {
	schema *jsonschema.Schema
	doc    any
}

var (
	configGrammar  = sync.OnceValue(func() grammar { return compile("config") })
	policyGrammar  = sync.OnceValue(func() grammar { return compile("policy") })
	publishGrammar = sync.OnceValue(func() grammar { return compile("publish") })
)

// compile panics on a broken schema: it is embedded, and the tests load it.
func compile(name string) grammar {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(published(name)))
	if err != nil {
		panic(err)
	}
	id := "urn:clarus:schema:" + name + ":1"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(id, doc); err != nil {
		panic(err)
	}
	return grammar{c.MustCompile(id), doc}
}
