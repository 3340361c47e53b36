package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// check reports every place where the tree breaks the grammar.
func (r *report) check(g grammar, root *node) {
	var e *jsonschema.ValidationError
	if errors.As(g.schema.Validate(root.plain()), &e) {
		r.violation(g, root, e)
	}
}

// violation reports the leaves of the validator's tree of errors.
func (r *report) violation(g grammar, root *node, e *jsonschema.ValidationError) {
	if _, one := e.ErrorKind.(*kind.OneOf); !one && len(e.Causes) > 0 {
		for _, cause := range e.Causes {
			r.violation(g, root, cause)
		}
		return
	}
	v := violation{rule: g.rule(e.SchemaURL), name: "the file"}
	v.node, v.at = root, position{1, 1}
	for _, step := range e.InstanceLocation {
		v.descend(step)
	}
	if v.node.refused {
		return
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		r.unknown(v, k.Properties)
	case *kind.Required:
		r.missing(v, k.Missing)
	case *kind.OneOf:
		r.choice(g, v)
	case *kind.Enum:
		r.enum(v, k.Want)
	case *kind.Const:
		r.add(v.node.at, fmt.Sprintf("%s must be %v", v.name, k.Want), fmt.Sprintf("write %v", k.Want))
	case *kind.Minimum:
		r.add(v.node.at, fmt.Sprintf("%s must be at least %s", v.name, k.Want.RatString()), "")
	case *kind.Maximum:
		r.add(v.node.at, fmt.Sprintf("%s must be at most %s", v.name, k.Want.RatString()), "")
	case *kind.MinProperties, *kind.MinLength:
		r.add(v.node.at, v.name+" is empty", v.rule.example())
	default: // Type, Pattern
		r.add(v.node.at, v.name+" must be "+v.rule.noun(), v.rule.example())
	}
}

// A violation is the place that breaks a rule. The value itself is never
// shown unless the rule lists the words it may be: it might be a password.
type violation struct {
	rule rule
	node *node
	at   position // of the key, where there is one
	name string   // of the key
}

func (v *violation) descend(step string) {
	if v.node.shape == list {
		if i, err := strconv.Atoi(step); err == nil && i < len(v.node.items) {
			v.node = v.node.items[i]
			v.at = v.node.at
		}
		return
	}
	for _, f := range v.node.fields {
		if f.name == step {
			v.node, v.at, v.name = f.value, f.at, f.name
			return
		}
	}
}

// misplaced are keys that an owner may well try, and what to write instead.
var misplaced = map[string]string{
	"password":   "a password never stands in this file: name a variable with password-env, a file with password-file, or give a verifier",
	"passphrase": "a passphrase never stands in this file: use passphrase-env or passphrase-file",
	"root-key":   "a key never stands in this file: use root-key-env",
}

func (r *report) unknown(v violation, names []string) {
	known := v.rule.keys()
	for _, name := range names {
		at := v.at
		for _, f := range v.node.fields {
			if f.name == name {
				at = f.at
			}
		}
		remedy, ok := misplaced[name]
		if !ok {
			remedy = suggest(name, known)
		}
		r.add(at, "unknown key "+name, remedy)
	}
}

func (r *report) missing(v violation, names []string) {
	for _, name := range names {
		msg, remedy := v.name+" lacks "+name, ""
		if noun := v.rule.at("properties", name).noun(); noun != "" {
			remedy = fmt.Sprintf("add %s: %s", name, noun)
		}
		if at := v.rule.at("properties", name).example(); at != "" {
			remedy += ", " + at
		}
		r.add(v.at, msg, remedy)
	}
}

// choice reports that not exactly one of several keys is given.
func (r *report) choice(g grammar, v violation) {
	var all, given []string
	for _, option := range v.rule.list("oneOf") {
		names := rule{g, option}.list("required")
		if len(names) == 0 {
			continue
		}
		name, _ := names[0].(string)
		all = append(all, name)
		if v.node.get(name) != nil {
			given = append(given, name)
		}
	}
	if len(given) == 0 {
		r.add(v.at, fmt.Sprintf("%s lacks one of %s", v.name, enumerate(all, "and")), "add one")
		return
	}
	r.add(v.at, fmt.Sprintf("%s has %s, which contradict each other", v.name, enumerate(given, "and")), "keep one")
}

func (r *report) enum(v violation, want []any) {
	words := texts(want)
	msg := fmt.Sprintf("%s must be %s", v.name, enumerate(words, "or"))
	remedy := ""
	if got, ok := v.node.value.(string); ok {
		if word := nearest(got, words); word != "" {
			remedy = "did you mean " + word + "?"
		}
	}
	r.add(v.node.at, msg, remedy)
}

// A rule is one object of a grammar's text.
type rule struct {
	of  grammar
	doc any
}

// rule finds the object that a URL's fragment, a JSON pointer, names.
func (g grammar) rule(url string) rule {
	at := rule{g, g.doc}
	_, pointer, _ := strings.Cut(url, "#")
	for _, step := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		if step != "" {
			at = at.at(strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		}
	}
	return at
}

// at descends by keys and follows references to the schema's own definitions;
// an absent key gives the empty rule.
func (r rule) at(keys ...string) rule {
	for _, k := range keys {
		m, _ := r.doc.(map[string]any)
		r.doc = m[k]
		if m, ok := r.doc.(map[string]any); ok {
			if ref, ok := m["$ref"].(string); ok {
				r = r.of.rule(ref)
			}
		}
	}
	return r
}

func (r rule) list(key string) []any { l, _ := r.at(key).doc.([]any); return l }

func (r rule) keys() []string {
	m, _ := r.at("properties").doc.(map[string]any)
	return slices.Sorted(maps.Keys(m))
}

// noun says what a value must be: the schema's title, else what its type,
// words or keys tell.
func (r rule) noun() string {
	if title, ok := r.at("title").doc.(string); ok {
		return title
	}
	if words := r.list("enum"); len(words) > 0 {
		return enumerate(texts(words), "or")
	}
	switch t := r.at("type").doc; {
	case t == "integer":
		return "a whole number"
	case t == "boolean":
		return "true or false"
	case t == "string":
		return "text"
	case len(r.keys()) == 1:
		return "a mapping with the key " + r.keys()[0]
	case len(r.keys()) > 1:
		return "a mapping with keys from " + enumerate(r.keys(), "and")
	default:
		return ""
	}
}

func texts(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = fmt.Sprint(v)
	}
	return out
}

// example returns "for example x" if the schema has one.
func (r rule) example() string {
	if l := r.list("examples"); len(l) > 0 {
		return fmt.Sprintf("for example %v", l[0])
	}
	return ""
}
