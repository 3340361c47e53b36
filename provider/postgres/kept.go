package postgres

import (
	"hash/maphash"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/provider"
)

// A keptStatement is one that the server has prepared under a name, so that it
// is parsed and planned once and not each time.
type keptStatement struct {
	name      string // never used again for another statement of the session
	sql       string
	types     []uint32
	there     bool // the server said so
	described bool
	fields    []pgwire.Field // if described
	used      uint64
}

// called is the name to bind; that of nil is the unnamed statement.
func (k *keptStatement) called() string {
	if k == nil {
		return ""
	}
	return k.name
}

// mostKept bounds the statements that a session keeps at the server.
const mostKept = 128

// kept are the statements that a session keeps. A statement is kept from the
// second time on: what comes once costs no name.
//
// The meaning of a statement's text may depend on settings, which the server
// looks at when it parses. So where a setting was changed nothing is kept, and
// nothing kept is used, until the transaction has ended and with it what was
// local; then all is forgotten. Physical names carry the schema's generation, so
// the text of a statement that is planned anew is another.
type kept struct {
	bySQL     map[string]*keptStatement
	seen      map[uint64]bool // hashes of what came once
	seed      maphash.Seed
	named     int      // names given so far
	clock     uint64   // uses so far
	closing   []string // names that the server is to forget
	unsettled bool     // a setting was changed in the transaction
}

// keep returns the kept statement to run for s, or nil for the unnamed one.
// What the server has to do first is queued; prepared reads its answers.
func (p *session) keep(s provider.Statement) *keptStatement {
	k := &p.kept
	if changesSettings(s.SQL) {
		k.unsettled = true
	}
	var found *keptStatement
	if !k.unsettled {
		found = k.find(s)
	}
	for _, name := range k.closing {
		p.c.CloseObject('S', name)
	}
	if found != nil && !found.there {
		p.c.Parse(found.name, s.SQL, s.Types)
	}
	return found
}

func (k *kept) find(s provider.Statement) *keptStatement {
	k.clock++
	if found := k.bySQL[s.SQL]; found != nil {
		if sameTypes(found.types, s.Types) {
			found.used = k.clock
			return found
		}
		k.drop(found)
	}
	if k.bySQL == nil {
		k.bySQL, k.seen, k.seed = map[string]*keptStatement{}, map[uint64]bool{}, maphash.MakeSeed()
	}
	if hash := maphash.String(k.seed, s.SQL); !k.seen[hash] {
		if len(k.seen) >= 4*mostKept {
			clear(k.seen)
		}
		k.seen[hash] = true
		return nil
	}
	if len(k.bySQL) >= mostKept {
		var oldest *keptStatement
		for _, other := range k.bySQL {
			if oldest == nil || other.used < oldest.used {
				oldest = other
			}
		}
		k.drop(oldest)
	}
	k.named++
	made := &keptStatement{name: "clarus" + strconv.Itoa(k.named), sql: s.SQL, types: s.Types, used: k.clock}
	k.bySQL[s.SQL] = made
	return made
}

// drop forgets a statement; the server is told with the next one.
func (k *kept) drop(s *keptStatement) {
	if k.bySQL[s.sql] == s {
		delete(k.bySQL, s.sql)
	}
	if s.there {
		s.there = false
		k.closing = append(k.closing, s.name)
	}
}

// prepared reads the answers to what keep queued.
func (p *session) prepared(s *keptStatement) error {
	for range p.kept.closing {
		if _, err := p.expect("3"); err != nil {
			return err
		}
	}
	p.kept.closing = nil
	if s == nil || s.there {
		return nil
	}
	if _, err := p.expect("1"); err != nil {
		p.kept.drop(s)
		return err
	}
	s.there = true
	return nil
}

// forget drops a statement that failed: it is prepared anew if it comes again.
func (p *session) forget(s *keptStatement) {
	if s != nil {
		p.kept.drop(s)
	}
}

// forgetAll drops all statements: settings changed that they may depend on.
func (p *session) forgetAll() {
	for _, s := range p.kept.bySQL {
		p.kept.drop(s)
	}
	p.kept.unsettled = false
}

// changesSettings reports whether a statement may change what others mean.
func changesSettings(sql string) bool {
	word, rest, _ := strings.Cut(sql, " ")
	switch strings.ToUpper(word) {
	case "SET":
		next, _, _ := strings.Cut(rest, " ")
		next = strings.ToUpper(next)
		return next != "CONSTRAINTS" && next != "TRANSACTION"
	case "RESET", "DISCARD", "DEALLOCATE":
		return true
	}
	return false
}
