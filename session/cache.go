package session

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/audit"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/sqlast"
)

// A meaning is what the twin said of a statement, and how it is carried out.
// It is shared and never changed.
type meaning struct {
	params []uint32
	fields []pgwire.Field
	plan   *plan.Plan

	// Where it was found by a statement's form (forms.go):
	kind      sqlast.Kind
	shape     audit.Shape
	constants []uint32 // types of the literals that the plan takes as parameters, behind params
}

// A question is all that a meaning depends on.
type question struct {
	schema   *catalog.Catalog // one version of one database; privileges are part of it
	user     string
	settings string // those that change meanings
	text     string
	oids     string
}

// A Cache keeps the meanings of statements for all sessions, so that a
// statement which comes again costs the twin nothing. The zero value is ready.
type Cache struct {
	meanings generations[meaning]
	forms    generations[form]
}

// generations keep what was asked for lately. The zero value is ready.
type generations[V any] struct {
	mu         sync.Mutex
	young, old map[question]*V
	bytes      int // of the texts in young
}

const (
	cacheSize    = 4096    // most entries of each generation
	cacheBytes   = 8 << 20 // most bytes of text in it
	cacheLongest = 1 << 14 // bytes of text
)

func (c *generations[V]) get(q question) *V {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := c.young[q]
	if v == nil {
		if v = c.old[q]; v != nil {
			c.add(q, v)
		}
	}
	return v
}

func (c *generations[V]) put(q question, v *V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(q, v)
}

// add makes room by forgetting what was not asked for since the last time.
func (c *generations[V]) add(q question, v *V) {
	if c.young == nil || len(c.young) >= cacheSize || c.bytes >= cacheBytes {
		c.old, c.young, c.bytes = c.young, make(map[question]*V), 0
	}
	c.bytes += len(q.text)
	c.young[q] = v
}

// passing matches texts with constants whose value depends on when they are
// read, or that may be spelled so that this does not show.
var passing = regexp.MustCompile(`(?i)\b(today|tomorrow|yesterday)\b|\bnow\b\s*([^(\s]|$)|\\|\bu&`)

// question returns what the meaning of a statement depends on; ok is false
// where it may not be kept.
func (s *Session) question(p *statement) (q question, ok bool) {
	text := p.st.Text
	if s.ddl != nil || len(text) > cacheLongest || passing.MatchString(text) {
		return q, false
	}
	return s.ask(text, p.oids), true
}

func (s *Session) ask(text string, oids []uint32) question {
	var list []byte
	for _, oid := range oids {
		list = binary.BigEndian.AppendUint32(list, oid)
	}
	return question{s.catalog(), s.who.User, s.settings.meaning(), text, string(list)}
}

const timetz = 1266

// lasting reports whether a statement means the same whenever it is asked: a
// time with a zone's name is read with that day's offset.
func lasting(list []*analyze.Statement) bool {
	return !slices.ContainsFunc(list, func(st *analyze.Statement) bool { return slices.Contains(st.Types, timetz) })
}

// meaning tells the settings that may change what statements mean.
func (t *settings) meaning() string {
	if t.printed == t.edition+1 {
		return t.print
	}
	var list []string
	for name, text := range t.current {
		if known[name]&atTwin != 0 && name != "application_name" && name != "statement_timeout" {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	t.print, t.printed = strings.Join(list, ";"), t.edition+1
	return t.print
}
