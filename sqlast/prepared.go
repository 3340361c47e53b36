package sqlast

import (
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/clarus-project/clarus"
)

// PreparedName is the name in a Prepare or an Execute statement.
func (s *Statement) PreparedName() string {
	if n := s.tree().GetPrepareStmt(); n != nil {
		return n.Name
	}
	return s.tree().GetExecuteStmt().Name
}

// Prepared is the statement that a Prepare statement prepares, in the client's
// own words.
func (s *Statement) Prepared() (*Statement, error) { return s.after(pg.Token_AS) }

// ConstantArguments reports whether the arguments of an Execute statement are
// written as constants, with casts and arrays of them.
func (s *Statement) ConstantArguments() bool {
	return allConstant(s.tree().GetExecuteStmt().Params)
}

func allConstant(list []*pg.Node) bool {
	for _, n := range list {
		var inner []*pg.Node
		switch v := n.Node.(type) {
		case *pg.Node_AConst:
		case *pg.Node_TypeCast:
			inner = []*pg.Node{v.TypeCast.Arg}
		case *pg.Node_AArrayExpr:
			inner = v.AArrayExpr.Elements
		default:
			return false
		}
		if !allConstant(inner) {
			return false
		}
	}
	return true
}

// FirstParameter returns the first parameter in the statement as it is written,
// and its position in the query string, in characters from 1; 0 if none.
func (s *Statement) FirstParameter() (name string, at int) {
	scan, err := pg.Scan(s.Text)
	if err != nil {
		return "", 0
	}
	for _, t := range scan.Tokens {
		if t.Token == pg.Token_PARAM {
			return s.Text[t.Start:t.End], s.Offset + utf8.RuneCountInString(s.Text[:t.Start]) + 1
		}
	}
	return "", 0
}

// after returns the statement behind the first of a keyword, which must be a
// reserved one.
func (s *Statement) after(keyword pg.Token) (*Statement, error) {
	scan, err := pg.Scan(s.Text)
	if err != nil {
		return nil, invalid(err.Error())
	}
	for _, t := range scan.Tokens {
		if t.Token != keyword {
			continue
		}
		list, err := Parse(s.Text[t.End:])
		if err != nil {
			return nil, err
		}
		if len(list) == 1 {
			list[0].Offset += s.Offset + utf8.RuneCountInString(s.Text[:t.End])
			return list[0], nil
		}
	}
	return nil, &clarus.Error{Op: "parse", Kind: clarus.Internal, Msg: "the statement holds no other"}
}
