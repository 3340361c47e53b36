package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clarus-project/clarus/catalog"
	"github.com/clarus-project/clarus/pgvalue"
	"github.com/clarus-project/clarus/pgwire"
)

// explain turns a provider's error into what PostgreSQL would have said of the
// logical table. Nothing of the provider's own words reaches the client.
func (j *Job) explain(err error, t *catalog.Table, row Row) error {
	return Explain(j.Catalog, err, t, row)
}

// Explain is the logical form of a provider's error. t and row are the table
// and the row concerned, if known.
func Explain(c *catalog.Catalog, err error, t *catalog.Table, row Row) error {
	se, ok := errors.AsType[*pgwire.ServerError](err)
	if !ok {
		return err
	}
	e := &pgwire.ServerError{Severity: "ERROR", Code: se.Code, Message: plainMessage(se.Code)}
	switch se.Code {
	case "42P01", "42703":
		// The twin found all names: tables have another generation there by now.
		e.Code, e.Hint = "40001", "Try again."
	case "53100", "53200", "53300":
		e.Hint = "The provider's owner must see to it; what was committed is safe. Then try again."
	case "23505", "23503", "23P01":
		child, k := constraintNamed(c, se, t)
		if k == nil {
			break
		}
		e.Schema, e.Table, e.Constraint = child.Schema, child.Name, k.Name
		if t == child && strings.HasPrefix(se.Message, "update or delete") {
			describeReferred(e, c.Table(k.Ref), child, k, row) // the table refers to itself
		} else {
			describeViolation(e, c, child, k, t, row)
		}
	case "55P03":
		e.Message = lockMessage(c, se, t)
	case "57014":
		if strings.Contains(se.Message, "statement timeout") {
			e.Message = "canceling statement due to statement timeout"
		}
	case "23502":
		if t != nil {
			e.Schema, e.Table = t.Schema, t.Name
		}
	}
	return e
}

// lockMessage says what could not be locked at once, or in time.
func lockMessage(c *catalog.Catalog, se *pgwire.ServerError, t *catalog.Table) string {
	if strings.Contains(se.Message, "lock timeout") {
		return "canceling statement due to lock timeout"
	}
	if i := slices.IndexFunc(c.Tables, func(t *catalog.Table) bool { return strings.Contains(se.Message, `"`+t.Physical()+`"`) }); t == nil && i >= 0 {
		t = c.Tables[i]
	}
	switch {
	case t == nil:
		return "could not obtain lock"
	case strings.Contains(se.Message, "on row"):
		return fmt.Sprintf("could not obtain lock on row in relation %q", t.Name)
	}
	return fmt.Sprintf("could not obtain lock on relation %q", t.Name)
}

func readOnlyMessage(command string) string {
	return "cannot execute " + command + " in a read-only transaction"
}

const changedSchema = "the schema changed while the statement ran"

// ReadOnly is the error of a command that writes in a transaction that must not.
func ReadOnly(command string) error {
	return &pgwire.ServerError{Severity: "ERROR", Code: "25006", Message: readOnlyMessage(command)}
}

// plainMessage is what is said of errors whose own words may show how the
// provider stores things.
func plainMessage(code string) string {
	texts := map[string]string{
		"40001": "could not serialize access due to concurrent update", "40P01": "deadlock detected",
		"57014": "canceling statement due to user request",
		"25P02": "current transaction is aborted, commands ignored until end of transaction block",
		"53100": "the provider's disk is full", "53200": "the provider is out of memory", "53300": "the provider has too many connections",
		"25006": readOnlyMessage("the statement"),
		"42501": "the provider denied what Clarus needs to do there", "2200H": "nextval: reached maximum value of sequence",
		"23502": "null value in a column violates not-null constraint", "23514": "new row violates check constraint",
		"42P01": changedSchema, "42703": changedSchema,
	}
	if text, ok := texts[code]; ok {
		return text
	}
	return "the provider reported an error (SQLSTATE " + code + ")"
}

// constraintNamed finds the constraint that the provider's error names: its
// name is the logical one.
func constraintNamed(c *catalog.Catalog, se *pgwire.ServerError, t *catalog.Table) (*catalog.Table, *catalog.Constraint) {
	tables := c.Tables
	if i := slices.IndexFunc(tables, func(t *catalog.Table) bool { return t.Schema == se.Schema && t.Physical() == se.Table }); i >= 0 {
		tables = tables[i : i+1]
	} else if t != nil {
		tables = append([]*catalog.Table{t}, tables...)
	}
	for _, t := range tables {
		for _, k := range t.Relation.Constraints {
			if k.Name == se.Constraint {
				return t, k
			}
		}
		for _, i := range t.Relation.Indexes {
			if i.Name == se.Constraint {
				return t, &catalog.Constraint{Name: i.Name, Kind: 'u', Columns: i.Columns}
			}
		}
	}
	return nil, nil
}

