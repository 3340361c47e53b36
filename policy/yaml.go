package policy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. The YAML library's time grows with the square of the nesting.
const (
	maxFile  = 1 << 20 // bytes
	maxLine  = 4096    // bytes
	maxDepth = 32      // open brackets
)

// A node is a value of a YAML file and its place. Aliases, tags and merge keys
// are refused before, so a file is exactly the tree that a reader sees.
type node struct {
	at     position
	value  any // nil, bool, int64, float64 or string; unused if the node has fields or items
	fields []field
	items  []*node
	shape  shape
	// refused: the value was reported, and is null here.
	refused bool
}

type shape int

const (
	scalar shape = iota
	list
	mapping
)

// A field is an entry of a mapping, in the order of the file.
type field struct {
	name  string
	at    position
	value *node
}

// get returns the named field's value, or nil if n is no mapping or has none.
func (n *node) get(name string) *node {
	if n != nil {
		for _, f := range n.fields {
			if f.name == name {
				return f.value
			}
		}
	}
	return nil
}

// text returns the named field if it is a string, else "".
func (n *node) text(name string) string { return value[string](n.get(name)) }

// value returns the node's scalar if it has the type, else the zero value: a
// wrong type was reported before.
func value[T any](n *node) T {
	var zero T
	if n == nil {
		return zero
	}
	if v, ok := n.value.(T); ok {
		return v
	}
	return zero
}

// plain returns the tree as encoding/json would decode it.
func (n *node) plain() any {
	switch n.shape {
	case mapping:
		m := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			m[f.name] = f.value.plain()
		}
		return m
	case list:
		l := make([]any, len(n.items))
		for i, item := range n.items {
			l[i] = item.plain()
		}
		return l
	}
	return n.value
}

// readFile reads a configuration or policy file within the limit of size.
func readFile(path string) ([]byte, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		r := report{file: path}
		r.add(position{}, "cannot be read: "+cause(err), "name a file that Clarus may read")
		return nil, r.err()
	}
	return src, nil
}

// parse reads one YAML document. It reports all that it refuses and returns
// nil only if there is no tree to check further.
func (r *report) parse(src []byte) (root *node) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if !r.sane(src) {
		return nil
	}
	defer func() {
		// The library's parser must not take the program down on any input.
		if p := recover(); p != nil {
			r.add(position{1, 1}, "is not understood as YAML", "write plain mappings, lists and scalars")
			root = nil
		}
	}()
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body == nil:
			body = doc.Body
		default:
			r.add(place(doc.Body), "a second document starts here", "one file holds one document")
		}
	}
	if body == nil {
		r.add(position{1, 1}, "the file is empty", "start with version: 1")
		return nil
	}
	return r.convert(body)
}

// sane reports whether the bytes are small and flat enough for the parser.
func (r *report) sane(src []byte) bool {
	if len(src) > maxFile {
		r.add(position{}, fmt.Sprintf("is larger than %d bytes", maxFile), "")
		return false
	}
	if !utf8.Valid(src) || bytes.IndexByte(src, 0) >= 0 {
		r.add(position{}, "is not text in UTF-8", "save it as UTF-8")
		return false
	}
	depth, line, start := 0, 1, 0
	for i, b := range src {
		switch b {
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		case '\n':
			line, start = line+1, i+1
		}
		if depth > maxDepth {
			r.add(position{line, 1}, fmt.Sprintf("brackets are open more than %d deep", maxDepth), "")
			return false
		}
		if i-start > maxLine {
			r.add(position{line, 1}, fmt.Sprintf("the line is longer than %d bytes", maxLine), "break it")
			return false
		}
	}
	return true
}

func (r *report) syntax(err error) {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		r.add(tokenPlace(e.GetToken()), e.GetMessage(), "")
		return
	}
	r.add(position{1, 1}, "is not understood as YAML", "write plain mappings, lists and scalars")
}

var exponent = regexp.MustCompile(`^-?[0-9]{1,20}[eE][-+]?[0-9]{1,3}$`)

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// convert makes the node of a library's node; what it refuses becomes null.
func (r *report) convert(n ast.Node) *node {
	out := &node{at: place(n)}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.shape = mapping
		for _, v := range n.Values {
			r.field(out, v)
		}
	case *ast.MappingValueNode:
		out.shape = mapping
		r.field(out, n)
	case *ast.SequenceNode:
		out.shape = list
		for _, v := range n.Values {
			out.items = append(out.items, r.convert(v))
		}
	case *ast.StringNode:
		out.value = n.Value
		if n.Token.Type == token.StringType && exponent.MatchString(n.Value) { // a number in YAML 1.2, which the library takes for text
			if x, err := strconv.ParseFloat(n.Value, 64); err == nil {
				out.value = x
			}
		}
	case *ast.LiteralNode:
		out.value = n.Value.Value
	case *ast.BoolNode:
		out.value = n.Value
	case *ast.FloatNode:
		out.value = n.Value
	case *ast.NullNode:
	case *ast.IntegerNode:
		r.integer(out, n)
	default:
		r.add(out.at, "anchors, aliases, tags and special numbers are not used here", "write the value out")
		out.refused = true
	}
	return out
}

func (r *report) integer(out *node, n *ast.IntegerNode) {
	switch v := n.Value.(type) {
	case int64:
		out.value = v
	case uint64:
		out.value = v
	}
	if v, ok := out.value.(uint64); ok && v < 1<<63 {
		out.value = int64(v)
	}
	if !decimal.MatchString(n.Token.Value) {
		r.add(out.at, "the number is not written in plain decimal digits", fmt.Sprintf("write %v", out.value))
	}
}

// field adds an entry to a mapping and reports a name that is there already.
func (r *report) field(to *node, v *ast.MappingValueNode) {
	at := place(v.Key)
	key, ok := v.Key.(*ast.StringNode)
	if !ok {
		r.add(at, "the key is not text", "write it in quotes; merge keys and ? keys are not used here")
		return
	}
	child := r.convert(v.Value)
	for _, f := range to.fields {
		if f.name == key.Value {
			r.add(at, fmt.Sprintf("%s is given twice", key.Value), fmt.Sprintf("the first is at line %d; keep one", f.at.line))
			return
		}
	}
	if child.shape == scalar && child.value == nil && !child.refused {
		child.at = at // an absent value has no place of its own
	}
	to.fields = append(to.fields, field{key.Value, at, child})
}

// place is where a reader sees the value begin; the library names a block
// mapping by its first colon.
func place(n ast.Node) position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return place(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return place(n.Key)
	}
	return tokenPlace(n.GetToken())
}

func tokenPlace(t *token.Token) position {
	if t == nil || t.Position == nil || t.Position.Line < 1 {
		return position{1, 1}
	}
	return position{t.Position.Line, max(1, t.Position.Column)}
}
