package sqlast

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A CopyForm is a COPY statement taken apart.
type CopyForm struct {
	From    bool   // COPY … FROM; else TO
	Std     bool   // STDIN or STDOUT; else a file or a program at the server
	Table   *Name  // nil for a query
	Query   string // the query, printed anew
	Where   bool   // COPY … FROM … WHERE
	Binary  bool   // FORMAT binary
	Columns []string
	Options map[string]string // as written, by their names: "" where one has no value, or a list
	Text    string            // the statement without FREEZE, which has no meaning for what Clarus stores
}

// CopyForm takes a Copy statement apart.
func (s *Statement) CopyForm() (CopyForm, error) {
	c, err := s.Clone()
	if err != nil {
		return CopyForm{}, err
	}
	n := c.tree().GetCopyStmt()
	f := CopyForm{From: n.IsFrom, Std: n.Filename == "" && !n.IsProgram, Where: n.WhereClause != nil}
	if n.Relation != nil {
		f.Table = &Name{n.Relation.Schemaname, n.Relation.Relname}
	}
	if n.Query != nil {
		if f.Query, err = print(n.Query); err != nil {
			return f, err
		}
	}
	for _, a := range n.Attlist {
		f.Columns = append(f.Columns, a.GetString_().GetSval())
	}
	kept := n.Options[:0]
	for _, o := range n.Options {
		d := o.GetDefElem()
		if f.Options == nil {
			f.Options = map[string]string{}
		}
		f.Options[d.GetDefname()] = optionText(d.Arg)
		if d.GetDefname() == "format" && strings.EqualFold(d.Arg.GetString_().GetSval(), "binary") {
			f.Binary = true
		}
		if d.GetDefname() != "freeze" {
			kept = append(kept, o)
		}
	}
	if len(kept) == len(n.Options) {
		f.Text = s.Text
		return f, nil
	}
	n.Options = kept
	f.Text, err = c.Print()
	return f, err
}

// Select is the query that reads what COPY … TO of a table writes.
func (f CopyForm) Select() string {
	if f.Table == nil {
		return f.Query
	}
	list := "*"
	if len(f.Columns) > 0 {
		quoted := make([]string, len(f.Columns))
		for i, c := range f.Columns {
			quoted[i] = Quote(c)
		}
		list = strings.Join(quoted, ", ")
	}
	return "SELECT " + list + " FROM ONLY " + f.Table.String()
}

// String is the name, quoted.
func (n Name) String() string {
	if n.Schema == "" {
		return Quote(n.Relation)
	}
	return Qualify(n.Schema, n.Relation)
}

// A TruncateForm is a TRUNCATE taken apart.
type TruncateForm struct {
	Tables  []Name
	Restart bool
	Cascade bool
}

// TruncateForm takes a Truncate statement apart.
func (s *Statement) TruncateForm() TruncateForm {
	n := s.tree().GetTruncateStmt()
	f := TruncateForm{Restart: n.RestartSeqs, Cascade: n.Behavior == pg.DropBehavior_DROP_CASCADE}
	for _, r := range n.Relations {
		v := r.GetRangeVar()
		f.Tables = append(f.Tables, Name{v.Schemaname, v.Relname})
	}
	return f
}

// Refreshed takes a Refresh statement apart; plain: it is of no special form.
func (s *Statement) Refreshed() (relation Name, plain bool) {
	n := s.tree().GetRefreshMatViewStmt()
	return Name{n.Relation.Schemaname, n.Relation.Relname}, !n.Concurrent && !n.SkipData
}

// Maintenance takes a Maintain statement apart: the command for one table, and
// the tables; none means all. ok is false for forms other than VACUUM and
// ANALYZE.
func (s *Statement) Maintenance() (command, tag string, tables []Name, ok bool) {
	n := s.tree().GetVacuumStmt()
	if n == nil {
		return "", "", nil, false
	}
	command, tag = "ANALYZE", "ANALYZE"
	if n.IsVacuumcmd {
		command, tag = "VACUUM", "VACUUM"
	}
	for _, o := range n.Options {
		switch name := o.GetDefElem().GetDefname(); name {
		case "analyze":
			command += " (ANALYZE)"
		case "verbose":
		default:
			return "", "", nil, false
		}
	}
	for _, r := range n.Rels {
		v := r.GetVacuumRelation().GetRelation()
		tables = append(tables, Name{v.Schemaname, v.Relname})
	}
	return command, tag, tables, true
}

