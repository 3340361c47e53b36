package twin

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/clarus-project/clarus/catalog"
)

// The queries below read the schema that users made: OIDs from 16384 on,
// without the twin's own furniture.
const mine = " AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' "

const relationsSQL = functionsCTE + typesCTE + `
SELECT coalesce(json_agg(json_build_object('OID', c.oid::bigint, 'Schema', n.nspname, 'Name', c.relname,
  'Kind', ascii(c.relkind::text), 'RowSecurity', c.relrowsecurity,
  'Calls', EXISTS (SELECT FROM pg_depend p JOIN g ON g.oid = p.refobjid AND NOT g.pure WHERE p.refclassid = 'pg_proc'::regclass AND (
    p.classid = 'pg_class'::regclass AND p.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid = c.oid)
    OR p.classid = 'pg_constraint'::regclass AND p.objid IN (SELECT oid FROM pg_constraint WHERE conrelid = c.oid)
    OR p.classid = 'pg_attrdef'::regclass AND p.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = c.oid))),
  'Columns', (SELECT coalesce(json_agg(json_build_object('Num', a.attnum, 'Name', a.attname,
      'Type', CASE WHEN y.typtype = 'e' THEN 3500 ELSE y.oid::bigint END, 'Enum', CASE WHEN y.typtype = 'e' THEN y.oid::bigint ELSE 0 END,
      'Typmod', coalesce(base.typmod, a.atttypmod), 'NotNull', a.attnotnull,
      'TypeName', CASE WHEN y.typtype = 'e' THEN 'integer' ELSE format_type(y.oid, coalesce(base.typmod, a.atttypmod)) END,
      'OnTwin', (SELECT quote_ident(x.nspname) || '.' || quote_ident(w.typname) FROM pg_type w JOIN pg_namespace x ON x.oid = w.typnamespace WHERE w.oid = a.atttypid),
      'Declared', coalesce((SELECT quote_ident(x.nspname) || '.' || quote_ident(w.typname) FROM pg_type w JOIN pg_namespace x ON x.oid = w.typnamespace
         WHERE w.oid = a.atttypid AND w.oid >= 16384), ''),
      'Collation', coalesce((SELECT l.collname FROM pg_collation l WHERE l.oid = a.attcollation AND y.typcollation <> l.oid), ''),
      'Identity', coalesce(ascii(nullif(a.attidentity::text, '')), 0), 'Generated', a.attgenerated <> '',
      'OwnDefault', d.oid IS NOT NULL AND y.typtype = 'e' OR EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND ` + own + `),
      'Default', coalesce(CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END, ''),
      'Sequence', coalesce((SELECT min(refobjid::bigint) FROM pg_depend p JOIN pg_class s ON s.oid = p.refobjid AND s.relkind = 'S'
         WHERE p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid),
        (SELECT min(p.objid::bigint) FROM pg_depend p WHERE p.classid = 'pg_class'::regclass AND p.deptype = 'i'
         AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND a.attidentity <> ''), 0)
    ) ORDER BY a.attnum), '[]')
    FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN base ON base.oid = a.atttypid JOIN pg_type y ON y.oid = coalesce(base.typ, a.atttypid)
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  'Constraints', (SELECT coalesce(json_agg(json_build_object('OID', k.oid::bigint, 'Name', k.conname, 'Kind', ascii(k.contype::text),
      'Columns', k.conkey, 'Ref', k.confrelid::bigint, 'RefColumns', k.confkey,
      'OnUpdate', coalesce(ascii(nullif(k.confupdtype::text, '')), 0), 'OnDelete', coalesce(ascii(nullif(k.confdeltype::text, '')), 0),
      'Match', coalesce(ascii(nullif(k.confmatchtype::text, '')), 0),
      'Own', k.contype IN ('c', 'x') AND labelled.oid IS NOT NULL
        OR EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_constraint'::regclass AND p.objid = k.oid AND ` + own + `),
      'Deferrable', k.condeferrable, 'Deferred', k.condeferred, 'Valid', k.convalidated,
      'Definition', pg_get_constraintdef(k.oid)) ORDER BY k.oid), '[]')
    FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 't'),
  'Indexes', (SELECT coalesce(json_agg(json_build_object('OID', i.indexrelid::bigint, 'Name', ic.relname, 'Unique', i.indisunique,
      'Columns', (SELECT json_agg(x ORDER BY o) FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(x, o) WHERE o <= i.indnkeyatts), 'Partial', i.indpred IS NOT NULL,
      'Predicate', coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
      'Condition', (SELECT json_agg(DISTINCT m[1]::int) FROM regexp_matches(i.indpred::text, ':varattno (-?\d+)', 'g') m),
      'Own', (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND labelled.oid IS NOT NULL
        OR EXISTS (SELECT FROM pg_depend p WHERE p.classid = 'pg_class'::regclass AND p.objid = i.indexrelid AND ` + own + `),
      'Definition', pg_get_indexdef(i.indexrelid)) ORDER BY i.indexrelid), '[]')
    FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')))
  ) ORDER BY c.oid), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN labelled ON labelled.oid = c.oid
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')` + mine