// describeViolation writes PostgreSQL's own words. t is the table that was
// written, child the one that has the constraint.
func describeViolation(e *pgwire.ServerError, c *catalog.Catalog, child *catalog.Table, k *catalog.Constraint, t *catalog.Table, row Row) {
	if k.Kind != 'f' {
		e.Message = fmt.Sprintf("duplicate key value violates unique constraint %q", k.Name)
		if key := keyText(child, k.Columns, row); key != "" {
			e.Detail = key + " already exists."
		}
		return
	}
	ref := c.Table(k.Ref)
	if t == nil || t == child {
		e.Message = fmt.Sprintf("insert or update on table %q violates foreign key constraint %q", child.Name, k.Name)
		if key := keyText(child, k.Columns, row); key != "" && ref != nil {
			e.Detail = fmt.Sprintf("%s is not present in table %q.", key, ref.Name)
		}
		return
	}
	describeReferred(e, ref, child, k, row)
}

// describeReferred is about a row of ref to which one of child refers.
func describeReferred(e *pgwire.ServerError, ref, child *catalog.Table, k *catalog.Constraint, row Row) {
	e.Message = fmt.Sprintf("update or delete on table %q violates foreign key constraint %q on table %q", ref.Name, k.Name, child.Name)
	if key := keyText(ref, k.RefColumns, row); key != "" {
		e.Detail = fmt.Sprintf("%s is still referenced from table %q.", key, child.Name)
	}
}

// keyText is "Key (a, b)=(1, x)", or "" if a value cannot be shown as text here.
func keyText(t *catalog.Table, columns []int16, row Row) string {
	if row.Values == nil {
		return ""
	}
	var names, values []string
	for _, num := range columns {
		i := slices.IndexFunc(t.Columns, func(c *catalog.Column) bool { return c.Num == num })
		if i < 0 {
			return ""
		}
		text, ok := row.Values[i], t.Columns[i].Enum != nil // a label is text
		if !ok {
			text, ok = pgvalue.Text(t.Columns[i].Type, row.Values[i])
		}
		if !ok || row.Values[i] == nil {
			return ""
		}
		names, values = append(names, t.Columns[i].Name), append(values, string(text))
	}
	return fmt.Sprintf("Key (%s)=(%s)", strings.Join(names, ", "), strings.Join(values, ", "))
}

// explainBatch finds the row of a failed COPY whose key the provider names.
func (j *Job) explainBatch(err error, t *catalog.Table, rows []Row, sealed [][][]byte) error {
	se, ok := errors.AsType[*pgwire.ServerError](err)
	if !ok {
		return err
	}
	_, k := constraintNamed(j.Catalog, se, t)
	from, to := strings.Index(se.Detail, "=("), strings.LastIndex(se.Detail, ")")
	if k == nil || from < 0 || to < from+2 {
		return j.explain(err, t, Row{})
	}
	key := se.Detail[from+2 : to]
	names, types := t.Stored()
	for i := range rows {
		var parts []string
		for _, num := range k.Columns {
			c := t.Column(num)
			if c == nil {
				break
			}
			at := slices.Index(names, c.Probe())
			if at < 0 {
				break
			}
			text, _ := pgvalue.Text(types[at], sealed[i][at])
			parts = append(parts, string(text))
		}
		if strings.Join(parts, ", ") == key {
			return j.explain(err, t, rows[i])
		}
	}
	return j.explain(err, t, Row{})
}

// ExplainClear is the logical form of a provider's error about a table without
// protected columns: its detail holds no protected value.
func ExplainClear(c *catalog.Catalog, se *pgwire.ServerError) error {
	e, _ := errors.AsType[*pgwire.ServerError](Explain(c, se, nil, Row{}))
	table, k := constraintNamed(c, se, nil)
	switch {
	case k != nil && slices.ContainsFunc(k.Columns, func(num int16) bool { col := table.Column(num); return col != nil && col.Enum != nil }):
		// The provider's detail has numbers where labels belong.
	case k != nil && se.Code == "23505":
		e.Detail = se.Detail
	case k != nil && se.Code == "23503":
		e.Message, e.Detail = se.Message, se.Detail
		for _, t := range c.Tables {
			e.Message = strings.ReplaceAll(e.Message, `"`+t.Physical()+`"`, `"`+t.Name+`"`)
			e.Detail = strings.ReplaceAll(e.Detail, `"`+t.Physical()+`"`, `"`+t.Name+`"`)
		}
	case se.Code == "23514" || se.Code == "23502":
		for _, t := range c.Tables {
			if t.Schema == se.Schema && t.Physical() == se.Table {
				e.Message = strings.ReplaceAll(se.Message, `"`+t.Physical()+`"`, `"`+t.Name+`"`)
				e.Detail, e.Schema, e.Table, e.Column, e.Constraint = se.Detail, t.Schema, t.Name, se.Column, se.Constraint
			}
		}
	}
	return e
}