// lockModes are the table lock modes by number.
var lockModes = []string{"", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE",
	"EXCLUSIVE", "ACCESS EXCLUSIVE"}

// LockPrivileges names the privileges on a table one of which a Lock statement needs.
func (s *Statement) LockPrivileges() string {
	switch lockModes[s.tree().GetLockStmt().Mode] {
	case "ACCESS SHARE":
		return "SELECT"
	case "ROW EXCLUSIVE":
		return "INSERT, UPDATE, DELETE, TRUNCATE"
	}
	return "UPDATE, DELETE, TRUNCATE"
}

// LockForm returns the tables and the mode, with NOWAIT, of a Lock statement.
func (s *Statement) LockForm() (tables []Name, mode string) {
	n := s.tree().GetLockStmt()
	for _, r := range n.Relations {
		v := r.GetRangeVar()
		tables = append(tables, Name{v.Schemaname, v.Relname})
	}
	mode = "IN " + lockModes[n.Mode] + " MODE"
	if n.Nowait {
		mode += " NOWAIT"
	}
	return tables, mode
}

// RowLock returns the locking clause of a query, such as "FOR UPDATE SKIP
// LOCKED". ok is false if it has several that differ.
func (s *Statement) RowLock() (clause string, skip, ok bool) {
	ok = true
	visit := func(v *pg.LockingClause) {
		text := map[pg.LockClauseStrength]string{
			pg.LockClauseStrength_LCS_FORKEYSHARE: "FOR KEY SHARE", pg.LockClauseStrength_LCS_FORSHARE: "FOR SHARE",
			pg.LockClauseStrength_LCS_FORNOKEYUPDATE: "FOR NO KEY UPDATE", pg.LockClauseStrength_LCS_FORUPDATE: "FOR UPDATE",
		}[v.Strength]
		switch v.WaitPolicy {
		case pg.LockWaitPolicy_LockWaitSkip:
			text, skip = text+" SKIP LOCKED", true
		case pg.LockWaitPolicy_LockWaitError:
			text += " NOWAIT"
		}
		ok = ok && (clause == "" || clause == text)
		clause = text
	}
	s.lockingClauses(visit)
	return clause, skip, ok
}

// SetText is the Set statement printed anew, as a statement for the session
// rather than the transaction.
func (s *Statement) SetText() (string, error) {
	c, err := s.Clone()
	if err != nil {
		return "", err
	}
	c.tree().GetVariableSetStmt().IsLocal = false
	return c.Print()
}

// Explained returns the statement that an Explain explains, and an option
// that asks for more than a plan's description; "" if there is none.
func (s *Statement) Explained() (text, odd string, err error) {
	e := s.tree().GetExplainStmt()
	for _, o := range e.Options {
		name, value := strings.ToLower(o.GetDefElem().GetDefname()), strings.ToLower(optionText(o.GetDefElem().GetArg()))
		off := value == "false" || value == "off" || value == "0"
		switch name {
		case "verbose", "costs", "settings", "summary", "timing":
		case "format":
			if value != "text" {
				odd = "FORMAT"
			}
		default: // what runs the statement
			if !off {
				odd = strings.ToUpper(name)
			}
		}
	}
	text, err = print(e.Query)
	return text, odd, err
}

// DeallocateName is the prepared statement's name; "" for ALL.
func (s *Statement) DeallocateName() string { return s.tree().GetDeallocateStmt().Name }

// DiscardsAll reports whether a Discard statement is DISCARD ALL.
func (s *Statement) DiscardsAll() bool {
	return s.tree().GetDiscardStmt().Target == pg.DiscardMode_DISCARD_ALL
}
