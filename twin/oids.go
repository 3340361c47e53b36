package twin

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// OIDs are the OIDs of what users made and clients can see, by catalogue
// (schemas, relations with their indexes, types with row and array types,
// labels of enums, functions, constraints) and by name.
type OIDs map[string]map[string]uint32

// identitiesSQL names objects by catalogue, name and OID. It is run with an
// empty search path, so that names are qualified.
const identitiesSQL = `SELECT 'pg_namespace', quote_ident(n.nspname), n.oid FROM pg_namespace n WHERE n.oid >= 16384` + mine + `
UNION ALL SELECT 'pg_class', c.oid::regclass::text, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid >= 16384` + mine + `
UNION ALL SELECT 'pg_type', t.oid::regtype::text, t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid >= 16384` + mine + `
UNION ALL SELECT 'pg_enum', e.enumtypid::regtype || ' ' || quote_literal(e.enumlabel), e.oid FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
  JOIN pg_namespace n ON n.oid = t.typnamespace WHERE true` + mine + `
UNION ALL SELECT 'pg_proc', p.oid::regprocedure::text, p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid >= 16384` + mine + `
UNION ALL SELECT 'pg_constraint', CASE WHEN k.conrelid <> 0 THEN k.conrelid::regclass::text ELSE k.contypid::regtype::text END || ' ' || quote_ident(k.conname), k.oid
  FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE k.oid >= 16384` + mine

// OIDs reads the OIDs of what users made.
func (s *Scratch) OIDs() (OIDs, error) {
	rows, err := s.loader.Rows(identitiesSQL)
	if err != nil {
		return nil, err
	}
	list := OIDs{}
	for _, r := range rows {
		oid, err := strconv.ParseUint(r[2], 10, 32)
		if err != nil {
			return nil, err
		}
		if list[r[0]] == nil {
			list[r[0]] = map[string]uint32{}
		}
		list[r[0]][r[1]] = uint32(oid)
	}
	return list, nil
}

// Renumber gives what users made the OIDs that it had before, when the same
// statements ran elsewhere: PostgreSQL assigns OIDs as they come. What want
// does not name keeps its OID, unless another object needs it.
//
// OIDs are written to the catalogues themselves, in one transaction. It fails,
// and changes nothing, unless the schema reads afterwards word for word as before.
func (s *Scratch) Renumber(want OIDs) (err error) {
	if err := s.Unlock(); err != nil {
		return err
	}
	m, err := s.toMove(want)
	if err != nil || len(m) == 0 {
		return err
	}
	if err := s.loader.Do("SET allow_system_table_mods = on", "BEGIN"); err != nil {
		return err
	}
	defer func() {
		end := "ROLLBACK"
		if err == nil {
			end = "COMMIT"
		} else {
			err = fmt.Errorf("give objects on the twin their OIDs: %w", err)
		}
		if e := s.loader.Do(end, "RESET allow_system_table_mods"); err == nil {
			err = e
		}
	}()
	before, err := s.outline()
	if err != nil {
		return err
	}
	if err := s.moveTrees(m); err != nil {
		return err
	}
	steps, err := s.steps(m)
	if err != nil {
		return err
	}
	for _, step := range steps {
		if err := s.move(step); err != nil {
			return err
		}
	}
	if err := s.loader.Do(toastSQL("'pg_toast_x'"), toastSQL("'pg_toast_'")); err != nil {
		return err
	}
	after, err := s.outline()
	if err == nil && after != before {
		err = fmt.Errorf("the schema would not be the same")
	}
	return err
}

