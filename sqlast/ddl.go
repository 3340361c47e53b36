package sqlast

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A DDLForm says how a schema statement is handled. Only forms that are
// listed here are carried out: text is rebuilt from these nodes and no others.
type DDLForm struct {
	Tag    string // as PostgreSQL's command tag, for messages
	Data   bool   // rows of existing tables take part: they are loaded before it runs
	Linked bool   // with Data: so do those of tables that foreign keys link with them
	Alone  string // the command, if it cannot run in a transaction block
	Typed  bool   // so do those of all tables with columns of types made by users
	Refuse string // why this form is refused, if it is
}

// Form returns how the DDL statement is handled.
func (s *Statement) Form() DDLForm { return *ddlForm(s.tree()) }

func ddlForm(n *pg.Node) *DDLForm {
	form := func(tag string) *DDLForm { return &DDLForm{Tag: tag} }
	switch v := n.Node.(type) {
	case *pg.Node_CreateStmt:
		return createTable(v.CreateStmt)
	case *pg.Node_IndexStmt:
		f := &DDLForm{Tag: "CREATE INDEX", Data: v.IndexStmt.Unique, Refuse: refuseIndex(v.IndexStmt)}
		if v.IndexStmt.Concurrent {
			f.Alone = "CREATE INDEX CONCURRENTLY"
		}
		return f
	case *pg.Node_AlterTableStmt:
		return &DDLForm{Tag: "ALTER TABLE", Data: true, Linked: checksKeys(v.AlterTableStmt), Refuse: refuseAlter(v.AlterTableStmt)}
	case *pg.Node_RenameStmt:
		return renameForm(v.RenameStmt)
	case *pg.Node_DropStmt:
		return dropForm(v.DropStmt)
	case *pg.Node_ViewStmt:
		return form("CREATE VIEW")
	case *pg.Node_CreateFunctionStmt:
		return functionForm(v.CreateFunctionStmt)
	case *pg.Node_CreateSchemaStmt:
		return schemaForm(v.CreateSchemaStmt)
	case *pg.Node_CreateSeqStmt:
		return &DDLForm{Tag: "CREATE SEQUENCE", Refuse: refuseTemp(v.CreateSeqStmt.Sequence)}
	case *pg.Node_AlterSeqStmt:
		return form("ALTER SEQUENCE")
	case *pg.Node_SelectStmt:
		return createAs(leftmost(v.SelectStmt).IntoClause)
	case *pg.Node_CreateTableAsStmt:
		return createTableAs(v.CreateTableAsStmt)
	case *pg.Node_AlterObjectSchemaStmt:
		return setSchemaForm(v.AlterObjectSchemaStmt)
	case *pg.Node_CreateExtensionStmt:
		return extensionForm(v.CreateExtensionStmt)
	case *pg.Node_CreateEnumStmt:
		return form("CREATE TYPE")
	case *pg.Node_AlterEnumStmt:
		return form("ALTER TYPE")
	case *pg.Node_CreateDomainStmt:
		return form("CREATE DOMAIN")
	case *pg.Node_AlterDomainStmt:
		return &DDLForm{Tag: "ALTER DOMAIN", Typed: true}
	case *pg.Node_GrantStmt:
		return &DDLForm{Tag: "GRANT", Refuse: refuseDatabase(v.GrantStmt.Objtype, "GRANT and REVOKE")}
	case *pg.Node_AlterDefaultPrivilegesStmt:
		return form("ALTER DEFAULT PRIVILEGES")
	case *pg.Node_CreatePolicyStmt:
		return form("CREATE POLICY")
	case *pg.Node_AlterPolicyStmt:
		return form("ALTER POLICY")
	case *pg.Node_CommentStmt:
		return &DDLForm{Tag: "COMMENT", Refuse: refuseDatabase(v.CommentStmt.Objtype, "COMMENT")}
	case *pg.Node_AlterOwnerStmt:
		return &DDLForm{Tag: "ALTER OWNER", Refuse: refuseDatabase(v.AlterOwnerStmt.ObjectType, "ALTER OWNER")}
	}
	return nil
}

// refuseDatabase refuses what concerns a database as a whole: the twin's have
// other names.
func refuseDatabase(t pg.ObjectType, command string) string {
	if t == pg.ObjectType_OBJECT_DATABASE {
		return command + " of a database is not supported"
	}
	return ""
}