// own is whether a dependency p is one on what a provider does not have:
// functions and types made by users.
const own = "p.refclassid IN ('pg_proc'::regclass, 'pg_type'::regclass) AND p.refobjid >= 16384"

// typesCTE tells the base of each domain, by way of other domains, and which
// tables have columns of enumerated types.
const typesCTE = `, chain(oid, typ, typmod) AS (SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd' AND oid >= 16384
  UNION ALL SELECT chain.oid, t.typbasetype, t.typtypmod FROM chain JOIN pg_type t ON t.oid = chain.typ AND t.typtype = 'd'),
base AS (SELECT chain.* FROM chain JOIN pg_type t ON t.oid = chain.typ AND t.typtype <> 'd'),
labelled AS (SELECT DISTINCT a.attrelid AS oid FROM pg_attribute a LEFT JOIN base ON base.oid = a.atttypid JOIN pg_type y ON y.oid = coalesce(base.typ, a.atttypid)
  WHERE y.typtype = 'e' AND a.attnum > 0 AND NOT a.attisdropped)
`

const enumsSQL = `SELECT coalesce(json_agg(json_build_object('OID', t.oid::bigint, 'Schema', n.nspname, 'Name', t.typname,
  'Labels', (SELECT coalesce(json_agg(json_build_object('OID', e.oid::bigint, 'Name', e.enumlabel) ORDER BY e.enumsortorder), '[]') FROM pg_enum e WHERE e.enumtypid = t.oid)
  ) ORDER BY t.oid), '[]') FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'e'` + mine

const sequencesSQL = `
SELECT coalesce(json_agg(json_build_object('OID', c.oid::bigint, 'Schema', n.nspname, 'Name', c.relname, 'Type', s.seqtypid::regtype,
  'Start', s.seqstart, 'Increment', s.seqincrement, 'Min', s.seqmin, 'Max', s.seqmax, 'Cycle', s.seqcycle, 'Cache', s.seqcache,
  'OwnerTable', coalesce(d.refobjid::bigint, 0), 'OwnerAttr', coalesce(d.refobjsubid, 0), 'Internal', coalesce(d.deptype = 'i', false)) ORDER BY c.oid), '[]')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
WHERE true` + mine

const schemasSQL = `SELECT coalesce(json_agg(json_build_object('OID', n.oid::bigint, 'Name', n.nspname) ORDER BY n.oid), '[]') FROM pg_namespace n WHERE true` + mine

// impure matches the text of a function that may read or write rows, draw from
// a sequence, or run text that is not there yet. Too many matches cost time only.
const impure = `\m(from|table|insert|update|delete|merge|execute|call|copy|truncate|create|alter|drop|do|nextval|setval|currval|lastval)\M|_to_xml|ts_stat|ts_rewrite|u&`

// acting matches the text of a function that has a statement which acts on the
// session or the server beside rows.
const acting = `(^|;|\m(begin|then|else|loop)\M)\s*(notify|listen|unlisten|lock|set|reset|discard|vacuum|analyze|load|prepare|deallocate)\s+[a-z"]`

// functionsCTE tells of each function made by users whether it is pure: see catalog.Function.
const functionsCTE = `WITH RECURSIVE f AS MATERIALIZED (SELECT p.oid, p.proname, coalesce(nullif(p.prosrc, ''), pg_get_function_sqlbody(p.oid), '') AS src, l.lanname
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang WHERE p.oid >= 16384` + mine + `),
g AS MATERIALIZED (SELECT f.oid, f.proname, f.src ~* '` + acting + `' AS acts, lanname IN ('sql', 'plpgsql') AND src !~* '` + impure + `'
  AND NOT EXISTS (SELECT FROM f o WHERE f.src ~* ('\m' || regexp_replace(o.proname, '\W', '\\\&', 'g') || '\M')) AS pure FROM f)
`

const functionsSQL = functionsCTE + `SELECT coalesce(json_agg(json_build_object('OID', oid::bigint, 'Name', proname, 'Pure', pure, 'Acts', acts,
  'Domain', EXISTS (SELECT FROM pg_depend p JOIN pg_constraint k ON k.oid = p.objid AND k.contypid <> 0
    WHERE p.classid = 'pg_constraint'::regclass AND p.refclassid = 'pg_proc'::regclass AND p.refobjid = x.oid)) ORDER BY oid), '[]')
FROM (SELECT oid, proname, pure, acts FROM g UNION ALL SELECT oid, proname, true, false FROM pg_proc WHERE oid = to_regprocedure('pg_clarus.show_all_settings()')) x`

