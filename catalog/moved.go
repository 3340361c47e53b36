package catalog

// Moved is the catalogue as it is once schemas have other names. What is said
// of relations themselves is not changed: only where a provider has them.
func (c *Catalog) Moved(to map[string]string) *Catalog {
	if len(to) == 0 {
		return c
	}
	name := func(schema string) string {
		if n, ok := to[schema]; ok {
			return n
		}
		return schema
	}
	m, l := *c, *c.Logical
	m.Logical, m.Tables, m.byOID = &l, nil, map[uint32]*Table{}
	for _, t := range c.Tables {
		moved := *t
		moved.Schema = name(t.Schema)
		m.Tables = append(m.Tables, &moved)
		m.byOID[t.Relation.OID] = &moved
	}
	l.Sequences = nil
	for _, s := range c.Logical.Sequences {
		moved := *s
		moved.Schema = name(s.Schema)
		l.Sequences = append(l.Sequences, &moved)
	}
	l.Schemas = nil
	for _, s := range c.Logical.Schemas {
		l.Schemas = append(l.Schemas, Schema{s.OID, name(s.Name)})
	}
	return &m
}