// AlteredSequence names the sequence of an ALTER SEQUENCE; "" of another statement.
func (s *Statement) AlteredSequence() string {
	n := s.tree().GetAlterSeqStmt()
	if n == nil {
		return ""
	}
	return Name{n.Sequence.Schemaname, n.Sequence.Relname}.String()
}

func refuseTemp(r *pg.RangeVar) string {
	if r != nil && r.Relpersistence == "t" {
		return "temporary objects are not supported"
	}
	if r != nil && strings.HasPrefix(r.Relname, "clarus_") {
		return "names that begin with clarus_ are reserved"
	}
	return ""
}

func createTable(c *pg.CreateStmt) *DDLForm {
	f := &DDLForm{Tag: "CREATE TABLE", Refuse: refuseTemp(c.Relation)}
	switch {
	case len(c.InhRelations) > 0 && c.Partbound == nil:
		f.Refuse = "table inheritance is not supported"
	case c.Partspec != nil || c.Partbound != nil:
		f.Refuse = "partitioned tables are not supported"
	case c.OfTypename != nil:
		f.Refuse = "typed tables are not supported"
	case c.Tablespacename != "":
		f.Refuse = "tablespaces are not supported"
	}
	return f
}

func refuseIndex(i *pg.IndexStmt) string {
	if i.TableSpace != "" {
		return "tablespaces are not supported"
	}
	return ""
}

// alterCommands are the sub-commands of ALTER TABLE that are carried out.
var alterCommands = map[pg.AlterTableType]bool{
	pg.AlterTableType_AT_AddColumn: true, pg.AlterTableType_AT_DropColumn: true, pg.AlterTableType_AT_AlterColumnType: true,
	pg.AlterTableType_AT_ColumnDefault: true, pg.AlterTableType_AT_SetNotNull: true, pg.AlterTableType_AT_DropNotNull: true,
	pg.AlterTableType_AT_AddConstraint: true, pg.AlterTableType_AT_DropConstraint: true, pg.AlterTableType_AT_ValidateConstraint: true,
	pg.AlterTableType_AT_ChangeOwner: true, pg.AlterTableType_AT_EnableRowSecurity: true, pg.AlterTableType_AT_DisableRowSecurity: true,
	pg.AlterTableType_AT_ForceRowSecurity: true, pg.AlterTableType_AT_NoForceRowSecurity: true,
	pg.AlterTableType_AT_AddIdentity: true, pg.AlterTableType_AT_SetIdentity: true, pg.AlterTableType_AT_DropIdentity: true,
	pg.AlterTableType_AT_AlterConstraint: true, pg.AlterTableType_AT_DropExpression: true,
	// What follows concerns how a server stores and plans: it shows in the catalogue and changes no answer.
	pg.AlterTableType_AT_SetStatistics: true, pg.AlterTableType_AT_SetOptions: true, pg.AlterTableType_AT_ResetOptions: true,
	pg.AlterTableType_AT_SetStorage: true, pg.AlterTableType_AT_SetCompression: true, pg.AlterTableType_AT_ClusterOn: true,
	pg.AlterTableType_AT_DropCluster: true, pg.AlterTableType_AT_SetRelOptions: true, pg.AlterTableType_AT_ResetRelOptions: true,
	pg.AlterTableType_AT_ReplicaIdentity: true,
}

func setSchemaForm(a *pg.AlterObjectSchemaStmt) *DDLForm {
	f := &DDLForm{Tag: "ALTER", Data: a.ObjectType == pg.ObjectType_OBJECT_TABLE}
	switch a.ObjectType {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_SEQUENCE, pg.ObjectType_OBJECT_FUNCTION,
		pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
	default:
		f.Refuse = "this form of SET SCHEMA is not supported"
	}
	return f
}

// extensionForm takes what many scripts begin with: plpgsql is there always.
func extensionForm(c *pg.CreateExtensionStmt) *DDLForm {
	f := &DDLForm{Tag: "CREATE EXTENSION"}
	if c.Extname != "plpgsql" || !c.IfNotExists {
		f.Refuse = "extensions are not supported"
	}
	return f
}

