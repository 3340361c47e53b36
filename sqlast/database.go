package sqlast

import (
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// A DatabaseForm is a CREATE or DROP DATABASE taken apart.
type DatabaseForm struct {
	Name   string
	Create bool

	// Of CREATE: the owner, "" where it is not said, and options for the
	// provider, as SQL.
	Owner   string
	Options string

	// Of DROP.
	IfExists bool
	Force    bool

	Refuse string // why this form is refused, if it is
}

// String is the command.
func (f DatabaseForm) String() string {
	if f.Create {
		return "CREATE DATABASE"
	}
	return "DROP DATABASE"
}

// DatabaseForm takes a Database statement apart.
func (s *Statement) DatabaseForm() DatabaseForm {
	if d := s.tree().GetDropdbStmt(); d != nil {
		f := DatabaseForm{Name: d.Dbname, IfExists: d.MissingOk}
		for _, o := range d.Options {
			f.Force = f.Force || o.GetDefElem().GetDefname() == "force"
		}
		return f
	}
	c := s.tree().GetCreatedbStmt()
	f := DatabaseForm{Name: c.Dbname, Create: true}
	if strings.HasPrefix(c.Dbname, "clarus") {
		f.Refuse = "names of databases that begin with clarus are reserved"
	}
	for _, o := range c.Options {
		d := o.GetDefElem()
		f.option(d.GetDefname(), optionText(d.GetArg()))
	}
	return f
}

// option takes one option of CREATE DATABASE; value is "" for DEFAULT.
func (f *DatabaseForm) option(name, value string) {
	fits := true
	switch name {
	case "owner":
		f.Owner = value
	case "encoding":
		switch strings.ReplaceAll(strings.ToLower(value), "-", "") {
		case "", "utf8", "unicode", "6", "1": // -1 is DEFAULT
		default:
			fits = false
		}
	case "template":
		fits = value == "" || value == "template0" || value == "template1"
	case "locale", "lc_collate", "lc_ctype":
		if value != "" {
			f.Options += " " + strings.ToUpper(name) + " " + Literal(value)
		}
	case "locale_provider":
		fits = value == "" || strings.EqualFold(value, "libc")
	case "strategy", "connection_limit":
		fits = name == "strategy" || value == "" || value == "-1"
	case "allow_connections":
		fits = value == "" || value == "true" || value == "1"
	case "is_template":
		fits = value == "" || value == "false" || value == "0"
	case "tablespace":
		fits = value == "" || value == "pg_default"
	default:
		fits = false
	}
	if !fits {
		f.Refuse = "CREATE DATABASE with this " + strings.ToUpper(name)
	}
}

// optionText is the value of an option, in lower case if it is a word of the
// grammar.
func optionText(n *pg.Node) string {
	switch v := n.GetNode().(type) {
	case *pg.Node_String_:
		return v.String_.Sval
	case *pg.Node_Integer:
		return strconv.Itoa(int(v.Integer.Ival))
	case *pg.Node_Boolean:
		return strconv.FormatBool(v.Boolean.Boolval)
	case *pg.Node_TypeName: // a bare word
		if l := len(v.TypeName.Names); l > 0 {
			return v.TypeName.Names[l-1].GetString_().GetSval()
		}
	}
	return ""
}
