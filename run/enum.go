package run

import (
	"slices"

	"github.com/clarus-project/clarus"
	"github.com/clarus-project/clarus/catalog"
)

// storedValues are the values of rows as carriers are made of them: of an
// enumerated type, the numbers of labels.
func storedValues(t *catalog.Table, rows []Row) ([][][]byte, error) {
	values := make([][][]byte, len(rows))
	for i := range rows {
		values[i] = rows[i].Values
	}
	err := eachEnum(t, func(j int, e *catalog.Enum) error {
		for i := range values {
			number, ok := e.Stored(values[i][j])
			if !ok {
				return unknownLabel(t, t.Columns[j])
			}
			values[i] = slices.Clone(values[i])
			values[i][j] = number
		}
		return nil
	})
	return values, err
}

// readLabels is the inverse, for rows that were opened.
func readLabels(t *catalog.Table, rows []Row) error {
	return eachEnum(t, func(j int, e *catalog.Enum) error {
		for i := range rows {
			label, ok := e.Value(rows[i].Values[j])
			if !ok {
				return unknownLabel(t, t.Columns[j])
			}
			rows[i].Values[j] = label
		}
		return nil
	})
}

func eachEnum(t *catalog.Table, do func(j int, e *catalog.Enum) error) error {
	for j, c := range t.Columns {
		if c.Enum == nil {
			continue
		}
		if err := do(j, c.Enum); err != nil {
			return err
		}
	}
	return nil
}

// unknownLabel is the error for a label that this version of the schema does
// not have.
func unknownLabel(t *catalog.Table, c *catalog.Column) error {
	return &clarus.Error{Op: "fetch", Attr: t.Schema + "." + t.Name + "." + c.Name, Kind: clarus.Conflict, Msg: "a value is none of the labels that its type has",
		Hint: "The schema changed meanwhile: try again. If it persists, the provider altered the table."}
}
