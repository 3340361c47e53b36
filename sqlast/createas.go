package sqlast

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/clarus-project/clarus"
)

// A CreateAs is a CREATE TABLE AS or a SELECT INTO taken apart.
type CreateAs struct {
	Create *Statement // makes the table, without rows
	Insert *Statement // fills it; nil: WITH NO DATA
}

// CreateAs takes such a statement apart; of another it returns nil.
func (s *Statement) CreateAs() (*CreateAs, error) {
	s, err := s.Clone()
	if err != nil {
		return nil, err
	}
	create := s.tree().GetCreateTableAsStmt()
	if query := s.tree().GetSelectStmt(); query != nil {
		first := leftmost(query)
		create = &pg.CreateTableAsStmt{Into: first.IntoClause, Objtype: pg.ObjectType_OBJECT_TABLE, Query: s.tree()}
		first.IntoClause = nil
	}
	if create == nil || create.Into == nil {
		return nil, nil
	}
	as := &CreateAs{}
	if !create.Into.SkipData {
		as.Insert, err = reparse(&pg.Node{Node: &pg.Node_InsertStmt{InsertStmt: &pg.InsertStmt{
			Relation: create.Into.Rel, SelectStmt: create.Query, Override: pg.OverridingKind_OVERRIDING_NOT_SET}}})
		if err != nil {
			return nil, err
		}
	}
	create.Into.SkipData = true
	as.Create, err = reparse(&pg.Node{Node: &pg.Node_CreateTableAsStmt{CreateTableAsStmt: create}})
	return as, err
}

// reparse prints a statement and reads it again, so that its text is its tree's.
func reparse(n *pg.Node) (*Statement, error) {
	text, err := print(n)
	if err != nil {
		return nil, err
	}
	list, err := Parse(text)
	if err != nil || len(list) != 1 {
		return nil, &clarus.Error{Op: "parse", Kind: clarus.Internal, Msg: "a statement cannot be printed"}
	}
	return list[0], nil
}

// leftmost is the first SELECT of a chain of UNIONs and the like: INTO stands there.
func leftmost(q *pg.SelectStmt) *pg.SelectStmt {
	for q.Larg != nil {
		q = q.Larg
	}
	return q
}

func createTableAs(c *pg.CreateTableAsStmt) *DDLForm {
	f := createAs(c.Into)
	switch {
	case c.Objtype != pg.ObjectType_OBJECT_TABLE:
		f.Refuse = "materialized views are not supported"
	case c.Query.GetSelectStmt() == nil:
		f.Refuse = "CREATE TABLE AS EXECUTE is not supported"
	}
	return f
}

func createAs(into *pg.IntoClause) *DDLForm {
	if into == nil {
		return nil
	}
	f := &DDLForm{Tag: "CREATE TABLE AS", Refuse: refuseTemp(into.Rel)}
	if into.TableSpaceName != "" {
		f.Refuse = "tablespaces are not supported"
	}
	return f
}
