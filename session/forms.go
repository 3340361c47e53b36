package session

import (
	"context"
	"regexp"
	"slices"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
	"github.com/clarus-project/clarus/plan"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// Statements that differ in their literals only have one form, and where that is
// proven one meaning, in which the literals are parameters. It is found by a lexer:
// nothing is parsed, and the twin is not asked.
//
// The proof is made once, when a form comes for the second time: the twin
// analyses the statement as it is, and again with parameters of the constants'
// types in place of the literals. The trees must be the same but for that, and the
// plan is made of the second one, so it cannot depend on a value. A literal of
// which the analyser made no constant (an ordinal, a type's modifier), or one
// whose text is read in several ways (now, 1 day), is no parameter: it stays a part
// of what the meaning is found by.

// A form is what is known of all statements of one form.
type form struct {
	lifted []bool // which literals are parameters; nil: it came once
}

// formed reports whether a text can be looked up by its form. The form is then
// in s.lexed until the next call.
func (s *Session) formed(text string) bool {
	s.lexedText = ""
	if s.ddl != nil || s.failed || s.view != "" || len(text) > cacheLongest || !s.lexed.Lift(text) {
		return false
	}
	s.lexedText = text
	return true
}

// whole is the question for a form, exact for its literals that are no
// parameters too.
func (s *Session) whole(oids []uint32) question { return s.ask("\x02"+string(s.lexed.Form), oids) }

func (s *Session) exact(lifted []bool, oids []uint32) question {
	key := append([]byte{2}, s.lexed.Form...)
	for i, c := range s.lexed.Literals {
		if key = append(key, 0); !lifted[i] {
			key = append(key, s.lexedText[c.From:c.To]...)
		}
	}
	return s.ask(string(key), oids)
}

// recall returns the prepared statement for a text whose meaning is known by
// its form, or nil.
func (s *Session) recall(ctx context.Context, text string, oids []uint32) *statement {
	if !s.formed(text) {
		return nil
	}
	if _, err := s.twin(ctx); err != nil {
		return nil // it comes again where the statement is prepared
	}
	f := s.host.Cache.forms.get(s.whole(oids))
	if f == nil || f.lifted == nil {
		return nil
	}
	m := s.host.Cache.meanings.get(s.exact(f.lifted, oids))
	if m == nil || m.plan == nil {
		return nil
	}
	p := &statement{st: sqlast.Known(text, m.kind), shape: m.shape, oids: oids, params: m.params, fields: m.fields, plan: m.plan, types: m.constants,
		made: s.catalog(), edition: s.settings.edition, kept: true}
	for i, c := range s.lexed.Literals {
		if len(m.constants) == 0 || !f.lifted[i] {
			continue
		}
		value, ok := constant(c, m.constants[len(p.constants)])
		if !ok {
			return nil
		}
		p.constants = append(p.constants, value)
	}
	return p
}

// longestNumber bounds numbers that are parameters: no cast of them overflows.
const longestNumber = 60

// constant reads a literal as the type that the analyser gave it.
func constant(c sqlast.Constant, typ uint32) ([]byte, bool) {
	if typ == 0 || c.Class == sqlast.Numeric && len(c.Value) > longestNumber {
		return nil, false
	}
	return pgvalue.Read(typ, []byte(c.Value))
}

// remember keeps the meaning of a statement that was prepared from the text of
// formed, where it may be kept.
func (s *Session) remember(ctx context.Context, p *statement, oids []uint32) {
	text := s.lexedText
	if text == "" || !p.kept || p.plan == nil || p.inner != nil || p.configs != nil || p.advisory != nil || s.ddl != nil || len(p.constants) > 0 {
		return
	}
	known := &meaning{params: p.params, fields: p.fields, plan: p.plan, kind: p.st.Kind, shape: p.shape}
	forms, meanings, whole := &s.host.Cache.forms, &s.host.Cache.meanings, s.whole(oids)
	f := forms.get(whole)
	if len(s.lexed.Literals) == 0 {
		forms.put(whole, &form{lifted: []bool{}})
		meanings.put(s.exact(nil, oids), known)
		return
	}
	if f == nil {
		forms.put(whole, &form{})
		return
	}
	first := f.lifted == nil
	if first {
		f = &form{lifted: make([]bool, len(s.lexed.Literals))}
	} else if !slices.Contains(f.lifted, true) {
		meanings.put(s.exact(f.lifted, oids), known)
		return
	} else if q := s.exact(f.lifted, oids); meanings.get(q) == nil {
		meanings.put(q, &meaning{}) // it came once
		return
	}
	learnt, lifted := s.learn(ctx, p, oids, f.lifted, first)
	if learnt == nil {
		learnt, lifted = known, make([]bool, len(s.lexed.Literals))
	}
	forms.put(whole, &form{lifted: lifted})
	meanings.put(s.exact(lifted, oids), learnt)
}

// learn proves that a statement's meaning does not depend on the literals in
// lifted, with any on those that it finds to be such, and returns that meaning;
// or nil.
func (s *Session) learn(ctx context.Context, p *statement, oids []uint32, lifted []bool, any bool) (*meaning, []bool) {
	c, err := s.twin(ctx)
	if err != nil {
		return nil, nil
	}
	c.Notices(nil)
	defer c.Notices(s.notice)
	text := s.lexedText
	a, err := c.Analyze(text, oids)
	if err != nil || !slices.Equal(a.Params, p.params) || s.lexed.Params > len(a.Params) {
		return nil, nil
	}
	var places []int
	for _, lit := range s.lexed.Literals {
		places = append(places, lit.From)
	}
	types, err := analyze.ConstantTypes(a.Tree, places)
	if err != nil {
		return nil, nil
	}
	found := slices.Clone(lifted)
	var kept []int
	var constants []uint32
	for i, lit := range s.lexed.Literals {
		_, ok := constant(lit, types[i])
		if found[i] = ok && (any || lifted[i]); found[i] {
			kept, constants = append(kept, lit.From), append(constants, types[i])
		} else if lifted[i] {
			return nil, nil
		}
	}
	if len(kept) == 0 {
		return nil, nil
	}
	m := s.prove(c, p, a, s.lexed.With(text, found, len(a.Params)+1), kept, constants)
	return m, found
}

// prove compares the analysis a of a statement with that of text, in which the
// literals at places are parameters, and plans the latter.
func (s *Session) prove(c *twin.Conn, p *statement, a *twin.Analysis, text string, places []int, constants []uint32) *meaning {
	types := slices.Concat(a.Params, constants)
	b, err := c.Analyze(text, types)
	if err != nil || !slices.Equal(b.Params, types) || !slices.Equal(b.Fields, a.Fields) || !slices.Equal(p.fields, a.Fields) || passing.MatchString(text) {
		return nil
	}
	l, err := analyze.CompareLifted(a.Tree, b.Tree, places, len(a.Params)+1)
	if err != nil || !l.Same {
		return nil
	}
	list, err := analyze.Parse(b.Tree)
	if err != nil || !lasting(list) {
		return nil
	}
	forms, err := sqlast.Parse(text)
	if err != nil || len(forms) != 1 || forms[0].Kind != p.st.Kind {
		return nil
	}
	pl, err := s.choose(s.env(), list, forms[0], b.Fields)
	if err != nil || pl.Class != p.plan.Class || pl.Class == plan.Pass && !s.passes(pl, l) {
		return nil
	}
	return &meaning{params: a.Params, fields: []pgwire.Field(a.Fields), plan: pl, kind: p.st.Kind, shape: p.shape, constants: constants}
}

// passes reports whether a provider that gets a pass plan's constants as
// parameters does what it would do with the constants: it must need none to
// choose a partial index, and none must raise an error before rows are read.
func (s *Session) passes(pl *plan.Plan, l analyze.Lifting) bool {
	for _, t := range pl.Tables {
		for _, x := range t.Relation.Indexes {
			if x.Partial {
				return false
			}
		}
	}
	for _, oid := range l.Operators {
		if op, ok := s.host.Builtins.Operators[oid]; !ok || !comparing.MatchString(op.Name) {
			return false
		}
	}
	return !l.Folds
}

// comparing are operators that look at their arguments when they are run, and
// not, as those for patterns do, when the statement is planned.
var comparing = regexp.MustCompile(`^(=|<>|<|<=|>|>=|\+|-|\*|/|\|\||->|->>)$`)
