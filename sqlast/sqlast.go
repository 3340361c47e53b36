// Package sqlast is the project's SQL parser: PostgreSQL's own grammar, by
// pganalyze/pg_query_go. It knows the form of a statement, not its meaning;
// the meaning comes from the twin's analyser (package analyze).
package sqlast

import (
	"strconv"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/clarus-project/clarus"
)

// A Statement is one statement of a query string.
type Statement struct {
	Text   string // as the client wrote it, without the terminating semicolon
	Offset int    // where Text begins in the query string, in characters
	Kind   Kind
	node   *pg.Node
}

// Parse cuts a query string into its statements; an empty string has none.
// A syntax error has its position in characters from 1.
func Parse(sql string) ([]*Statement, error) {
	if strings.IndexByte(sql, 0) >= 0 {
		return nil, invalid("the statement contains a zero byte")
	}
	tree, err := pg.Parse(sql)
	if err != nil {
		return nil, invalid(err.Error())
	}
	if p := impossible(sql); p != "" {
		return nil, invalid("there is no parameter " + p)
	}
	list := make([]*Statement, 0, len(tree.Stmts))
	for _, raw := range tree.Stmts {
		from, to := int(raw.StmtLocation), len(sql)
		if raw.StmtLen > 0 {
			to = from + int(raw.StmtLen)
		}
		text := sql[from:to]
		list = append(list, &Statement{Text: text, Offset: utf8.RuneCountInString(sql[:from]),
			Kind: kindOf(raw.Stmt), node: raw.Stmt})
	}
	return list, nil
}

func invalid(msg string) error { return &clarus.Error{Op: "parse", Kind: clarus.Invalid, Msg: msg} }

// impossible returns a parameter whose number no Bind can give, which the parser
// lets through and prints as something else; "" if there is none.
func impossible(sql string) string {
	suspect := false
	for i := 0; i < len(sql) && !suspect; i++ {
		if sql[i] == '$' {
			rest := sql[i+1:]
			digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
			suspect = digits != "" && !possible(digits)
		}
	}
	if !suspect {
		return ""
	}
	scan, err := pg.Scan(sql)
	if err != nil {
		return ""
	}
	for _, t := range scan.Tokens {
		if p := sql[t.Start:t.End]; t.Token == pg.Token_PARAM && !possible(p[1:]) {
			return p
		}
	}
	return ""
}

func possible(number string) bool {
	n, err := strconv.ParseUint(number, 10, 16)
	return err == nil && n > 0
}

// Shape returns sql with its literals replaced by parameter symbols: the form
// in which a statement may stand in logs. What cannot be parsed has none.
func Shape(sql string) string {
	s, err := pg.Normalize(sql)
	if err != nil {
		return "(unparsable)"
	}
	return strings.Join(strings.Fields(s), " ")
}

// Known is a statement whose kind is known from another of the same form; it is
// parsed if it comes to that.
func Known(text string, kind Kind) *Statement { return &Statement{Text: text, Kind: kind} }

// tree is the statement's syntax tree.
func (s *Statement) tree() *pg.Node {
	if s.node == nil {
		s.node = &pg.Node{}
		if tree, err := pg.Parse(s.Text); err == nil && len(tree.Stmts) == 1 {
			s.node = tree.Stmts[0].Stmt
		}
	}
	return s.node
}

// Once is the statement without CONCURRENTLY, which says how an index is made
// or dropped, not which.
func (s *Statement) Once() (*Statement, error) {
	c, err := s.Clone()
	if err != nil {
		return nil, err
	}
	switch v := c.node.Node.(type) {
	case *pg.Node_IndexStmt:
		v.IndexStmt.Concurrent = false
	case *pg.Node_DropStmt:
		v.DropStmt.Concurrent = false
	}
	c.Text, err = c.Print()
	return c, err
}

// Print deparses the statement, without comments. A few that have an empty text
// where a name belongs cannot be printed.
func (s *Statement) Print() (string, error) { return print(s.tree()) }

func print(n *pg.Node) (string, error) {
	if lacksText(n) {
		return "", invalid("a statement with an empty text in this place cannot be printed")
	}
	return pg.Deparse(&pg.ParseResult{Version: 170007, Stmts: []*pg.RawStmt{{Stmt: n}}})
}

// lacksText reports whether a text is empty that the library, to which an empty
// text is none, does not look for: it would end the process.
func lacksText(n *pg.Node) bool {
	switch v := n.GetNode().(type) {
	case *pg.Node_TransactionStmt:
		switch v.TransactionStmt.Kind {
		case pg.TransactionStmtKind_TRANS_STMT_PREPARE, pg.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED, pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_PREPARED:
			return v.TransactionStmt.Gid == ""
		}
	case *pg.Node_LoadStmt:
		return v.LoadStmt.Filename == ""
	case *pg.Node_AlterEnumStmt:
		return v.AlterEnumStmt.NewVal == ""
	case *pg.Node_AlterSubscriptionStmt:
		return v.AlterSubscriptionStmt.Kind == pg.AlterSubscriptionType_ALTER_SUBSCRIPTION_CONNECTION && v.AlterSubscriptionStmt.Conninfo == ""
	case *pg.Node_CreateConversionStmt:
		return v.CreateConversionStmt.ForEncodingName == "" || v.CreateConversionStmt.ToEncodingName == ""
	}
	return false
}

// Clone returns a copy whose tree can be changed.
func (s *Statement) Clone() (*Statement, error) {
	tree, err := pg.Parse(s.Text)
	if err != nil || len(tree.Stmts) != 1 {
		return nil, invalid(err.Error())
	}
	c := *s
	c.node = tree.Stmts[0].Stmt
	return &c, nil
}
