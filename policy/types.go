package policy

// taggable are the built-in types whose values have a canonical form, by OID
// (pg_type.dat): equal values, and no others, get equal tags. Geometric, reg*,
// json, xml, text search, network and user-defined types have none today.
var taggable = map[uint32]string{
	16:   "bool",
	17:   "bytea",
	18:   `"char"`,
	19:   "name",
	20:   "int8",
	21:   "int2",
	23:   "int4",
	25:   "text",
	26:   "oid",
	700:  "float4",
	701:  "float8",
	1042: "bpchar",
	1043: "varchar",
	1082: "date",
	1083: "time",
	1114: "timestamp",
	1184: "timestamptz",
	1186: "interval",
	1266: "timetz",
	1700: "numeric",
	2950: "uuid",
}