func refuseAlter(a *pg.AlterTableStmt) string {
	switch a.Objtype {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_SEQUENCE, pg.ObjectType_OBJECT_INDEX:
	default:
		return "this form of ALTER is not supported"
	}
	for _, c := range a.Cmds {
		if cmd := c.GetAlterTableCmd(); cmd == nil || !alterCommands[cmd.Subtype] {
			return "this sub-command of ALTER TABLE is not supported"
		} else if cmd.Subtype == pg.AlterTableType_AT_SetIdentity && restarts(cmd.Def.GetList()) {
			return "RESTART of an identity column is not supported"
		}
	}
	return ""
}

func renameForm(r *pg.RenameStmt) *DDLForm {
	f := &DDLForm{Tag: "ALTER TABLE", Data: r.RenameType == pg.ObjectType_OBJECT_TABLE || r.RenameType == pg.ObjectType_OBJECT_COLUMN}
	switch r.RenameType {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_INDEX,
		pg.ObjectType_OBJECT_TABCONSTRAINT, pg.ObjectType_OBJECT_SEQUENCE, pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_POLICY,
		pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN, pg.ObjectType_OBJECT_DOMCONSTRAINT, pg.ObjectType_OBJECT_SCHEMA:
	default:
		f.Refuse = "this form of RENAME is not supported"
	}
	if strings.HasPrefix(r.Newname, "clarus_") || r.RenameType == pg.ObjectType_OBJECT_SCHEMA && strings.HasPrefix(r.Newname, "clarus") {
		f.Refuse = "names that begin with clarus_ are reserved"
	}
	return f
}

func dropForm(d *pg.DropStmt) *DDLForm {
	f := &DDLForm{Tag: "DROP"}
	switch d.RemoveType {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_INDEX, pg.ObjectType_OBJECT_SEQUENCE,
		pg.ObjectType_OBJECT_FUNCTION, pg.ObjectType_OBJECT_PROCEDURE, pg.ObjectType_OBJECT_SCHEMA, pg.ObjectType_OBJECT_POLICY:
		if d.Concurrent {
			f.Alone = "DROP INDEX CONCURRENTLY"
		}
		f.Typed = d.RemoveType == pg.ObjectType_OBJECT_SCHEMA && d.Behavior == pg.DropBehavior_DROP_CASCADE
	case pg.ObjectType_OBJECT_TYPE, pg.ObjectType_OBJECT_DOMAIN:
		f.Typed = d.Behavior == pg.DropBehavior_DROP_CASCADE // columns may go
	default:
		f.Refuse = "this form of DROP is not supported"
	}
	return f
}

// functionForm allows functions in SQL and PL/pgSQL without settings of their own.
func functionForm(c *pg.CreateFunctionStmt) *DDLForm {
	f := &DDLForm{Tag: "CREATE FUNCTION"}
	lang := "sql"
	for _, o := range c.Options {
		d := o.GetDefElem()
		switch d.GetDefname() {
		case "language":
			lang = strings.ToLower(d.Arg.GetString_().GetSval())
		case "set":
			if name := d.Arg.GetVariableSetStmt().GetName(); name != "search_path" {
				f.Refuse = "functions with settings other than search_path are not supported"
			}
		}
	}
	if lang != "sql" && lang != "plpgsql" {
		f.Refuse = "functions in language " + lang + " are not supported"
	}
	if c.IsProcedure {
		f.Refuse = "procedures are not supported"
	}
	return f
}

func schemaForm(c *pg.CreateSchemaStmt) *DDLForm {
	f := &DDLForm{Tag: "CREATE SCHEMA"}
	for _, e := range c.SchemaElts {
		if part := ddlForm(e); part == nil {
			f.Refuse = "this element of CREATE SCHEMA is not supported"
		} else if part.Refuse != "" {
			f.Refuse = part.Refuse
		}
	}
	if strings.HasPrefix(c.Schemaname, "clarus") {
		f.Refuse = "schema names that begin with clarus are reserved"
	}
	return f
}

// checksKeys reports whether foreign keys that exist are checked anew.
func checksKeys(a *pg.AlterTableStmt) bool {
	return slices.ContainsFunc(a.Cmds, func(n *pg.Node) bool {
		t := n.GetAlterTableCmd().GetSubtype()
		return t == pg.AlterTableType_AT_AlterColumnType || t == pg.AlterTableType_AT_ValidateConstraint
	})
}

// restarts reports whether options of a sequence set where it goes on: the
// provider's counts, not the twin's.
func restarts(options *pg.List) bool {
	return slices.ContainsFunc(options.GetItems(), func(o *pg.Node) bool { return o.GetDefElem().GetDefname() == "restart" })
}