// toMove compares what there is with what is wanted. An object that is not
// wanted anywhere, and is where another belongs, gets a fresh OID.
func (s *Scratch) toMove(want OIDs) (moves, error) {
	have, err := s.OIDs()
	if err != nil {
		return nil, err
	}
	m := moves{}
	for catalogue, list := range have {
		moved, wanted, staying := map[uint32]uint32{}, map[uint32]bool{}, map[uint32]bool{}
		for name, oid := range list {
			to, ok := want[catalogue][name]
			switch {
			case ok && wanted[to]:
				return nil, fmt.Errorf("two objects are to have OID %d in %s", to, catalogue)
			case ok && to == oid:
				staying[oid] = true
			case ok:
				moved[oid] = to
			}
			if ok {
				wanted[to] = true
			}
		}
		if len(moved) == 0 {
			continue
		}
		rows, err := s.loader.Rows("SELECT oid FROM pg_catalog." + catalogue + " WHERE oid >= 16384")
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			oid, err := parseOID(r[0])
			if err != nil {
				return nil, err
			}
			if _, moving := moved[oid]; wanted[oid] && !moving && !staying[oid] {
				if moved[oid], err = s.fresh(catalogue, wanted); err != nil {
					return nil, err
				}
			}
		}
		m[catalogue] = moved
	}
	return m, nil
}

func parseOID(text string) (uint32, error) {
	oid, err := strconv.ParseUint(text, 10, 32)
	return uint32(oid), err
}

// fresh is an OID that no object of a catalogue has, nor is to have.
func (s *Scratch) fresh(catalogue string, wanted map[uint32]bool) (uint32, error) {
	for {
		rows, err := s.loader.Rows("SELECT pg_catalog.pg_nextoid($1::regclass, 'oid', ($1 || '_oid_index')::regclass)", "pg_catalog."+catalogue)
		if err != nil {
			return 0, err
		}
		if oid, err := parseOID(rows[0][0]); err != nil || !wanted[oid] {
			return oid, err
		}
	}
}

// steps are one set of moves, or two where an object moves to where another
// has not left yet: by way of OIDs that nothing has.
func (s *Scratch) steps(m moves) ([]moves, error) {
	away, home := moves{}, moves{}
	for catalogue, moved := range m {
		wanted := map[uint32]bool{}
		for _, to := range moved {
			wanted[to] = true
		}
		away[catalogue], home[catalogue] = map[uint32]uint32{}, map[uint32]uint32{}
		for from, to := range moved {
			if _, taken := moved[to]; !taken {
				away[catalogue][from] = to
				continue
			}
			by, err := s.fresh(catalogue, wanted)
			if err != nil {
				return nil, err
			}
			away[catalogue][from], home[catalogue][by] = by, to
		}
	}
	return []moves{away, home}, nil
}

// moveSQL changes OIDs wherever catalogues hold them, but for expressions. The
// columns are those that PostgreSQL itself tells (of those that hold OIDs beside attribute
// numbers there is one row without the numbers too), the objects' own, and
// those where the object's catalogue stands beside.
const moveSQL = `DO $clarus$
DECLARE r record;
BEGIN
  FOR r IN
    WITH m (catalogue, old, fresh) AS (VALUES %s)
    SELECT m.old, m.fresh, format(CASE a.atttypid WHEN 'oid[]'::regtype THEN many WHEN 'oidvector'::regtype THEN vector ELSE one END, f.fktable, f.fkcols[1]) AS sql
    FROM m JOIN pg_class c ON c.relname = m.catalogue AND c.relnamespace = 'pg_catalog'::regnamespace
    JOIN pg_get_catalog_foreign_keys() f ON f.pktable = c.oid AND f.pkcols = '{oid}' AND f.fkcols[1] NOT IN ('classid', 'refclassid', 'classoid')
    JOIN pg_class t ON t.oid = f.fktable AND NOT t.relisshared AND pg_relation_size(t.oid) > 0
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = f.fkcols[1],
    (VALUES ('UPDATE %%1$s t SET %%2$I = u.fresh FROM unnest($1, $2) u(old, fresh) WHERE t.%%2$I = u.old',
      'UPDATE %%1$s t SET %%2$I = (SELECT array_agg(coalesce(u.fresh, x) ORDER BY o) FROM unnest(t.%%2$I) WITH ORDINALITY l(x, o) LEFT JOIN unnest($1, $2) u(old, fresh) ON u.old = x) WHERE t.%%2$I && $1',
      'UPDATE %%1$s t SET %%2$I = (SELECT string_agg(coalesce(u.fresh, x)::text, '' '' ORDER BY o) FROM unnest(t.%%2$I::oid[]) WITH ORDINALITY l(x, o) LEFT JOIN unnest($1, $2) u(old, fresh) ON u.old = x)::oidvector WHERE t.%%2$I::oid[] && $1')) w(one, many, vector)
    UNION ALL SELECT m.old, m.fresh, format('UPDATE %%s t SET oid = u.fresh FROM unnest($1, $2) u(old, fresh) WHERE t.oid = u.old', m.catalogue) FROM m
    UNION ALL SELECT m.old, m.fresh, format('UPDATE %%s t SET %%I = u.fresh FROM unnest($1, $2) u(old, fresh) WHERE t.%%I = %%L::regclass AND t.%%2$I = u.old %%5$s', d.tab, d.obj, d.cls, m.catalogue, d.here)
    FROM m, (VALUES ('pg_depend', 'classid', 'objid', ''), ('pg_depend', 'refclassid', 'refobjid', ''), ('pg_description', 'classoid', 'objoid', ''),
      ('pg_init_privs', 'classoid', 'objoid', ''), ('pg_seclabel', 'classoid', 'objoid', ''),
      ('pg_shdepend', 'classid', 'objid', 'AND t.dbid = (SELECT oid FROM pg_database WHERE datname = ''%s'')')) d(tab, cls, obj, here)
  LOOP
    EXECUTE r.sql USING r.old, r.fresh;
  END LOOP;
END $clarus$`

