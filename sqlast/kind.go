package sqlast

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Kind is the form of a statement, as far as the session tells forms apart.
type Kind int

// The kinds of statement.
const (
	Other Kind = iota // refused
	Query             // SELECT, VALUES, TABLE, WITH … SELECT
	Insert
	Update
	Delete
	Merge
	Copy
	Transaction
	Set
	Show
	Discard
	DDL
	Prepare
	Execute
	Deallocate
	Declare
	Fetch
	ClosePortal
	Explain
	Listen
	Unlisten
	Notify
	Lock
	Truncate
	Constraints // SET CONSTRAINTS
	Do
	Maintain // VACUUM, ANALYZE, REINDEX, CLUSTER
	Database // CREATE DATABASE, DROP DATABASE
	Refresh  // REFRESH MATERIALIZED VIEW
)

// IsWrite reports whether k changes rows.
func (k Kind) IsWrite() bool { return k == Insert || k == Update || k == Delete || k == Merge }

func kindOf(n *pg.Node) Kind {
	switch v := n.Node.(type) {
	case *pg.Node_SelectStmt:
		if leftmost(v.SelectStmt).IntoClause != nil {
			return DDL
		}
		return Query
	case *pg.Node_InsertStmt:
		return Insert
	case *pg.Node_UpdateStmt:
		return Update
	case *pg.Node_DeleteStmt:
		return Delete
	case *pg.Node_MergeStmt:
		return Merge
	case *pg.Node_CopyStmt:
		return Copy
	case *pg.Node_TransactionStmt:
		return Transaction
	case *pg.Node_VariableSetStmt:
		return Set
	case *pg.Node_VariableShowStmt:
		return Show
	case *pg.Node_DiscardStmt:
		return Discard
	case *pg.Node_PrepareStmt:
		return Prepare
	case *pg.Node_ExecuteStmt:
		return Execute
	case *pg.Node_DeallocateStmt:
		return Deallocate
	case *pg.Node_DeclareCursorStmt:
		return Declare
	case *pg.Node_FetchStmt:
		return Fetch
	case *pg.Node_ClosePortalStmt:
		return ClosePortal
	case *pg.Node_ExplainStmt:
		return Explain
	case *pg.Node_ListenStmt:
		return Listen
	case *pg.Node_UnlistenStmt:
		return Unlisten
	case *pg.Node_NotifyStmt:
		return Notify
	case *pg.Node_DoStmt:
		return Do
	case *pg.Node_ConstraintsSetStmt:
		return Constraints
	case *pg.Node_LockStmt:
		return Lock
	case *pg.Node_TruncateStmt:
		return Truncate
	case *pg.Node_VacuumStmt, *pg.Node_ReindexStmt, *pg.Node_ClusterStmt, *pg.Node_CheckPointStmt:
		return Maintain
	case *pg.Node_CreatedbStmt, *pg.Node_DropdbStmt:
		return Database
	case *pg.Node_RefreshMatViewStmt:
		return Refresh
	}
	if ddlForm(n) != nil {
		return DDL
	}
	return Other
}

// TxKind says what a transaction statement does.
type TxKind int

// The transaction statements.
const (
	TxOther TxKind = iota // two-phase commit: refused
	TxBegin
	TxCommit
	TxRollback
	TxSavepoint
	TxRelease
	TxRollbackTo
)

// String is the statement's name where PostgreSQL's errors speak of it.
func (k TxKind) String() string {
	return [...]string{"PREPARE TRANSACTION", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT"}[k]
}

// A Tx is a transaction statement taken apart.
type Tx struct {
	Kind      TxKind
	Start     bool // START TRANSACTION rather than BEGIN
	Savepoint string
	Chain     bool
}

// Tx takes a Transaction statement apart.
func (s *Statement) Tx() Tx {
	t := s.tree().GetTransactionStmt()
	tx := Tx{Savepoint: t.SavepointName, Chain: t.Chain}
	switch t.Kind {
	case pg.TransactionStmtKind_TRANS_STMT_BEGIN:
		tx.Kind = TxBegin
	case pg.TransactionStmtKind_TRANS_STMT_START:
		tx.Kind, tx.Start = TxBegin, true
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT:
		tx.Kind = TxCommit
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		tx.Kind = TxRollback
	case pg.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		tx.Kind = TxSavepoint
	case pg.TransactionStmtKind_TRANS_STMT_RELEASE:
		tx.Kind = TxRelease
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		tx.Kind = TxRollbackTo
	}
	return tx
}

// A Setting is a SET or RESET taken apart.
type Setting struct {
	Name    string // lower case; "" with All
	All     bool   // RESET ALL
	Local   bool
	Default bool // RESET name, SET name TO DEFAULT
	Tx      bool // SET TRANSACTION, SET SESSION CHARACTERISTICS

	Snapshot bool // SET TRANSACTION SNAPSHOT
}

// Setting takes a Set statement apart.
func (s *Statement) Setting() Setting {
	v := s.tree().GetVariableSetStmt()
	set := Setting{Name: strings.ToLower(v.Name), Local: v.IsLocal}
	switch v.Kind {
	case pg.VariableSetKind_VAR_RESET_ALL:
		set.All = true
	case pg.VariableSetKind_VAR_RESET, pg.VariableSetKind_VAR_SET_DEFAULT:
		set.Default = true
	case pg.VariableSetKind_VAR_SET_MULTI:
		set.Tx = strings.HasPrefix(set.Name, "transaction") || strings.HasPrefix(set.Name, "session")
		set.Snapshot = strings.HasSuffix(set.Name, "snapshot")
	}
	return set
}

// ShowName returns the setting that a Show statement asks for, in lower case.
func (s *Statement) ShowName() string { return strings.ToLower(s.tree().GetVariableShowStmt().Name) }
