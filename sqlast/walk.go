package sqlast

import (
	"maps"
	"regexp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// walk calls visit for every message below m, m itself included.
func walk(m protoreflect.Message, visit func(protoreflect.Message)) {
	visit(m)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				walk(v.List().Get(i).Message(), visit)
			}
		default:
			walk(v.Message(), visit)
		}
		return true
	})
}

// A Name is a relation as a statement writes it.
type Name struct{ Schema, Relation string }

// natural reports a NATURAL JOIN: it joins by whatever columns a table has,
// and those differ at a provider.
func (s *Statement) natural() (found bool) {
	walk(s.tree().ProtoReflect(), func(m protoreflect.Message) {
		if j, ok := m.Interface().(*pg.JoinExpr); ok && j.IsNatural {
			found = true
		}
	})
	return found
}

func (s *Statement) lockingClauses(visit func(*pg.LockingClause)) {
	walk(s.tree().ProtoReflect(), func(m protoreflect.Message) {
		if v, ok := m.Interface().(*pg.LockingClause); ok {
			visit(v)
		}
	})
}

// rangeVars calls visit for every relation that the statement names, except
// in FOR UPDATE OF, where aliases stand.
func (s *Statement) rangeVars(visit func(*pg.RangeVar)) {
	aliases := map[*pg.RangeVar]bool{}
	walk(s.tree().ProtoReflect(), func(m protoreflect.Message) {
		switch v := m.Interface().(type) {
		case *pg.LockingClause:
			for _, n := range v.LockedRels {
				aliases[n.GetRangeVar()] = true
			}
		case *pg.RangeVar:
			if !aliases[v] {
				visit(v)
			}
		}
	})
}

// Relations returns the relations that the statement names, and the names of
// its common table expressions.
func (s *Statement) Relations() (names []Name, ctes []string) {
	s.rangeVars(func(v *pg.RangeVar) { names = append(names, Name{v.Schemaname, v.Relname}) })
	walk(s.tree().ProtoReflect(), func(m protoreflect.Message) {
		if v, ok := m.Interface().(*pg.CommonTableExpr); ok {
			ctes = append(ctes, v.Ctename)
		}
	})
	return names, ctes
}

// Rename replaces every relation for which to returns true. The old name
// becomes the alias where there is none. It reports false if the statement has
// a form that cannot be renamed safely.
func (s *Statement) Rename(to func(Name) (Name, bool)) bool {
	ok := !s.natural()
	s.rangeVars(func(v *pg.RangeVar) {
		if v.Catalogname != "" {
			ok = false
		}
		n, hit := to(Name{v.Schemaname, v.Relname})
		if !hit {
			return
		}
		if v.Alias == nil {
			v.Alias = &pg.Alias{Aliasname: v.Relname}
		}
		v.Schemaname, v.Relname = n.Schema, n.Relation
	})
	walk(s.tree().ProtoReflect(), func(m protoreflect.Message) {
		if c, is := m.Interface().(*pg.ColumnRef); is && len(c.Fields) > 2 {
			ok = false
		}
	})
	return ok
}

// Substituted returns the statement with a sub-query in place of a system
// relation; ok is false where it cannot be put there as the text is written, or
// where the name may mean something else.
func (s *Statement) Substituted(relation, query string) (t *Statement, ok bool) {
	c, err := s.Clone()
	if err != nil {
		return nil, false
	}
	name := regexp.MustCompile(`(?i)^("?pg_catalog"?\s*\.\s*)?"?` + relation + `"?`)
	named := map[int]bool{} // whether it has an alias, by where it stands
	c.rangeVars(func(v *pg.RangeVar) {
		if v.Relname == relation && (v.Schemaname == "" || v.Schemaname == "pg_catalog") {
			named[int(v.Location)] = v.Alias != nil
		}
	})
	if _, ctes := c.Relations(); len(named) == 0 || slices.Contains(ctes, relation) {
		return nil, false
	}
	text := s.Text
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(named))) {
		if at < 0 || at > len(text) {
			return nil, false
		}
		old := name.FindString(text[at:])
		alias := ""
		if !named[at] {
			alias = " AS " + relation
		}
		text = text[:at] + "(" + query + ")" + alias + text[at+len(old):]
		if old == "" {
			return nil, false
		}
	}
	list, err := Parse(text)
	if err != nil || len(list) != 1 {
		return nil, false
	}
	list[0].Offset = s.Offset
	return list[0], true
}