// move changes OIDs wherever catalogues hold them, but for expressions.
func (s *Scratch) move(m moves) error {
	var values []string
	for _, c := range slices.Sorted(maps.Keys(m)) {
		if len(m[c]) > 0 {
			from, to := arrays(m[c])
			values = append(values, fmt.Sprintf("('%s', '%s'::oid[], '%s'::oid[])", c, from, to))
		}
	}
	if len(values) == 0 {
		return nil
	}
	return s.loader.Do(fmt.Sprintf(moveSQL, strings.Join(values, ", "), s.name))
}

func (s *Scratch) update(sql string, params ...string) error {
	args := make([][]byte, len(params))
	for i, p := range params {
		args[i] = []byte(p)
	}
	return s.loader.Run(Statement{SQL: sql, Params: args}, nil, nil)
}

// toastSQL names the tables for long values of users' tables after their OIDs,
// as PostgreSQL does.
func toastSQL(prefix string) string {
	return `UPDATE pg_catalog.pg_class t SET relname = ` + prefix + ` || c.oid || CASE WHEN t.relkind = 'i' THEN '_index' ELSE '' END
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.reltoastrelid
WHERE c.oid >= 16384 AND c.reltoastrelid <> 0 AND t.oid IN (c.reltoastrelid, i.indexrelid)
AND t.relname !~ ('^pg_toast_' || c.oid || '(_index)?$')`
}

// treesSQL lists the columns with stored expressions, each with the table's key.
const treesSQL = `SELECT c.relname, a.attname, (SELECT k.attname FROM pg_catalog.pg_attribute k WHERE k.attrelid = c.oid AND k.attnum = 1)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
WHERE a.atttypid = 'pg_catalog.pg_node_tree'::regtype AND c.oid < 16384 AND c.relkind = 'r' AND a.attnum > 0`

// moveTrees changes OIDs in stored expressions and queries.
func (s *Scratch) moveTrees(m moves) error {
	shapes, err := s.shapes()
	if err != nil {
		return err
	}
	mover := &treeMover{moves: m, shapes: shapes}
	columns, err := s.loader.Rows(treesSQL)
	if err != nil {
		return err
	}
	// Both types are stored alike; PostgreSQL reads no tree from text by itself.
	if err := s.loader.Do("CREATE CAST (text AS pg_catalog.pg_node_tree) WITHOUT FUNCTION"); err != nil {
		return err
	}
	for _, c := range columns {
		rows, err := s.loader.Rows(fmt.Sprintf("SELECT %s, %s FROM pg_catalog.%s WHERE %[1]s >= 16384 AND %[2]s IS NOT NULL", c[2], c[1], c[0]))
		if err != nil {
			return err
		}
		for _, r := range rows {
			text, err := mover.tree(r[1])
			if err != nil {
				return err
			}
			if text == r[1] {
				continue
			}
			if err := s.update(fmt.Sprintf("UPDATE pg_catalog.%s SET %s = $2::text::pg_catalog.pg_node_tree WHERE %s = $1::oid", c[0], c[1], c[2]), r[0], text); err != nil {
				return err
			}
		}
	}
	return s.loader.Do("DROP CAST (text AS pg_catalog.pg_node_tree)")
}

