package session

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/analyze"
	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/sqlast"
	"github.com/clarus-project/clarus/twin"
)

// databaseRelation is the OID of pg_database.
const databaseRelation = 1262

// withDatabases has a statement that reads pg_database read the logical databases
// instead of the twin's. ok is false where it does not read it, or in a form in
// which that cannot be done; the plan refuses it then.
func (s *Session) withDatabases(c *twin.Conn, p *statement, list []*analyze.Statement) (st *sqlast.Statement, a *twin.Analysis, read []*analyze.Statement, ok bool) {
	named := func(r *catalog.Relation) bool { return r.Name == "pg_database" }
	if len(list) != 1 || list[0].ForUpdate || !slices.ContainsFunc(list[0].Relations, func(r analyze.Relation) bool { return r.OID == databaseRelation }) ||
		slices.ContainsFunc(s.catalog().Logical.Relations, named) {
		return nil, nil, nil, false
	}
	query, text := s.databasesQuery(), strings.ToLower(p.st.Text)
	if strings.Contains(text, "tableoid") { // as pg_dump asks; beside * it would be one column more
		if query = strings.Replace(query, "SELECT ", fmt.Sprintf("SELECT %d::oid AS tableoid, ", databaseRelation), 1); strings.Contains(text, "*") {
			return nil, nil, nil, false
		}
	}
	if st, ok = p.st.Substituted("pg_database", query); !ok {
		return nil, nil, nil, false
	}
	a, err := c.Analyze(st.Text, p.oids)
	if err == nil {
		read, err = analyze.Parse(a.Tree)
	}
	return st, a, read, err == nil
}

// databasesQuery is the rows of pg_database for the logical databases.
func (s *Session) databasesQuery() string {
	var rows []string
	for _, db := range s.host.Databases.List() {
		rows = append(rows, fmt.Sprintf("(%d::oid, %s::name)", databaseOID(db.Name), sqlast.Literal(db.Name)))
	}
	return "SELECT d.oid, d.datname, " + sqlast.Literal(sqlast.Quote(s.db.Twin.Owner())) + "::regrole::oid AS datdba, 6 AS encoding, 'c'::\"char\" AS datlocprovider, " +
		"false AS datistemplate, true AS datallowconn, -1 AS datconnlimit, '3'::xid AS datfrozenxid, '1'::xid AS datminmxid, 1663::oid AS dattablespace, " +
		"pg_catalog.current_setting('lc_collate') AS datcollate, pg_catalog.current_setting('lc_ctype') AS datctype, NULL::text AS daticulocale, " +
		"NULL::text AS datcollversion, NULL::aclitem[] AS datacl FROM (VALUES " + strings.Join(rows, ", ") + ") d (oid, datname)"
}

// databaseOID is a logical database's OID: it follows from the name, above those of
// all other objects.
func databaseOID(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return h.Sum32() | 1<<31
}