// Introspect reads the logical schema as this scratch database holds it.
func (s *Scratch) Introspect() (*catalog.Logical, error) {
	l := &catalog.Logical{}
	for _, q := range []struct {
		sql string
		dst any
	}{{relationsSQL, &l.Relations}, {sequencesSQL, &l.Sequences}, {schemasSQL, &l.Schemas}, {functionsSQL, &l.Functions}, {enumsSQL, &l.Enums}} {
		rows, err := s.loader.Rows(q.sql)
		if err != nil {
			return nil, fmt.Errorf("read the twin's schema: %w", err)
		}
		if err := json.Unmarshal([]byte(rows[0][0]), q.dst); err != nil {
			return nil, fmt.Errorf("read the twin's schema: %w", err)
		}
	}
	return l.Index(), nil
}

// Files tells of each table the file that holds its rows: it is another one
// after the table was written anew.
func (s *Scratch) Files() (map[uint32]string, error) {
	files := map[uint32]string{}
	err := s.loader.each("SELECT oid, relfilenode FROM pg_catalog.pg_class WHERE relkind = 'r' AND oid >= 16384", func(oid uint32, r []string) { files[oid] = r[1] })
	return files, err
}

// A Function is a function that PostgreSQL itself brings.
type Function struct {
	Name       string
	Volatility byte // 'i' immutable, 's' stable, 'v' volatile
}

// An Operator is an operator that PostgreSQL itself brings.
type Operator struct {
	Name string
	Func uint32
	Bool bool // returns boolean
}

// Builtins reads the functions, operators and relations that PostgreSQL itself
// brings, by OID.
func (c *Conn) Builtins() (map[uint32]Function, map[uint32]Operator, map[uint32]string, error) {
	functions, operators, relations := map[uint32]Function{}, map[uint32]Operator{}, map[uint32]string{}
	err := c.each("SELECT oid, proname, provolatile FROM pg_catalog.pg_proc WHERE oid < 16384", func(oid uint32, r []string) {
		functions[oid] = Function{Name: r[1], Volatility: r[2][0]}
	})
	if err == nil {
		err = c.each("SELECT oid, oprname, oprcode::oid, oprresult = 16 FROM pg_catalog.pg_operator WHERE oid < 16384", func(oid uint32, r []string) {
			code, _ := strconv.ParseUint(r[2], 10, 32)
			operators[oid] = Operator{Name: r[1], Func: uint32(code), Bool: r[3] == "t"}
		})
	}
	if err == nil {
		err = c.each("SELECT oid, relname FROM pg_catalog.pg_class WHERE oid < 16384", func(oid uint32, r []string) { relations[oid] = r[1] })
	}
	return functions, operators, relations, err
}

func (c *Conn) each(sql string, row func(oid uint32, r []string)) error {
	rows, err := c.Rows(sql)
	for _, r := range rows {
		oid, err := strconv.ParseUint(r[0], 10, 32)
		if err != nil {
			return err
		}
		row(uint32(oid), r)
	}
	return err
}

// Kept says which of PostgreSQL's own objects users' code may not use.
type Kept struct {
	Functions, Relations func(name string) bool
}

// revoke keeps them from it. pg_dump writes what differs from the privileges that
// PostgreSQL was made with, so these are changed too.
func (c *Conn) revoke(kept Kept) error {
	functions, err := c.named("SELECT proname, oid::regprocedure FROM pg_catalog.pg_proc WHERE oid < 16384 AND prokind = 'f'", kept.Functions)
	if err != nil {
		return err
	}
	relations, err := c.named("SELECT relname, oid::regclass FROM pg_catalog.pg_class WHERE oid < 16384 AND relkind IN ('r', 'v')", kept.Relations)
	if err != nil {
		return err
	}
	var statements []string
	if len(functions) > 0 {
		statements = append(statements, "REVOKE EXECUTE ON FUNCTION "+strings.Join(functions, ", ")+" FROM PUBLIC")
	}
	if len(relations) > 0 {
		statements = append(statements, "REVOKE ALL ON "+strings.Join(relations, ", ")+" FROM PUBLIC")
	}
	for _, catalog := range []string{"pg_proc", "pg_class"} {
		acl := map[string]string{"pg_proc": "proacl", "pg_class": "relacl"}[catalog]
		statements = append(statements,
			"DELETE FROM pg_catalog.pg_init_privs i USING pg_catalog."+catalog+" o WHERE i.classoid = 'pg_catalog."+catalog+"'::regclass AND i.objsubid = 0 AND i.objoid = o.oid AND o.oid < 16384",
			"INSERT INTO pg_catalog.pg_init_privs SELECT oid, 'pg_catalog."+catalog+"'::regclass, 0, 'i', "+acl+" FROM pg_catalog."+catalog+" WHERE oid < 16384 AND "+acl+" IS NOT NULL")
	}
	return c.Do(statements...)
}

// named lists the second column of a query where the first is wanted.
func (c *Conn) named(sql string, wanted func(string) bool) (list []string, err error) {
	rows, err := c.Rows(sql)
	for _, r := range rows {
		if wanted(r[0]) {
			list = append(list, r[1])
		}
	}
	return list, err
}