// shapes reads what values of users' types look like.
func (s *Scratch) shapes() (map[uint32]shape, error) {
	rows, err := s.loader.Rows(`WITH RECURSIVE base AS (SELECT oid, oid AS top FROM pg_catalog.pg_type WHERE typbasetype = 0
  UNION ALL SELECT d.oid, b.top FROM pg_catalog.pg_type d JOIN base b ON b.oid = d.typbasetype)
SELECT b.oid, CASE WHEN t.typcategory = 'A' THEN 'a' ELSE t.typtype::text END, t.typelem,
  EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND (a.atttypid >= 16384 OR a.atttypid::regtype::text LIKE 'reg%'))
  OR EXISTS (SELECT FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid) AND r.rngsubtype >= 16384)
FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.top WHERE b.oid >= 16384`)
	if err != nil {
		return nil, err
	}
	list := map[uint32]shape{}
	for _, r := range rows {
		oid, err1 := parseOID(r[0])
		element, err2 := parseOID(r[2])
		if err1 != nil || err2 != nil || r[1] == "" {
			return nil, fmt.Errorf("the twin's types cannot be read")
		}
		list[oid] = shape{kind: r[1][0], element: element, deep: r[3] == "t"}
	}
	return list, nil
}

// outlineSQL is the schema as PostgreSQL itself writes it, without a number.
const outlineSQL = `SELECT coalesce(string_agg(line, E'\n' ORDER BY line COLLATE "C"), '') FROM (
SELECT format('relation %s %s %s', c.oid::regclass, c.relkind, (SELECT string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attnotnull), ',' ORDER BY attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0)) AS line FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid >= 16384` + mine + `
UNION ALL SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE oid >= 16384
UNION ALL SELECT format('default %s %s %s', adrelid::regclass, adnum, pg_get_expr(adbin, adrelid)) FROM pg_attrdef
UNION ALL SELECT format('constraint %s %s %s %s', conrelid::regclass, contypid::regtype, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE oid >= 16384
UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE indexrelid >= 16384` + mine + `
UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE oid >= 16384 AND prokind IN ('f', 'p')
UNION ALL SELECT format('policy %s %s %s %s', polrelid::regclass, polname, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT format('type %s %s %s %s %s %s %s', oid::regtype, typtype, typrelid::regclass, typelem::regtype, typarray::regtype, typbasetype::regtype, typdefault)
  FROM pg_type WHERE oid >= 16384 AND typnamespace <> 'pg_toast'::regnamespace
UNION ALL SELECT format('label %s %s %s', enumtypid::regtype, enumsortorder, enumlabel) FROM pg_enum
-- PostgreSQL compares labels with even OIDs by these.
UNION ALL SELECT format('even labels %s %s', enumtypid::regtype, string_agg(quote_literal(enumlabel), ',' ORDER BY oid)) FROM pg_enum WHERE oid::bigint % 2 = 0 GROUP BY enumtypid
UNION ALL SELECT format('sequence %s %s', seqrelid::regclass, seqtypid::regtype) FROM pg_sequence
UNION ALL SELECT format('comment %s %s', pg_describe_object(classoid, objoid, objsubid), description) FROM pg_description WHERE objoid >= 16384
UNION ALL SELECT format('%s depends on %s %s', pg_describe_object(classid, objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype)
  FROM pg_depend WHERE objid >= 16384 AND NOT (classid = 'pg_class'::regclass AND objid IN (SELECT oid FROM pg_class WHERE relnamespace = 'pg_toast'::regnamespace))) x`

func (s *Scratch) outline() (string, error) {
	rows, err := s.loader.Rows(outlineSQL)
	if err != nil {
		return "", err
	}
	return rows[0][0], nil
}
