package sqlast

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A TableForm is what a CREATE TABLE says of a table.
type TableForm struct {
	Schema, Name string // Schema is "" for public
	Columns      []ColumnForm
}

// A ColumnForm is one column of it.
type ColumnForm struct {
	Name      string
	Type      string // the last part of the type's name, as PostgreSQL calls it: int4, varchar
	Made      bool   // its values are made by identity, serial or a uuid default
	Key       bool   // part of a primary key, a unique constraint or a foreign key
	Primary   bool
	Later     bool       // a constraint on it comes after the table was created
	Reference *Reference // of a foreign key of this column alone
}

// A Reference is what a foreign key refers to.
type Reference struct{ Schema, Table, Column string } // Column is "" for the primary key

// Tables returns the tables that a script creates, with the constraints that
// ALTER TABLE adds to them.
func Tables(sql string) ([]*TableForm, error) {
	list, err := Parse(sql)
	if err != nil {
		return nil, err
	}
	var tables []*TableForm
	for _, s := range list {
		if c := s.node.GetCreateStmt(); c != nil {
			t := &TableForm{Schema: schemaOf(c.Relation), Name: c.Relation.Relname}
			for _, e := range c.TableElts {
				t.element(e)
			}
			for _, e := range c.TableElts {
				t.constrain(e.GetConstraint(), false)
			}
			tables = append(tables, t)
		}
		if a := s.node.GetAlterTableStmt(); a != nil {
			for _, t := range tables {
				if t.Name != a.Relation.Relname || t.Schema != schemaOf(a.Relation) {
					continue
				}
				for _, c := range a.Cmds {
					t.constrain(c.GetAlterTableCmd().GetDef().GetConstraint(), true)
				}
			}
		}
	}
	return tables, nil
}

func schemaOf(r *pg.RangeVar) string {
	if r.GetSchemaname() == "public" {
		return ""
	}
	return r.GetSchemaname()
}

// element takes a column.
func (t *TableForm) element(e *pg.Node) {
	d := e.GetColumnDef()
	if d == nil {
		return
	}
	c := ColumnForm{Name: d.Colname}
	if names := d.TypeName.GetNames(); len(names) > 0 {
		c.Type = strings.ToLower(names[len(names)-1].GetString_().GetSval())
	}
	c.Made = strings.HasSuffix(c.Type, "serial") || strings.HasPrefix(c.Type, "serial")
	for _, n := range d.Constraints {
		k := n.GetConstraint()
		switch k.GetContype() {
		case pg.ConstrType_CONSTR_IDENTITY:
			c.Made = true
		case pg.ConstrType_CONSTR_DEFAULT:
			c.Made = c.Made || c.Type == "uuid" && functionName(k.RawExpr.GetFuncCall()) == "gen_random_uuid"
		case pg.ConstrType_CONSTR_PRIMARY:
			c.Key, c.Primary = true, true
		case pg.ConstrType_CONSTR_UNIQUE:
			c.Key = true
		case pg.ConstrType_CONSTR_FOREIGN:
			c.Key, c.Reference = true, reference(k)
		}
	}
	t.Columns = append(t.Columns, c)
}

func reference(k *pg.Constraint) *Reference {
	r := &Reference{Schema: schemaOf(k.GetPktable()), Table: k.GetPktable().GetRelname()}
	if len(k.PkAttrs) == 1 {
		r.Column = k.PkAttrs[0].GetString_().GetSval()
	}
	return r
}

// constrain takes a constraint of the table.
func (t *TableForm) constrain(k *pg.Constraint, later bool) {
	var columns []*pg.Node
	switch k.GetContype() {
	case pg.ConstrType_CONSTR_PRIMARY, pg.ConstrType_CONSTR_UNIQUE:
		columns = k.Keys
	case pg.ConstrType_CONSTR_FOREIGN:
		columns = k.FkAttrs
	}
	for _, n := range columns {
		for i := range t.Columns {
			c := &t.Columns[i]
			if c.Name != n.GetString_().GetSval() {
				continue
			}
			c.Key, c.Later = true, c.Later || later
			c.Primary = c.Primary || k.Contype == pg.ConstrType_CONSTR_PRIMARY
			if k.Contype == pg.ConstrType_CONSTR_FOREIGN && len(columns) == 1 {
				c.Reference = reference(k)
			}
		}
	}
}
