package analyze

import "strconv"

// A SQLValue is a parameterless function that SQL spells as a keyword
// (PostgreSQL 15's SQLValueFunctionOp).
type SQLValue int

// The values, in PostgreSQL's order. Those ending in N have a precision.
const (
	CurrentDate SQLValue = iota
	CurrentTime
	CurrentTimeN
	CurrentTimestamp
	CurrentTimestampN
	LocalTime
	LocalTimeN
	LocalTimestamp
	LocalTimestampN
	CurrentRole
	CurrentUser
	User
	SessionUser
	CurrentCatalog
	CurrentSchema
)

func (v SQLValue) String() string {
	names := [...]string{"current_date", "current_time", "current_time(n)", "current_timestamp", "current_timestamp(n)",
		"localtime", "localtime(n)", "localtimestamp", "localtimestamp(n)", "current_role", "current_user", "user",
		"session_user", "current_catalog", "current_schema"}
	if v < 0 || int(v) >= len(names) {
		return "SQLValue(" + strconv.Itoa(int(v)) + ")"
	}
	return names[v]
}

// OIDs of the types whose values name objects of the database.
const (
	typeRegproc       = 24
	typeRegprocedure  = 2202
	typeRegoper       = 2203
	typeRegoperator   = 2204
	typeRegclass      = 2205
	typeRegtype       = 2206
	typeRegconfig     = 3734
	typeRegdictionary = 3769
	typeRegnamespace  = 4089
	typeRegrole       = 4096
	typeRegcollation  = 4191
)

// regMember returns the reg type that values of typ consist of: typ itself,
// the element of an array type, or 0.
func regMember(typ uint32) uint32 {
	switch typ {
	case typeRegproc, typeRegprocedure, typeRegoper, typeRegoperator, typeRegclass, typeRegtype, typeRegconfig,
		typeRegdictionary, typeRegnamespace, typeRegrole, typeRegcollation:
		return typ
	case 1008:
		return typeRegproc
	case 2207, 2208, 2209, 2210, 2211: // _regprocedure to _regtype, in the order of their elements
		return typ - 5
	case 3735:
		return typeRegconfig
	case 3770:
		return typeRegdictionary
	case 4090:
		return typeRegnamespace
	case 4097:
		return typeRegrole
	case 4192:
		return typeRegcollation
	}
	return 0
}
