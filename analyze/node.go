package analyze

import (
	"strconv"
	"strings"

	"github.com/clarus-project/clarus"
)

// maxDepth bounds the recursion over a tree. PostgreSQL's own stack limit
// lets no deeper tree out with its default settings.
const maxDepth = 20000

type nodeKind uint8

const (
	atom   nodeKind = iota // text is the token, still escaped
	object                 // text is the tag, kids are the labelled fields
	list                   // kids are the elements
	datum                  // text is "LENGTH [ BYTE BYTE ... ]"
)

// A node is one value of the dump. Its strings point into the dump.
type node struct {
	label string // the field's name, inside an object
	text  string
	kids  []node
	kind  nodeKind
}

// unreadable is the error for text that is not a tree of PostgreSQL 15, or
// that cannot be told for certain to be one. It never quotes the text.
func unreadable(msg string) error {
	return &clarus.Error{Op: "analyze", Kind: clarus.Unsupported,
		Msg: "the statement's analysis cannot be read: " + msg, Hint: "Use shorter, plainer names, or a simpler statement."}
}

// A reader turns text into nodes. Children are collected on stack and then
// moved to arena, so that a tree costs a handful of allocations.
type reader struct {
	s     string
	i     int
	depth int
	loose bool // words without a label are allowed (raw trees in utility statements)
	stack []node
	arena []node
}

// readTree parses a whole, unwrapped dump.
func readTree(s string) (node, error) {
	r := reader{s: s, loose: strings.HasPrefix(s, "({QUERY :commandType 6 "),
		stack: make([]node, 0, 64), arena: make([]node, 0, len(s)/14+16)}
	n, err := r.value()
	if err != nil {
		return node{}, err
	}
	if r.skip(); r.i < len(r.s) {
		return node{}, unreadable("there is text after the tree")
	}
	return n, nil
}

func (r *reader) skip() {
	for r.i < len(r.s) && (r.s[r.i] == ' ' || r.s[r.i] == '\n' || r.s[r.i] == '\t') {
		r.i++
	}
}

// peek returns the next byte that is not white space, 0 at the end.
func (r *reader) peek() byte {
	if r.skip(); r.i < len(r.s) {
		return r.s[r.i]
	}
	return 0
}

// token reads up to an unescaped space or bracket. It is empty at a bracket.
func (r *reader) token() string {
	start := r.i
	for r.i < len(r.s) {
		switch r.s[r.i] {
		case ' ', '\n', '\t', '(', ')', '{', '}':
			return r.s[start:r.i]
		case '\\':
			r.i++
		}
		r.i++
	}
	r.i = min(r.i, len(r.s))
	return r.s[start:r.i]
}

// value reads one value: an object, a list, a datum or an atom.
func (r *reader) value() (node, error) {
	if r.depth++; r.depth > maxDepth {
		return node{}, unreadable("it is nested too deeply")
	}
	defer func() { r.depth-- }()
	switch r.peek() {
	case '{':
		r.i++
		return r.object()
	case '(':
		r.i++
		return r.list()
	case 0, ')', '}':
		return node{}, unreadable("a value is missing")
	}
	start := r.i
	text := r.token()
	if r.peek() != '[' || text[0] < '0' || text[0] > '9' {
		return node{kind: atom, text: text}, nil
	}
	end := strings.IndexByte(r.s[r.i:], ']')
	if end < 0 {
		return node{}, unreadable("a constant does not end")
	}
	r.i += end + 1
	return node{kind: datum, text: r.s[start:r.i]}, nil
}

func (r *reader) list() (node, error) {
	mark := len(r.stack)
	for r.peek() != ')' {
		n, err := r.value()
		if err != nil {
			return node{}, err
		}
		r.stack = append(r.stack, n)
	}
	r.i++
	return node{kind: list, kids: r.commit(mark)}, nil
}

func (r *reader) object() (node, error) {
	r.skip()
	tag := r.token()
	mark := len(r.stack)
	for c := r.peek(); c != '}'; c = r.peek() {
		label := ""
		if c == ':' {
			label = r.token()[1:]
		} else if !r.loose {
			return node{}, unreadable("a field has no label")
		}
		n, err := r.value()
		if err != nil {
			return node{}, err
		}
		n.label = label
		r.stack = append(r.stack, n)
	}
	r.i++
	return node{kind: object, text: tag, kids: r.commit(mark)}, nil
}

// commit moves the nodes above mark to the arena.
func (r *reader) commit(mark int) []node {
	n := len(r.arena)
	r.arena = append(r.arena, r.stack[mark:]...)
	r.stack = r.stack[:mark]
	return r.arena[n:len(r.arena):len(r.arena)]
}

// absent stands for a field that is not there. It is never written to.
var absent node

// field returns the field with this label, or an empty atom.
func (n *node) field(label string) *node {
	for i := range n.kids {
		if n.kids[i].label == label {
			return &n.kids[i]
		}
	}
	return &absent
}

func (n *node) is(tag string) bool { return n.kind == object && n.text == tag }

// int reads a signed number; ok is false for anything else.
func (n *node) int() (v int, ok bool) {
	if n.kind != atom {
		return 0, false
	}
	v, err := strconv.Atoi(n.text)
	return v, err == nil
}

// num is int with 0 for anything else.
func (n *node) num() int { v, _ := n.int(); return v }

// oid reads an OID; 0 for anything else.
func (n *node) oid() uint32 {
	if n.kind != atom {
		return 0
	}
	v, err := strconv.ParseUint(n.text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(v)
}

func (n *node) bool() bool { return n.kind == atom && n.text == "true" }

// present reports whether a node field holds something: NULL prints as <>.
func (n *node) present() bool {
	return n.kind != atom || n.text != "" && n.text != "<>"
}

// name undoes outToken's escapes; NULL gives "".
func (n *node) name() string {
	if n.kind != atom || n.text == "<>" {
		return ""
	}
	if strings.IndexByte(n.text, '\\') < 0 {
		return n.text
	}
	var b strings.Builder
	for i := 0; i < len(n.text); i++ {
		if n.text[i] == '\\' && i+1 < len(n.text) {
			i++
		}
		b.WriteByte(n.text[i])
	}
	return b.String()
}
